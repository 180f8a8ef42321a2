"""Photometric redshifts by gradient-boosted trees: median and central 68 % by three quantile regressions.

scikit-learn's HistGradientBoostingRegressor on magnitudes, neighbouring colours and logarithms of errors; a
missing value is one for the trees too. The PDF is the Gaussian of the median and half the 68 % range.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rookery.baselines._redshift_regression import BINS, Floats, predict_by_regression
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.predictions import Predictions

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey

_QUANTILES = (0.1587, 0.5, 0.8413)


def run_baseline(
    survey: "Survey",
    split: "Split",
    out: Path,
    *,
    name: str = "redshift-trees",
    classes: Sequence[str] = (),
    seed: int = 0,
    redshift: str | None = None,
    role: str = "test",
    train_on: TrainOn | None = None,
    bins: tuple[float, float, int] | EqualBins = BINS,
    rounds: int = 300,
) -> Predictions:
    """Predict redshifts, out of fold where the split has folds; see :mod:`rookery.baselines.redshift_trees`.

    Parameters
    ----------
    survey, split, out, name, seed, role, train_on
        See :class:`rookery.baselines.Baseline`.
    classes, redshift
        Without effect; a redshift is refused.
    bins
        Lower edge, upper edge and number of the bins, or their document.
    rounds
        Trees of each regression.

    Raises
    ------
    InputError
        When no redshift can be predicted from this survey and split.
    """

    def regression(train: Floats, z: Floats, query: Floats) -> tuple[Floats, Floats]:
        from sklearn.ensemble import HistGradientBoostingRegressor

        low, middle, high = (
            HistGradientBoostingRegressor(
                loss="quantile", quantile=quantile, learning_rate=0.05, max_iter=rounds, random_state=seed
            )
            .fit(train, z)
            .predict(query)
            for quantile in _QUANTILES
        )
        return middle, np.abs(high - low) / 2

    return predict_by_regression(
        regression, survey, split, out,
        name=name, redshift=redshift, role=role, train_on=train_on, bins=bins,
    )  # fmt: skip
