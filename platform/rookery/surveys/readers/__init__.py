"""Readers: files of any survey in, a survey store out. One file for each format, or an entry point."""

import logging
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers import galaxies, light_curves
from rookery_ensembles import plugins
from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)
GROUP = "rookery.readers"
"""Entry points of readers that other packages bring."""
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


def all_readers() -> Mapping[str, Reader]:
    """Return our readers and those of other packages; one that cannot be imported is told and left out."""
    brought = {}
    for name in plugins.installed(GROUP):
        try:
            brought[name] = plugins.load(GROUP, name)
        except InputError as error:
            logger.warning("%s", error)
    return brought | dict(READERS)
