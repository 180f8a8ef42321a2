"""Who trains and who is predicted by a classical method, folds included."""

from collections.abc import Iterator
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


KINDS = ("catalogue", "images")


@dataclass(frozen=True, eq=False)
class RedshiftTask:
    """Rounds of training and predicting, and the role that the predictions have, None for several."""

    rounds: tuple[Round, ...]
    role: str | None
    """Of the predictions; None where they are of several roles."""

    def __iter__(self) -> Iterator[Round]:
        """Yield the rounds."""
        return iter(self.rounds)


def redshift_task(
    survey: Survey, split: Split, role: str, least: int, train_on: TrainOn | None = None
) -> RedshiftTask:
    """Plan who trains, objects of known redshift alone, and who is predicted: see :func:`plan_rounds`.

    Raises
    ------
    InputError
        When the survey holds no galaxies, fewer than `least` objects train, nobody is to be
        predicted, or the role is unknown.
    """
    if survey.info.kind not in KINDS:
        raise fail(survey.path, f"redshifts are predicted of {' or '.join(KINDS)}, not of {survey.info.kind}")
    rounds, found_role = plan_rounds(survey, split, role, train_on)
    known = survey.objects["redshift"].notna().to_numpy()
    kept = [Round(np.sort(each.train[known[each.train]]), each.predicted, each.fold) for each in rounds]
    fewest = min(len(each.train) for each in kept)
    if fewest < least:
        rule = f"at least {least} objects of known redshift must train, but {fewest} do"
        raise fail(f"split {split.name}", rule)
    return RedshiftTask(tuple(kept), found_role)
