"""Warm start: trials of earlier studies, trusted as far as they foretell the new study's own.

An earlier study may have searched another space and learned from another survey, so that its values mean
nothing here; only the order of its configurations may. Each study's values are therefore kept as normal
scores of their ranks. A random forest of an earlier study's trials foretells the scores of the new study's
own; the part of pairs that it orders rightly, as compared with its own trials, says how far that study is
trusted, and a line through (foretold score, own value) brings its scores to the values here. The sampler then
sees as many of the earlier trials as the trust allows, at these values: all of them at first, none once they
prove misleading. The idea of weighting earlier tasks by the ranking they get right is that of Feurer et al.
2018, arXiv:1802.02219.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rookery.networks.family import Family
from rookery.search.parameters import CategoricalParameter, FixedParameter, Scalar, Searched
from rookery.search.space import SearchSpace
from rookery.search.study import EarlierStudy, EarlierTrial, Study
from rookery_ensembles.errors import InputError, fail

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

logger = logging.getLogger(__name__)
Values = Mapping[str, Any]
MOST_TRIALS = 50
"""Trials that are taken from an earlier study; of more, those at evenly spaced ranks, the best included."""
FIRST = 3
"""How many of the best earlier configurations a new study tries before its sampler is asked."""
_PRIOR_PAIRS = 3
"""Pairs, those of 3 trials, that an earlier study is credited with as rightly ordered before any evidence."""
_LEAST_AGREEMENT = 0.2
"""The forest of a study that orders its own trials worse is held against this."""


def take_trials(path: str, earlier: Study, space: SearchSpace, family: Family[Any]) -> EarlierStudy:
    """Return what a new study over `space` may learn from the complete trials of an earlier one.

    Raises
    ------
    InputError
        When the study is of another family or other objectives, or none of its trials lies in `space`.
    """
    old = earlier.document
    if old.family != family.name:
        raise fail(path, f"cannot warm-start a study of `{family.name}`: it is of `{old.family}`")
    wanted, found = (list(zip(s.objectives, s.directions, strict=True)) for s in (space, old.space))
    if wanted != found:
        told, asked = (" and ".join(" ".join(words[::-1]) for words in both) for both in (found, wanted))
        raise fail(path, f"cannot warm-start this study: it was to {told}, but this one is to {asked}")
    complete = [(t.number, t.params, t.values) for t in earlier.complete_optuna_trials()]
    if not complete:
        raise fail(path, "cannot warm-start a study: none of its trials is complete")
    points, misfit = [], ""
    for number, params, values in complete:
        whole = family.configure(old.space.with_fixed(params)).model_dump()
        try:
            points.append((number, _within(space, whole), values))
        except InputError as error:
            misfit = misfit or f"trial {number}: {error}"
    if not points:
        rule = f"none of its {len(complete)} complete trials lies in this search space"
        raise fail(path, f"cannot warm-start this study: {rule} ({misfit})")
    if misfit:
        logger.info("%s: %d of %d trials lie in this space", path, len(points), len(complete))
    scores = _normal_scores(np.array([values for *_, values in points], dtype=np.float64))
    best_first = np.argsort(_goodness(scores, space), kind="stable")[::-1]
    kept = best_first[np.unique(np.linspace(0, len(points) - 1, MOST_TRIALS).round().astype(int))]
    trials = [
        EarlierTrial(trial=points[n][0], point=points[n][1], score=tuple(scores[n].tolist())) for n in kept
    ]
    return EarlierStudy(study=path, trials=tuple(trials))


def _within(space: SearchSpace, whole: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return what `space` searches of a whole configuration; raises InputError when a value is outside."""

    def choose(name: str, parameter: Searched) -> Scalar:
        value: Scalar = whole[name]
        if not parameter.contains(value):
            raise InputError(f"`{name}` must be {parameter.describe()}, but is {value!r}")
        return value

    return space.searched(space.complete(choose))


def _normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of a normal distribution at each column's mean ranks; shape as `values`."""
    from scipy.stats import norm, rankdata

    scores: NDArray[np.float64] = norm.ppf((rankdata(values, axis=0) - 0.5) / len(values))
    return scores


def _goodness(scores: NDArray[np.float64], space: SearchSpace) -> NDArray[np.float64]:
    """Return how good each row of scores is, larger being better: the mean over objectives."""
    sign = [1.0 if direction == "maximize" else -1.0 for direction in space.directions]
    goodness: NDArray[np.float64] = (scores * sign).mean(axis=1)
    return goodness


class _Source:
    """One earlier study, ready to foretell; `broken` says by how much each trial breaks constraints."""

    def __init__(
        self,
        path: str,
        trials: Sequence[EarlierTrial],
        broken: Sequence[Mapping[str, float]],
        space: SearchSpace,
    ) -> None:
        from sklearn.ensemble import RandomForestRegressor

        self.path, self.trials, self.broken = path, trials, broken
        self.score = np.array([trial.score for trial in trials])
        forest = RandomForestRegressor(n_estimators=50, random_state=0, oob_score=_rank_agreement)
        wanted = self.score[:, 0] if self.score.shape[1] == 1 else self.score
        self._forest = forest.fit(encoded(space, [t.point for t in trials]), wanted)
        self.best_agreement = max(_LEAST_AGREEMENT, float(self._forest.oob_score_))
        """How well the forest orders trials of its own study that it has not seen."""
        self._space = space

    def foretell(self, points: Sequence[Mapping[str, Scalar]]) -> NDArray[np.float64]:
        """Return the scores (n_points, n_objectives) that this study's trials foretell."""
        found: NDArray[np.float64] = self._forest.predict(encoded(self._space, points))
        return found.reshape(len(points), -1)


