"""Every metric of redshifts under many weightings of the same galaxies at once.

As in `rookery_ensembles.weighted`, a weight says how often an object counts: with the counts of a
bootstrap replicate, a metric is that of the resampled objects. PDFs are read once, in blocks, and
leave a few numbers per object. Arrays end in their axes: r weightings, n objects, k bins.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.edges import bin_positions
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import POINT_METRICS, REDSHIFT_METRICS, names, weighted
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.redshift_pdf import (
    Edges,
    FloatArray,
    bin_centres,
    bin_masses,
    cdf_at,
    cdf_of_masses,
    edges_array,
    mode_of_masses,
    quantiles_of_cdf,
    redshifts,
    std_of_masses,
)
from rookery_ensembles.shown import short_repr

POINTS = ("mean", "median", "mode")
"""Point estimates of a PDF."""
POINT_KEYS = names(POINT_METRICS)
"""What `PointSample.metrics` returns."""
LEVELS = (0.5, 0.68, 0.95)
"""Probabilities of the credible intervals whose coverage is told."""
OUTLIER = 0.05
"""An outlier has |dz| beyond this; eta is their percentage."""
FAR_OUTLIER = 0.15
"""What deep surveys call an outlier; eta_15 is their percentage."""
_MAD = 1.4826
_POINT_COLUMNS = ("dz", "outlier", "far_outlier")
_COLUMNS = ("crps", "log_likelihood", "cde_loss", *(f"coverage_{100 * x:.0f}" for x in LEVELS), "sharpness")
# PDFs that are worked on at a time: an array of 180 bins has 1.4 MB, which the caches of a core hold.
_BLOCK = 1000


@short_repr
class PointSample:
    """Redshift estimates of N objects of known redshift.

    Parameters
    ----------
    z_phot, z_spec
        (N,) estimates and true redshifts, all finite.
    """

    def __init__(self, z_phot: FloatArray, z_spec: FloatArray) -> None:
        self._z_phot, self._z_spec = z_phot, z_spec
        dz = (z_phot - z_spec) / (1 + z_spec)
        self._order = np.argsort(dz, kind="stable")
        self._ranked = dz[self._order]
        outliers = [100.0 * (np.abs(dz) > limit) for limit in (OUTLIER, FAR_OUTLIER)]
        self.columns = {_POINT_COLUMNS: np.column_stack([dz, *outliers])}

    def __len__(self) -> int:
        """Return N."""
        return len(self._ranked)

    def metrics(self, weight_rn: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return each of `POINT_METRICS` under every weighting, (R,); NaN where nothing has weight.

        Without weights every object counts once, and R is 1.
        """
        return weighted(POINT_METRICS, Weighting(self, as_weights(weight_rn, len(self))))

    n_positive = 0

    def take(self, rows: NDArray[np.intp]) -> "PointSample":
        """Return some of the objects."""
        return PointSample(self._z_phot[rows], self._z_spec[rows])

    def sigma_mad(self, weight_rn: FloatArray) -> FloatArray:
        """Return (R,) 1.4826 times the weighted median distance of dz from its weighted median."""
        weight = weight_rn[:, self._order]
        centre = weighted_median(self._ranked, weight)
        found = np.empty(len(weight))
        for r, row in enumerate(weight):
            distance = np.abs(self._ranked - centre[r])
            order = np.argsort(distance, kind="stable")  # one merge: distances fall, then rise
            found[r] = weighted_median(distance[order], row[None, order])[0]
        return _MAD * found


