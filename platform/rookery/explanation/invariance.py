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


def thinned_distances(subject: Subject, rows: NDArray[np.int64], seed: int) -> list[Thinned]:
    """Return the distances for each part that copies keep; none for surveys without light curves.

    Where the survey has a covariate `deep`, also for deep and wide fields, and for deep light curves with
    as many observations as the median wide one.
    """
    if subject.survey.info.kind != "light_curves":
        return []
    unit, deep = _unit(subject, seed), _deep(subject)
    counts = np.diff(subject.survey.observation_arrays().offsets)
    parts = list(PARTS)
    if deep is not None:
        as_wide = float(np.median(counts[~deep]) / np.median(counts[deep]))
        parts += [round(as_wide, 2)] if as_wide < 1 else []
    found = []
    for number, part in enumerate(sorted(set(parts), reverse=True)):
        probability, features = look(subject.member, _thin(subject, rows, part, [seed, number]))
        distance = np.linalg.norm(features - subject.features[rows], axis=1) / unit
        same = _same(subject, rows, probability)
        who = {"all": np.ones(len(rows), bool)}
        if deep is not None:
            who |= {"deep": deep[rows], "wide": ~deep[rows]}
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


def _same(subject: Subject, rows: NDArray[np.int64], probability: NDArray[np.float32]) -> NDArray[np.bool_]:
    if subject.of_classes:
        return probability.argmax(1) == subject.probability[rows].argmax(1)
    answer = subject.answer[rows].astype(np.float64)
    return np.abs(probability @ subject.centres - answer) <= 0.05 * (1 + answer)
