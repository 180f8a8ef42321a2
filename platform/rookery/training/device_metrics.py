"""What a network is judged by after an epoch, worked out where its predictions lie, in double precision.

The numbers are those of `score_epoch` of the target (:mod:`rookery_ensembles`), to rounding; only they leave
the device. Predictions that are no numbers give metrics that are none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rookery_ensembles import RedshiftBins, Target
from rookery_ensembles.photoz_sample import OUTLIER
from rookery_ensembles.probabilities import LOG_FLOOR

_MAD = 1.4826
_BLOCK = {"cpu": 1000}
"""PDFs that are worked on at a time: what the caches of a core hold."""
_BLOCK_ELSEWHERE = 65_536


@dataclass(frozen=True)
class Judged:
    """Objects that networks are judged by, on their device.

    Without `weight` (V,) each of them counts once.
    """

    target: Target
    index: Tensor
    """(V,) true classes or bins, int64."""
    truth: Tensor | None
    """(V,) true redshifts, float64; None for classes."""
    edges: Tensor | None
    """(K + 1) of the bins, float64; None for classes."""

    def score(self, probability_vk: Tensor, weight_v: Tensor | None = None) -> dict[str, Tensor]:
        """Return each of the target's metrics of an epoch as a tensor of one number."""
        likelihood = probability_vk.gather(1, self.index[:, None])[:, 0].double()
        found = {"log_loss": _mean(-likelihood.clamp(min=LOG_FLOOR).log(), weight_v)}
        if self.truth is None or self.edges is None:
            right = probability_vk.argmax(dim=1) == self.index
            return found | {"accuracy": _mean(right.double(), weight_v)}
        size = _BLOCK.get(probability_vk.device.type, _BLOCK_ELSEWHERE)
        blocks = [
            _of_redshifts(some.double(), self.edges, z)
            for some, z in zip(probability_vk.split(size), self.truth.split(size), strict=True)
        ]
        z_mean, crps = (torch.cat(values) for values in zip(*blocks, strict=True))
        dz = (z_mean - self.truth) / (1 + self.truth)
        distance = (dz - _median(dz, weight_v)).abs()
        outlier = 100.0 * (dz.abs() > OUTLIER).double() + 0 * dz  # what is no number stays none
        return found | {
            "crps": _mean(crps, weight_v),
            "bias": _mean(dz, weight_v),
            "sigma_mad": _MAD * _median(distance, weight_v),
            "eta": _mean(outlier, weight_v),
        }


def judged(target: Target, index: Tensor, truth: NDArray[Any] | None) -> Judged:
    """Return objects of known truth; that of redshifts is given, that of classes is their `index`."""
    if not isinstance(target, RedshiftBins) or truth is None:
        return Judged(target, index, None, None)
    z, edges = (torch.tensor(values, dtype=torch.float64) for values in (truth, target.edges))
    return Judged(target, index, z.to(index.device), edges.to(index.device))


def fetched(scores: Sequence[Mapping[str, Tensor]]) -> list[dict[str, float]]:
    """Return scores as plain numbers; the device is waited for once."""
    values = iter(torch.stack([value for some in scores for value in some.values()]).cpu().tolist())
    return [{name: next(values) for name in some} for some in scores]


def _of_redshifts(probability_nk: Tensor, edges: Tensor, z_n: Tensor) -> tuple[Tensor, Tensor]:
    """Return means (N,), and the CRPS (N,): the integral of (F - step at the truth)^2, F linear in bins."""
    masses = probability_nk / probability_nk.sum(dim=1, keepdim=True)
    widths, cdf = edges.diff(), torch.nn.functional.pad(masses.cumsum(dim=1), (1, 0))
    first = torch.searchsorted(edges, z_n, right=True)  # edge behind the truth
    distance = cdf - (torch.arange(len(edges), device=edges.device) >= first[:, None]).double()
    padded = torch.nn.functional.pad(widths, (1, 1))
    # Of a line from a to b the mean square is (a^2 + a b + b^2) / 3.
    whole = distance.square() @ ((padded[:-1] + padded[1:]) / 3)
    whole += (distance[:, :-1] * distance[:, 1:]) @ (widths / 3)
    # In the truth's own bin the distance is two lines, and not that from one edge to the other.
    k = (first - 1).clamp(0, len(widths) - 1)[:, None]
    low, high = distance.gather(1, k)[:, 0], distance.gather(1, k + 1)[:, 0]
    k = k[:, 0]
    left, right, width = edges[k], edges[k + 1], widths[k]
    below = cdf.gather(1, k[:, None])[:, 0]
    f = below + masses.gather(1, k[:, None])[:, 0] * (z_n - left) / width
    g = f - 1
    split = (z_n - left) * (low.square() + low * f + f.square()) / 3
    split += (right - z_n) * (high.square() + high * g + g.square()) / 3
    split -= width * (low.square() + low * high + high.square()) / 3
    inside = (z_n >= edges[0]) & (z_n < edges[-1])
    beyond = (edges[0] - z_n).clamp(min=0) + (z_n - edges[-1]).clamp(min=0)
    return masses @ ((edges[:-1] + edges[1:]) / 2), whole + torch.where(inside, split, beyond)


def _mean(values_n: Tensor, weight_n: Tensor | None) -> Tensor:
    return values_n.mean() if weight_n is None else (values_n * weight_n).sum() / weight_n.sum()


def _median(values_n: Tensor, weight_n: Tensor | None) -> Tensor:
    """Return the median; where half of the weight lies on either side, the middle between its neighbours."""
    ranked, order = values_n.sort()
    reached = (torch.ones_like(values_n) if weight_n is None else weight_n[order]).cumsum(0)
    half = reached[-1] / 2
    lower = (reached < half).sum()
    upper = (reached <= half).sum().clamp(max=len(ranked) - 1)
    return ranked.gather(0, torch.stack([lower, upper])).mean() + 0 * values_n.sum()
