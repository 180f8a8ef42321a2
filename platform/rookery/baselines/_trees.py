"""Gradient-boosted trees on a table of features: what the baselines of this folder have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rookery
from rookery.baselines._rounds import Round, plan_rounds
from rookery.compute.progress import tracked
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery.surveys.train_on import TrainOn
from rookery_ensembles import Classes
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions


@dataclass(frozen=True)
class Task:
    """Who trains, who is predicted, and as what; rows are those of the survey's object table."""

    rounds: tuple[Round, ...]
    """Rows that train, all of known class, and rows that they predict."""
    label: NDArray[np.int64]
    """(N,) class of every object of the survey, -1 where unknown."""
    classes: tuple[str, ...]
    role: str | None
    """Class names, and the role of those predicted, None for several."""


@dataclass(frozen=True)
class FurtherExamples:
    """Further examples to train on: features (C, F), and the row whose class each has."""

    features: NDArray[np.float64]
    """(C, F)."""
    source: NDArray[np.integer]
    """(C,) the row whose class each has."""


def make_task(
    survey: Survey, split: Split, classes: Sequence[str], role: str, train_on: TrainOn | None = None
) -> Task:
    """Check, before anything is fitted, that a split has objects to train on and to predict.

    Training and validation objects train, since nothing is chosen on the latter here; with the
    role ``validation`` they are predicted instead. With folds each object is predicted from the others.

    Raises
    ------
    InputError
        When there is nobody to predict, or no two classes to train on, or the role is unknown.
    """
    target = Classes(tuple(classes))
    label = target.index(target.truth_of(survey.objects["type"], str(survey.path)))
    rounds, found_role = plan_rounds(survey, split, role, train_on)
    kept = [Round(each.train[label[each.train] >= 0], each.predicted, each.fold) for each in rounds]
    for each in kept:
        present = np.unique(label[each.train])
        if len(present) < 2:
            found = ", ".join(classes[i] for i in present) or "none"
            rule = f"must have two classes or more to train on, but has {found}"
            raise fail(f"split {split.name}", rule)
    return Task(tuple(kept), label, tuple(classes), found_role)


def predict_with_trees(
    task: Task,
    features: NDArray[np.float64],
    settings: Mapping[str, Any],
    survey: Survey,
    out: Path,
    *,
    name: str,
    seed: int,
    more: Callable[[Round], FurtherExamples] | None = None,
) -> Predictions:
    """Train trees on features (N, F) of all objects, NaN where missing; write and return predictions.

    `settings` are those of scikit-learn's ``HistGradientBoostingClassifier``; `more` gives further
    examples for a round of training.
    """
    parts = []
    for each in tracked(task.rounds, "fits"):
        train, label = features[each.train], task.label[each.train]
        if more is not None:
            found = more(each)
            train = np.concatenate([train, found.features])
            label = np.concatenate([label, task.label[found.source]])
        values = _boost(train, label, features[each.predicted], len(task.classes), settings, survey, seed)
        parts.append(values)
    rows = np.concatenate([each.predicted for each in task.rounds])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    predictions = Predictions(
        info=PredictionInfo(
            target=Classes(task.classes),
            member=f"baseline-{name}",
            role=task.role,
            survey=survey.checksum,
            version=rookery.__version__,
        ),
        object_id=survey.objects["object_id"].to_numpy(dtype=object)[rows],
        truth=np.array([*task.classes, None], dtype=object)[task.label[rows]],
        values=np.concatenate(parts)[order],
    )
    write_predictions(predictions, out)
    return predictions


def _boost(
    train: NDArray[np.float64],
    label: NDArray[np.int64],
    asked: NDArray[np.float64],
    n_classes: int,
    settings: Mapping[str, Any],
    survey: Survey,
    seed: int,
) -> NDArray[np.float32]:
    """Train once and return the probabilities (len(asked), n_classes)."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    # scikit-learn cannot bin a feature that no training object has.
    usable = ~np.isnan(train).all(axis=0)
    if not usable.any():
        raise fail(survey.path, "no training object has any feature to learn from")
    # scikit-learn's 20 objects per leaf would leave fewer than 40 training objects without a split.
    leaf = min(20, max(1, len(train) // 20))
    trees = HistGradientBoostingClassifier(
        early_stopping=False, min_samples_leaf=leaf, random_state=seed, **settings
    )
    trees.fit(train[:, usable], label)
    values = np.zeros((len(asked), n_classes), dtype=np.float32)
    values[:, trees.classes_] = trees.predict_proba(asked[:, usable])
    return values
