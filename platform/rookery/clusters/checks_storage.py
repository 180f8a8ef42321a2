"""The judgements of `rookery doctor` on what nodes share: the study's folder and the survey. No Ray."""

from collections.abc import Mapping
from typing import Any

from rookery.clusters.findings import Finding, Level

_MOUNT = "mount the same storage at the same path on every node (NFS, Lustre, EFS ...)"


def check_shared_folder(
    folder: str, written: Mapping[str, str | None], unread: Mapping[str, Mapping[str, str]]
) -> list[Finding]:
    """Judge the study's folder by the tokens that nodes wrote and read there.

    Parameters
    ----------
    written
        For each node why it could not write its token, None where it could.
    unread
        For each node, by the node that wrote a token, why it could not read it.
    """
    found = []
    for node, error in written.items():
        if error == "No such file or directory":
            text = f"{folder} is not there, or another folder than this machine's"
            found.append(Finding("shared storage", Level.FAIL, text, _MOUNT, (node,)))
        elif error is not None:
            advice = "give the user that runs Ray there the right to write, with the same uid on every node"
            text = f"{folder} cannot be written ({error})"
            found.append(Finding("shared storage", Level.FAIL, text, advice, (node,)))
    writers = [node for node, error in written.items() if error is None]
    for node in writers:
        blind = [writer for writer in writers if writer in unread.get(node, {})]
        if blind:
            why = unread[node][blind[0]]
            text = f"{folder}: files of {len(blind)} of {len(writers)} nodes are not seen here ({why})"
            found.append(Finding("shared storage", Level.FAIL, text, _MOUNT, (node,)))
    if not found and written:
        text = f"{folder}: every node reads what every node writes"
        found.append(Finding("shared storage", Level.OK, text, nodes=tuple(written)))
    return found


def check_survey(
    folder: str, seen: Mapping[str, Mapping[str, Any]], here: Mapping[str, Any]
) -> list[Finding]:
    """Judge a survey as each node sees it against what the driver sees.

    A node tells it by :meth:`rookery.clusters.probe.Probe.survey`.

    `here` is the driver's view, with ``error`` when :func:`rookery.surveys.open_survey` refused it.
    """
    if "error" in here:
        advice = "ingest or simulate the survey again, or copy it whole"
        return [Finding("survey", Level.FAIL, here["error"], advice)]
    found = []
    for node, facts in seen.items():
        if "error" in facts:
            found.append(Finding("survey", Level.FAIL, facts["error"], _MOUNT, (node,)))
        elif facts["checksum"] != here["checksum"] or facts["document"] != here["document"]:
            text = (
                f"{folder} is another survey there: checksum {short(facts['checksum'])}, "
                f"but {short(here['checksum'])} here"
            )
            found.append(Finding("survey", Level.FAIL, text, f"one copy for all: {_MOUNT}", (node,)))
        else:
            tables = here["tables"]
            bad = [name for name, edges in facts["tables"].items() if edges != tables.get(name)]
            if bad:
                text = f"{folder}/{bad[0]} differs from this machine's"
                found.append(Finding("survey", Level.FAIL, text, f"one copy for all: {_MOUNT}", (node,)))
    if not found:
        text = f"{folder}: checksum {short(here['checksum'])}, read whole here, sampled on every node"
        found.append(Finding("survey", Level.OK, text, nodes=tuple(seen)))
    return found


def short(checksum: Any) -> str:
    """Return the first digits of a checksum."""
    return str(checksum)[:12]
