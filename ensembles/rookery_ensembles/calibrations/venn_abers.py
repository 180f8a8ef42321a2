"""Venn-Abers calibration of class probabilities: one class against the rest."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations._common import (
    Checked,
    ClassCalibration,
    fit_each,
    n_maps,
    one_against_rest,
    require_columns,
)
from rookery_ensembles.calibrations._steps import Grouped, check_rising, grouped, rising
from rookery_ensembles.calibrations.base import CLASSES, Covariates, FloatArray, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import as_probabilities

_KEYS = ("low", "high", "at", "between")


@dataclass(frozen=True)
class Table:
    """What an object of any score is told."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    """G groups of scores of the objects of the fit, each from its least to its greatest."""
    at: tuple[float, ...]
    """G probabilities for scores within a group."""
    between: tuple[float, ...]
    """G + 1 probabilities for scores below, between and above the groups."""

    def check(self, where: str) -> None:
        """Raise InputError unless the sizes fit, and all lie from 0 to 1 and rise."""
        g = len(self.low)
        if not (g and len(self.high) == g == len(self.at) and len(self.between) == g + 1):
            sizes = ", ".join(str(len(getattr(self, name))) for name in _KEYS)
            rule = f"{', '.join(_KEYS)} must hold G, G, G and G + 1 numbers, G at least 1"
            raise fail(where, f"{rule}, but hold {sizes}")
        for name in _KEYS:
            check_rising(getattr(self, name), f"{where}, key `{name}`")
        check_rising([x for pair in zip(self.low, self.high, strict=True) for x in pair], where)


@dataclass(frozen=True)
class VennAbersCalibration(ClassCalibration):
    """Inductive Venn-Abers predictor (Vovk & Petej 2014; fast form Vovk, Petej & Fedorova 2015).

    An object is added to those of the fit once as of the class and once as not; isotonic regressions give
    p1 and p0, one of which is perfectly calibrated whatever the distribution, and p1 / (1 - p0 + p1)
    is the probability of least worst regret. Since the added object counts, it is never 0 or 1. Of more than
    two classes each one is against the rest, and the results are normalised. Where there are more than
    `MOST_KNOTS` different scores, neighbours are joined first.

    Raises
    ------
    InputError
        When a table breaks its rules.
    """

    tables: tuple[Table, ...]
    """Of each class, of two classes of the first; none changes nothing."""

    document: ClassVar[str] = "venn_abers"

    def __post_init__(self) -> None:
        """Check the rules."""
        for table in self.tables:
            table.check(self.document)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return f"Venn-Abers, {' '.join(str(len(table.at)) for table in self.tables) or 'no'} scores"

    @classmethod
    def _found(cls, data: Checked) -> Self:
        return cls(fit_each(_fit_one, data))

    @classmethod
    def _unchanged(cls, k: int) -> Self:
        return cls(())

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities; InputError when they break their rules."""
        probability = as_probabilities(values_nk)
        if not self.tables:
            return probability
        require_columns(n_maps(probability.shape[1]), len(self.tables), "probability")
        return one_against_rest(probability, [partial(_looked_up, table=table) for table in self.tables])

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        tables = [{key: list(getattr(table, key)) for key in _KEYS} for table in self.tables]
        return {"method": self.document, "tables": tables}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, ("tables",))
        tables = []
        for given in fields.sections("tables", _KEYS):
            table = Table(*(given.take_list(key, float) for key in _KEYS))
            table.check(given.where)
            tables.append(table)
        if len(tables) == 2:
            raise fail(fields.place("tables"), "must be of one class or of three or more, but are of 2")
        return cls(tuple(tables))


def _looked_up(score_n: FloatArray, table: Table) -> FloatArray:
    low, high = np.array(table.low), np.array(table.high)
    group = np.searchsorted(low, score_n, side="right")  # 1 + the last group that begins at or below
    inside = (group > 0) & (score_n <= high[np.maximum(group - 1, 0)])
    at, between = np.array(table.at), np.array(table.between)
    return np.where(inside, at[np.maximum(group - 1, 0)], between[group])


def _fit_one(score_n: FloatArray, true_n: NDArray[np.bool_], weight_n: FloatArray) -> Table:
    groups = grouped(score_n, true_n, weight_n)
    g = len(groups.low)
    at = np.maximum.accumulate([_merged(groups, i, joins=True) for i in range(g)])
    between = np.maximum.accumulate([_merged(groups, i, joins=False) for i in range(g + 1)])
    numbers = (groups.low, groups.high, np.minimum(at, 1.0), np.minimum(between, 1.0))
    low, high, joined, apart = (tuple(each.tolist()) for each in numbers)
    return Table(low, high, joined, apart)


def _merged(groups: Grouped, i: int, *, joins: bool) -> float:
    """Return p1 / (1 - p0 + p1) of an object in group i, or before it."""
    levels = []
    for outcome in (0.0, 1.0):
        if joins:
            weight, right = groups.weight.copy(), groups.right.copy()
            weight[i] += 1
            right[i] += outcome
        else:
            weight, right = np.insert(groups.weight, i, 1.0), np.insert(groups.right, i, outcome)
        levels.append(float(rising(right / weight, weight)[i]))
    p0, p1 = levels
    return p1 / (1 - p0 + p1)


METHODS = (
    Method(
        "venn_abers",
        CLASSES,
        "Isotonic with the object counted both ways, for each class against the rest.",
        VennAbersCalibration.fit,
    ),
)
