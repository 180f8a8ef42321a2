"""Readers: files of any survey in, a survey store out. One file for each format."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers import galaxies, light_curves

Reader = Callable[..., IngestReport]
_PREFIX = "ingest_"


def _readers() -> Iterator[Reader]:
    """Yield the function ``ingest_...`` of each public module that has one of its own."""
    for room in (light_curves, galaxies):
        for found in iter_modules(room.__path__):
            if found.name.startswith("_"):
                continue
            module = import_module(f"{room.__name__}.{found.name}")
            for name, member in vars(module).items():
                if name.startswith(_PREFIX) and member.__module__ == module.__name__:
                    yield member


READERS: Mapping[str, Reader] = {
    reader.__name__.removeprefix(_PREFIX).replace("_", "-"): reader for reader in _readers()
}
"""Each reader by its name on the command line: a function of the files, the folder to make, and options."""
