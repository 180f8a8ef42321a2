"""What other methods make of a catalogue's magnitudes, out of fold: photoz_references.py SURVEY SPLIT.

Point estimates of scikit-learn on the inputs of `photoz_mlp` (magnitudes, neighbouring colours, logarithms of
the errors; scaled by the training galaxies): ten nearest neighbours and boosted trees. SPLIT has folds; each
galaxy is predicted by what trained on the other folds.
"""

import sys

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import RobustScaler

from rookery.surveys import Survey, open_split, open_survey

Array = NDArray[np.float64]


def inputs(survey: Survey) -> Array:
    """Return magnitudes, colours and log errors (N, inputs), unknown ones as the median."""
    magnitude, error = survey.magnitudes(), survey.magnitude_errors()
    found = np.hstack([magnitude, np.diff(magnitude, axis=1), np.log(np.where(error > 0, error, np.nan))])
    return np.where(np.isfinite(found), found, np.nanmedian(found, axis=0))


def neighbours(train: Array, z: Array, test: Array) -> Array:
    """Return the mean redshift of ten nearest neighbours."""
    return KNeighborsRegressor(10).fit(train, z).predict(test)


def trees(train: Array, z: Array, test: Array) -> Array:
    """Return the median by boosted trees."""
    model = HistGradientBoostingRegressor(
        loss="absolute_error", learning_rate=0.05, max_iter=500, random_state=0
    )
    return model.fit(train, z).predict(test)


def main() -> None:
    """Print a row of a Markdown table for each method."""
    survey = open_survey(sys.argv[1])
    split = open_split(survey, sys.argv[2])
    features, truth = inputs(survey), survey.objects["redshift"].to_numpy()
    judged = split.indices("train")
    print("| method | bias | sigma_MAD | eta (%) |\n| --- | --- | --- | --- |")
    methods = {
        "ten nearest neighbours": neighbours,
        "boosted trees": trees,
    }
    for name, method in methods.items():
        found = np.full(len(truth), np.nan)
        for fold in range(split.n_folds):
            test = split.indices("train", fold=fold)
            train = np.setdiff1d(judged, test)
            scaler = RobustScaler().fit(features[train])
            found[test] = method(*map(np.asarray, (
                scaler.transform(features[train]), truth[train], scaler.transform(features[test]),
            )))  # fmt: skip
        dz = (found[judged] - truth[judged]) / (1 + truth[judged])
        scatter = 1.4826 * np.median(np.abs(dz - np.median(dz)))
        print(
            f"| {name} | {dz.mean():.5f} | {scatter:.5f} | {100 * np.mean(np.abs(dz) > 0.05):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
