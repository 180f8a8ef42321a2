"""Parts that other installed packages bring, found by the entry points that they declare.

A package that brings a pool says in its ``pyproject.toml``::

    [project.entry-points."rookery_ensembles.pools"]
    median = "my_package.median"

The groups are told in docs/extending.md.
"""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from rookery_ensembles.errors import fail, one_line


@cache
def installed(group: str) -> Mapping[str, EntryPoint]:
    """Return what installed packages declare in a group, by name.

    Raises
    ------
    InputError
        When two packages declare one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            rule = f"must be declared by one package, but {_package(other)} and {_package(point)} declare it"
            raise fail(f"entry point {point.name!r} of {group}", rule)
    return dict(sorted(found.items()))


def load(group: str, name: str) -> Any:
    """Return what an entry point names.

    Raises
    ------
    InputError
        When it cannot be imported: the package and its error are named.
    """
    point = installed(group)[name]
    try:
        return point.load()
    except Exception as error:
        where = f"entry point {name!r} of {group}, package {_package(point)}"
        raise fail(where, f"cannot be imported ({type(error).__name__}: {error})") from error


def modules(group: str) -> Iterator[ModuleType]:
    """Yield the modules that a group's entry points name; one that fails is left out with a warning."""
    for name in installed(group):
        try:
            yield load(group, name)
        except ValueError as error:
            warnings.warn(one_line(str(error)), stacklevel=2)


def subclasses(base: Any) -> list[Any]:
    """Return every class that stems from one and can be made, however far down, by `name`."""
    found = [base]
    for cls in found:
        found += [one for one in cls.__subclasses__() if one not in found]
    able = [cls for cls in found if not inspect.isabstract(cls)]
    return sorted(able, key=lambda cls: str(getattr(cls, "name", cls.__name__)))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