@short_repr
class PhotozSample:
    """Redshift PDFs of N objects of known redshift, ready to be scored under any weights.

    A true redshift outside of all bins counts in every metric: its density is 0, which the
    log-likelihood takes for the floor, its PIT is 0 or 1, no credible interval holds it, and the
    CRPS goes on to it with a cumulative distribution of 0 or 1.

    Parameters
    ----------
    pdf_nk
        (N, K) densities.
    bin_edges
        K + 1 edges.
    z_spec
        (N,) true redshifts.
    point
        The estimate that bias, sigma_MAD and eta are about: mean, median or mode.

    Raises
    ------
    InputError
        When a PDF or a redshift is invalid, or `point` is none of the three.
    """

    def __init__(
        self, pdf_nk: NDArray[Any], bin_edges: Edges, z_spec: NDArray[Any], *, point: str = "mean"
    ) -> None:
        if point not in POINTS:
            raise fail("point", f"must be one of {', '.join(POINTS)}, but is {point!r}")
        edges, z = edges_array(bin_edges), redshifts(z_spec, len(pdf_nk))
        if not len(z) or np.isnan(z).any():
            raise fail("z_spec", "there must be at least one redshift, and all known")
        blocks = [
            _measure(
                bin_masses(pdf_nk[start : start + _BLOCK], edges), edges, z[start : start + _BLOCK], point
            )
            for start in range(0, len(z), _BLOCK)
        ]
        self.z_spec = z
        self.z_phot, self.pit, columns_nc = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        self._points = PointSample(self.z_phot, z)
        self.columns = self._points.columns | {_COLUMNS: columns_nc}
        self.pits = PitSample(self.pit)

    def __len__(self) -> int:
        """Return N."""
        return len(self.pit)

    def metrics(self, weight_rn: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return each of `REDSHIFT_METRICS` but the p-value under every weighting, (R,)."""
        return weighted(REDSHIFT_METRICS, self.weighting(weight_rn))

    def weighting(self, weight_rn: FloatArray | None = None) -> "Weighting":
        """Return the objects under weights; without, every object counts once."""
        return Weighting(self, as_weights(weight_rn, len(self)))

    def sigma_mad(self, weight_rn: FloatArray) -> FloatArray:
        """Return (R,) that of the point estimates."""
        return self._points.sigma_mad(weight_rn)


class Weighting:
    """A sample under R weightings: what several metrics share is worked out once.

    Of a `PointSample` only the metrics of point estimates are defined.
    """

    def __init__(self, sample: PointSample | PhotozSample, weight_rn: FloatArray) -> None:
        self._sample, self._weight = sample, weight_rn

    @cached_property
    def means(self) -> dict[str, FloatArray]:
        """Weighted means (R,) of the sample's columns."""
        found: dict[str, FloatArray] = {}
        with np.errstate(invalid="ignore"):
            for keys, columns_nc in self._sample.columns.items():
                means = (self._weight @ columns_nc).T / self._weight.sum(axis=1)
                found |= zip(keys, means, strict=True)
        return found

    @property
    def sigma_mad(self) -> FloatArray:
        """(R,) that of the point estimates."""
        return self._sample.sigma_mad(self._weight)

    @cached_property
    def pit(self) -> dict[str, FloatArray]:
        """Distances (R,) of the PIT from the even distribution, as `PitSample.metrics` returns them."""
        assert isinstance(self._sample, PhotozSample)
        return self._sample.pits.metrics(self._weight)

    @property
    def pit_ks_pvalue(self) -> FloatArray:
        """(R,) probability of such a Kolmogorov-Smirnov distance of N even values, or a larger one."""
        from scipy.stats import kstwo

        return np.asarray(np.clip(kstwo.sf(self.pit["pit_ks"], len(self._sample)), 0.0, 1.0))


class PitSample:
    """PIT values of N objects, to be compared with the even distribution from 0 to 1."""

    def __init__(self, pit_n: FloatArray) -> None:
        self._order = np.argsort(pit_n, kind="stable")
        self._ranked = pit_n[self._order]
        # The Anderson-Darling statistic is infinite at 0 and 1; float32 densities end here.
        clipped = np.clip(self._ranked, LOG_FLOOR, 1 - LOG_FLOOR)
        self._log_low, self._log_high = np.log(clipped), np.log1p(-clipped)

    def metrics(self, weight_rn: FloatArray) -> dict[str, FloatArray]:
        """Return ``pit_ks`` (D), ``pit_cvm`` (W^2) and ``pit_ad`` (A^2), each (R,).

        W^2 and A^2 are the integrals of the squared distance of the distributions, for A^2
        divided by u (1 - u), times the sum of weights: the statistics of the tests.
        """
        weight = weight_rn[:, self._order]
        reached = np.cumsum(weight, axis=1)
        total = reached[:, -1].copy()
        with np.errstate(invalid="ignore"):
            reached /= total[:, None]
            before = reached - weight / total[:, None]
        u, after = self._ranked, np.append(self._ranked[1:], 1.0)
        ks = np.maximum((reached - u).max(axis=1), (u - before).max(axis=1))
        cubes = ((after - reached) ** 3 - (u - reached) ** 3).sum(axis=1) + u[0] ** 3
        # The integral of (c - u)^2 / (u (1 - u)) is c^2 ln u - (1 - c)^2 ln(1 - u) - u.
        ad = reached**2 @ np.diff(self._log_low, append=0.0)
        ad -= (1 - reached[:, :-1]) ** 2 @ np.diff(self._log_high)
        ad -= self._log_high[0] + 1.0
        return {"pit_ks": ks, "pit_cvm": total * cubes / 3, "pit_ad": total * ad}


def weighted_median(ranked_n: FloatArray, weight_rn: FloatArray) -> FloatArray:
    """Return (R,) medians of rising values under weights; NaN where nothing has weight.

    Where exactly half of the weight lies on either side it is the middle between the two
    neighbours, so that with counts it is the median of the repeated values.
    """
    reached = np.cumsum(weight_rn, axis=1)
    half = reached[:, -1:] / 2
    lower = np.count_nonzero(reached < half, axis=1)
    upper = np.minimum(np.count_nonzero(reached <= half, axis=1), len(ranked_n) - 1)
    return np.where(half[:, 0] > 0, (ranked_n[lower] + ranked_n[upper]) / 2, np.nan)


def as_weights(weight_rn: FloatArray | None, n: int) -> FloatArray:
    """Return the weights, or one row of ones."""
    return np.ones((1, n)) if weight_rn is None else np.asarray(weight_rn, dtype=np.float64)


def _measure(
    masses_nk: FloatArray, edges: FloatArray, z_n: FloatArray, point: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the estimates (N,), the PIT (N,) and the columns (N, C) of a block of PDFs."""
    cdf, widths = cdf_of_masses(masses_nk), np.diff(edges)
    pit_n, k = cdf_at(cdf, edges, z_n), bin_positions(z_n, edges)
    inside = k >= 0
    mass = np.where(inside, masses_nk[np.arange(len(z_n)), k], 0.0)
    width = np.where(inside, widths[k], widths.mean())
    log_likelihood = np.log(np.maximum(mass, LOG_FLOOR) / width)
    cde = masses_nk**2 @ (1 / widths) - 2 * mass / width
    covered = [np.abs(pit_n - 0.5) <= level / 2 for level in LEVELS]
    columns = [_crps(cdf, edges, z_n, pit_n), log_likelihood, cde, *covered, std_of_masses(masses_nk, edges)]
    if point == "mean":
        z_phot: FloatArray = masses_nk @ bin_centres(edges)
    elif point == "median":
        z_phot = quantiles_of_cdf(cdf, edges, np.array([0.5]))[:, 0]
    else:
        z_phot = mode_of_masses(masses_nk, edges)
    return z_phot, pit_n, np.column_stack(columns)


def _crps(cdf_ne: FloatArray, edges: FloatArray, z_n: FloatArray, pit_n: FloatArray) -> FloatArray:
    """Return (N,) integrals of (F - step at the truth)^2, exact for F linear within bins."""
    widths, rows = np.diff(edges), np.arange(len(z_n))
    first = np.searchsorted(edges, z_n, side="right")  # edge behind the truth
    distance = cdf_ne - (np.arange(len(edges)) >= first[:, None])
    # Of a line from a to b the mean square is (a^2 + a b + b^2) / 3.
    ends = (np.append(widths, 0.0) + np.append(0.0, widths)) / 3
    whole = distance**2 @ ends + (distance[:, :-1] * distance[:, 1:]) @ (widths / 3)
    # In the truth's own bin the distance is two lines, and not that from one edge to the other.
    k = np.clip(first - 1, 0, len(widths) - 1)
    low, high, f, g = distance[rows, k], distance[rows, k + 1], pit_n, pit_n - 1
    split = (z_n - edges[k]) * (low**2 + low * f + f**2) / 3
    split += (edges[k + 1] - z_n) * (high**2 + high * g + g**2) / 3
    split -= widths[k] * (low**2 + low * high + high**2) / 3
    inside = (z_n >= edges[0]) & (z_n < edges[-1])
    beyond = np.maximum(edges[0] - z_n, 0.0) + np.maximum(z_n - edges[-1], 0.0)
    return np.asarray(whole + np.where(inside, split, beyond))
