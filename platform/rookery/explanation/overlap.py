"""Do two samples look alike to a network? The AUC of a classifier that tells them apart by its features.

0.5 is no difference, 1 means that no object of the one looks like any of the other (a classifier two-sample
test: Lopez-Paz & Oquab 2017). Random trees see the leading principal components of the features, of four
fifths of the objects, and are judged on the rest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MOST, _FEWEST, _FOLDS = 2000, 25, 5


@dataclass(frozen=True)
class Overlap:
    """How well one sample can be told from another."""

    first: str
    second: str
    among: str
    """Of which objects: all, or those of one class."""
    n_first: int
    n_second: int
    auc: float
    error: float
    """One standard deviation of the AUC over objects (Hanley & McNeil 1982)."""


def overlap(
    features: NDArray[np.floating],
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    names: tuple[str, str],
    *,
    among: str = "all",
    seed: int = 0,
) -> Overlap | None:
    """Return how well objects of a first sample are told from a second; None where one has fewer than 25.

    Of each sample at most 2,000 objects, drawn at random.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    generator = np.random.default_rng(seed)
    rows = [np.flatnonzero(part) for part in (first, second)]
    if min(map(len, rows)) < _FEWEST:
        return None
    rows = [generator.permutation(part)[:_MOST] for part in rows]
    label = np.repeat([1, 0], [len(part) for part in rows])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    trees = ExtraTreesClassifier(100, min_samples_leaf=5, random_state=seed)
    chosen = features[np.concatenate(rows)]
    score = cross_val_predict(trees, chosen, label, cv=folds, method="predict_proba")[:, 1]
    auc = float(roc_auc_score(label, score))
    return Overlap(*names, among, len(rows[0]), len(rows[1]), auc, _error(auc, len(rows[0]), len(rows[1])))


def _error(auc: float, n_first: int, n_second: int) -> float:
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_first - 1) * (one - auc**2) + (n_second - 1) * (two - auc**2)
    return float(np.sqrt(variance / (n_first * n_second)))
