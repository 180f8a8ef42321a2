"""How much each measured value matters to an answer: integrated gradients, and what hiding it changes.

Integrated gradients (Sundararajan, Taly & Yan 2017) and occlusion (Zeiler & Fergus 2014) as captum has them.
The answer is the log-odds of a class, or the mean redshift. Integrated gradients start from nothing: a flux
of 0, or, of magnitudes, the mean of the known ones in that band; they add up to the difference of the two
answers. Occlusion hides values with their errors and masks, and tells by how much the answer falls.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rookery.compute.progress import tracked
from rookery.explanation.subject import Subject

STEPS = 32
"""Points of the path from nothing to the object at which gradients are taken."""
_AT_ONCE = 256
_WINDOWS = 16
"""Windows of time, or patches along each side of an image, that are hidden one by one."""
_SMALL = 1e-6
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Attributions:
    """Of B objects; shape S is that of the measured values of one: (bands,), (bands, dates) or an image's."""

    rows: NDArray[np.int64]
    answer: NDArray[np.float64]
    """(B,) log-odds of the explained class, or mean redshift."""
    gradients: Floats
    """(B, *S) integrated gradients, 0 where nothing was observed."""
    remainder: NDArray[np.float64]
    """(B,) difference of the two answers that the integrated gradients do not add up to."""
    by_band: Floats
    """(B, bands) by how much the answer falls without each band."""
    occlusion: Floats
    """(B, *S) by how much it falls without each window of dates of a band, or each patch of all bands."""


def attribute(subject: Subject, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Attributions:
    """Explain the answers for some objects.

    Parameters
    ----------
    columns
        (B,) the class of each object whose log-odds are explained; without effect on redshifts.
    """
    blocks = [slice(start, start + _AT_ONCE) for start in range(0, len(rows), _AT_ONCE)]
    parts = [
        _attribute(subject, rows[block], columns[block])
        for block in tracked(blocks, "objects", len(rows), size=lambda block: len(rows[block]))
    ]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return Attributions(**joined)


def _attribute(subject: Subject, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Attributions:
    from captum.attr import FeatureAblation, IntegratedGradients

    batch = subject.batch(rows)
    names = list(batch)
    signal = batch[names[0]].float()
    shown = [name for name in names if batch[name].shape == batch[names[0]].shape]
    rest = [name for name in names if name not in shown]
    column = torch.from_numpy(columns).to(subject.device)
    centres = None if subject.of_classes else torch.from_numpy(subject.centres).float().to(subject.device)

    def answer(*given: Tensor) -> Tensor:
        values = dict(zip([*shown, *rest], given[:-1], strict=True))
        found = subject.member.family.predict(subject.member.network, {name: values[name] for name in names})
        if centres is not None:
            return found @ centres
        own = found.gather(1, given[-1][:, None])[:, 0].clamp(_SMALL, 1 - _SMALL)
        return torch.log(own) - torch.log1p(-own)

    others = (*(batch[name] for name in shown[1:]), *(batch[name] for name in rest), column)
    gradients, remainder = IntegratedGradients(answer).attribute(
        signal, _nothing(subject, signal), additional_forward_args=others, n_steps=STEPS,
        internal_batch_size=_AT_ONCE, return_convergence_delta=True,
    )  # fmt: skip
    hidden = FeatureAblation(answer)
    arguments = tuple(batch[name].float() for name in shown)
    fixed = (*(batch[name] for name in rest), column)
    with torch.no_grad():
        value = answer(signal, *others)
        by_band, places = (
            hidden.attribute(
                arguments,
                tuple(0.0 for _ in arguments),
                additional_forward_args=fixed,
                feature_mask=tuple(mask for _ in arguments),
            )[0]
            for mask in _masks(signal)
        )
    seen = (signal != 0).flatten(2).any(2).float() if signal.ndim > 2 else (signal != 0).float()
    return Attributions(
        rows,
        value.double().cpu().numpy(),
        (gradients * (signal != 0)).detach().float().cpu().numpy(),
        remainder.detach().double().cpu().numpy(),
        (by_band.flatten(2)[:, :, 0] if by_band.ndim > 2 else by_band).mul(seen).float().cpu().numpy(),
        places.float().cpu().numpy(),
    )


def _nothing(subject: Subject, signal: Tensor) -> Tensor:
    """Return what integrated gradients start from."""
    if signal.ndim > 2:
        return torch.zeros_like(signal)
    every = subject.inputs[subject.signal].float()
    known = every != 0
    mean = (every * known).sum(0) / known.sum(0).clamp(min=1)
    return torch.where(signal != 0, mean.to(signal.device), signal)


def _masks(signal: Tensor) -> tuple[Tensor, Tensor]:
    """Return which values are hidden together, by number: those of a band, and those of a place."""
    shape = signal.shape[1:]
    band = torch.arange(shape[0], device=signal.device).reshape(1, -1, *[1] * (len(shape) - 1))
    by_band = band.expand(1, *shape).contiguous()
    if len(shape) == 1:
        return by_band, by_band
    windows = [_window(size, signal.device) for size in shape[1:]]
    if len(shape) == 2:
        return by_band, (band * (int(windows[0].max()) + 1) + windows[0]).contiguous()
    patch = windows[0][:, None] * (int(windows[1].max()) + 1) + windows[1]
    return by_band, patch.expand(1, *shape).contiguous()


def _window(size: int, device: torch.device) -> Tensor:
    width = -(-size // _WINDOWS)
    return torch.arange(size, device=device) // width
