"""A whole ensemble: what its members make of a survey, one after the other, so that memory holds one alone.

Means are over the members, by their weights. Of log-odds and of mean redshifts that is exact: the
attributions of a weighted mean are the weighted mean of the attributions. What the bundle's pool and
calibration make of the members' predictions is not in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rookery.explanation.attributions import Attributions, attribute
from rookery.explanation.invariance import Copies, look_at_copies
from rookery.explanation.subject import Part, Subject, open_one
from rookery.surveys import Survey
from rookery_ensembles.errors import fail

MOST_FEATURES = 512
"""Columns of the features of all members side by side; of more, each gives those that vary most."""
_Wanted = tuple[NDArray[np.int64], NDArray[np.int64]]


def open_all(parts: Sequence[Part], survey: Survey, device: torch.device) -> Subject:
    """Return what the members make of every object together: mean predictions, features side by side.

    Raises
    ------
    InputError
        When the members have other bands than the heaviest one, or cannot read the survey.
    """
    first = open_one(parts[0], survey, device)
    if len(parts) == 1:
        return first
    most = max(1, MOST_FEATURES // len(parts))
    probability, features = np.zeros(first.probability.shape), []
    for part, one in zip(parts, _each(parts, survey, device, first), strict=True):
        if one.bands != first.bands:
            rule = f"has the bands {' '.join(one.bands)}, and the heaviest one {' '.join(first.bands)}"
            raise fail(part.folder, f"{rule}: name one of them with --member")
        probability += (part.share or 0.0) * one.probability
        features.append(_varying(one.features, most))
    total = sum(part.share or 0.0 for part in parts)
    mean = (probability / total).astype(np.float32)
    return replace(first, probability=mean, features=np.hstack(features), parts=tuple(parts))


def _each(parts: Sequence[Part], survey: Survey, device: torch.device, first: Subject) -> Iterator[Subject]:
    yield first
    for part in parts[1:]:
        yield open_one(part, survey, device)


def _varying(features: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """Return the columns that vary most, at most so many, in their order."""
    kept = np.sort(np.argsort(-features.std(axis=0), kind="stable")[:most])
    return features[:, kept]


@dataclass(frozen=True)
class Together:
    """Means over the networks that are explained."""

    attributions: dict[str, Attributions]
    """By what was asked for."""
    copies: Copies | None
    alike: float
    """Share of the networks whose images have the heaviest one's shape: by place, means are over these."""


def explain_all(
    subject: Subject, wanted: dict[str, _Wanted], thinned: NDArray[np.int64], seed: int
) -> Together:
    """Attribute answers, and look at thinned copies, with every network of a subject.

    Parameters
    ----------
    wanted
        Rows, and the class that is explained of each, by a name.
    thinned
        Rows of the light curves that are thinned.
    """
    sums: dict[str, Sum] = {name: Sum() for name in wanted}
    copies: Copies | None = None
    for share, one in _again(subject):
        for name, (rows, columns) in wanted.items():
            sums[name].add(share, attribute(one, rows, columns))
        found = look_at_copies(one, thinned, seed)
        if found is not None:
            copies = found.scaled(share) if copies is None else copies.plus(found.scaled(share))
    alike = next((each.alike for each in sums.values()), 1.0)
    return Together({name: each.mean() for name, each in sums.items()}, copies, alike)


def _again(subject: Subject) -> Iterator[tuple[float, Subject]]:
    """Yield the share of every network, and what it alone makes of the survey."""
    if not subject.parts:
        yield 1.0, subject
    total = sum(part.share or 0.0 for part in subject.parts)
    for part in subject.parts:
        yield (part.share or 0.0) / total, open_one(part, subject.survey, subject.device)


class Sum:
    """Sums up attributions; those by place only where the places are those of the first ones."""

    def __init__(self) -> None:
        self.alike = 0.0
        """Share of those that are summed up by place."""
        self._sum: Attributions | None = None

    def add(self, share: float, found: Attributions) -> None:
        """Add a network's attributions, times its share."""
        total = self._sum
        if total is None:
            zero = {name: np.zeros_like(values) for name, values in vars(found).items() if name != "rows"}
            total = Attributions(found.rows, **zero)
        by_place = share if found.gradients.shape == total.gradients.shape else 0.0
        self.alike += by_place
        gradients, occlusion, remainder = total.gradients, total.occlusion, total.remainder
        if by_place:
            gradients = gradients + by_place * found.gradients
            occlusion = occlusion + by_place * found.occlusion
            remainder = remainder + by_place * found.remainder
        self._sum = Attributions(
            total.rows,
            total.answer + share * found.answer,
            gradients,
            remainder,
            total.by_band + share * found.by_band,
            occlusion,
        )

    def mean(self) -> Attributions:
        """Return the means, by place over the share that is alike."""
        assert self._sum is not None
        scale = np.float32(1 / self.alike)
        places = {name: getattr(self._sum, name) * scale for name in ("gradients", "occlusion", "remainder")}
        return replace(self._sum, **places)
