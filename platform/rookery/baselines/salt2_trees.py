"""Gradient-boosted trees on SALT2 or SALT3 fits, through sncosmo (Guy et al. 2007; Kenworthy et al. 2021).

Every light curve, whatever its type, is fitted as if it were of type Ia; the features are the fit's
parameters and errors, its chi2 per degree of freedom in all and per band, and the numbers and the
significance of its points. The model's files are not part of this package: see
:func:`rookery.baselines._salt2_model.find_model`. Galactic dust is that of the covariate ``mwebv``
where the survey has it. A redshift that is named is the start and, with its error, the prior of the
fit's own redshift; without one the fit finds it, from several starts.
"""

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._padding import block_curves, block_rows
from rookery.baselines._redshift import redshift_features, redshift_of
from rookery.baselines._salt2_block import SaltBlock, fit_block, salt_feature_names
from rookery.baselines._salt2_kept import open_fits
from rookery.baselines._salt2_model import filter_names, find_model, load_source
from rookery.baselines._trees import make_task, predict_with_trees
from rookery.compute.pool import RayPool
from rookery.compute.progress import tracked
from rookery.extras import missing
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.predictions import Predictions

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

logger = logging.getLogger(__name__)

SETTINGS = {"max_iter": 300, "learning_rate": 0.05, "max_features": 0.3, "l2_regularization": 5.0}
_ALONE_BELOW = 30
_BLOCK = 20
# Blocks after which the kept fits are written, so that who is interrupted loses few.
_KEEP_EVERY = 10
# Error of a redshift whose survey gives none, per (1 + z): that of good photometric redshifts.
_Z_ERROR = 0.03


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "salt2-trees",
    classes: Sequence[str] = ("Ia", "non-Ia"),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    workers: RayPool | None = None,
    model_path: str | Path | None = None,
    filters: str | None = None,
    fits: str | Path | None = None,
) -> Predictions:
    """Fit the light curves, train on the labelled objects but those of `role`, and predict these.

    Parameters
    ----------
    survey, split, out, name, classes, seed, redshift, role, train_on
        See :class:`rookery.baselines.Baseline`.
    workers
        Who fits; by default this process.
    model_path, filters
        See :func:`rookery.baselines._salt2_model.find_model` and
        :func:`rookery.baselines._salt2_model.filter_names`.
    fits
        File that keeps the fits, read where it exists, so that another split fits only who is new.

    Raises
    ------
    InputError
        When model or filters are missing, or `fits` are of something else; see also
        :func:`rookery.baselines._trees.make_task` and :func:`rookery.baselines._redshift.redshift_of`.
    """
    try:
        model = find_model(model_path)
        chosen = filter_names(filters, survey.bands)
    except ModuleNotFoundError as error:
        raise missing("salt2-trees", "simulate", error.name or "sncosmo") from error
    load_source(str(model))  # unreadable files are refused here, not in a worker
    task = make_task(survey, split, classes, role, train_on)
    features, _, peak = salt_features(
        survey,
        workers or RayPool(processes=0),
        model,
        chosen,
        redshift,
        rows=np.unique(np.concatenate([[*each.train, *each.predicted] for each in task.rounds])),
        fits=fits,
    )
    if redshift is not None:
        no_days = np.empty((len(survey), 0))
        features = np.hstack([features, redshift_features(survey, redshift, peak, no_days)[0]])
    return predict_with_trees(task, features, SETTINGS, survey, out, name=name, seed=seed)


def salt_features(
    survey: "Survey",
    workers: RayPool,
    model: Path,
    filters: tuple[str, ...],
    redshift: str | None = None,
    *,
    rows: NDArray[np.int64] | None = None,
    fits: str | Path | None = None,
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    """Fit light curves; fits that fail are counted in the log, and their features are NaN.

    Parameters
    ----------
    survey, workers, model, filters, redshift, fits
        See :func:`run_baseline`.
    rows
        Who is fitted, by default everyone; the features of the others are NaN.

    Returns
    -------
    (N, F) features, their F names, and (N,) the fitted x0, a flux at the peak but for its unit.
    """
    z, z_error = np.full(len(survey), np.nan), None
    if redshift is not None:
        z, z_error = redshift_of(survey, redshift)
    guess = _Z_ERROR * (1.0 + z)
    sigma = guess if z_error is None else np.where(z_error > 0, z_error, guess)
    mwebv = survey.objects["mwebv"].to_numpy() if "mwebv" in survey.covariates else np.zeros(len(survey))
    mwebv = np.where(np.isfinite(mwebv), mwebv, 0.0)
    names = salt_feature_names(survey.bands)
    features = np.full((len(survey), len(names)), np.nan)
    wanted = np.ones(len(survey), dtype=bool)
    if rows is not None:
        wanted = np.isin(np.arange(len(survey)), rows)
    kept = None if fits is None else open_fits(fits, survey, model, filters, redshift, names)
    if kept is not None:
        wanted &= ~kept.fill(survey, features)
    blocks = [
        part[i : i + _BLOCK]
        for block in block_rows(survey)
        for part in [block[wanted[block]]]
        for i in range(0, len(part), _BLOCK)
    ]
    fit = functools.partial(
        fit_block, model=str(model.absolute()), filters=filters, zero_point=survey.info.zero_point
    )
    asked = (SaltBlock(block_curves(survey, row), z[row], sigma[row], mwebv[row]) for row in blocks)
    n_wanted = int(wanted.sum())
    found = workers.map(fit, asked, small=n_wanted < _ALONE_BELOW)
    done = tracked(zip(blocks, found, strict=True), "objects", n_wanted, size=lambda one: len(one[0]))
    object_id, failed = survey.objects["object_id"].to_numpy(dtype=object), 0
    for number, (block, (values, failures)) in enumerate(done, 1):
        features[block] = values
        failed += failures
        if kept is not None:
            kept.add(object_id[block].tolist(), values)
            if number % _KEEP_EVERY == 0 or number == len(blocks):
                kept.write()
    if failed:
        logger.warning(
            "%s: %d of %d SALT fits failed; their features are missing", survey.path, failed, wanted.sum()
        )
    return features, names, 10.0 ** features[:, names.index("log_x0")]
