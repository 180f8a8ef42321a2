"""Splits: who trains, who validates, who tests, and who is seen without a label.

A split is ``splits/<name>.parquet`` in the survey's folder, with the columns `object_id`,
`role` and `fold` (and `group`, where groups of objects stay together), and metadata that tie it
to the survey's checksum.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._conditions import matching
from rookery.surveys._groups import check_validation, group_codes, group_folds, part_groups, tell_misses
from rookery.surveys._split_file import ROLES, Split, open_split, split_path, write_split
from rookery.surveys._stratify import deal, draw, partition, strata
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.files import refuse_existing

__all__ = ["ROLES", "Split", "open_split", "split_path", "split_survey"]

_DEFAULT_VALIDATION = 0.2
_TEST_DRAWS = 1
"""Number of the stream of random numbers that draws the test objects of `max_test`."""


def split_survey(
    survey: Survey,
    name: str,
    *,
    train_ids: str | Path | None = None,
    train_fraction: float | None = None,
    train_where: Sequence[str] = (),
    test_where: Sequence[str] = (),
    validation_fraction: float | None = None,
    folds: int = 0,
    max_train: int | None = None,
    max_test: int | None = None,
    groups: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Path:
    """Give every object of a survey a role, stratified by type (galaxies: by redshift), and write the split.

    Objects of unknown type (of unknown redshift) are "unlabelled". The others are the training part
    (chosen by `train_ids`, `train_where` or `train_fraction`, or, with folds alone, all of them) or
    "test"; with `test_where` those that are neither chosen to train nor to test are "unlabelled" too.

    Parameters
    ----------
    survey
        The survey to split.
    name
        The split's name: letters, digits, ".", "_" and "-".
    train_ids
        A text file with the training part, one object per line, by `object_id` or by the name of
        its source file (SPCC's ``spectro.list``); blank lines and those that start with "#" do not count.
    train_fraction
        Fraction of the labelled objects that make the training part, above 0 and at most 1; with
        `train_where`, of those that fulfil it.
    train_where
        Conditions that all objects of the training part fulfil, such as ``sim_spectroscopic=1``,
        on columns of the object table or the truth table; see :func:`rookery.surveys.matching`.
    test_where
        Conditions that the test objects fulfil, such as ``deep=0``; without them every labelled
        object outside the training part is a test object.
    validation_fraction
        Fraction of the training part that becomes "validation", 0 to below 1; 0.2 by default.
        With folds each fold validates in its turn, so that it must be left out or 0.
    folds
        0 for a hold-out split, or the number of folds (2 or more) of the training part.
    max_train
        At most so many objects in the training part, drawn by type; the rest of it becomes
        "unlabelled", so that the test objects do not depend on it.
    max_test
        At most so many test objects, drawn by type; the rest become "unlabelled".
    groups
        A column of the object table or the truth table, such as ``template``, or ``sky:1.0`` for cells
        of one degree: objects that agree in it never train, validate and test, nor lie in two folds.
        Whole groups are drawn, by type as well as they allow, and what is missed by more than 0.01 is
        logged. A missing value is a group of its own. Objects that would test, but share a group with
        the training part that `train_ids` or `train_where` chose, are "unlabelled"; unlabelled objects
        may share a group with any other. `max_train` draws single objects, so that few train of many groups.
    seed
        Seed of the draws.
    overwrite
        Whether a split of this name may be replaced.

    Returns
    -------
    The file written.

    Raises
    ------
    InputError
        For arguments out of range, unknown or unlabelled ids, fewer than two types to train on, too
        few groups, an existing split, or a folder that cannot be written.
    """
    path = split_path(survey, name)
    refuse_existing(path, overwrite=overwrite)
    plan = _Plan(
        None if train_ids is None else Path(train_ids),
        train_fraction,
        tuple(train_where),
        tuple(test_where),
        validation_fraction if validation_fraction is not None else (0.0 if folds else _DEFAULT_VALIDATION),
        folds,
        max_train,
        max_test,
        groups,
        seed,
    )
    _check_plan(name, plan)
    labels = strata(survey.info.kind, survey.objects)
    group = None if groups is None else group_codes(survey, groups)
    role, fold = _assign(name, survey, labels, plan, group)
    if survey.info.kind == "light_curves":
        _check_classes(name, labels, role, fold)
    if group is not None:
        whole = plan.max_train is None and not (plan.train_where or plan.test_where)
        wanted = plan.train_fraction if whole else None
        tell_misses(name, str(groups), labels, role, fold, (wanted, plan.validation_fraction))
    write_split(path, survey, role, fold, plan.arguments(), group)
    return path


@dataclass(frozen=True)
class _Plan:
    """The arguments of a split."""

    train_ids: Path | None
    train_fraction: float | None
    train_where: tuple[str, ...]
    test_where: tuple[str, ...]
    validation_fraction: float
    folds: int
    max_train: int | None
    max_test: int | None
    groups: str | None
    seed: int

    def arguments(self) -> dict[str, Any]:
        """Return the arguments as the file's metadata keep them."""
        found = asdict(self) | {"train_ids": None if self.train_ids is None else self.train_ids.name}
        # A split without these keeps the bytes, and so the digest, that it always had.
        later = ("groups", "max_test")
        return {key: value for key, value in found.items() if key not in later or value is not None}


def _check_plan(name: str, plan: _Plan) -> None:
    """Check ranges and combinations."""
    where = f"split {name}"
    if plan.train_ids is not None and plan.train_fraction is not None:
        raise fail(where, "train_ids and train_fraction exclude each other: give one")
    if plan.train_ids is not None and plan.train_where:
        raise fail(where, "train_ids and train_where exclude each other: give one")
    if not (plan.train_ids is not None or plan.train_fraction is not None or plan.train_where or plan.folds):
        raise fail(where, "needs one of train_ids, train_fraction, train_where or folds")
    if plan.train_fraction is not None and not 0 < plan.train_fraction <= 1:
        raise fail(where, f"0 < train_fraction <= 1 must hold, but it is {plan.train_fraction}")
    if plan.folds < 0 or plan.folds == 1:
        raise fail(where, f"folds must be 0 (none) or at least 2, but is {plan.folds}")
    if plan.max_train is not None and plan.max_train < 2:
        raise fail(where, f"max_train must be at least 2, but is {plan.max_train}")
    if plan.max_test is not None and plan.max_test < 1:
        raise fail(where, f"max_test must be at least 1, but is {plan.max_test}")
    if not 0 <= plan.validation_fraction < 1:
        raise fail(where, f"0 <= validation_fraction < 1 must hold, but it is {plan.validation_fraction}")
    if plan.folds and plan.validation_fraction:
        raise fail(where, f"with folds validation_fraction must be 0, but is {plan.validation_fraction}")
    if plan.seed < 0:
        raise fail(where, f"seed must be at least 0, but is {plan.seed}")


def _truth_word(survey: Survey) -> str:
    return "type" if survey.info.kind == "light_curves" else "redshift"


def _assign(
    name: str,
    survey: Survey,
    types: NDArray[np.object_],
    plan: _Plan,
    group: NDArray[np.int64] | None,
) -> tuple[NDArray[np.object_], NDArray[np.int16]]:
    """Return every object's role and fold."""
    typed = pd.notna(types)
    if not typed.any():
        word = _truth_word(survey)
        rule = f"needs objects of known {word} to train on, but none of the {len(types)} has one"
        raise fail(f"split {name} of {survey.path}", f"{rule}: the survey is unlabelled")
    generator = np.random.default_rng(plan.seed)
    if plan.train_ids is not None:
        training = _training_ids(survey, plan.train_ids, typed)
    else:
        fraction = plan.train_fraction if plan.train_fraction is not None else 1.0
        may_train = typed
        if plan.train_where:
            may_train = typed & matching(survey, plan.train_where, "train_where")
        training = _subset(types, may_train, round(fraction * int(may_train.sum())), generator, group)
    role = np.where(typed, np.where(training, "train", "test"), "unlabelled").astype(object)
    if plan.test_where:
        role[typed & ~training & ~matching(survey, plan.test_where, "test_where")] = "unlabelled"
        if not (role == "test").any():
            every = "every labelled object that fulfils test_where already trains"
            raise fail(f"split {name}", f"{every}: {', '.join(plan.test_where)}")
    if group is not None:
        part_groups(f"split {name}", str(plan.groups), role, training, group)
    if plan.max_train is not None and training.sum() > plan.max_train:
        role[training] = "unlabelled"
        training = _subset(types, training, plan.max_train, generator)
        role[training] = "train"
    tested = role == "test"
    if plan.max_test is not None and tested.sum() > plan.max_test:
        # Draws of their own, so that those who test do not depend on how many train.
        kept = _subset(types, tested, plan.max_test, np.random.default_rng([plan.seed, _TEST_DRAWS]))
        role[tested & ~kept] = "unlabelled"
    number = int(training.sum())
    fold = np.full(len(role), -1, np.int16)
    if plan.folds > number:
        raise fail(
            f"split {name}", f"folds must not exceed the training objects, but {plan.folds} > {number}"
        )
    if plan.folds and group is not None:
        fold[training] = group_folds(
            f"split {name}", str(plan.groups), list(types[training]), group[training], plan.folds, generator
        )
    elif plan.folds:
        fold[training] = deal(list(types[training]), plan.folds, generator)
    elif plan.validation_fraction:
        share = round(plan.validation_fraction * number)
        if not share:
            rule = f"validation_fraction {plan.validation_fraction} of {number} training objects leaves none"
            raise fail(f"split {name}", rule)
        validation = _subset(types, training, share, generator, group)
        if group is not None:
            check_validation(f"split {name}", str(plan.groups), validation, training, group)
        role[validation] = "validation"
    return role, fold


def _subset(
    types: NDArray[np.object_],
    candidates: NDArray[np.bool_],
    number: int,
    generator: np.random.Generator,
    group: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Mark `number` of the candidates, stratified by type; with groups about so many, in whole groups."""
    rows = np.flatnonzero(candidates)
    kinds = list(types[rows])
    chosen = np.zeros(len(types), dtype=bool)
    if group is None or number == len(rows):
        chosen[rows[draw(kinds, number, generator)]] = True
    else:
        share = number / len(rows)
        chosen[rows[partition(kinds, group[rows], [share, 1 - share], generator) == 0]] = True
    return chosen


def _training_ids(survey: Survey, path: Path, typed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the objects that a file names by id, or by a source file that no other object shares."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise fail(path, f"cannot be read as a list of ids ({error})") from error
    entries = {
        entry: number for number, line in enumerate(lines, 1) if (entry := line.strip()) and entry[0] != "#"
    }
    rows: dict[str, int] = {}
    if "source_file" in survey.objects.columns:
        files = survey.objects["source_file"].tolist()
        times = Counter(files)
        rows = {name: row for row, name in enumerate(files) if name is not None and times[name] == 1}
    rows |= {name: row for row, name in enumerate(survey.objects["object_id"])}
    unknown = [entry for entry in entries if entry not in rows]
    if unknown:
        some = ", ".join(repr(entry) for entry in unknown[:3])
        rule = "every line must name an object_id or a source file of the survey"
        raise fail(f"{path}, line {entries[unknown[0]]}", f"{rule}, but {len(unknown)} do not: {some}")
    marked = np.zeros(len(survey), dtype=bool)
    marked[[rows[entry] for entry in entries]] = True
    untyped = marked & ~typed
    if untyped.any():
        first = survey.objects["object_id"][int(untyped.argmax())]
        raise fail(
            path,
            f"training objects must have a {_truth_word(survey)}, but {untyped.sum()} have none, "
            f"the first being {first!r}",
        )
    return marked


def _check_classes(
    name: str, types: NDArray[np.object_], role: NDArray[np.object_], fold: NDArray[np.int16]
) -> None:
    """Refuse training parts that teach no difference: fewer than two types, whichever fold is left out."""
    n_folds = int(fold.max(initial=-1)) + 1
    for left_out in range(n_folds) if n_folds else [None]:
        training = role == "train" if left_out is None else (role == "train") & (fold != left_out)
        found = sorted(set(types[training]))
        if len(found) < 2:
            which = "" if left_out is None else f" when fold {left_out} is left out"
            has = f"has only {found[0]}" if found else "has no training object"
            raise fail(f"split {name}", f"needs at least two types to train on{which}, but {has}")
