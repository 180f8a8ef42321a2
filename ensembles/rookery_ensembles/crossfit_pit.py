"""Whether out-of-fold redshift PDFs are calibrated, tested under calibrations that are fitted anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.build import EnsembleChoice
from rookery_ensembles.covariates import some as taken
from rookery_ensembles.crossfit import Part
from rookery_ensembles.errors import fail
from rookery_ensembles.photoz_sample import PitSample
from rookery_ensembles.redshift_pdf import bin_masses, cdf_of_masses
from rookery_ensembles.schema import Predictions
from rookery_ensembles.shown import short_repr

Statistics = dict[str, float]


@short_repr
@dataclass(frozen=True)
class PitTest:
    """A statistic of the PIT, and what it is where the PDFs are true."""

    value: float
    """The statistic."""
    pvalue: float
    """Probability of such a value or a larger one where the PDFs are true."""
    low: float
    high: float
    """Between them 95 % of the values lie where the PDFs are true."""

    @classmethod
    def of(cls, value: float, drawn: Sequence[float]) -> "PitTest":
        """Return the test of a value against values drawn from true PDFs."""
        reached = sum(other >= value for other in drawn)
        low, high = np.quantile(drawn, [0.025, 0.975])
        return cls(value, (1 + reached) / (1 + len(drawn)), float(low), float(high))


def crossfit_pit_test(
    parts: Sequence[Part],
    choice: EnsembleChoice,
    found: Predictions,
    *,
    replicates: int = 100,
    most: int = 300,
    seed: int = 0,
) -> dict[str, PitTest]:
    """Test whether out-of-fold redshift PDFs are calibrated, under calibrations that are fitted anew.

    A calibration that is fitted to the other folds makes the distances from an even PIT smaller than
    those of true PDFs, so that their tables do not hold. Here truths are drawn from the PDFs
    themselves, the calibration of each fold is fitted anew to the drawn truths of the others, and the
    distances are measured again: their distribution where the PDFs are true. The weights stay. The true
    redshifts are treated in the same way.

    Parameters
    ----------
    parts, choice, found
        What `cross_fit` said, and of whom, and what `out_of_fold` made of it.
    replicates
        Draws.
    most
        Of more objects so many are drawn, for the true redshifts once and for each draw anew: how much
        of the noise a calibration takes away depends on their number.
    seed
        Of the draws.

    Returns
    -------
    Of ``pit_ks`` (times the square root of n), ``pit_cvm`` and ``pit_ad``.

    Raises
    ------
    InputError
        Where the predictions are no redshift PDFs.
    """
    target = parts[0].table.candidates.target
    rule = "must be redshift PDFs of objects whose redshift is known"
    target.require_pdfs("predictions", rule)
    if found.truth is None:
        raise fail("predictions", rule)
    edges = np.asarray(target.edges)
    widths = np.diff(edges)
    rng, rows = np.random.default_rng(seed), parts[0].table.rows
    known = parts[0].table.covariates
    fold_n = np.empty(len(found.object_id), dtype=np.intp)
    true_cdf = cdf_of_masses(bin_masses(found.values, edges))
    pooled = []
    for number, part in enumerate(parts):
        fold_n[part.here] = number
        pooled.append(bin_masses(part.pooled_nk[rows], edges))

    def refitted(some: NDArray[np.intp], k: NDArray[np.intp], inside: NDArray[np.float64]) -> Statistics:
        """Return the statistics of some objects whose truths lie `inside` of the bins `k`, fitted anew."""
        values = np.empty(len(some))
        for number, masses in enumerate(pooled):
            here = fold_n[rows[some]] == number
            recipe = parts[number].recipe
            densities = masses[some] / widths
            own = taken(known, some)
            refit = recipe.fit_calibration(
                target, densities[~here], k[~here], None,
                sharpen=choice.sharpen, covariates=taken(own, ~here),
            )  # fmt: skip
            calibrated = target.calibrate(refit, densities[here], taken(own, here))
            cdf = cdf_of_masses(bin_masses(calibrated, edges))
            j, at = k[here], np.arange(int(here.sum()))
            values[here] = cdf[at, j] + inside[here] * (cdf[at, j + 1] - cdf[at, j])
        return _pit_statistics(values)

    some = np.sort(rng.permutation(len(rows))[:most])
    truth = np.asarray(found.truth, dtype=np.float64)[rows[some]]
    k = target.index(truth)
    measured = refitted(some, k, (truth - edges[k]) / (edges[k + 1] - edges[k]))
    drawn: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(replicates):
        some = np.sort(rng.permutation(len(rows))[:most])
        u, cdf = rng.uniform(size=len(some)), true_cdf[rows[some]]
        k = np.clip((cdf <= u[:, None]).sum(axis=1) - 1, 0, cdf.shape[1] - 2)
        at = np.arange(len(some))
        inside = (u - cdf[at, k]) / np.maximum(cdf[at, k + 1] - cdf[at, k], 1e-12)
        for name, value in refitted(some, k, inside).items():
            drawn[name].append(value)
    return {name: PitTest.of(value, drawn[name]) for name, value in measured.items()}


def _pit_statistics(pit_n: NDArray[np.float64]) -> Statistics:
    found = PitSample(pit_n).metrics(np.ones((1, len(pit_n))))
    statistics = {name: float(value[0]) for name, value in found.items()}
    return statistics | {"pit_ks": statistics["pit_ks"] * np.sqrt(len(pit_n))}