class WarmStart:
    """The earlier studies of a study, and what its sampler shall see of them.

    Parameters
    ----------
    broken
        Says of a whole configuration by how much it breaks each constraint of the new study, above 0 if it
        does; trials that break one are left out.
    """

    def __init__(
        self, studies: Sequence[EarlierStudy], space: SearchSpace, broken: Callable[[Values], Values]
    ) -> None:
        self._space = space
        self._sources = []
        for study in studies:
            told = [(trial, broken(space.with_fixed(trial.point))) for trial in study.trials]
            kept = [(trial, excess) for trial, excess in told if all(e <= 0 for e in excess.values())]
            if kept:
                trials, excesses = zip(*kept, strict=True)
                self._sources.append(_Source(study.study, trials, excesses, space))
            else:
                logger.warning("%s: all its trials break the constraints of this search", study.study)
        self.trust: dict[str, float] = {}
        """By earlier study: how far it was trusted when the sampler last looked, from 0 to 1."""

    def first_points(self) -> list[dict[str, Scalar]]:
        """Return the best earlier configurations, those of each study in turn, to be tried first."""
        found: list[dict[str, Scalar]] = []
        ranks = range(max((len(source.trials) for source in self._sources), default=0))
        for rank in ranks:
            for source in self._sources:
                if rank < len(source.trials) and source.trials[rank].point not in found:
                    found.append(source.trials[rank].point)
        return found[:FIRST]

    def seen(self, own: "Sequence[FrozenTrial]") -> "list[FrozenTrial]":
        """Return the earlier trials that a sampler shall see beside the study's `own` complete ones."""
        from optuna.trial import create_trial

        values = np.array([trial.values for trial in own], dtype=np.float64)
        seen = []
        for source in self._sources:
            n_objectives = source.score.shape[1]
            told = source.foretell([trial.params for trial in own]) if own else np.zeros((0, n_objectives))
            columns = [(told[:, k], values[:, k] if own else told[:, k]) for k in range(n_objectives)]
            trust = float(np.mean([_trust(*column, source.best_agreement) for column in columns]))
            self.trust[source.path] = trust
            number = round(trust * len(source.trials))
            rows = np.unique(np.linspace(0, len(source.trials) - 1, number).round().astype(int))
            lines = [_line(*column) for column in columns]
            for row in rows:
                point = source.trials[row].point
                score = source.score[row].tolist()
                seen.append(
                    create_trial(
                        values=[a + b * s for (a, b), s in zip(lines, score, strict=True)],
                        params=dict(point),
                        distributions={n: _searched(self._space, n).distribution() for n in point},
                        constraints=dict(source.broken[row]) or None,
                    )
                )
        return seen


def _rank_agreement(values: NDArray[np.float64], told: NDArray[np.float64]) -> float:
    """Return the part of pairs in the right order less that in the wrong one, mean over columns."""
    first, second = np.triu_indices(len(values), 1)
    return float((np.sign(values[first] - values[second]) * np.sign(told[first] - told[second])).mean())


def _trust(told: NDArray[np.float64], values: NDArray[np.float64], best_agreement: float) -> float:
    """Return the trust in a study that foretold `told` of `values`: 1 at first, 0 if it is by chance.

    A forest of few trials is not exact at home either: it is held against its agreement there.
    """
    pairs = len(values) * (len(values) - 1) // 2
    found = min(1.0, _rank_agreement(values, told) / best_agreement) if pairs else 0.0
    return max(0.0, (_PRIOR_PAIRS + pairs * found) / (_PRIOR_PAIRS + pairs))


def _line(told: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """Return intercept and slope, never falling, of a line from foretold scores to values.

    Values far from the others (a network that diverged) count as less far. A few values hardly tell the
    slope, which then leans on their spread.
    """
    if not len(values):
        return 0.0, 1.0
    centre = np.median(values)
    spread = 1.4826 * float(np.median(abs(values - centre)))
    if spread > 0:
        values = np.clip(values, centre - 5 * spread, centre + 5 * spread)
    leaning = 1 / len(values)
    both = ((told - told.mean()) * (values - values.mean())).mean()
    slope = max(0.0, float(both + leaning * (spread or 1.0)) / float(told.var() + leaning))
    return float(values.mean() - slope * told.mean()), slope


def _searched(space: SearchSpace, name: str) -> Searched:
    parameter = space.parameters[name]
    assert not isinstance(parameter, FixedParameter)
    return parameter


def encoded(space: SearchSpace, points: Sequence[Mapping[str, Scalar]]) -> NDArray[np.float64]:
    """Return points as rows of numbers: choices by their place, absent parameters as -1 below all others."""
    columns = []
    for name, parameter in space.parameters.items():
        if isinstance(parameter, FixedParameter):
            continue
        if isinstance(parameter, CategoricalParameter):
            place = {repr(choice): number for number, choice in enumerate(parameter.choices)}
            columns.append([float(place[repr(p[name])]) if name in p else -1.0 for p in points])
        else:
            low, high = float(parameter.low), float(parameter.high)
            scale = np.log if parameter.log else np.asarray
            span = float(scale(high) - scale(low)) or 1.0
            columns.append(
                [float(scale(float(p[name])) - scale(low)) / span if name in p else -1.0 for p in points]
            )
    return np.array(columns, dtype=np.float64).T.reshape(len(points), -1)
