"""One temperature: how certain probabilities are."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations.base import CLASSES, PDFS, Calibration, Covariates, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.probabilities import (
    LOG_FLOOR,
    as_probabilities,
    check_sample_weight,
    check_truth_index,
)
from rookery_ensembles.shown import short_repr

TEMPERATURE_RANGE = (0.05, 20.0)


@short_repr
@dataclass(frozen=True)
class TemperatureCalibration(Calibration):
    """Probabilities raised to the power 1/T and normalised again (Guo et al. 2017, section 4.2).

    T > 1 makes them less certain, T < 1 more; the order of an object's classes stays, and T = 1
    changes nothing. Averaging makes members' probabilities less certain than any one of them, so
    it is their average that is calibrated, not they.

    Raises
    ------
    InputError
        When T is not.
    """

    temperature: float
    """T, finite and greater than 0."""

    document: ClassVar[str] = "temperature"
    kinds: ClassVar[tuple[str, ...]] = (CLASSES, PDFS)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return f"temperature {self.temperature:.3f}"

    def __post_init__(self) -> None:
        """Check the rule."""
        _check_temperature(self.temperature, "temperature")

    @classmethod
    def fit(
        cls,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
    ) -> "TemperatureCalibration":
        """Find the T in `TEMPERATURE_RANGE` of least log-loss.

        On the data of the fit the log-loss is never higher than without calibration: where no T
        lowers it, T is 1.

        Parameters
        ----------
        values_nk
            (N, K) averaged probabilities of objects that no member was trained on.
        truth_index_n
            (N,) positions of the true classes.
        sample_weight
            (N,) what each object counts in the log-loss; 1 by default.
        sharpen
            Whether T may be below 1, which makes probabilities more certain.
        covariates
            Not looked at.

        Raises
        ------
        InputError
            When probabilities, truth or weights break their rules.
        """
        from scipy.optimize import minimize_scalar

        probability = as_probabilities(values_nk)
        index = check_truth_index(truth_index_n, *probability.shape)
        weight_n = check_sample_weight(sample_weight, len(index))
        log_p_nk = _floored_log(probability)

        def loss(log_temperature: float) -> float:
            scaled_nk = log_p_nk * math.exp(-log_temperature)
            norm_n = np.log(np.exp(scaled_nk).sum(axis=1))
            return float(np.mean(weight_n * (norm_n - scaled_nk[np.arange(len(index)), index])))

        low, high = TEMPERATURE_RANGE if sharpen else (1.0, TEMPERATURE_RANGE[1])
        found = minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded")
        fitted = cls(math.exp(found.x))
        weights = None if sample_weight is None else weight_n
        before, after = (log_loss(p, index, weights) for p in (probability, fitted.apply(probability)))
        return fitted if after < before else cls(1.0)

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> NDArray[np.float64]:
        """Return calibrated (N, K) probabilities in double precision.

        Raises
        ------
        InputError
            When the probabilities break their rules.
        """
        probability = as_probabilities(values_nk)
        if self.temperature == 1.0:
            return probability
        powers_nk = np.exp(_floored_log(probability) / self.temperature)
        return np.asarray(powers_nk / powers_nk.sum(axis=1, keepdims=True))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        return {"method": "temperature", "temperature": self.temperature}

    @classmethod
    def from_dict(cls, document: object, where: str) -> "TemperatureCalibration":
        """Read what `to_dict` returned.

        Raises
        ------
        InputError
            Beginning with `where`, when it is something else.
        """
        fields = Fields.of_method(document, where, cls.document, ("temperature",))
        temperature = fields.take("temperature", float)
        _check_temperature(temperature, fields.place("temperature"))
        return cls(temperature)


def _check_temperature(temperature: float, where: str) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise fail(where, f"must be finite and greater than 0, but found {temperature}")


def _floored_log(probability_nk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log p, with p no less than `LOG_FLOOR`, less each row's largest, so that no power overflows."""
    log_p_nk = np.log(np.maximum(probability_nk, LOG_FLOOR))
    return np.asarray(log_p_nk - log_p_nk.max(axis=1, keepdims=True))


METHODS = tuple(
    Method("temperature", kind, "Powers 1/T, normalised again.", TemperatureCalibration.fit, softens=True)
    for kind in (CLASSES, PDFS)
)
