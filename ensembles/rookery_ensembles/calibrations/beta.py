"""Beta calibration of class probabilities: one class against the rest."""

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
    floored,
    n_maps,
    one_against_rest,
    require_columns,
)
from rookery_ensembles.calibrations._logits import check_numbers
from rookery_ensembles.calibrations.base import CLASSES, Covariates, FloatArray, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import as_probabilities

Triple = tuple[float, float, float]
_IDENTITY: Triple = (1.0, 1.0, 0.0)
_LARGEST, _PRIOR = 20.0, 1.0


@dataclass(frozen=True)
class BetaCalibration(ClassCalibration):
    """Odds of q: p^a / (1 - p)^b exp(c), a and b not negative (Kull, Silva Filho & Flach 2017).

    Of two classes the first one's probability is mapped; of more, each one's against the rest, and the
    results are normalised.

    Raises
    ------
    InputError
        When a number is not finite, or a or b is negative.
    """

    parameters: tuple[Triple, ...]
    """(a, b, c) of each class, of two classes of the first; (1, 1, 0) changes nothing."""

    document: ClassVar[str] = "beta"

    def __post_init__(self) -> None:
        """Check the rules."""
        _check(self.parameters, self.document)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return "beta " + " ".join(f"({a:.3f}, {b:.3f}, {c:.3f})" for a, b, c in self.parameters)

    @classmethod
    def _found(cls, data: Checked) -> Self:
        return cls(fit_each(_fit_one, data))

    @classmethod
    def _unchanged(cls, k: int) -> Self:
        return cls((_IDENTITY,) * n_maps(k))

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities; InputError when they break their rules."""
        probability = as_probabilities(values_nk)
        require_columns(n_maps(probability.shape[1]), len(self.parameters), "probability")
        if set(self.parameters) == {_IDENTITY}:
            return probability
        return one_against_rest(probability, [partial(_mapped, triple=each) for each in self.parameters])

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        return {"method": self.document, "parameters": [list(triple) for triple in self.parameters]}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, ("parameters",))
        rows = fields.take_rows("parameters")
        _check(rows, fields.place("parameters"))
        return cls(tuple((a, b, c) for a, b, c in rows))


def _check(parameters: tuple[tuple[float, ...], ...], where: str) -> None:
    if not parameters or len(parameters) == 2 or any(len(row) != 3 for row in parameters):
        rule = "must hold three numbers for each of three or more classes, or for one of two"
        raise fail(where, f"{rule}, but found {[list(row) for row in parameters]}")
    check_numbers([number for row in parameters for number in row], where)
    for a, b, _ in parameters:
        if min(a, b) < 0:
            raise fail(where, f"a and b must not be negative, but found {a} and {b}")


def _mapped(p_n: FloatArray, triple: Triple) -> FloatArray:
    from scipy.special import expit

    a, b, c = triple
    p_n = floored(p_n)
    return np.asarray(expit(a * np.log(p_n) - b * np.log1p(-p_n) + c))


def _fit_one(p_n: FloatArray, true_n: NDArray[np.bool_], weight_n: FloatArray) -> Triple:
    """Return a, b, c of least binary log-loss, pulled to no change as by one object."""
    from scipy.optimize import minimize
    from scipy.special import expit

    p_n = floored(p_n)
    features, share = np.column_stack([np.log(p_n), -np.log1p(-p_n), np.ones(len(p_n))]), weight_n / len(p_n)
    start, pull = np.array(_IDENTITY), _PRIOR / len(p_n)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        logit, away = features @ parameters, parameters - start
        value = float(np.sum(share * (np.logaddexp(0, logit) - true_n * logit)) + pull * (away @ away))
        return value, features.T @ (share * (expit(logit) - true_n)) + 2 * pull * away

    limits = [(0.0, _LARGEST), (0.0, _LARGEST), (-_LARGEST, _LARGEST)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits)
    a, b, c = (float(x) for x in found.x)
    return a, b, c


METHODS = (Method("beta", CLASSES, "Three parameters for each class against the rest.", BetaCalibration.fit),)
