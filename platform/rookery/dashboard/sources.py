"""What there is to show: the studies, campaigns and bundles below the folders that were given."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rookery_ensembles.errors import fail

Kind = Literal["study", "campaign", "bundle"]
DOCUMENTS: dict[str, Kind] = {"study.yaml": "study", "campaign.yaml": "campaign", "ensemble.yaml": "bundle"}
_INSIDE = {"members", "running", "predictions", "failed", "tune", "splits", "node_modules", "__pycache__"}
_DEEPEST = 6
_MOST = 2000


@dataclass(frozen=True)
class Source:
    """A study, campaign or bundle."""

    key: str
    """Its name in addresses and tables, unlike that of any other."""
    kind: Kind
    path: Path
    """What it is, and its folder."""


def check_roots(paths: Sequence[str | Path]) -> list[Path]:
    """Return the folders that are to be shown.

    Raises
    ------
    InputError
        When there is none, or one is no folder.
    """
    if not paths:
        raise fail("rookery dashboard", "needs a study, campaign or bundle, or a folder of them")
    for path in paths:
        if not Path(path).is_dir():
            rule = "is no study, campaign, bundle or folder of them"
            raise fail(path, f"{rule}: {'it is no folder' if Path(path).exists() else 'nothing is there'}")
    return [Path(path) for path in paths]


def find_sources(roots: Sequence[Path]) -> dict[str, Source]:
    """Return what lies below the roots, by key, in the order of names; at most `_MOST`."""
    found: dict[str, Source] = {}
    seen: set[Path] = set()
    for root in roots:
        name = root.resolve().name or str(root.resolve())
        for path, kind in _walk(root, _DEEPEST):
            if len(found) >= _MOST:
                return found
            if (place := path.resolve()) in seen:
                continue
            seen.add(place)
            below = path.relative_to(root).as_posix()
            wanted = name if below == "." else below if len(roots) == 1 else f"{name}/{below}"
            key, number = wanted, 1
            while key in found:
                number += 1
                key = f"{wanted}~{number}"
            found[key] = Source(key, kind, path)
    return found


def _walk(folder: Path, deeper: int) -> Iterator[tuple[Path, Kind]]:
    """Yield the folder if it is something, and whatever is below it; what cannot be listed is passed over."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in listed}
    kind = next((kind for name, kind in DOCUMENTS.items() if name in names), None)
    if kind is None and "study.db" in names:
        kind = "study"  # half written: what it lacks is told where it is read
    if kind is not None:
        yield folder, kind
    if not deeper or kind == "bundle":
        return
    for entry in listed:
        if entry.name.startswith(".") or entry.name in _INSIDE or not _is_folder(entry):
            continue
        yield from _walk(folder / entry.name, deeper - 1)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=True)
    except OSError:
        return False
