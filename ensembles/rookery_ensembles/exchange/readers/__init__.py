"""Readers of predictions that other programs made: a module a format, found by its name.

Each has `recognises(path, magic)`, which tells by a file's first bytes whether it is of the format, and
`read(path)`, which returns what is `Found` there. `tests/contract/test_foreign_predictions.py` holds them.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.found import Found
from rookery_ensembles.exchange.readers import prediction_file
from rookery_ensembles.partitions import absent


class Reader(Protocol):
    """A module of this package."""

    def recognises(self, path: Path, magic: bytes) -> bool:
        """Return whether a file, of which these are the first bytes, is of the format."""

    def read(self, path: Path) -> Found:
        """Return what a file holds; raises InputError where it breaks a rule."""


def readers() -> Iterator[tuple[str, Reader]]:
    """Yield the name and module of every reader."""
    for module in iter_modules(__path__):
        yield module.name, cast(Reader, import_module(f"{__name__}.{module.name}"))


def read_foreign(path: str | Path) -> Found:
    """Return what a file of predictions holds, whatever its format, or a folder of Rookery's own.

    Raises
    ------
    InputError
        When the file is missing, damaged, or of no known format.
    """
    path = Path(path)
    if path.is_dir():
        return prediction_file.read(path)
    if not path.is_file():
        raise absent(path)
    with path.open("rb") as stream:
        magic = stream.read(4096)
    for _, reader in readers():
        if reader.recognises(path, magic):
            return reader.read(path)
    known = "Parquet, CSV, .npy, .npz, qp (HDF5 or FITS), FITS tables"
    raise fail(path, f"must be predictions in a known format ({known}), but is none of them")
