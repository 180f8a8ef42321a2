"""How far long work is: told here, shown by who loads :mod:`rookery.compute.progress`."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
_shown: list[Callable[..., Iterator[Any]]] = []


def show_with(track: Callable[..., Iterator[Any]]) -> None:
    """Show progress by a function with the arguments of `tracked`."""
    _shown[:] = [track]


def tracked(
    items: Iterable[Item],
    name: str,
    wanted: int | None = None,
    *,
    size: Callable[[Item], int] = lambda _: 1,
) -> Iterator[Item]:
    """Yield items, and tell how many of them the one who takes them has done.

    Parameters
    ----------
    name
        What is counted: objects, draws.
    wanted
        How many there are; by default the number of items, where they have one.
    size
        How many an item is.
    """
    yield from _shown[0](items, name, wanted, size=size) if _shown else items
