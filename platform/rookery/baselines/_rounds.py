"""Who trains and who is predicted by a classical method, folds included."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery.surveys.train_on import TrainOn, training_rows
from rookery_ensembles.errors import fail

ROLES = ("test", "unlabelled", "validation")
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Round:
    """Rows that train, rows that they predict, and the fold of the latter, -1 for none."""

    train: Rows
    predicted: Rows
    """Rows that train, and rows that they predict."""
    fold: int
    """Of the predicted rows; -1 for none."""


def plan_rounds(
    survey: Survey, split: Split, role: str, train_on: TrainOn | None = None
) -> tuple[list[Round], str | None]:
    """Plan who trains and who is predicted.

    Training and validation objects predict those of the role `test` or `unlabelled`. In a split of
    folds, `validation` means every training object, each predicted from the other folds, and `test`
    adds these to the test objects, since a split of folds may have no others.

    Parameters
    ----------
    train_on
        Only these of the training objects train, the same ones as train a network.

    Returns
    -------
    The rounds, and the role that the predictions have, None for several.

    Raises
    ------
    InputError
        When nobody is to be predicted, or the role is unknown.
    """
    where = f"split {split.name}"
    if role not in ROLES:
        raise fail(where, f"a baseline predicts objects of the role {', '.join(ROLES)}, not {role!r}")

    def training(rows: Rows, fold: int | None) -> Rows:
        return rows if train_on is None else training_rows(survey, rows, train_on, fold)

    train = split.indices("train")
    rounds, roles = [], []
    if split.n_folds and role != "unlabelled":
        for fold in range(split.n_folds):
            held = split.indices("train", fold)
            rounds.append(Round(training(np.setdiff1d(train, held), fold), held, fold))
        roles.append("validation")
    elif role == "validation":
        rounds.append(Round(training(train, None), split.indices(role), -1))
        roles.append(role)
    if role != "validation" and len(predicted := split.indices(role)):
        everyone = np.concatenate([training(train, None), split.indices("validation")])
        rounds.append(Round(everyone, predicted, -1))
        roles.append(role)
    if not sum(len(found.predicted) for found in rounds):
        raise fail(where, f"must have objects of the role {role!r} to predict, but has none")
    return rounds, roles[0] if len(roles) == 1 else None
