"""Conformal intervals of redshifts and sets of classes: coverage that holds for any number of objects.

Of objects that nothing of the ensemble saw, scores tell how ill each PDF or probability fits the truth.
If a new object is like them (exchangeable), its score is below the ceil((n + 1) level)-th of theirs with a
probability of at least `level`, whatever the distribution and however wrong the PDFs (Vovk, Gammerman &
Shafer 2005). Groups have limits of their own (Mondrian), so that coverage holds in each: bright and
faint ones, say. Limits are found with crepes (Boström 2022).
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.edges import check_edges
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import LOG_FLOOR, as_probabilities, check_truth_index
from rookery_ensembles.redshift_pdf import bin_masses, cdf_at, cdf_of_masses, quantiles_of_cdf, redshifts
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]
LEVELS = (0.5, 0.68, 0.9, 0.95)
_ALL = "all"
_KEYS = ("levels", "limits", "objects")
# Two ways to the same score may differ by rounding; an object on its own limit is inside.
_ROUNDING = 1e-9
# Beyond this score no interval within the bins reaches.
_OUTSIDE = 1.0


@short_repr
@dataclass(frozen=True)
class _Conformal:
    """Limits of the scores.

    Raises
    ------
    InputError
        When the levels do not increase from 0 to 1, or a group lacks a limit or its number.
    """

    levels: tuple[float, ...]
    """Coverages, between 0 and 1 and increasing."""
    limits: Mapping[str, tuple[float, ...]]
    """Group -> limit of its objects' scores for each level, infinite where the group has too few objects
    for it. The group ``all`` is of all objects together."""
    objects: Mapping[str, int]
    """Group -> number of its objects."""

    method: ClassVar[str]
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the rules."""
        where = self.method
        check_levels(self.levels, where)
        if _ALL not in self.limits or set(self.limits) != set(self.objects):
            rule = f"limits and numbers of objects must be of the same groups, `{_ALL}` among them"
            raise fail(where, f"{rule}, but found {', '.join(self.limits)} and {', '.join(self.objects)}")
        for group, limits in self.limits.items():
            if len(limits) != len(self.levels) or not all(limit >= 0 for limit in limits):
                rule = f"group {group} must have a limit of 0 or more for each of {len(self.levels)} levels"
                raise fail(where, f"{rule}, but has {list(limits)}")

    def limit(self, level: float, groups: Sequence[str] | NDArray[Any] | None, n: int) -> FloatArray:
        """Return (n,) limits of objects at a level; a group that the fit did not know has that of all."""
        if level not in self.levels:
            listed = ", ".join(f"{each:g}" for each in self.levels)
            raise fail("level", f"must be one of {listed}, but found {level:g}")
        column, names = self.levels.index(level), group_names(groups, n)
        known = {name: limits[column] for name, limits in self.limits.items()}
        return np.array([known.get(name, known[_ALL]) for name in names])

    def spread(self, level: float, group: str = _ALL) -> tuple[float, float]:
        """Return between which parts of new objects the limit of a group covers; see `coverage_spread`."""
        return coverage_spread(self.objects[group], level)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for YAML or JSON; an infinite limit is None."""
        return {
            "method": self.method,
            "levels": list(self.levels),
            "limits": {
                group: [float(x) if np.isfinite(x) else None for x in limits]
                for group, limits in self.limits.items()
            },
            "objects": dict(self.objects),
        }

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.method, _KEYS)
        limits = {}
        for group, given in fields.mapping("limits").items():
            place = f"{fields.place('limits')}.{group}"
            if not isinstance(given, list) or not all(
                x is None or isinstance(x, (int, float)) for x in given
            ):
                raise fail(place, f"must be a list of numbers, null for none, but found {given!r}")
            limits[group] = tuple(np.inf if x is None else float(x) for x in given)
        objects = {name: int(number) for name, number in fields.numbers("objects").items()}
        return cls(fields.take_list("levels", float), limits, objects)

    @classmethod
    def _of_scores(cls, score_n: FloatArray, groups: NDArray[Any] | None, levels: Sequence[float]) -> Self:
        check_levels(levels, "levels")
        if not score_n.size:
            raise fail("conformal", "there must be at least one object of known truth, but there is none")
        members = {_ALL: score_n}
        if groups is not None:
            members |= {str(name): score_n[groups == name] for name in np.unique(groups)}
        limits = {name: tuple(_limit(scores, level) for level in levels) for name, scores in members.items()}
        return cls(tuple(levels), limits, {name: len(scores) for name, scores in members.items()})


class ConformalIntervals(_Conformal):
    """Central intervals of pooled redshift PDFs, widened or narrowed to the coverage that they promise.

    An object's score is the distance of its PIT from 1/2, and its interval goes from the quantile
    1/2 - limit of its PDF to 1/2 + limit. A ten-millionth of each PDF is spread over all bins,
    so that an interval can grow beyond the bins with probability. A limit above 1/2 makes it infinite.
    """

    method: ClassVar[str] = "pit"
    kind: ClassVar[str] = "redshift_pdf"

    @classmethod
    def fit(
        cls,
        pdf_nk: NDArray[Any],
        edges: Sequence[float] | NDArray[Any],
        z_n: NDArray[Any],
        *,
        groups: Sequence[str] | NDArray[Any] | None = None,
        levels: Sequence[float] = LEVELS,
    ) -> Self:
        """Find the limits.

        Parameters
        ----------
        pdf_nk
            (N, K) pooled and calibrated densities of objects that neither members nor calibration saw.
        edges
            K + 1 edges of the bins.
        z_n
            (N,) true redshifts, NaN where unknown.
        groups
            (N,) names of groups that shall have limits of their own.
        levels
            Coverages, between 0 and 1 and increasing.

        Raises
        ------
        InputError
            When PDFs, redshifts, groups or levels break their rules, or no redshift is known.
        """
        z = redshifts(z_n, len(pdf_nk))
        names, known = group_names(groups, len(z)), np.isfinite(z)
        at = np.asarray(edges, dtype=np.float64)
        score = np.abs(cdf_at(_cdf(pdf_nk, at), at, z) - 0.5)
        score[(z < at[0]) | (z > at[-1])] = _OUTSIDE
        return cls._of_scores(score[known], None if groups is None else names[known], levels)

    def intervals(
        self,
        pdf_nk: NDArray[Any],
        edges: Sequence[float] | NDArray[Any],
        level: float,
        groups: Sequence[str] | NDArray[Any] | None = None,
    ) -> FloatArray:
        """Return (N, 2) ends of intervals that hold the true redshift with a probability of `level` or more.

        Raises
        ------
        InputError
            When the level is none of `levels`, or PDFs or groups break their rules.
        """
        at = np.asarray(edges, dtype=np.float64)
        cdf = _cdf(pdf_nk, at)
        limit = self.limit(level, groups, len(cdf)) * (1 + _ROUNDING)
        found = np.empty((len(cdf), 2))
        # Objects of one group share a limit; there are few groups.
        for value in np.unique(limit):
            rows = limit == value
            reach = min(float(value), 0.5)
            found[rows] = quantiles_of_cdf(cdf[rows], at, np.array([0.5 - reach, 0.5 + reach]))
            if value > 0.5 + _ROUNDING:
                found[rows] = (-np.inf, np.inf)
        return found

    def columns(
        self, pdf_nk: NDArray[Any], edges: Sequence[float], groups: NDArray[np.str_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return both ends at every level, as the columns beside predictions."""
        found: dict[str, NDArray[Any]] = {}
        for level in self.levels:
            percent, ends = f"{100 * level:.0f}", self.intervals(pdf_nk, edges, level, groups)
            found |= {f"conformal_low_{percent}": ends[:, 0], f"conformal_high_{percent}": ends[:, 1]}
        return found


