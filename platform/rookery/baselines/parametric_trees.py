"""Gradient-boosted trees on a parametric fit of every light curve: the strongest classical method here.

Each band is fitted with the curve of Bazin et al. (2009, A&A 499, 653), after a fit in which all
bands share their dates and time scales and which gives the priors of sparse bands; see
:mod:`rookery.baselines._bazin`. The features are the fits' parameters, their errors and chi2 per
degree of freedom, fluxes, colours and declines at and around the peak, rise and fall times, and
the numbers and the significance of the points; NaN where undefined, which the trees can take.

The trees' settings were chosen among eight by four-fold cross-validation on the 4,000 training and
validation objects of SPCC's half split (log-loss, AUC; one seed; ``python
benchmarks/baseline_settings.py runs/survey half``). With 150 rounds at a learning rate of 0.06 and every
feature at every split 0.126, 0.989, and 300 rounds 0.159, 0.991; with 30 % of the features at every
split, 150 rounds 0.121, 0.990, 300 rounds at 0.05 0.135, 0.991, and the same with an L2 penalty of 5, the
setting used, 0.114, 0.990. Binned fluxes under the same folds: 0.177, 0.978.
"""

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._bazin_features import bazin_feature_names, bazin_features
from rookery.baselines._padding import Padded, block_curves, block_rows
from rookery.baselines._redshift import redshift_features, redshift_of
from rookery.baselines._trees import make_task, predict_with_trees
from rookery.compute.pool import RayPool
from rookery.compute.progress import tracked
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.predictions import Predictions

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

logger = logging.getLogger(__name__)

SETTINGS = {"max_iter": 300, "learning_rate": 0.05, "max_features": 0.3, "l2_regularization": 5.0}
# Fewer objects are fitted before Ray has started.
_ALONE_BELOW = 10_000


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "parametric-trees",
    classes: Sequence[str] = ("Ia", "non-Ia"),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    workers: RayPool | None = None,
) -> Predictions:
    """Fit all light curves, train on the labelled objects but those of `role`, and predict these.

    Parameters
    ----------
    survey, split, out, name, classes, seed, redshift, role, train_on
        See :class:`rookery.baselines.Baseline`.
    workers
        Who fits; by default this process.

    Raises
    ------
    InputError
        See :func:`rookery.baselines._trees.make_task` and :func:`rookery.baselines._redshift.redshift_of`.
    """
    task = make_task(survey, split, classes, role, train_on)
    if redshift is not None:
        redshift_of(survey, redshift)  # refused before the fits, not after
    features, names, peak = parametric_features(survey, workers or RayPool(processes=0))
    if redshift is not None:
        half = [column for column, text in enumerate(names) if text.startswith("half_")]
        features = np.hstack([features, redshift_features(survey, redshift, peak, features[:, half])[0]])
    return predict_with_trees(task, features, SETTINGS, survey, out, name=name, seed=seed)


def parametric_features(
    survey: "Survey", workers: RayPool
) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
    """Fit every light curve; fits that fail are counted in the log, and their features are NaN.

    Returns
    -------
    (N, F) features, their F names, and (N,) the largest fitted peak in the survey's flux unit.
    """
    names = bazin_feature_names(survey.bands)
    features = np.full((len(survey), len(names)), np.nan)
    peak = np.full(len(survey), np.nan)
    failed = np.zeros(2, np.int64)
    rows = block_rows(survey)
    fit = functools.partial(_fit_block, n_bands=len(survey.bands))
    curves = (block_curves(survey, block) for block in rows)
    found = workers.map(fit, curves, small=len(survey) < _ALONE_BELOW)
    done = tracked(zip(rows, found, strict=True), "objects", len(survey), size=lambda one: len(one[0]))
    for block, (values, peaks, failures) in done:
        features[block], peak[block] = values, peaks
        failed += failures
    if failed.any():
        n_fits = len(survey) * len(survey.bands)
        text = (
            "%s: %d of %d fits of objects and %d of %d of bands did not converge; their features are missing"
        )
        logger.warning(text, survey.path, failed[0], len(survey), failed[1], n_fits)
    return features, names, peak


def _fit_block(
    curves: Padded, n_bands: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    return bazin_features(curves, n_bands)
