"""What a check finds: a level, in words, and what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad a finding is."""

    OK = "OK"
    WARN = "WARN"
    """Works, but slowly, wastefully or not for ever."""
    FAIL = "FAIL"
    """A search or campaign will not run, or its results cannot be trusted."""


ORDER = tuple(Level)


@dataclass(frozen=True)
class Finding:
    """One thing that a check found."""

    check: str
    level: Level
    text: str
    advice: str = ""
    """What to do; empty where all is well."""
    nodes: tuple[str, ...] = ()
    """The nodes that it is about; empty for the cluster as a whole."""

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"level": str(self.level), "nodes": list(self.nodes)}


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level, OK for none."""
    return max((finding.level for finding in findings), key=ORDER.index, default=Level.OK)


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """Join findings that say the same of several nodes; checks keep their order, in each the worst leads."""
    joined: dict[tuple[str, Level, str, str], list[str]] = {}
    for finding in findings:
        key = (finding.check, finding.level, finding.text, finding.advice)
        joined.setdefault(key, []).extend(finding.nodes)
    checks = list(dict.fromkeys(finding.check for finding in findings))
    merged = [
        Finding(check, level, text, advice, tuple(dict.fromkeys(nodes)))
        for (check, level, text, advice), nodes in joined.items()
    ]
    return sorted(merged, key=lambda f: (checks.index(f.check), -ORDER.index(f.level)))


def node_list(nodes: Sequence[str], total: int) -> str:
    """Name nodes for people: all of them, or a few and how many more."""
    if not nodes:
        return ""
    if len(nodes) == total and total > 1:
        return f"all {total} nodes"
    shown = ", ".join(nodes[:3])
    return shown if len(nodes) <= 3 else f"{shown} and {len(nodes) - 3} more"
