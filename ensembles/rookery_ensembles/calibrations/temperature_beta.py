"""A temperature, a beta distribution and a mixture of them: calibration of averaged redshift PDFs."""

import hashlib
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations._beta_mixture import check_mixture, fit_mixture, mixture_cdf
from rookery_ensembles.calibrations.base import PDFS, Calibration, Covariates, Method
from rookery_ensembles.calibrations.temperature import TEMPERATURE_RANGE
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import (
    as_probabilities,
    check_sample_weight,
    check_truth_index,
    mean_loss,
)
from rookery_ensembles.redshift_pdf import FloatArray, cdf_of_masses
from rookery_ensembles.shown import short_repr

BETA_RANGE = (0.05, 20.0)
_METHOD = "temperature_beta"
_RANGES = {"temperature": TEMPERATURE_RANGE, "a": BETA_RANGE, "b": BETA_RANGE}
# The parameters are known well enough from so many objects; each costs K powers a step, or two
# values of the beta distribution.
_MOST_FOR_TEMPERATURE, _MOST_FOR_BETA = 20_000, 100_000
# A smaller gain in nats is rounding.
_LEAST_GAIN = 1e-9
# A local calibration begins with a fit that is often asked for alone too.
_REMEMBERED = 64
_latest: "dict[bytes, PdfCalibration]" = {}
_BLOCK = 20_000


