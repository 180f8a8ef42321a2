"""Who trains and who is predicted where a classical method predicts redshifts, folds included."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rookery.baselines._rounds import Round, plan_rounds
from rookery.surveys.splits import Split
from rookery.surveys.store import Survey
from rookery.surveys.train_on import TrainOn
from rookery_ensembles.errors import fail

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
