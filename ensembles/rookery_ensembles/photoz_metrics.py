"""How good redshifts and their PDFs are: metrics, bootstrap intervals and running trends.

With dz = (z_phot - z_spec) / (1 + z_spec) the metrics are

==================  =====================================================================
``n``               objects of known redshift
``bias``            mean dz
``sigma_mad``       1.4826 median |dz - median dz|
``eta``             percentage with |dz| > 0.05
``crps``            mean integral of (F(z) - step at z_spec)^2 dz, in redshift
``log_likelihood``  mean ln f(z_spec), in nats per unit redshift; a bin's mass is no less
                    than `rookery_ensembles.probabilities.LOG_FLOOR`
``cde_loss``        mean of the integral of f^2, less twice f(z_spec) (Izbicki & Lee 2017)
``pit_ks``          largest distance of the distribution of F(z_spec) from the even one
``pit_ks_pvalue``   probability of such a distance or a larger, were the PDFs true; only where
                    nothing was fitted to these objects
``pit_cvm``         Cramer-von Mises statistic; 1/6 on average for true PDFs of any n
``pit_ad``          Anderson-Darling statistic; 1 on average for true PDFs of any n
``coverage_50``...  fraction inside the central credible interval of 50, 68, 95 %
``sharpness``       mean standard deviation of the PDFs
``eta_15``          percentage with |dz| > 0.15
==================  =====================================================================

(Pasquet et al. 2019, section 4; Schmidt et al. 2020 for PIT and CDE loss.) A true redshift outside
of the bins counts everywhere, as `PhotozSample` says.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.binned import Binned, binned_scores, quantile_edges
from rookery_ensembles.bootstrap import LEVELS, REPLICATES, Estimate, Scores, bootstrap_scores
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import REDSHIFT_METRICS
from rookery_ensembles.photoz_sample import PhotozSample, PointSample
from rookery_ensembles.redshift_pdf import Edges, FloatArray, pdf_std, redshifts

KEPT = 0.8
"""Fraction of the objects that is left after removing the widest PDFs."""


def photoz_metrics(
    pdf_nk: NDArray[Any],
    bin_edges: Edges,
    z_spec: NDArray[Any],
    *,
    point: str = "mean",
    unseen: bool = False,
) -> dict[str, float]:
    """Score redshift PDFs against true redshifts, over the objects whose redshift is known.

    Parameters
    ----------
    pdf_nk
        (N, K) densities per unit redshift.
    bin_edges
        K + 1 edges.
    z_spec
        (N,) true redshifts, NaN where unknown.
    point
        What `bias`, `sigma_mad` and `eta` are about: the PDF's mean (over bin centres), its
        median, or its mode.
    unseen
        Whether nothing was fitted to these objects, no calibration either: the PDFs' p-value is else
        too large, and left out. That of cross-fitted calibrations is from `crossfit_pit_test`.

    Returns
    -------
    The metrics of this module, in its order: all, but for the p-value where it does not hold.

    Raises
    ------
    InputError
        When no redshift is known, or PDFs, edges or redshifts are invalid.
    """
    sample = known_sample(pdf_nk, bin_edges, z_spec, point=point)
    weighting = sample.weighting()
    found = {"n": float(len(sample))}
    for metric in REDSHIFT_METRICS:
        if metric.weighable or unseen:
            found[metric.name] = float(metric.compute(weighting)[0])
    return found


def photoz_scores(
    pdf_nk: NDArray[Any],
    bin_edges: Edges,
    z_spec: NDArray[Any],
    *,
    point: str = "mean",
    replicates: int = REPLICATES,
    seed: int = 0,
    levels: Sequence[float] = LEVELS,
    unseen: bool = False,
) -> Scores:
    """Return what `photoz_metrics` does, with bootstrap intervals; the p-value has none.

    Parameters
    ----------
    pdf_nk, bin_edges, z_spec, point, unseen
        See `photoz_metrics`.
    replicates, seed, levels
        See `bootstrap_scores`.

    Raises
    ------
    InputError
        As `photoz_metrics` does, or when `replicates` or `seed` is out of range.
    """
    sample = known_sample(pdf_nk, bin_edges, z_spec, point=point)
    scores = bootstrap_scores(sample, replicates=replicates, seed=seed, levels=levels)
    none = dict.fromkeys(levels if replicates else (), (np.nan, np.nan))
    weighting = sample.weighting()
    metrics = {
        metric.name: scores.metrics[metric.name]
        if metric.weighable
        else Estimate(float(metric.compute(weighting)[0]) if unseen else np.nan, none)
        for metric in REDSHIFT_METRICS
    }
    return Scores(scores.n, metrics)


def point_metrics(z_phot: NDArray[Any], z_spec: NDArray[Any]) -> dict[str, float]:
    """Return ``n``, ``bias``, ``sigma_mad`` and ``eta`` of estimates, over the known redshifts.

    Raises
    ------
    InputError
        When no redshift is known, or an estimate is missing where one is.
    """
    sample = PointSample(*_known_points(z_phot, z_spec)[1:])
    return {"n": float(len(sample)), **{key: float(value[0]) for key, value in sample.metrics().items()}}


def narrowest(pdf_nk: NDArray[Any], edges: Edges, kept: float = KEPT) -> NDArray[np.bool_]:
    """Return (N,) true for the fraction `kept` of the objects whose PDFs have the least standard deviation.

    Raises
    ------
    InputError
        When `kept` is not above 0 and at most 1, or the PDFs are invalid.
    """
    if not 0 < kept <= 1:
        raise fail("kept", f"must be above 0 and at most 1, but is {kept:g}")
    std = pdf_std(pdf_nk, edges)
    mask = np.zeros(len(std), dtype=np.bool_)
    mask[np.argsort(std, kind="stable")[: max(1, round(kept * len(std)))]] = True
    return mask


def running_trend(
    values_n: NDArray[Any],
    z_phot: NDArray[Any],
    z_spec: NDArray[Any],
    *,
    name: str = "value",
    edges: Sequence[float] | None = None,
    n_bins: int | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Binned:
    """Return bias, sigma_MAD and eta in bins of a covariate, with bootstrap intervals.

    Parameters
    ----------
    values_n
        (N,) the covariate, such as the redshift itself, E(B-V) or a magnitude; NaN where unknown.
    z_phot, z_spec
        (N,) estimates and true redshifts; objects without a true redshift are left out.
    name
        What the covariate is called.
    edges
        B + 1 edges; by default bins of equally many objects.
    n_bins
        Number of those; `quantile_edges` decides by default.
    replicates, seed
        See `bootstrap_scores`. In each bin its own objects are drawn again.

    Raises
    ------
    InputError
        When edges do not increase, no redshift is known, or the arrays do not fit together.
    """
    known, z, truth = _known_points(z_phot, z_spec)
    values = np.asarray(values_n, dtype=np.float64)
    if values.shape != known.shape:
        found = f"shapes are {values.shape} and {known.shape}"
        raise fail(f"bins of {name}", f"there must be one value per object, but the {found}")
    values = values[known]
    edges = quantile_edges(values, n_bins) if edges is None else edges
    return binned_scores(name, values, edges, PointSample(z, truth), replicates=replicates, seed=seed)


def known_sample(
    pdf_nk: NDArray[Any], bin_edges: Edges, z_spec: NDArray[Any], *, point: str = "mean"
) -> PhotozSample:
    """Return the sample of the objects whose redshift is known; raises InputError when none is."""
    truth = redshifts(z_spec, len(pdf_nk))
    known = _require_known(truth)
    return PhotozSample(pdf_nk if known.all() else pdf_nk[known], bin_edges, truth[known], point=point)


def _known_points(
    z_phot: NDArray[Any], z_spec: NDArray[Any]
) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
    """Return which redshifts are known, and the estimates and redshifts of those."""
    z = np.asarray(z_phot, dtype=np.float64)
    truth = redshifts(z_spec, len(z))
    known = _require_known(truth)
    missing = np.flatnonzero(known & ~np.isfinite(z))
    if missing.size:
        row = int(missing[0])
        raise fail(f"z_phot, row {row}", f"must be finite where the redshift is known, but found {z[row]}")
    return known, z[known], truth[known]


def _require_known(truth: FloatArray) -> NDArray[np.bool_]:
    known = ~np.isnan(truth)
    if not known.any():
        raise fail("z_spec", f"at least one of {len(truth)} redshifts must be known, but none is")
    return known
