"""Pools: how several members' predictions become one answer. One module for each, found by its name.

A module holds a subclass of `Pool`. Nothing else is needed to add one: modules whose name begins with no
underscore are found here, as are those that other packages declare (:mod:`rookery_ensembles.plugins`), and
``pytest --pyargs rookery.testing`` tests all that are found.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from rookery_ensembles import plugins
from rookery_ensembles.errors import fail
from rookery_ensembles.pools.base import Pool
from rookery_ensembles.target import Target

__all__ = ["POOLS", "Pool", "find_pool"]

for _found in pkgutil.iter_modules(__path__):
    if not _found.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_found.name}")
list(plugins.modules(__name__))  # their classes are subclasses now

POOLS: Mapping[str, Pool] = {pool.name: pool() for pool in plugins.subclasses(Pool)}
"""Every pool by its name."""


def find_pool(name: str, target: Target, where: str = "pool") -> Pool:
    """Return the pool of a name.

    Raises
    ------
    InputError
        Beginning with `where`, when there is none of this name for such predictions.
    """
    able = [pool.name for pool in POOLS.values() if pool.takes(target)]
    if name not in able:
        raise fail(where, f"the pool of {target.spoken} must be one of {', '.join(able)}, but found {name!r}")
    return POOLS[name]
