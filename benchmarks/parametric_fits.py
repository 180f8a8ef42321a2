"""Time the fits of parametric-trees: all objects at once here and on Ray, and one by one with scipy.

python benchmarks/parametric_fits.py SURVEY [OBJECTS_FOR_SCIPY]
"""

import sys
import time

import numpy as np
import scipy.optimize

from rookery.baselines import Workers, _bazin
from rookery.baselines._padding import block_curves, block_rows
from rookery.baselines.parametric_trees import parametric_features
from rookery.compute.session import ray_session
from rookery.surveys import open_survey


def with_scipy(curves: _bazin.Padded, n_bands: int) -> np.ndarray:
    """Return the least costs of the fits in which bands share dates and time scales, from the same starts."""
    _, _, curves = _bazin._normalised(curves)
    starts, dates = _bazin._start(curves, n_bands)
    costs = []
    for i, start in enumerate(starts):
        sigma = np.r_[_bazin._SHARED_SIGMA, np.full(n_bands, _bazin._PEAK_SIGMA)]
        mean = np.r_[dates[i], _bazin._SHARED_MEAN, np.zeros(n_bands)]

        def residuals(
            x: np.ndarray, i: int = i, mean: np.ndarray = mean, sigma: np.ndarray = sigma
        ) -> np.ndarray:
            model = x[3:][curves.band[i]] * _bazin.bazin(curves.mjd[i], x[0], x[1], x[2])[0]
            return np.r_[(model - curves.flux[i]) * curves.weight[i], (x - mean) / sigma]

        low = np.r_[-np.inf, _bazin._LOG_LOW, _bazin._LOG_LOW, np.full(n_bands, -np.inf)]
        high = np.r_[np.inf, _bazin._LOG_HIGH, _bazin._LOG_HIGH, np.full(n_bands, np.inf)]
        costs.append(2 * scipy.optimize.least_squares(residuals, start, bounds=(low, high)).cost)
    return np.array(costs)


def main(path: str, n_scipy: str = "400") -> None:
    survey = open_survey(path)
    rows, n_bands = block_rows(survey), len(survey.bands)

    start = time.perf_counter()
    here = parametric_features(survey, Workers())[0]
    print(f"{len(survey)} objects in this process: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    there = parametric_features(survey, Workers(lambda: ray_session(None), processes=2))[0]
    same = np.array_equal(here, there, equal_nan=True)
    print(f"on two Ray workers, their start included: {time.perf_counter() - start:.1f} s, the same: {same}")

    some = np.sort(np.concatenate(rows))[:: max(1, len(survey) // int(n_scipy))]
    curves = block_curves(survey, some)
    start = time.perf_counter()
    fits = _bazin.fit_bazin(curves, n_bands).shared
    ours = time.perf_counter() - start
    start = time.perf_counter()
    costs = with_scipy(curves, n_bands)
    theirs = time.perf_counter() - start
    print(f"{len(some)} objects: both steps in batches {ours:.2f} s, the first with scipy {theirs:.2f} s")
    sigma = np.r_[_bazin._SHARED_SIGMA, np.full(n_bands, _bazin._PEAK_SIGMA)]
    dates = _bazin._start(_bazin._normalised(curves)[2], n_bands)[1]
    mean = np.column_stack(
        [dates, np.tile(_bazin._SHARED_MEAN, (len(some), 1)), np.zeros((len(some), n_bands))]
    )
    cost = fits.chi2 + np.square((fits.parameters - mean) / sigma).sum(axis=1)
    best = np.minimum(cost, costs) + 0.1
    print(
        f"cost within 0.1 of the lower: ours {np.mean(cost <= best):.3f}, scipy {np.mean(costs <= best):.3f}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
