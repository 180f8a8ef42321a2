"""Local recalibration of redshift PDFs: a map of the CDF whose shape depends on covariates."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations._common import Checked, checked
from rookery_ensembles.calibrations._local_map import WIDTH, fit_slopes, likelihood, mapped
from rookery_ensembles.calibrations._logits import check_numbers
from rookery_ensembles.calibrations.base import PDFS, Calibration, Covariates, FloatArray, Method
from rookery_ensembles.calibrations.temperature_beta import PdfCalibration, spread_rows, true_bin_ends
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.probabilities import as_probabilities
from rookery_ensembles.ranks import (
    DEGREE,
    check_knots,
    covariates_to_list,
    knots_of,
    rank_polynomials,
    read_covariates,
)
from rookery_ensembles.redshift_pdf import cdf_of_masses
from rookery_ensembles.shown import short_repr

PRIORS = (3.0, 30.0, 300.0)
"""Pulls towards the global map, in objects, of which cross-validation chooses one."""
ERRORS = 2.0
"""A covariate is looked at when that gains more than so many standard errors on objects left out."""
_PARTS, _MOST_TO_CHOOSE, _MOST_TO_FIT = 3, 20_000, 100_000
_BLOCK = 20_000
_KEYS = ("base", "covariates", "slopes")


@short_repr
@dataclass(frozen=True)
class LocalCalibration(Calibration):
    """One map of the CDF for all, then one whose shape depends on covariates.

    The CDF u at any redshift becomes Phi(s + exp(t) Phi^-1(u)), with Phi the normal distribution's, and then
    goes through a mixture of J = 8 distributions Beta(j, J - j + 1) as in `PdfCalibration`: both rise, and so
    do CDFs. Shift s, log-scale t and the logarithms of the weights are sums of polynomials of the
    covariates' ranks among the objects of the fit: shapes change smoothly, and beyond the range of
    the fit they stay as at its end. In the spirit of Cal-PIT (Dey et al. 2022) and LADaR, by
    maximum likelihood of the true bins. A pull towards the global map wins where objects are few.
    An object that lacks one of the covariates has the global map.

    Raises
    ------
    InputError
        When the sizes do not fit together, knots do not increase or a number is not finite.
    """

    base: PdfCalibration
    """The global map."""
    names: tuple[str, ...] = ()
    """C covariates; none where the global map was no worse."""
    knots: tuple[tuple[float, ...], ...] = ()
    """C lists of increasing values of the covariate at evenly spaced ranks."""
    slopes: tuple[tuple[float, ...], ...] = ()
    """3 C rows of 2 + J numbers: what a polynomial adds to the shift, the log-scale and the log-weights; and
    one more that is added for all objects, which files of earlier versions lack."""

    document: ClassVar[str] = "local"
    kinds: ClassVar[tuple[str, ...]] = (PDFS,)

    def __post_init__(self) -> None:
        """Check the rules, and tell which covariates are looked at."""
        _check(self, self.document)
        object.__setattr__(self, "covariates", self.names)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        told = f"then local in {', '.join(self.names)}" if self.names else "the same for all objects"
        return f"{self.base}, {told}"

    @classmethod
    def fit(
        cls,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
    ) -> Self:
        """Fit the global map, then how objects depart from it.

        Three-fold cross-validation chooses the pull, and the covariates: the one that helps least is left out
        while the log-loss of objects that were left out does not rise by more than `ERRORS` standard errors
        without it. Where none is left, the global map is all. On the data of the fit the log-loss is never
        higher than the global map's, and that never higher than without.

        Parameters
        ----------
        values_nk
            (N, K) bin masses of pooled PDFs of objects that no member was trained on.
        truth_index_n
            (N,) bins of the true redshifts.
        sample_weight
            (N,) what each object counts; 1 by default.
        sharpen
            See `fit_calibration`: a local map cannot keep from it.
        covariates
            C covariates of the objects; those that are not finite are unknown.

        Raises
        ------
        InputError
            When masses, bins, weights or covariates break their rules.
        """
        masses, index, weight = data = checked(values_nk, truth_index_n, sample_weight)
        base = PdfCalibration.fit(masses, index, sample_weight)
        alone = cls(base)
        if covariates is None or not covariates.names:
            return alone
        known = np.isfinite(covariates.values).all(axis=1) & (weight > 0)
        if known.sum() < 2 * _PARTS:
            return alone
        chosen = np.flatnonzero(known)[spread_rows(int(known.sum()), _MOST_TO_FIT)]
        ends = true_bin_ends(base.apply(masses[chosen]), index[chosen])
        used, prior = _useful(ends, covariates.take(chosen), weight[chosen])
        if not used:
            return alone
        knots = knots_of(covariates.columns(used)[known])
        features = _with_constant(rank_polynomials(covariates.columns(used)[chosen], knots))
        slopes = tuple(tuple(row) for row in fit_slopes(ends, features, weight[chosen], prior).tolist())
        found = cls(base, used, knots, slopes)
        return found if _loss(found, data, covariates) < _loss(alone, data, covariates) else alone

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) bin masses in double precision.

        Raises
        ------
        InputError
            When the masses break their rules, or there is not one row of covariates for each object.
        """
        masses = self.base.apply(values_nk)
        if covariates is None or not self.names:
            return masses
        if len(covariates) != len(masses):
            rule = f"there must be one row for each of {len(masses)} objects"
            raise fail("covariates", f"{rule}, but found {len(covariates)}")
        values = covariates.columns(self.names)
        rows, slopes = np.flatnonzero(np.isfinite(values).all(axis=1)), np.array(self.slopes)
        masses = masses.copy()
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            features = rank_polynomials(values[part], self.knots)
            if len(slopes) > features.shape[1]:
                features = _with_constant(features)
            cdf = mapped(cdf_of_masses(masses[part]), features, slopes)
            masses[part] = np.maximum(np.diff(cdf, axis=1), 0.0)  # rounding must not make a mass negative
        return as_probabilities(masses, "bin masses")

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        listed = covariates_to_list(self.names, self.knots)
        slopes = [list(row) for row in self.slopes]
        return {"method": self.document, "base": self.base.to_dict(), "covariates": listed, "slopes": slopes}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, _KEYS)
        base = PdfCalibration.from_dict(fields.raw("base"), fields.place("base"))
        names, knots = read_covariates(fields)
        return cls(base, names, knots, fields.take_rows("slopes"))


