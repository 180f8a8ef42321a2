"""Weights of an ensemble's members. One module for each way to find them, found by its name.

A module holds a subclass of `Weights`. Nothing else is needed to add one: modules whose name begins with no
underscore are found here, as are those that other packages declare (:mod:`rookery_ensembles.plugins`), and
``pytest --pyargs rookery.testing`` tests all that are found. All work on
tables of members by objects (`Evidence`), never on members by objects by columns.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from rookery_ensembles import plugins
from rookery_ensembles.errors import fail
from rookery_ensembles.weights.base import FittedWeights, Weights
from rookery_ensembles.weights.evidence import Evidence

__all__ = ["WEIGHTS", "Evidence", "FittedWeights", "Weights", "find_weights"]

for _found in pkgutil.iter_modules(__path__):
    if not _found.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_found.name}")
list(plugins.modules(__name__))  # their classes are subclasses now

WEIGHTS: Mapping[str, Weights] = {each.name: each() for each in plugins.subclasses(Weights)}
"""Every way to find weights by its name."""


def find_weights(name: str, where: str = "weights") -> Weights:
    """Return a way to find weights.

    Raises
    ------
    InputError
        Beginning with `where`, when there is none of this name.
    """
    if name not in WEIGHTS:
        raise fail(where, f"must be one of {', '.join(WEIGHTS)}, but found {name!r}")
    return WEIGHTS[name]
