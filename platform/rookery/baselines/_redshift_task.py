"""Who trains and who is predicted where a classical method predicts redshifts, folds included."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

KINDS = ("catalogue", "images")
ROLES = ("test", "unlabelled", "validation")
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Round:
    """Rows that train, rows that they predict, and the fold of the latter, -1 for none."""

    train: Rows
    predicted: Rows
    fold: int


@dataclass(frozen=True, eq=False)
class RedshiftTask:
    """Rounds of training and predicting, and the role that the predictions have, None for several."""

    rounds: tuple[Round, ...]
    role: str | None

    def __iter__(self) -> Iterator[Round]:
        """Yield the rounds."""
        return iter(self.rounds)


def redshift_task(survey: Survey, split: Split, role: str, least: int) -> RedshiftTask:
    """Plan who trains and who is predicted.

    Training and validation objects predict those of the role `test` or `unlabelled`. In a split of
    folds, `validation` means every training object, each predicted from the other folds, and `test`
    adds these to the test objects, since a split of folds may have no others.

    Raises
    ------
    InputError
        When the survey holds no galaxies, fewer than `least` objects train, nobody is to be
        predicted, or the role is unknown.
    """
    where = f"split {split.name}"
    if survey.info.kind not in KINDS:
        raise fail(survey.path, f"redshifts are predicted of {' or '.join(KINDS)}, not of {survey.info.kind}")
    if role not in ROLES:
        raise fail(where, f"a baseline predicts objects of the role {', '.join(ROLES)}, not {role!r}")
    train = split.indices("train")
    rounds, roles = [], []
    if split.n_folds and role != "unlabelled":
        for fold in range(split.n_folds):
            held = split.indices("train", fold)
            rounds.append(Round(np.setdiff1d(train, held), held, fold))
        roles.append("validation")
    elif role == "validation":
        rounds.append(Round(train, split.indices(role), -1))
        roles.append(role)
    if role != "validation":
        rest = Round(np.union1d(train, split.indices("validation")), split.indices(role), -1)
        rounds, roles = ([*rounds, rest], [*roles, role]) if len(rest.predicted) else (rounds, roles)
    if not sum(len(found.predicted) for found in rounds):
        raise fail(where, f"must have objects of the role {role!r} to predict, but has none")
    known = survey.objects["redshift"].notna().to_numpy()
    rounds = [Round(found.train[known[found.train]], found.predicted, found.fold) for found in rounds]
    fewest = min(len(found.train) for found in rounds)
    if fewest < least:
        raise fail(where, f"at least {least} objects of known redshift must train, but {fewest} do")
    return RedshiftTask(tuple(rounds), roles[0] if len(roles) == 1 else None)