def _with_constant(features_np: FloatArray) -> FloatArray:
    """Return features and a column of ones: maps that differ by object need another one for all than one map.

    Without it PDFs that are right for each part of the objects come out too wide or too narrow in all.
    """
    return np.column_stack([features_np, np.ones(len(features_np))])


def _check(found: LocalCalibration, where: str) -> None:
    check_knots(found.names, found.knots, where)
    polynomials = DEGREE * len(found.names)
    if len(found.slopes) not in (polynomials, polynomials + 1 if found.names else 0):
        rule = f"there must be {DEGREE} rows of slopes for each of {len(found.names)} covariates"
        raise fail(where, f"{rule}, but found {len(found.slopes)}")
    if any(len(row) != WIDTH for row in found.slopes):
        raise fail(where, f"every row of slopes must hold {WIDTH} numbers")
    check_numbers([number for row in found.slopes for number in row], f"{where}, slopes")


def _useful(ends: FloatArray, covariates: Covariates, weight_n: FloatArray) -> tuple[tuple[str, ...], float]:
    """Return the covariates that help on objects left out, and the pull that serves them best."""
    order = np.random.default_rng(0).permutation(len(covariates))[:_MOST_TO_CHOOSE]
    judged = _Judged(ends[:, order], covariates.take(order), weight_n[order])
    used = covariates.names
    prior, gain_n = judged.best(used)
    while used:
        less = {name: tuple(one for one in used if one != name) for name in used}
        without = {name: judged.gain(others, prior) for name, others in less.items()}
        helps = {name: judged.in_errors(gain_n - other_n) for name, other_n in without.items()}
        weakest = min(helps, key=lambda name: helps[name])
        if helps[weakest] > ERRORS:
            break
        used = less[weakest]
        prior, gain_n = judged.best(used)
    return used, prior


@dataclass(frozen=True, eq=False)
class _Judged:
    """What maps that depend on some covariates gain over the global one on objects left out of their fit."""

    ends: FloatArray
    covariates: Covariates
    weight_n: FloatArray

    def best(self, names: tuple[str, ...]) -> tuple[float, FloatArray]:
        """Return the best pull, and the gains (N,) with it."""
        gains = {prior: self.gain(names, prior) for prior in PRIORS}
        prior = max(gains, key=lambda each: gains[each].mean())
        return prior, gains[prior]

    def gain(self, names: tuple[str, ...], prior: float) -> FloatArray:
        """Return (N,) gains in nats, each times what its object counts."""
        gain_n = np.zeros(len(self.weight_n))
        if not names:
            return gain_n
        values, part = self.covariates.columns(names), np.arange(len(gain_n)) % _PARTS
        features = rank_polynomials(values, knots_of(values))
        none = np.zeros((features.shape[1], WIDTH))
        for i in range(_PARTS):
            seen, unseen = part != i, part == i
            slopes = fit_slopes(self.ends[:, seen], features[seen], self.weight_n[seen], prior)
            before, after = (likelihood(self.ends[:, unseen], features[unseen], s) for s in (none, slopes))
            gain_n[unseen] = np.log(after / before)
        return gain_n * self.weight_n

    @staticmethod
    def in_errors(gain_n: FloatArray) -> float:
        """Return a mean gain in standard errors; 0 where nothing differs."""
        error = float(gain_n.std()) / np.sqrt(len(gain_n))
        return float(gain_n.mean()) / error if error > 0 else 0.0


def _loss(found: LocalCalibration, data: Checked, covariates: Covariates) -> float:
    masses, index, weight = data
    return log_loss(found.apply(masses, covariates), index, weight)


METHODS = (
    Method(
        "local",
        PDFS,
        "The CDF through a map for all, then one that depends on covariates.",
        LocalCalibration.fit,
        local=True,
    ),
)
