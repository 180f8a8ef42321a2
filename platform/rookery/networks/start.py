"""Networks that start from the weights of another: which tensors can, which parts stay as they are."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from rookery_ensembles.errors import InputError

if TYPE_CHECKING:
    from torch import nn

_NAMED = 24
"""So many parts of a network are named in a message."""


def fresh_tensors(
    build: Callable[[int, int], "nn.Module"], n_bands: int, n_outputs: int, *, bands: bool, outputs: bool
) -> frozenset[str]:
    """Return the tensors that depend on what is other; see :meth:`rookery.networks.family.Family.fresh_for`.

    They are found by building the network for one band, or one output, more; nothing is allocated.

    Parameters
    ----------
    build
        Makes the network for a number of bands and one of outputs.
    """
    import torch

    from rookery.networks.precision import LastLinear

    with torch.device("meta"):
        network = build(n_bands, n_outputs)
        shapes = ((bands, (n_bands + 1, n_outputs)), (outputs, (n_bands, n_outputs + 1)))
        larger = [build(*shape).state_dict() for other, shape in shapes if other]
    own = {name: value.shape for name, value in network.state_dict().items()}
    found = {
        name for name in own for others in larger if name not in others or others[name].shape != own[name]
    }
    if outputs:
        heads = [name for name, module in network.named_modules() if isinstance(module, LastLinear)]
        found |= {name for name in own if _within(name, heads)}
    return frozenset(found)


def frozen_parameters(network: "nn.Module", frozen: Collection[str], fresh: Collection[str]) -> set[str]:
    """Return the parameters of the parts `frozen`.

    Parameters
    ----------
    frozen
        Names of modules of the network, such as `encoder` or `encoder.temporal`.
    fresh
        Tensors that have fresh weights, which must not stay as they are.

    Raises
    ------
    InputError
        For a name that is no part with weights (those that exist are listed), for a part that has fresh
        weights, and where nothing would be left to train.
    """
    names = [name for name, _ in network.named_parameters()]
    found: set[str] = set()
    for part in frozen:
        held = [name for name in names if _within(name, [part])]
        if not held:
            raise InputError(f"`freeze`: `{part}` is no part of the network; those are {_parts(names)}")
        if new := sorted(set(held) & set(fresh)):
            rule = f"`{part}` cannot keep weights that it does not have: {new[0]} is fresh"
            raise InputError(f"`freeze`: {rule} for the new bands, classes or bins")
        found |= set(held)
    if found and len(found) == len(names):
        raise InputError(f"`freeze`: nothing is left to train with {', '.join(frozen)} frozen")
    return found


def keep_frozen(network: "nn.Module", frozen: Collection[str]) -> None:
    """Set the frozen parts to evaluation: their running means stay, and nothing is dropped there."""
    for name, module in network.named_modules():
        if _within(name, frozen):
            module.eval()


def _within(name: str, parts: Collection[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _parts(names: Collection[str]) -> str:
    """Return the names of modules that hold parameters, two levels deep."""
    split = [name.split(".")[:-1] for name in names]
    found = dict.fromkeys(".".join(path[:depth]) for path in split for depth in (1, 2) if path[:depth])
    shown = list(found)[:_NAMED]
    return ", ".join(shown) + (", ..." if len(found) > _NAMED else "")
