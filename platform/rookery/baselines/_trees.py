"""Gradient-boosted trees on a table of features: what the baselines of this folder have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rookery
from rookery.surveys.labels import class_indices
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions

ROLES = ("test", "unlabelled", "validation")


@dataclass(frozen=True)
class Task:
    """Who trains, who is predicted, and as what; rows are those of the survey's object table.

    Attributes
    ----------
    train, label
        Rows that train, and their classes.
    predicted, truth
        Rows to predict, and their classes, -1 where unknown.
    classes, role
        Class names, and the role of those predicted.
    """

    train: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    truth: NDArray[np.int64]
    classes: tuple[str, ...]
    role: str


def make_task(survey: Survey, split: Split, classes: Sequence[str], role: str) -> Task:
    """Check, before anything is fitted, that a split has objects to train on and to predict.

    Training and validation objects train, since nothing is chosen on the latter here; with the
    role ``validation`` they are predicted instead.

    Raises
    ------
    InputError
        When there is nobody to predict, or no two classes to train on, or the role is unknown.
    """
    where = f"split {split.name}"
    if role not in ROLES:
        raise fail(where, f"a baseline predicts objects of the role {', '.join(ROLES)}, not {role!r}")
    index = class_indices(survey.objects["type"], classes, survey.path)
    train = split.indices("train")
    if role != "validation":
        train = np.concatenate([train, split.indices("validation")])
    train, predicted = train[index[train] >= 0], split.indices(role)
    if not len(predicted):
        raise fail(where, f"must have objects of the role {role!r} to predict, but has none")
    present = np.unique(index[train])
    if len(present) < 2:
        found = ", ".join(classes[i] for i in present) or "none"
        raise fail(where, f"must have two classes or more to train on, but has {found}")
    return Task(train, index[train], predicted, index[predicted], tuple(classes), role)


def predict_with_trees(
    task: Task,
    features: NDArray[np.float64],
    settings: Mapping[str, Any],
    survey: Survey,
    out: Path,
    *,
    name: str,
    seed: int,
) -> Predictions:
    """Train trees on features (N, F) of all objects, NaN where missing; write and return predictions.

    `settings` are those of scikit-learn's ``HistGradientBoostingClassifier``.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    # scikit-learn cannot bin a feature that no training object has.
    features = features[:, ~np.isnan(features[task.train]).all(axis=0)]
    if not features.shape[1]:
        raise fail(survey.path, "no training object has any feature to learn from")
    # scikit-learn's 20 objects per leaf would leave fewer than 40 training objects without a split.
    leaf = min(20, max(1, len(task.train) // 20))
    trees = HistGradientBoostingClassifier(
        early_stopping=False, min_samples_leaf=leaf, random_state=seed, **settings
    )
    trees.fit(features[task.train], task.label)
    values = np.zeros((len(task.predicted), len(task.classes)), dtype=np.float32)
    values[:, trees.classes_] = trees.predict_proba(features[task.predicted])
    predictions = Predictions(
        info=PredictionInfo(
            kind="class_probability",
            class_names=task.classes,
            member=f"baseline-{name}",
            role=task.role,
            survey=survey.checksum,
            version=rookery.__version__,
        ),
        object_id=survey.objects["object_id"].to_numpy(dtype=object)[task.predicted],
        truth=np.array([*task.classes, None], dtype=object)[task.truth],
        values=values,
    )
    write_predictions(predictions, out)
    return predictions
