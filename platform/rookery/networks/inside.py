"""What happens inside a network while it predicts: what its last layer sees, and what each stage makes."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rookery_ensembles.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn


def seen_by_last_layer(network: "nn.Module", predict: Callable[[], object]) -> "Tensor":
    """Return the inputs (B, F) of a network's :class:`~rookery.networks.precision.LastLinear`.

    Parameters
    ----------
    predict
        Runs the network on B objects, in one pass or in several.

    Raises
    ------
    InputError
        When the network has no such layer, or several, or never runs it.
    """
    import torch

    from rookery.networks.precision import LastLinear

    heads = [module for module in network.modules() if isinstance(module, LastLinear)]
    if len(heads) != 1:
        rule = f"has {len(heads)} layers of the kind `LastLinear`, but features are what the last one sees"
        raise InputError(f"{type(network).__name__} {rule}: its family must say what they are (`features`)")
    seen: list[Tensor] = []
    hook = heads[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        predict()
    finally:
        hook.remove()
    if not seen:
        raise InputError(f"{type(network).__name__} predicts without its last layer: it has no features")
    return torch.cat(seen)


def stage_outputs(network: "nn.Module", predict: Callable[[], object]) -> "dict[str, Tensor]":
    """Return what each stage of a network makes of a batch, by its name, in the order of their running.

    Stages are the network's parts; one that is a sequence, or whose own parts are sequences, counts as
    its parts. Dropout, and what passes its input on unchanged, is no stage.

    Parameters
    ----------
    predict
        Runs the network once.
    """
    import torch

    from rookery.networks.draws import Dropout

    found: dict[str, Tensor] = {}
    hooks = []

    def keep(name: str) -> Callable[..., None]:
        def hook(module: Any, given: Any, made: Any) -> None:
            if isinstance(made, torch.Tensor) and made.ndim > 1:
                found[name] = made.detach()

        return hook

    for name, module in _stages(network):
        if not isinstance(module, Dropout | torch.nn.Dropout | torch.nn.Identity):
            hooks.append(module.register_forward_hook(keep(name)))
    try:
        predict()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _stages(network: "nn.Module") -> "Iterator[tuple[str, nn.Module]]":
    """Yield the stages of a network with their names."""
    for name, part in network.named_children():
        opened = _is_sequence(part) or any(_is_sequence(child) for child in part.children())
        yield from _opened(name, part) if opened else [(name, part)]


def _opened(name: str, part: "nn.Module") -> "Iterator[tuple[str, nn.Module]]":
    for child_name, child in part.named_children():
        full = f"{name}.{child_name}"
        yield from _opened(full, child) if _is_sequence(child) else [(full, child)]


def _is_sequence(module: "nn.Module") -> bool:
    from torch import nn

    return isinstance(module, nn.Sequential | nn.ModuleList)
