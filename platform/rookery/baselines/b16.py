"""Photometric redshifts by local linear regression, the method of SDSS's own (Beck et al. 2016).

Beck, Dobos, Budavari, Szalay & Csabai 2016, MNRAS 460, 1371. Features: the magnitude in r (or the middle
band) and the colours of neighbouring bands, standardised by the training objects. A plane is fitted to
the redshifts of the 100 nearest training objects, those with residuals above 3 delta_z are dropped, and
the plane is fitted again. delta_z is the root mean square of the residuals. The PDF is the Gaussian of
the plane's redshift and delta_z, truncated to the bins.

An object that lacks magnitudes is treated as if the survey had only the bands that it has: its neighbours
are sought among the training objects that have these too. Where it has no magnitude at all, or too few
training objects share its bands, it gets the mean and standard deviation of the training redshifts, and
is flagged as extrapolated.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import rookery
from rookery.baselines._local_linear import NEIGHBOURS, Floats, LocalFits, local_linear
from rookery.baselines._photometry import colour_features, dereddened
from rookery.baselines._rounds import RedshiftTask, Round, redshift_task
from rookery.surveys.equal_bins import EqualBins, equal_bins
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions
from rookery_ensembles.redshift_pdf import gaussian_pdf

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

BINS = (0.0, 0.4, 180)
# A plane through fewer than so many points for each of its coefficients says nothing about delta_z.
_POINTS_PER_COEFFICIENT = 3
_LEAST = 10
# delta_z of an exact relation is 0, which is no Gaussian: at least this part of a bin.
_NARROWEST = 0.01


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "b16",
    classes: Sequence[str] = (),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    bins: tuple[float, float, int] | EqualBins = BINS,
    neighbours: int = NEIGHBOURS,
    deredden: bool = False,
    threads: int | None = None,
) -> Predictions:
    """Predict redshifts, out of fold where the split has folds; see :mod:`rookery.baselines.b16`.

    Beside `out` stands ``<stem of out>-estimates.parquet`` with `object_id`, `z_phot` and `delta_z`
    before any truncation, `extrapolated`, `n_neighbours` (0: no fit), `bands` (those used) and `fold`.

    Parameters
    ----------
    survey, split, out, name
        See :class:`rookery.baselines.Baseline`.
    classes, seed, redshift
        Without effect: nothing is random, and nothing is classified. A redshift is refused.
    role
        See :func:`rookery.baselines._rounds.plan_rounds`.
    train_on
        See :class:`rookery.baselines.Baseline`.
    bins
        Lower edge, upper edge and number of the bins, or their document.
    neighbours
        Neighbours of a fit.
    deredden
        Whether magnitudes are first corrected with the covariate `mwebv`.
    threads
        Blocks of objects fitted at once; by default one for each CPU that this process may use.

    Raises
    ------
    InputError
        When no redshift can be predicted from this survey and split, or an option is out of range.
    """
    if redshift is not None:
        raise fail(f"baseline {name!r}", "predicts redshifts, and takes no `redshift`")
    n_bands = len(survey.bands)
    if neighbours < _POINTS_PER_COEFFICIENT * (n_bands + 1):
        least = _POINTS_PER_COEFFICIENT * (n_bands + 1)
        raise fail(f"baseline {name!r}", f"`neighbours` must be at least {least}, but is {neighbours}")
    target = equal_bins(bins)
    edges = target.edges
    task = redshift_task(survey, split, role, _LEAST, train_on)
    magnitude = dereddened(survey) if deredden else survey.magnitudes()
    if not np.isfinite(magnitude).any():
        raise fail(survey.path, "has no magnitude, from which redshifts could be predicted")
    estimates = _estimates(survey, task, magnitude, neighbours, threads)
    rows = estimates.index.to_numpy()
    sigma = np.maximum(estimates["delta_z"].to_numpy(), _NARROWEST * target.widths.min())
    predictions = Predictions(
        info=PredictionInfo(
            target=target,
            member=f"baseline-{name}",
            role=task.role,
            survey=survey.checksum,
            version=rookery.__version__,
        ),
        object_id=survey.objects["object_id"].to_numpy()[rows].astype(str),
        truth=survey.objects["redshift"].to_numpy()[rows],
        values=gaussian_pdf(estimates["z_phot"].to_numpy(), sigma, edges).astype(np.float32),
    )
    write_predictions(predictions, out)
    with atomic_file(estimates_path(out)) as partial:
        estimates.to_parquet(partial, index=False)
    return predictions


def estimates_path(out: Path) -> Path:
    """Return the file of point estimates and flags that stands beside a file of predictions."""
    return out.with_name(f"{out.stem}-estimates.parquet")


def _estimates(
    survey: "Survey", task: RedshiftTask, magnitude_nb: Floats, neighbours: int, threads: int | None
) -> pd.DataFrame:
    """Return the table of estimates of all predicted objects, in the survey's order, indexed by row."""
    z = survey.objects["redshift"].to_numpy()
    tables = []
    for found in task:
        fits, bands = _fit(found, magnitude_nb, z, survey.bands, neighbours, threads)
        table = {
            "object_id": survey.objects["object_id"].to_numpy()[found.predicted].astype(str),
            "z_phot": fits.value,
            "delta_z": fits.error,
            "extrapolated": fits.extrapolated,
            "n_neighbours": fits.n_neighbours,
            "bands": bands,
            "fold": found.fold,
        }
        tables.append(pd.DataFrame(table, index=found.predicted))
    return pd.concat(tables).sort_index()


def _fit(
    found: Round,
    magnitude_nb: Floats,
    z_n: Floats,
    bands: tuple[str, ...],
    neighbours: int,
    threads: int | None,
) -> tuple[LocalFits, NDArray[np.object_]]:
    """Fit the predicted objects of one round, those with the same bands together."""
    train_z, known = z_n[found.train], np.isfinite(magnitude_nb)
    n = len(found.predicted)
    fits = LocalFits(
        value=np.full(n, train_z.mean()),
        error=np.full(n, train_z.std()),
        extrapolated=np.ones(n, dtype=bool),
        n_neighbours=np.zeros(n, dtype=np.int64),
    )
    used = np.full(n, "", dtype=object)
    patterns, pattern_of = np.unique(known[found.predicted], axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        columns = np.flatnonzero(pattern)
        train = found.train[known[found.train][:, columns].all(axis=1)]
        if not len(columns) or len(train) < max(_LEAST, _POINTS_PER_COEFFICIENT * (len(columns) + 1)):
            continue
        mine = np.flatnonzero(pattern_of.ravel() == number)
        names = tuple(bands[column] for column in columns)
        features = colour_features(magnitude_nb[train][:, columns], names)
        query = colour_features(magnitude_nb[found.predicted[mine]][:, columns], names)
        mean, spread = features.mean(axis=0), features.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        some = local_linear(
            (features - mean) / spread,
            z_n[train],
            (query - mean) / spread,
            neighbours=neighbours,
            threads=threads,
        )
        fits.put(mine, some)
        used[mine] = ",".join(names)
    return fits, used
