"""Does a light curve that was observed less often look the same to a network? Distances between features.

A distance is told in units of the median distance between two different objects of the survey.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.explanation.subject import Subject, look
from rookery.networks.family import Inputs
from rookery.surveys.observations import select
from rookery.surveys.view import SurveyView, take_objects

PARTS = (0.9, 0.75, 0.5, 0.25, 0.1)
"""Parts of the observations that a thinned copy keeps."""
_DEEP = "deep"


@dataclass(frozen=True)
class Thinned:
    """Distances of features of light curves from those of their copies with a part of the observations."""

    objects: str
    """Whose: all, deep or wide."""
    part: float
    n: int
    median: float
    low: float
    high: float
    """Median and central 68 % of the distances."""
    same_answer: float
    """Part of the copies with the same class; of redshifts, within 0.05 (1 + z)."""


@dataclass(frozen=True)
class Copies:
    """What a network makes of R light curves' copies, for each of P parts that they keep."""

    parts: tuple[float, ...]
    distance: NDArray[np.float64]
    """(P, R) from the features of the whole light curve."""
    probability: NDArray[np.float64]
    """(P, R, K) what it predicts."""

    def scaled(self, share: float) -> "Copies":
        """Return them with every number multiplied."""
        return Copies(self.parts, share * self.distance, share * self.probability)

    def plus(self, other: "Copies") -> "Copies":
        """Return the sums with those of another network."""
        return Copies(self.parts, self.distance + other.distance, self.probability + other.probability)


def look_at_copies(subject: Subject, rows: NDArray[np.int64], seed: int) -> Copies | None:
    """Let a network look at thinned copies of some light curves; None for surveys without light curves.

    Where the survey has a covariate `deep`, one part is what leaves deep light curves as many observations
    as the median wide one has.
    """
    if subject.survey.info.kind != "light_curves":
        return None
    unit, deep = _unit(subject, seed), _deep(subject)
    parts = list(PARTS)
    if deep is not None:
        counts = np.diff(subject.survey.observation_arrays().offsets)
        as_wide = float(np.median(counts[~deep]) / np.median(counts[deep]))
        parts += [round(as_wide, 2)] if as_wide < 1 else []
    parts = sorted(set(parts), reverse=True)
    distances, probabilities = [], []
    for number, part in enumerate(parts):
        probability, features = look(subject.member, _thin(subject, rows, part, [seed, number]))
        distances.append(np.linalg.norm(features - subject.features[rows], axis=1) / unit)
        probabilities.append(probability)
    return Copies(tuple(parts), np.array(distances, np.float64), np.array(probabilities, np.float64))


def thinned_distances(subject: Subject, rows: NDArray[np.int64], copies: Copies | None) -> list[Thinned]:
    """Return the distances for each part that copies keep, of deep and wide fields also alone."""
    if copies is None:
        return []
    deep = _deep(subject)
    who = {"all": np.ones(len(rows), bool)}
    if deep is not None:
        who |= {"deep": deep[rows], "wide": ~deep[rows]}
    found = []
    for part, distance, probability in zip(copies.parts, copies.distance, copies.probability, strict=True):
        same = _same(subject, rows, probability)
        for name, those in who.items():
            if those.any():
                low, median, high = np.quantile(distance[those], [0.1587, 0.5, 0.8413])
                agree = float(same[those].mean())
                found.append(Thinned(name, part, int(those.sum()), median, low, high, agree))
    return found


def _thin(subject: Subject, rows: NDArray[np.int64], part: float, seed: list[int]) -> Inputs:
    """Return the inputs of copies that keep a part of the observations, at least one."""
    arrays = take_objects(subject.survey.observation_arrays(), rows)
    draw = np.random.default_rng(seed).random(len(arrays))
    kept = draw < part
    kept[[arrays.rows(row).start + int(draw[arrays.rows(row)].argmin()) for row in range(len(rows))]] = True
    view = SurveyView.of(subject.survey, rows, select(arrays, kept, arrays.object_index[kept], len(rows)))
    return subject.member.encode(view)


def _unit(subject: Subject, seed: int) -> float:
    """Return the median distance between the features of two different objects."""
    pairs = np.random.default_rng(seed).integers(0, len(subject.features), (2, 4000))
    first, second = pairs[:, pairs[0] != pairs[1]]
    distance = np.linalg.norm(subject.features[first] - subject.features[second], axis=1)
    return max(float(np.median(distance)), 1e-12)


def _deep(subject: Subject) -> NDArray[np.bool_] | None:
    """Return (N,) which objects lie in deep fields, where the survey tells of both kinds."""
    if _DEEP not in subject.survey.covariates:
        return None
    deep = subject.survey.objects[_DEEP].to_numpy(np.float64) > 0.5
    return deep if deep.any() and not deep.all() else None


def _same(subject: Subject, rows: NDArray[np.int64], probability: NDArray[np.floating]) -> NDArray[np.bool_]:
    if subject.of_classes:
        return probability.argmax(1) == subject.probability[rows].argmax(1)
    answer = subject.answer[rows].astype(np.float64)
    return np.abs(probability @ subject.centres - answer) <= 0.05 * (1 + answer)