class ConformalSets(_Conformal):
    """Sets of classes that hold the true one with the probability that they promise.

    With the score ``inverse_probability``, 1 - p of the true class, sets are smallest on average. With
    ``adaptive`` (Romano, Sesia & Candès 2020, without their random part) it is the sum of p over the classes
    from the likeliest down to the true one; sets are larger and their coverage more even over easy
    and hard objects; many share the score 1, so that at high levels they cover more than they promise.
    """

    method: ClassVar[str] = "inverse_probability"
    kind: ClassVar[str] = "class_probability"

    @classmethod
    def fit(
        cls,
        probability_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        *,
        groups: Sequence[str] | NDArray[Any] | None = None,
        levels: Sequence[float] = LEVELS,
    ) -> Self:
        """Find the limits; arguments as of `ConformalIntervals.fit`, for (N, K) class probabilities.

        Raises
        ------
        InputError
            When probabilities, truth, groups or levels break their rules.
        """
        score = cls.scores(as_probabilities(probability_nk))
        index = check_truth_index(truth_index_n, *score.shape)
        names = None if groups is None else group_names(groups, len(index))
        return cls._of_scores(score[np.arange(len(index)), index], names, levels)

    def sets(
        self, probability_nk: NDArray[Any], level: float, groups: Sequence[str] | NDArray[Any] | None = None
    ) -> NDArray[np.bool_]:
        """Return (N, K) which classes are in the set of each object.

        A set can be empty: an object unlike all that were seen.

        Raises
        ------
        InputError
            When the level is none of `levels`, or probabilities or groups break their rules.
        """
        score = self.scores(as_probabilities(probability_nk))
        return np.asarray(score <= self.limit(level, groups, len(score))[:, None] + _ROUNDING)

    def columns(
        self, probability_nk: NDArray[Any], edges: Sequence[float], groups: NDArray[np.str_] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the sets at every level, a bit for each class, as the columns beside predictions."""
        bits = 1 << np.arange(np.shape(probability_nk)[1], dtype=np.int64)
        return {
            f"conformal_set_{100 * level:.0f}": self.sets(probability_nk, level, groups) @ bits
            for level in self.levels
        }

    @staticmethod
    def scores(probability_nk: FloatArray) -> FloatArray:
        """Return (N, K) scores, if each class were the true one."""
        return 1 - probability_nk


class AdaptiveSets(ConformalSets):
    """`ConformalSets` with the score ``adaptive``."""

    method: ClassVar[str] = "adaptive"

    @staticmethod
    def scores(probability_nk: FloatArray) -> FloatArray:
        """Return (N, K) sums of the probabilities from the likeliest class down to each."""
        order = np.argsort(-probability_nk, axis=1, kind="stable")
        total = np.cumsum(np.take_along_axis(probability_nk, order, axis=1), axis=1)
        found = np.empty_like(total)
        np.put_along_axis(found, order, total, axis=1)
        return found


def check_levels(levels: Sequence[float], where: str) -> None:
    """Raise InputError unless there are levels, and they increase between 0 and 1."""
    if not len(levels):
        raise fail(where, "there must be at least one level, but there is none")
    check_edges([0.0, *levels, 1.0], f"{where}, levels with 0 and 1")


def coverage_spread(n: int, level: float, part: float = 0.95) -> tuple[float, float]:
    """Return between which parts of new objects limits from `n` objects cover, `part` of the times.

    The promise is kept on average over the objects that limits come from. What the limits of n of them cover
    of all new objects has the distribution Beta(k, n + 1 - k), k = ceil((n + 1) level), where no two
    scores are the same (Vovk 2012; Angelopoulos & Bates 2023, section 3.2). Where k is above n,
    the limit is infinite and covers all.

    Raises
    ------
    InputError
        When there is no object, or `level` or `part` is not between 0 and 1.
    """
    from scipy.stats import beta

    if n < 1:
        raise fail("objects", f"there must be one or more that the limits come from, but found {n}")
    check_levels((level,), "level")
    check_levels((part,), "part")
    k = math.ceil((n + 1) * level * (1 - _ROUNDING))
    if k > n:
        return 1.0, 1.0
    low, high = beta.ppf([(1 - part) / 2, (1 + part) / 2], k, n + 1 - k)
    return float(low), float(high)


def group_names(groups: Sequence[str] | NDArray[Any] | None, n: int) -> NDArray[np.str_]:
    """Return (n,) names of groups; raises InputError when there are not `n`, or one is called ``all``."""
    if groups is None:
        return np.full(n, _ALL)
    names = np.asarray(groups).astype(np.str_)
    if names.shape != (n,):
        raise fail("groups", f"there must be one for each of {n} objects, but the shape is {names.shape}")
    if (names == _ALL).any():
        raise fail("groups", f"none may be called `{_ALL}`, which is the name of all objects together")
    return names


def _cdf(pdf_nk: NDArray[Any], edges: FloatArray) -> FloatArray:
    widths = np.diff(edges)
    masses = (1 - LOG_FLOOR) * bin_masses(pdf_nk, edges) + LOG_FLOOR * widths / widths.sum()
    return cdf_of_masses(masses)


def _limit(score_n: FloatArray, level: float) -> float:
    with warnings.catch_warnings():  # crepes sets a filter of its own, and warns of small groups
        from crepes import ConformalRegressor

        warnings.simplefilter("ignore")
        found = ConformalRegressor().fit(score_n).predict_int(np.zeros(1), confidence=level)
    return float(found[0, 1])
