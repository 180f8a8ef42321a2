"""Bins of redshift, on which a network predicts PDFs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations import Calibration, Covariates, fit_calibration, methods
from rookery_ensembles.conformal import ConformalIntervals
from rookery_ensembles.covariates import OF_PDFS, with_own
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import REDSHIFT_METRICS, Metric
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.photoz_metrics import known_sample, photoz_metrics
from rookery_ensembles.photoz_sample import PhotozSample
from rookery_ensembles.probabilities import LOG_FLOOR, TOLERANCE, Floating, normalised, true_likelihood
from rookery_ensembles.redshift_pdf import (
    bin_centres,
    bin_indices,
    bin_masses,
    credible_interval,
    read_redshifts,
    std_of_masses,
    z_median,
)
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]
Weights = NDArray[np.float64] | None

SAME_REDSHIFT = 1e-5
"""Redshifts may differ by so much times 1 + z: rounding to float32 or five digits is no contradiction."""


@short_repr
@dataclass(frozen=True)
class RedshiftBins:
    """K bins of redshift; see `rookery_ensembles.target` for what a target tells."""

    edges: tuple[float, ...]
    """The K + 1 increasing edges of the bins."""

    kind: ClassVar[str] = "redshift_pdf"
    key: ClassVar[str] = "bin_edges"
    spoken: ClassVar[str] = "redshift PDFs"
    truth_name: ClassVar[str] = "redshift in a bin"
    column: ClassVar[str] = "pdf"
    truth_column: ClassVar[str] = "redshift"
    truth_type: ClassVar[str] = "float64"
    truth_dtype: ClassVar[type] = np.float64
    has_pdfs: ClassVar[bool] = True
    names: ClassVar[tuple[str, ...]] = ()
    calibrations: ClassVar[tuple[str, ...]] = tuple(methods(kind))
    metrics: ClassVar[tuple[Metric, ...]] = REDSHIFT_METRICS
    each_epoch: ClassVar[tuple[str, ...]] = ("log_loss", "crps", "bias", "sigma_mad", "eta")
    published: ClassVar[tuple[str, ...]] = ("bias", "sigma_mad", "eta", "crps", "pit_ks")
    compared: ClassVar[tuple[str, ...]] = (
        *("bias", "sigma_mad", "eta", "crps", "log_likelihood", "pit_ks"),
        "coverage_68",
    )
    headline: ClassVar[tuple[str, ...]] = tuple(name for name in compared if name != "log_likelihood")
    brief: ClassVar[tuple[str, ...]] = compared[:-1]
    decisive: ClassVar[str] = "crps"

    def __post_init__(self) -> None:
        """Keep edges as a tuple of numbers."""
        object.__setattr__(self, "edges", tuple(float(edge) for edge in self.edges))

    @classmethod
    def equal(cls, low: float, high: float, number: int) -> "RedshiftBins":
        """Return `number` bins of equal width."""
        return cls(tuple(np.linspace(low, high, number + 1).tolist()))

    @property
    def n_columns(self) -> int:
        """K."""
        return len(self.edges) - 1

    @property
    def widths(self) -> FloatArray:
        """(K,) widths of the bins."""
        return np.diff(self.edges)

    def check(self, where: str) -> None:
        """Raise InputError unless there are two or more finite edges that increase."""
        if len(self.edges) < 2:
            raise fail(where, f"`bin_edges` must hold at least two edges, but holds {len(self.edges)}")
        for i, (low, high) in enumerate(pairwise(self.edges)):
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise fail(where, f"`bin_edges` must be finite and increase, but found {low}, {high} at {i}")

    def require_pdfs(self, where: str | Path, rule: str) -> None:
        """Refuse nothing: these are redshift PDFs."""

    def index(self, truth_n: Sequence[Any] | NDArray[Any], where: str = "truth") -> NDArray[np.intp]:
        """Return (N,) columns of the true redshifts, -1 where unknown or outside of all bins."""
        return bin_indices(np.asarray(truth_n, dtype=np.float64), self.edges)

    def truth_of(self, redshift: Any, where: str = "redshifts") -> NDArray[Any]:
        """Return (N,) a survey's redshifts, NaN where unknown."""
        return np.asarray(redshift, dtype=np.float64)

    def check_types(self, types: Sequence[str] | None, where: str = "object types") -> None:
        """Refuse nothing: redshifts do not depend on a survey's types."""

    def unknown_truth(self, n: int) -> NDArray[Any]:
        """Return (n,) truths of which none is known."""
        return np.full(n, np.nan)

    def read_truth(self, values_n: NDArray[Any], where: str, column: str) -> NDArray[Any]:
        """Return (N,) redshifts of a table's column, NaN where unknown; InputError for no numbers."""
        return read_redshifts(values_n, where, column)

    def foreign_truth(self, values_n: NDArray[Any]) -> NDArray[Any] | None:
        """Return (N,) redshifts that a foreign file tells; None for what is no number."""
        return values_n.astype(np.float64) if values_n.dtype.kind in "fiu" else None

    def truth_in(self, index_n: NDArray[np.intp], rng: np.random.Generator) -> NDArray[Any]:
        """Return (N,) redshifts drawn evenly within bins."""
        drawn = np.asarray(self.edges)[index_n] + rng.uniform(size=len(index_n)) * self.widths[index_n]
        return np.asarray(drawn)

    def check_truth(self, truth_n: NDArray[Any], where: str) -> NDArray[Any] | None:
        """Return truths as predictions hold them, None where none is known; InputError for infinity."""
        redshift = np.asarray(truth_n, dtype=np.float64)
        if np.isinf(redshift).any():
            row = int(np.flatnonzero(np.isinf(redshift))[0])
            raise fail(f"{where}, row {row}", f"`truth` must be a finite redshift, but found {redshift[row]}")
        return None if np.isnan(redshift).all() else redshift

    def contradicts(self, one_n: NDArray[Any], other_n: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (N,) whether two truths of an object, both known, differ by more than rounding does."""
        one, other = np.asarray(one_n, dtype=np.float64), np.asarray(other_n, dtype=np.float64)
        return np.asarray(np.abs(one - other) > SAME_REDSHIFT * (1 + np.abs(other)))

    def check_survey(self, index_n: NDArray[np.intp], redshift: Any, where: str) -> None:
        """Refuse nothing: of a survey some redshifts may lie in no bin."""

    def check_role(self, index_n: NDArray[np.intp], objects: Any, role: str, where: str) -> None:
        """Refuse objects to learn from whose redshift is unknown or in no bin."""
        bad = np.flatnonzero(index_n < 0)
        if not bad.size:
            return
        first = objects.iloc[int(bad[0])]
        rule = f"every object of role {role} needs a redshift from {self.edges[0]:g} to {self.edges[-1]:g}"
        found = (
            f"but {bad.size} have none there, the first being {first['object_id']!r} at {first['redshift']:g}"
        )
        raise fail(where, f"{rule}, {found}: take other --bins, or split with --train-where 'redshift<Z'")

    def check_training(self, index_n: NDArray[np.intp], where: str) -> None:
        """Refuse training objects that all lie in one bin."""
        if len(set(index_n.tolist())) < 2:
            raise fail(where, "all training objects lie in one bin of redshift: take other --bins")

    def normalised(
        self,
        values_nk: NDArray[Floating],
        where: str,
        object_id: NDArray[Any] | None = None,
        first_row: int = 0,
    ) -> NDArray[Floating]:
        """Return densities that integrate to 1; see `rookery_ensembles.probabilities.normalised`."""
        return normalised(values_nk, where, object_id=object_id, bin_widths=self.widths, first_row=first_row)

    def from_probabilities(self, probability_nk: NDArray[Floating]) -> NDArray[Floating]:
        """Return a network's probabilities of bins as predictions hold them: densities per unit redshift."""
        density_nk: NDArray[Floating] = np.divide(probability_nk, self.widths, dtype=probability_nk.dtype)
        return density_nk

    def of_foreign(self, values_nk: NDArray[Any]) -> NDArray[Any]:
        """Return densities, given them or the masses of bins: what sums to 1 of more objects."""
        values = np.asarray(values_nk, dtype=np.float64)
        sums, integrals = values.sum(axis=1), values @ self.widths
        # Negative and other wrong values are told, as they stand, by the check that follows.
        masses, densities = ((np.abs(total - 1) <= TOLERANCE).sum() for total in (sums, integrals))
        return np.where(values < 0, values, values / self.widths) if masses > densities else values

    def answer(self, values_nk: NDArray[Any]) -> NDArray[Any]:
        """Return (N,) medians of the PDFs."""
        return z_median(values_nk, self.edges)

    def width(self, values_nk: NDArray[Any]) -> FloatArray:
        """Return (N,) how little the answer is certain of: widths of central 90 % intervals."""
        low, high = credible_interval(values_nk, self.edges, 0.9).T
        return np.asarray(high - low)

    def likelihood(self, values_nk: NDArray[Any], index_n: NDArray[Any], where: str = "pdf") -> FloatArray:
        """Return (N,) probabilities of the true bins."""
        return true_likelihood(values_nk, index_n, where, self.widths)

    def residuals(self, values_nk: NDArray[Any], truth_n: NDArray[Any]) -> FloatArray:
        """Return (N, 2 K) numbers whose sum of squares is the CRPS, less what no density can help.

        Within a bin the cumulative distribution is a straight line. Of its mean and slope those of the
        straight line that is nearest to the step at the true redshift are taken away.
        """
        edges, widths = np.asarray(self.edges), self.widths
        mass = np.asarray(values_nk, dtype=np.float64) * widths
        above = np.clip((edges[1:] - np.asarray(truth_n, dtype=np.float64)[:, None]) / widths, 0.0, 1.0)
        mean = np.cumsum(mass, axis=1) - mass / 2 - above
        slope = mass - 6 * above * (1 - above)
        return np.hstack([mean * np.sqrt(widths), slope * np.sqrt(widths / 12)])

    def spread(self, mass_nk: FloatArray) -> FloatArray:
        """Return (N,) variances of probabilities of bins."""
        return std_of_masses(mass_nk, np.asarray(self.edges)) ** 2

    def spread_between(
        self, pooled_nk: FloatArray, members: Sequence[tuple[float, FloatArray]]
    ) -> FloatArray:
        """Return (N,) variances of the members' mean redshifts."""
        centres = bin_centres(self.edges)
        middle = pooled_nk @ centres
        return np.asarray(sum(weight * (mass_nk @ centres - middle) ** 2 for weight, mass_nk in members))

    def errors(self, mass_nk: FloatArray, truth_n: NDArray[Any], index_n: NDArray[np.intp]) -> FloatArray:
        """Return (N,) mean redshifts less the true ones, over 1 + the true ones."""
        z = np.asarray(truth_n, dtype=np.float64)
        return np.asarray((mass_nk @ bin_centres(self.edges) - z) / (1 + z))

    def at_end(self, values_nk: NDArray[Any]) -> FloatArray:
        """Return (N,) probabilities of the first or the last bin, whichever is the likelier."""
        widths = self.widths
        return np.asarray(np.maximum(values_nk[:, 0] * widths[0], values_nk[:, -1] * widths[-1]))

    def log_loss(self, values_nk: NDArray[Any], index_n: NDArray[np.intp], weight_n: Weights = None) -> float:
        """Return the mean of -ln of the true bin's probability, in nats.

        Objects outside of all bins (index -1) are left out; NaN where all are.
        """
        inside = index_n >= 0
        if not inside.any():
            return float("nan")
        likelihood_n = self.likelihood(values_nk[inside], index_n[inside])
        weight = None if weight_n is None else weight_n[inside]
        return float(np.average(-np.log(np.maximum(likelihood_n, LOG_FLOOR)), weights=weight))

    def score(
        self,
        values_nk: NDArray[Any],
        truth_n: NDArray[Any] | None,
        *,
        positive: str = "Ia",
        unseen: bool = False,
    ) -> dict[str, float]:
        """Return `photoz_metrics`, and ``log_loss`` over the objects whose redshift lies in a bin."""
        z = np.full(len(values_nk), np.nan) if truth_n is None else truth_n
        found = photoz_metrics(values_nk, self.edges, z, unseen=unseen)
        return {**found, "log_loss": self.log_loss(values_nk, self.index(z))}

    def score_epoch(
        self,
        probability_nk: NDArray[Any],
        index_n: NDArray[np.intp],
        truth_n: NDArray[Any],
        weight_n: Weights = None,
    ) -> dict[str, float]:
        """Return what a network is judged by after an epoch: the metrics of `each_epoch`.

        The log-loss is that of the bins, in nats; bias, sigma_MAD and eta (percent) are those of z_mean.
        """
        sample = known_sample(self.from_probabilities(probability_nk), self.edges, truth_n)
        found = sample.metrics(None if weight_n is None else weight_n[None])
        scores = {name: float(found[name][0]) for name in self.each_epoch if name in found}
        return {"log_loss": log_loss(probability_nk, index_n, weight_n), **scores}

    def sample(self, values_nk: NDArray[Any], truth_n: NDArray[Any], *, positive: str = "Ia") -> PhotozSample:
        """Return objects of known redshift, ready to be scored under any weights."""
        return PhotozSample(values_nk, self.edges, truth_n)

    def fit_calibration(
        self,
        values_nk: NDArray[Any],
        index_n: NDArray[Any],
        weight_n: Weights = None,
        *,
        sharpen: bool = True,
        method: str = "temperature_beta",
        covariates: Covariates | None = None,
    ) -> Calibration:
        """Return a calibration of pooled PDFs.

        See `rookery_ensembles.calibrations.fit_calibration`; `method` is one of `calibrations`.
        ``z_mean`` and ``z_width`` of the pooled PDFs are among the covariates; see `with_own`.
        """
        masses = bin_masses(values_nk, self.edges)
        known = with_own(covariates, masses, np.asarray(self.edges))
        return fit_calibration(
            self.kind, method, masses, index_n, weight_n, sharpen=sharpen, covariates=known
        )

    def calibrate(
        self,
        calibration: Calibration | None,
        values_nk: NDArray[Any],
        covariates: Covariates | None = None,
    ) -> FloatArray:
        """Return calibrated densities."""
        if calibration is None:
            return np.asarray(values_nk, dtype=np.float64)
        masses = bin_masses(values_nk, self.edges)
        own = any(name in OF_PDFS for name in calibration.covariates)
        known = with_own(covariates, masses, np.asarray(self.edges)) if own else covariates
        return calibration.apply(masses, known) / self.widths

    def check_calibration(self, calibration: Calibration | None, where: str) -> None:
        """Refuse a calibration of class probabilities."""
        if calibration is not None and self.kind not in calibration.kinds:
            rule = f"redshift PDFs must have a calibration of their own ({', '.join(self.calibrations)})"
            raise fail(where, f"{rule}, but found `{calibration.document}`, one of class probabilities")

    def fit_limits(
        self,
        values_nk: NDArray[Any],
        truth_n: NDArray[Any] | None,
        index_n: NDArray[np.intp],
        *,
        levels: Sequence[float],
        groups: NDArray[np.str_] | None = None,
    ) -> ConformalIntervals:
        """Return conformal limits of calibrated PDFs; see `ConformalIntervals.fit`."""
        z = np.asarray(truth_n, dtype=np.float64)
        return ConformalIntervals.fit(values_nk, self.edges, z, levels=levels, groups=groups)

    def fractions(self, index_n: NDArray[np.intp]) -> dict[str, float] | None:
        """Return None: bins of redshift are no classes."""
        return None
