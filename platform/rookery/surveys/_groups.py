"""Groups of objects that stay together in a split: what they are, and what a split owes them."""

import logging
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._conditions import object_column
from rookery.surveys._stratify import partition
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

logger = logging.getLogger(__name__)

# A fraction missed by more than this is told: chosen, what a reader of a table would notice.
_TOLERANCE = 0.01
_SKY = re.compile(r"sky:(\d+(?:\.\d*)?|\.\d+)")


def group_codes(survey: Survey, groups: str) -> NDArray[np.int64]:
    """Return the group of every object as a number.

    Parameters
    ----------
    survey
        The survey.
    groups
        A column of the object table or the truth table, or ``sky:SIZE``: cells of `SIZE` degrees a
        side in right ascension and declination. An object for which it is missing is a group of its own.

    Raises
    ------
    InputError
        For an unknown column (those that exist are listed), or cells of no size.
    """
    where = f"groups {groups!r}"
    if groups.startswith("sky:"):
        values = _sky_cells(survey, groups, where)
    else:
        values = object_column(survey, groups, where)
    codes = pd.factorize(values)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes


def part_groups(
    where: str,
    groups: str,
    role: NDArray[np.object_],
    training: NDArray[np.bool_],
    group: NDArray[np.int64],
) -> None:
    """Let no group that trains test: its other objects become "unlabelled" in `role`.

    Raises
    ------
    InputError
        When nothing trains, or nothing is left to test where something was.
    """
    if not training.any():
        raise fail(where, f"whole groups of {groups!r} leave no object to train: they are too large")
    tested = role == "test"
    role[tested & np.isin(group, group[training])] = "unlabelled"
    if tested.any() and not (role == "test").any():
        rule = "must leave test objects whose group has no training object"
        raise fail(where, f"groups {groups!r} {rule}, but all {tested.sum()} share a group with one")


def group_folds(
    where: str,
    groups: str,
    types: list[str],
    group: NDArray[np.int64],
    folds: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal whole groups of the training part onto folds.

    Raises
    ------
    InputError
        When there are fewer groups than folds, or a fold stays empty.
    """
    number = len(np.unique(group))
    if number < folds:
        rule = f"folds must not exceed the training part's groups of {groups!r}"
        raise fail(where, f"{rule}, but {folds} > {number}")
    fold = partition(types, group, [1 / folds] * folds, generator)
    if len(np.unique(fold)) < folds:
        rule = f"every one of {folds} folds must get a group of {groups!r}"
        raise fail(where, f"{rule}, but {number} groups of such sizes leave one empty")
    return fold


def check_validation(
    where: str,
    groups: str,
    validation: NDArray[np.bool_],
    training: NDArray[np.bool_],
    group: NDArray[np.int64],
) -> None:
    """Refuse a validation part of nothing, or of everything, where whole groups allow no other."""
    if validation.sum() in (0, training.sum()):
        found = f"its {training.sum()} objects make {len(np.unique(group[training]))}"
        raise fail(
            where, f"the training part must hold groups of {groups!r} to train and to validate, but {found}"
        )


def tell_misses(
    name: str,
    groups: str,
    types: NDArray[np.object_],
    role: NDArray[np.object_],
    fold: NDArray[np.int16],
    wanted: tuple[float | None, float],
) -> None:
    """Log how far whole groups miss the fractions asked for, and which types have no training object.

    Parameters
    ----------
    wanted
        Fraction of the labelled objects that make the training part, None where none was asked for, and
        fraction of that part that validates.
    """
    train, validation, test = (role == one for one in ("train", "validation", "test"))
    part = train | validation
    shares = []
    if wanted[0] is not None:
        shares.append(("training part", part.sum() / pd.notna(types).sum(), wanted[0]))
    if wanted[1]:
        shares.append(("validation part", validation.sum() / part.sum(), wanted[1]))
    if fold.max(initial=-1) >= 0:
        sizes = np.bincount(fold[fold >= 0]) / train.sum()
        equal = 1 / len(sizes)
        shares.append(("farthest fold", sizes[int(np.abs(sizes - equal).argmax())], equal))
    for what, found, share in shares:
        if abs(found - share) > _TOLERANCE:
            text = "split %s: whole groups of %r make the %s %.3f, where %.3f was asked for"
            logger.warning(text, name, groups, what, found, share)
    lacking = sorted(set(types[test | validation]) - set(types[train]))
    if lacking:
        logger.warning("split %s: of the types %s no object trains", name, ", ".join(map(str, lacking)))


def _sky_cells(survey: Survey, groups: str, where: str) -> pd.Series:
    """Return cells of about equal area: bands of declination, each cut into steps of right ascension."""
    parsed = _SKY.fullmatch(groups)
    size = float(parsed[1]) if parsed else 0.0
    if not size:
        raise fail(where, "must be sky:SIZE with cells of SIZE degrees, above 0")
    ra, dec = (object_column(survey, name, where).to_numpy(dtype=np.float64) for name in ("ra", "dec"))
    band = np.floor((dec + 90) / size)
    steps = np.maximum(1, np.round(360 * np.cos(np.radians((band + 0.5) * size - 90)) / size))
    column = np.floor((ra % 360) / 360 * steps)
    return pd.Series(band * (360 // size + 2) + column)
