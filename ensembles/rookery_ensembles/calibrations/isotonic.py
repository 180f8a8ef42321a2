"""Isotonic calibration of class probabilities: one class against the rest."""

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
from rookery_ensembles.calibrations._steps import check_rising, grouped, rising
from rookery_ensembles.calibrations.base import CLASSES, Covariates, FloatArray, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import as_probabilities

Knots = tuple[tuple[float, ...], tuple[float, ...]]
_IDENTITY: Knots = ((0.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True)
class IsotonicCalibration(ClassCalibration):
    """The rising map nearest to the truth (Zadrozny & Elkan 2002), its ends drawn in.

    Isotonic regression says 0 and 1 where a run of objects at the ends is of one class, and a single
    object later that contradicts makes the log-loss infinite. Each step therefore counts half an object
    more of either outcome. That costs log-loss on the data of the fit, where such ends are right: the map
    is then taken only if it lowers the log-loss all the same. Between steps it is linear; of more than two
    classes each one's map is against the rest, and the results are normalised.

    Raises
    ------
    InputError
        When the numbers differ, leave 0 to 1, or fall.
    """

    knots: tuple[Knots, ...]
    """Of each class, of two classes of the first: scores that increase, and the probabilities there."""

    document: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        """Check the rules."""
        for scores, values in self.knots:
            _check(scores, values, self.document)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return f"isotonic, {' '.join(str(len(scores)) for scores, _ in self.knots)} knots"

    @classmethod
    def _found(cls, data: Checked) -> Self:
        return cls(fit_each(_fit_one, data))

    @classmethod
    def _unchanged(cls, k: int) -> Self:
        return cls((_IDENTITY,) * n_maps(k))

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities; InputError when they break their rules."""
        probability = as_probabilities(values_nk)
        require_columns(n_maps(probability.shape[1]), len(self.knots), "probability")
        if set(self.knots) == {_IDENTITY}:
            return probability
        return one_against_rest(probability, [partial(_interpolated, knots=each) for each in self.knots])

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        tables = [{"scores": list(scores), "values": list(values)} for scores, values in self.knots]
        return {"method": self.document, "knots": tables}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, ("knots",))
        found = []
        for table in fields.sections("knots", ("scores", "values")):
            scores, values = table.take_list("scores", float), table.take_list("values", float)
            _check(scores, values, table.where)
            found.append((scores, values))
        if len(found) in (0, 2):
            raise fail(
                fields.place("knots"), f"must be of one class or of three or more, but are {len(found)}"
            )
        return cls(tuple(found))


def _check(scores: tuple[float, ...], values: tuple[float, ...], where: str) -> None:
    if not scores or len(scores) != len(values):
        rule = "there must be a value for each of one or more scores"
        raise fail(where, f"{rule}, but found {len(values)} for {len(scores)}")
    for numbers in (scores, values):
        check_rising(numbers, where)


def _interpolated(score_n: FloatArray, knots: Knots) -> FloatArray:
    return np.asarray(np.interp(score_n, *knots), dtype=np.float64)


def _fit_one(score_n: FloatArray, true_n: NDArray[np.bool_], weight_n: FloatArray) -> Knots:
    groups = grouped(score_n, true_n, weight_n)
    level = rising(groups.right / groups.weight, groups.weight)
    starts = np.flatnonzero(np.diff(level, prepend=-1.0))
    ends = np.append(starts[1:], len(level)) - 1
    right, weight = (np.add.reduceat(each, starts) for each in (groups.right, groups.weight))
    # Steps of few objects move further in than large ones, but must not pass each other.
    value = np.maximum.accumulate((right + 0.5) / (weight + 1))
    scores, values = np.column_stack([groups.low[starts], groups.high[ends]]), np.repeat(value, 2)
    kept = np.append(True, np.diff(scores.ravel()) > 0)
    return tuple(scores.ravel()[kept].tolist()), tuple(values[kept].tolist())


METHODS = (
    Method("isotonic", CLASSES, "A rising map for each class against the rest.", IsotonicCalibration.fit),
)
