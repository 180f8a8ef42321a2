"""Photometric redshifts by a Gaussian process: exact, on some of the training objects.

scikit-learn's GaussianProcessRegressor on magnitudes, neighbouring colours and logarithms of errors, scaled
by median and quartiles; a missing value is the training objects' median. A squared-exponential kernel with
one length and white noise, fitted to the likelihood of fewer objects. The PDF is the process's Gaussian.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rookery.baselines._redshift_regression import BINS, LEAST, Floats, predict_by_regression
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import Predictions

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

_FITTED = 400
"""Training objects whose likelihood chooses the kernel."""
_CLIP = 6.0
"""Scaled features are cut here: a process has no opinion that far out."""


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "redshift-gp",
    classes: Sequence[str] = (),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    bins: tuple[float, float, int] | EqualBins = BINS,
    points: int = 2000,
) -> Predictions:
    """Predict redshifts, out of fold where the split has folds; see :mod:`rookery.baselines.redshift_gp`.

    Parameters
    ----------
    survey, split, out, name, seed, role, train_on
        See :class:`rookery.baselines.Baseline`.
    classes, redshift
        Without effect; a redshift is refused.
    bins
        Lower edge, upper edge and number of the bins, or their document.
    points
        At most so many training objects, drawn at random: time grows with their third power.

    Raises
    ------
    InputError
        When no redshift can be predicted from this survey and split, or `points` is too small.
    """
    if points < LEAST:
        raise fail(f"baseline {name!r}", f"`points` must be at least {LEAST}, but is {points}")

    def regression(train: Floats, z: Floats, query: Floats) -> tuple[Floats, Floats]:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        some = np.random.default_rng(seed).permutation(len(train))[:points]
        known = np.isfinite(train).any(axis=0)
        train, query = train[:, known], query[:, known]
        low, middle, high = np.nanquantile(train, [0.25, 0.5, 0.75], axis=0)
        width = np.where(high > low, high - low, 1.0)
        scaled = [
            np.clip(np.where(np.isfinite(values), (values - middle) / width, 0.0), -_CLIP, _CLIP)
            for values in (train[some], query)
        ]
        centre, spread = z.mean(), max(float(z.std()), 1e-6)
        wanted = (z[some] - centre) / spread
        length = float(np.sqrt(scaled[0].shape[1]))
        kernel = ConstantKernel(1.0) * RBF(length) + WhiteKernel(0.05)
        few = GaussianProcessRegressor(kernel, random_state=seed).fit(scaled[0][:_FITTED], wanted[:_FITTED])
        process = GaussianProcessRegressor(few.kernel_, optimizer=None).fit(scaled[0], wanted)
        value, error = process.predict(scaled[1], return_std=True)
        return centre + spread * value, spread * error

    return predict_by_regression(
        regression, survey, split, out,
        name=name, redshift=redshift, role=role, train_on=train_on, bins=bins,
    )  # fmt: skip
