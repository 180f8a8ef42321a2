"""Which objects of a survey have which role in a training. No torch is needed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.networks.family import Family
from rookery.surveys import Survey, open_split
from rookery.surveys.train_on import inner_objects
from rookery.training.target import survey_index
from rookery_ensembles import Target
from rookery_ensembles.errors import fail


def role_rows(
    survey: Survey, split_name: str, fold: int | None, target: Target, family: Family[Any]
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Return every object's class or bin of redshift (-1 where unknown) and the rows of each role.

    Parameters
    ----------
    fold
        Fold that validates while the others train; None for the split's validation role.

    Raises
    ------
    InputError
        When the family cannot learn from this survey and split: the survey or the target is of another
        kind, a type fits no class, a redshift no bin, nothing trains or validates, a class has nothing
        to learn from.
    """
    if target.kind != family.prediction_kind:
        raise fail(f"family `{family.name}`", f"predicts {family.prediction_kind}, not {target.kind}")
    if survey.info.kind not in family.survey_kinds:
        found = f"but this one holds {survey.info.kind}"
        raise fail(survey.path, f"`{family.name}` learns from {' or '.join(family.survey_kinds)}, {found}")
    index_n = survey_index(target, survey)
    split = open_split(survey, split_name)
    validation = split.indices("validation") if fold is None else split.indices("train", fold=fold)
    train = np.setdiff1d(split.indices("train"), validation)
    test, rest = split.indices("test"), split.indices("unlabelled")
    unlabelled = np.union1d(test, rest)
    found_rows = {"train": train, "validation": validation, "test": test, "unlabelled": unlabelled}
    rows = {role: np.asarray(index, dtype=np.int64) for role, index in found_rows.items()}
    fold_text = "" if fold is None else f" (fold {fold} validates)"
    where = f"split `{split_name}` of {survey.path}{fold_text}"
    for role in ("train", "validation"):
        if len(rows[role]) == 0:
            raise fail(where, f"has no object to take for the {role} role")
        target.check_role(index_n[rows[role]], survey.objects.iloc[rows[role]], role, where)
    target.check_training(index_n[rows["train"]], where)
    return index_n, rows


def choosing_rows(
    survey: Survey, split_name: str, rows: Mapping[str, NDArray[np.int64]], part: float | None
) -> dict[str, NDArray[np.int64]]:
    """Return the rows that choose the epoch, and those that are left to train.

    Without a `part` the validation objects choose, else the inner part of the training objects; see
    :func:`rookery.surveys.train_on.inner_objects`.
    """
    train = rows["train"]
    if part is None:
        return {"train": train, "choosing": rows["validation"]}
    inner = inner_objects(survey, open_split(survey, split_name), train, part)
    return {"train": train[~inner], "choosing": train[inner]}