@short_repr
@dataclass(frozen=True)
class PdfCalibration(Calibration):
    """Bin masses raised to the power 1/T, then their cumulative distribution sent through a beta one.

    The power widens (T > 1) or narrows PDFs about their peaks. The beta distribution's function B
    then turns F into B(F; a, b), so that a density becomes f beta(F; a, b): a and b apart shift the
    PDFs, both above 1 narrow them, both below 1 move probability from their middle to their tails.
    It is the recalibration of linear pools by Ranjan & Gneiting (2010) and Gneiting & Ranjan (2013).
    What two parameters cannot mend, such as tails that are too light about a core that is too wide,
    a mixture of beta distributions does in the same way (Bassetti, Casarin & Ravazzolo 2018).
    With T = a = b = 1 and equal weights nothing changes, and a bin without probability stays so.

    Raises
    ------
    InputError
        When one is out of its range.
    """

    temperature: float = 1.0
    """T, in `TEMPERATURE_RANGE`."""
    a: float = 1.0
    b: float = 1.0
    """Parameters of the beta distribution, in `BETA_RANGE`."""
    weights: tuple[float, ...] = ()
    """Of the J components Beta(j, J - j + 1) of the mixture; they sum to 1. None for no mixture."""

    document: ClassVar[str] = _METHOD
    kinds: ClassVar[tuple[str, ...]] = (PDFS,)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        mixed = ", then a mixture of betas" if self.weights else ""
        return f"temperature {self.temperature:.3f}, beta({self.a:.3f}, {self.b:.3f}){mixed}"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in _RANGES:
            _check_range(name, getattr(self, name), name)
        check_mixture(self.weights, "weights")

    @classmethod
    def fit(
        cls,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
        warm: bool = True,
        mix: bool = True,
    ) -> "PdfCalibration":
        """Find the calibration of the greatest likelihood of the true bins.

        Of none, the best T, the best a and b, and the best a and b after T, it is the likeliest, and
        a mixture follows; on the data of the fit the likelihood is never lower than without.

        Parameters
        ----------
        values_nk
            (N, K) bin masses of averaged PDFs of objects that no member was trained on.
        truth_index_n
            (N,) bins of the true redshifts; objects outside of all bins cannot help.
        sample_weight
            (N,) what each object counts; 1 by default.
        sharpen
            Whether PDFs may become more certain. If not, T is no less than 1, and nothing follows it.
        covariates
            Not looked at.
        warm, mix
            Whether there may be a temperature, and a mixture of beta distributions.

        Raises
        ------
        InputError
            When masses, bins or weights break their rules.
        """
        masses = as_probabilities(values_nk, "bin masses")
        index = check_truth_index(truth_index_n, *masses.shape)
        weight = check_sample_weight(sample_weight, len(index))
        key = _key(masses, index, weight, sharpen, warm, mix)
        if key not in _latest:
            _latest[key] = cls._fit(masses, index, weight, sharpen=sharpen, warm=warm, mix=mix)
            while len(_latest) > _REMEMBERED:
                _latest.pop(next(iter(_latest)), None)
        return _latest[key]

    @classmethod
    def _fit(
        cls,
        masses: FloatArray,
        index: NDArray[np.intp],
        weight: FloatArray,
        *,
        sharpen: bool,
        warm: bool,
        mix: bool,
    ) -> "PdfCalibration":
        temperature = _fit_temperature(masses, index, weight, sharpen) if warm else 1.0
        warmed = cls(temperature).apply(masses)
        plain_loss, warm_loss = (_loss(values, index, weight) for values in (masses, warmed))
        found = [(warm_loss, cls(temperature))]
        if sharpen:
            # A beta distribution after the best temperature is not always better than one alone.
            for values, t in ((masses, 1.0), (warmed, temperature))[: 1 + warm]:
                loss, a, b = _fit_beta(values, index, weight)
                found.append((loss, cls(t, a, b)))
        least, best = min(found, key=lambda pair: pair[0])
        if not least < plain_loss - _LEAST_GAIN:
            least, best = plain_loss, cls()
        if sharpen and mix:
            ends = true_bin_ends(best.apply(masses), index)
            chosen = spread_rows(len(index), _MOST_FOR_BETA)
            mixed = replace(best, weights=fit_mixture(ends[:, chosen], weight[chosen]))
            low, high = mixture_cdf(mixed.weights, ends)
            if mean_loss(high - low, weight) < least - _LEAST_GAIN:
                return mixed
        return best

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) bin masses in double precision.

        Raises
        ------
        InputError
            When the masses break their rules.
        """
        from scipy.special import betainc

        masses = as_probabilities(values_nk, "bin masses")
        if self.temperature != 1.0:
            masses = _powers(masses, self.temperature)
            masses /= masses.sum(axis=1, keepdims=True)
        if (self.a, self.b) == (1.0, 1.0) and not self.weights:
            return masses
        cdf = cdf_of_masses(masses)
        if (self.a, self.b) != (1.0, 1.0):
            cdf = betainc(self.a, self.b, cdf)
        if self.weights:
            cdf = mixture_cdf(self.weights, cdf)
        return np.asarray(np.maximum(np.diff(cdf, axis=1), 0.0))  # rounding must not make a mass negative

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        numbers = {name: float(getattr(self, name)) for name in _RANGES}
        return {"method": _METHOD, **numbers, "weights": [float(weight) for weight in self.weights]}

    @classmethod
    def from_dict(cls, document: object, where: str) -> "PdfCalibration":
        """Read what `to_dict` returned.

        Raises
        ------
        InputError
            Beginning with `where`, when it is something else.
        """
        fields = Fields.of_method(document, where, cls.document, (*_RANGES, "weights"))
        values = {name: fields.take(name, float) for name in _RANGES}
        for name, value in values.items():
            _check_range(name, value, fields.place(name))
        weights = fields.take_list("weights", float)
        check_mixture(weights, fields.place("weights"))
        return cls(**values, weights=weights)


def _key(masses: FloatArray, index: NDArray[np.intp], weight: FloatArray, *options: bool) -> bytes:
    """Return what tells a fit from all others."""
    found = hashlib.blake2b(repr((masses.shape, options)).encode(), digest_size=20)
    for array in (masses, index, weight):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.digest()


def _check_range(name: str, value: float, where: str) -> None:
    low, high = _RANGES[name]
    if not low <= value <= high:
        raise fail(where, f"must be from {low:g} to {high:g}, but found {value}")


def _powers(masses_nk: FloatArray, temperature: float) -> FloatArray:
    """Return p^(1/T), each row divided by its largest, so that none of all is lost to underflow."""
    powers: FloatArray = masses_nk / masses_nk.max(axis=1, keepdims=True)
    np.power(powers, 1 / temperature, out=powers)
    return powers


def _loss(masses_nk: FloatArray, index_n: NDArray[np.intp], weight_n: FloatArray) -> float:
    return mean_loss(masses_nk[np.arange(len(index_n)), index_n], weight_n)


def _fit_temperature(
    masses_nk: FloatArray, index_n: NDArray[np.intp], weight_n: FloatArray, sharpen: bool
) -> float:
    from scipy.optimize import minimize_scalar

    chosen = spread_rows(len(index_n), _MOST_FOR_TEMPERATURE)
    masses, index, weight = masses_nk[chosen], index_n[chosen], weight_n[chosen]

    def loss(log_temperature: float) -> float:
        powers = _powers(masses, math.exp(log_temperature))
        powers /= powers.sum(axis=1, keepdims=True)
        return _loss(powers, index, weight)

    low, high = TEMPERATURE_RANGE if sharpen else (1.0, TEMPERATURE_RANGE[1])
    limits = (math.log(low), math.log(high))
    found = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-4})
    return float(np.clip(math.exp(found.x), low, high))


def _fit_beta(
    masses_nk: FloatArray, index_n: NDArray[np.intp], weight_n: FloatArray
) -> tuple[float, float, float]:
    """Return the least loss, and the a and b that reach it."""
    from scipy.optimize import minimize
    from scipy.special import betainc

    ends = true_bin_ends(masses_nk, index_n)
    chosen = spread_rows(len(index_n), _MOST_FOR_BETA)

    def loss(logs: FloatArray, rows: NDArray[np.intp] | slice = chosen) -> float:
        low, high = betainc(*np.exp(logs), ends[:, rows])
        return mean_loss(high - low, weight_n[rows])

    limits = (math.log(BETA_RANGE[0]), math.log(BETA_RANGE[1]))
    found = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[limits] * 2)
    a, b = np.clip(np.exp(found.x), *BETA_RANGE).tolist()
    return loss(np.log([a, b]), slice(None)), a, b


def true_bin_ends(masses_nk: FloatArray, index_n: NDArray[np.intp]) -> FloatArray:
    """Return (2, N) cumulative distributions at the lower and upper edges of the true bins."""
    ends = np.empty((2, len(index_n)))
    for start in range(0, len(index_n), _BLOCK):
        part = slice(start, start + _BLOCK)
        cdf, index = cdf_of_masses(masses_nk[part]), index_n[part]
        rows = np.arange(len(index))
        ends[:, part] = cdf[rows, index], cdf[rows, index + 1]
    return ends


def spread_rows(n: int, most: int) -> NDArray[np.intp]:
    """Return at most so many of `n` rows, from all over: they may be sorted by anything."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.intp)


METHODS = (
    Method(
        "beta",
        PDFS,
        "The CDF through one beta distribution's.",
        partial(PdfCalibration.fit, warm=False, mix=False),
    ),
    Method(
        "temperature_beta",
        PDFS,
        "Powers 1/T, then the CDF through a beta distribution's and a mixture's of them.",
        PdfCalibration.fit,
        softens=True,
    ),
)
