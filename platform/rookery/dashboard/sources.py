"""What there is to show: studies, campaigns, bundles and predictions below the folders that were given."""

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from rookery_ensembles.errors import fail

Kind = Literal["study", "campaign", "bundle", "predictions"]
DOCUMENTS: dict[str, Kind] = {"study.yaml": "study", "campaign.yaml": "campaign", "ensemble.yaml": "bundle"}
_INSIDE = {"members", "running", "failed", "tune", "splits", "node_modules", "__pycache__"}
_OF_PREDICTIONS = {"_predictions.json", "_plan.json"}
"""What stands in a folder of predictions, and in one that is being made."""
UNFINISHED = ".unfinished"
_NEVER_PREDICTIONS = {"objects.parquet", "observations.parquet", "history.parquet"}
_DEEPEST = 6
_MOST = 2000


@dataclass(frozen=True)
class Source:
    """A study, campaign or bundle, or predictions."""

    key: str
    """Its name in addresses and tables, unlike that of any other."""
    kind: Kind
    path: Path
    """What it is, and its folder; of predictions their file or folder."""


def check_roots(paths: Sequence[str | Path]) -> list[Path]:
    """Return the folders that are to be shown.

    Raises
    ------
    InputError
        When there is none, or one is no folder.
    """
    if not paths:
        raise fail("rookery dashboard", "needs a study, campaign, bundle or predictions, or a folder of them")
    for path in map(Path, paths):
        if not _begun(path).is_dir() and not is_prediction_file(path):
            rule = "is no study, campaign, bundle, predictions or folder of them"
            raise fail(path, f"{rule}: {'it is no folder' if path.exists() else 'nothing is there'}")
    return [Path(path) for path in paths]


def find_sources(roots: Sequence[Path]) -> dict[str, Source]:
    """Return what lies below the roots, by key, in the order of names; at most `_MOST`."""
    found: dict[str, Source] = {}
    seen: set[Path] = set()
    for root in roots:
        name = root.resolve().name or str(root.resolve())
        begun = _begun(root)
        for path, kind in _walk(begun, _DEEPEST):
            if len(found) >= _MOST:
                return found
            if (place := path.resolve()) in seen:
                continue
            seen.add(place)
            below = path.relative_to(begun).as_posix().removesuffix(UNFINISHED)
            wanted = name if below == "." else below if len(roots) == 1 else f"{name}/{below}"
            key, number = wanted, 1
            while key in found:
                number += 1
                key = f"{wanted}~{number}"
            found[key] = Source(key, kind, path)
    return found


def _begun(path: Path) -> Path:
    """Return where predictions are being made that are not there yet; else the path itself."""
    return path if path.exists() else path.with_name(f"{path.name}{UNFINISHED}")


def _walk(path: Path, deeper: int) -> Iterator[tuple[Path, Kind]]:
    """Yield a folder if it is something, and whatever is below it; what cannot be listed is passed over."""
    if is_prediction_file(path):
        yield path, "predictions"
    try:
        with os.scandir(path) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in listed}
    kind = next((kind for name, kind in DOCUMENTS.items() if name in names), None)
    if kind is None and "study.db" in names:
        kind = "study"  # half written: what it lacks is told where it is read
    if kind is None and names & _OF_PREDICTIONS:
        kind = "predictions"
    if kind is not None:
        yield path, kind
    if not deeper or kind in ("bundle", "predictions"):
        return
    for entry in listed:
        if entry.name.startswith(".") or entry.name in _INSIDE:
            continue
        if kind == "campaign" and entry.name == "predictions":  # of its networks
            continue
        if _is_folder(entry):
            yield from _walk(path / entry.name, deeper - 1)
        elif is_prediction_file(path / entry.name):
            yield path / entry.name, "predictions"


def folders_with(document: str, folder: Path, deeper: int, passed: Collection[str]) -> Iterator[Path]:
    """Yield folders that hold a document, so many levels below `folder` at most, none inside another one.

    Hidden folders and those of the names `passed` are passed over, and what cannot be listed.
    """
    if (folder / document).is_file():
        yield folder
        return
    if not deeper:
        return
    try:
        inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    except OSError:
        return
    for one in inside:
        if one.name not in passed:
            yield from folders_with(document, one, deeper - 1, passed)


def is_prediction_file(path: Path) -> bool:
    """Return whether a file is of predictions, by its name and the metadata in its footer.

    A Parquet file that was cut short has lost its footer, and may be one: where it is read this is told.
    """
    if path.suffix.lower() != ".parquet" or path.name in _NEVER_PREDICTIONS:
        return False
    try:
        found = path.stat()
        return stat.S_ISREG(found.st_mode) and _has_metadata(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return False


@lru_cache(maxsize=4096)
def _has_metadata(path: Path, changed: int, size: int) -> bool:
    """Return whether a Parquet file's footer holds the metadata of predictions, or is lost."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PAR1":
            return False
        stream.seek(max(0, size - 8))
        length = int.from_bytes(stream.read(4), "little")
        if stream.read(4) != b"PAR1":
            return True
        if length + 8 > size:
            return False
        stream.seek(size - 8 - length)
        footer = stream.read(length)
    return b"\x07rookery" in footer


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=True)
    except OSError:
        return False
