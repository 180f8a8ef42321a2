"""Maps of features in two dimensions: principal components of all objects, t-SNE and UMAP of some."""

import warnings
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UMAP = "umap"
_COMPONENTS = 30
"""Principal components that t-SNE and UMAP see of larger feature vectors."""
_FEWEST = 10
"""Objects below which neighbours tell nothing."""


def make_maps(features: NDArray[np.floating], some: NDArray[np.int64], seed: int) -> dict[str, Floats]:
    """Return by name the (N, 2) places of all objects, NaN where a map does not have them.

    ``pca`` is of all objects; ``tsne`` and, where umap-learn is installed, ``umap`` are of `some` rows.
    """
    components = principal_components(features)
    found = {"pca": components[:, :2]}
    if len(some) >= _FEWEST:
        found["tsne"] = _of_some(len(features), some, _tsne(components[some], seed))
        if find_spec(UMAP) is not None:
            found[UMAP] = _of_some(len(features), some, _umap(components[some], seed))
    return found


def _scaled(features: NDArray[np.floating]) -> Floats:
    """Return features of mean 0 and deviation 1; those that never change are 0."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    deviation = centred.std(axis=0)
    return np.where(deviation > 0, centred / np.where(deviation > 0, deviation, 1.0), 0.0)


def principal_components(features: NDArray[np.floating]) -> Floats:
    """Return the (N, 2 to 30) leading principal components of scaled features."""
    from sklearn.decomposition import PCA

    scaled = _scaled(features)
    number = min(_COMPONENTS, *scaled.shape)
    if not scaled.any():
        return np.zeros((len(scaled), 2))
    found = PCA(number, svd_solver="full").fit_transform(scaled)
    return found if number > 1 else np.hstack([found, np.zeros_like(found)])


def _tsne(components: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(components) - 1) / 3)
    made = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return made.fit_transform(components).astype(np.float64)


def _umap(components: Floats, seed: int) -> Floats:
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that a seed takes its parallelism away
        made = umap.UMAP(n_neighbors=min(15, len(components) - 1), random_state=seed)
        return np.asarray(made.fit_transform(components), dtype=np.float64)


def _of_some(number: int, rows: NDArray[np.int64], places: Floats) -> Floats:
    found = np.full((number, 2), np.nan)
    found[rows] = places
    return found
