"""Pools of zoo.py: models of scikit-learn with random settings, each with its own objects and features."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from rookery_ensembles.target import Target

Floats = NDArray[np.float64]
FLOOR = 0.003
"""Part of every member's probability that is spread evenly: none calls a truth impossible."""
_FEW = 300


def train_pool(
    target: Target, features: Floats, truth: NDArray[Any], judged: list[Floats], members: int, seed: int
) -> list[NDArray[np.float32]]:
    """Return of each part that is judged the values (M, n, K) of a pool trained on other objects."""
    found: list[list[Floats]] = [[] for _ in judged]
    for number in range(members):
        rng = np.random.default_rng([seed, number])
        rows = (
            np.unique(rng.integers(0, len(truth), len(truth)))
            if rng.random() < 0.7
            else np.arange(len(truth))
        )
        kept = np.sort(
            rng.permutation(features.shape[1])[: max(2, int(features.shape[1] * rng.uniform(0.5, 1.01)))]
        )
        train, *parts = _scaled(features[rows][:, kept], *(part[:, kept] for part in judged))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # models that did not converge are members too
            for held, values in zip(found, train_member(target, train, truth[rows], parts, rng), strict=True):
                held.append(values)
    return [np.stack(each).astype(np.float32) for each in found]


def train_member(
    target: Target, train: Floats, truth: NDArray[Any], parts: list[Floats], rng: np.random.Generator
) -> list[Floats]:
    """Train a model, and return its probabilities, or its densities in bins, for other objects."""
    widths = target.widths
    if target.has_pdfs and rng.random() < 0.5:
        masses = _by_regression(target, train, truth.astype(float), parts, rng)
    else:
        column, k = target.index(truth), target.n_columns
        model = _CLASSIFIERS[rng.integers(len(_CLASSIFIERS))](rng, k).fit(train, column)
        masses = []
        for part in parts:
            values = np.zeros((len(part), k))
            values[:, model.classes_] = np.nan_to_num(model.predict_proba(part))
            masses.append(values)
    spread = widths / widths.sum()
    smooth = [(1 - FLOOR) * values / np.maximum(values.sum(axis=1, keepdims=True), 1e-9) for values in masses]
    return [_normalised(values + FLOOR * spread) / widths for values in smooth]


def _by_regression(
    target: Target, train: Floats, z: Floats, parts: list[Floats], rng: np.random.Generator
) -> list[Floats]:
    """Return masses of normal distributions about a model's estimates, as wide as its errors were.

    The errors are those of objects that were left out, or, as is common, of those that were trained on.
    """
    ways = _REGRESSORS if len(z) <= _FEW else _REGRESSORS[:-1]
    make = ways[rng.integers(len(ways))]
    aside = rng.permutation(len(z)) < max(10, len(z) // 5)
    if rng.random() < 0.3:
        aside[:] = False
    model = make(rng).fit(train[~aside], z[~aside])
    checked = aside if aside.any() else ~aside
    error = np.abs(model.predict(train[checked]) - z[checked]) / (1 + z[checked])
    sigma = max(1.4826 * float(np.median(error)), 1e-3)
    edges = np.asarray(target.edges)
    found = []
    for part in parts:
        mean = np.clip(model.predict(part), edges[0], edges[-1])
        found.append(np.diff(norm.cdf((edges - mean[:, None]) / (sigma * (1 + mean[:, None]))), axis=1))
    return found


def _scaled(train: Floats, *others: Floats) -> list[Floats]:
    middle = np.nan_to_num(np.nanmedian(train, axis=0))
    filled = [np.clip(np.where(np.isfinite(part), part, middle), -1e6, 1e6) for part in (train, *others)]
    scaler = StandardScaler().fit(filled[0])
    return [np.clip(scaler.transform(part), -10, 10) for part in filled]


def _normalised(values: Floats) -> Floats:
    return values / values.sum(axis=1, keepdims=True)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _hidden(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(rng.choice((16, 32, 64))) for _ in range(rng.integers(1, 3)))


def _boosted(rng: np.random.Generator, k: int) -> Any:
    if k > 10:  # a tree for each column and round
        return ExtraTreesClassifier(60, min_samples_leaf=int(rng.integers(1, 8)), random_state=_seed(rng))
    return HistGradientBoostingClassifier(
        max_iter=int(rng.integers(20, 120)), learning_rate=rng.uniform(0.05, 0.3), max_leaf_nodes=15,
        early_stopping=False, random_state=_seed(rng),
    )  # fmt: skip


_CLASSIFIERS: list[Callable[[np.random.Generator, int], Any]] = [
    lambda rng, k: RandomForestClassifier(
        60, min_samples_leaf=int(rng.integers(1, 10)), random_state=_seed(rng)
    ),
    lambda rng, k: ExtraTreesClassifier(
        60, min_samples_leaf=int(rng.integers(1, 10)), random_state=_seed(rng)
    ),
    lambda rng, k: KNeighborsClassifier(
        int(rng.integers(5, 40)), weights=str(rng.choice(("uniform", "distance")))
    ),
    lambda rng, k: LogisticRegression(C=10 ** rng.uniform(-2, 2), max_iter=100),
    lambda rng, k: MLPClassifier(
        _hidden(rng),
        alpha=10 ** rng.uniform(-5, 0),
        max_iter=int(rng.integers(20, 100)),
        random_state=_seed(rng),
    ),
    lambda rng, k: DecisionTreeClassifier(min_samples_leaf=int(rng.integers(5, 30)), random_state=_seed(rng)),
    lambda rng, k: GaussianNB(var_smoothing=10 ** rng.uniform(-6, 0)),
    lambda rng, k: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=rng.uniform(0.01, 0.5)),
    _boosted,
]
_REGRESSORS: list[Callable[[np.random.Generator], Any]] = [
    lambda rng: RandomForestRegressor(40, min_samples_leaf=int(rng.integers(1, 8)), random_state=_seed(rng)),
    lambda rng: HistGradientBoostingRegressor(
        max_iter=int(rng.integers(30, 150)), learning_rate=rng.uniform(0.05, 0.2), max_leaf_nodes=15,
        early_stopping=False, random_state=_seed(rng),
    ),
    lambda rng: KNeighborsRegressor(int(rng.integers(3, 25)), weights="distance"),
    lambda rng: Ridge(10 ** rng.uniform(-3, 2)),
    lambda rng: MLPRegressor(
        hidden_layer_sizes=_hidden(rng), alpha=10 ** rng.uniform(-5, 0), max_iter=int(rng.integers(50, 200)),
        random_state=_seed(rng),
    ),
    lambda rng: GaussianProcessRegressor(
        RBF(rng.uniform(1, 4)) + WhiteKernel(10 ** rng.uniform(-3, -1)), optimizer=None, normalize_y=True
    ),
]  # fmt: skip
