"""Predictions of several members brought together: side by side for one set of objects, or end to end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.schema import PredictionInfo, Predictions, require_predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import KEYS, Target, to_dict


@short_repr
@dataclass(frozen=True, eq=False)
class Stack:
    """Predictions of M members for the same N objects, in one order."""

    members: tuple[str, ...]
    """M names."""
    target: Target
    """What is predicted; the same for all members."""
    object_id: NDArray[np.str_]
    truth: NDArray[Any] | None
    """(N,) as in `Predictions`."""
    values: NDArray[np.float32]
    """(M, N, K) float32."""


class Labelled(Protocol):
    """Predictions of which the values do not matter."""

    @property
    def info(self) -> PredictionInfo:
        """What they are of."""
        ...

    @property
    def object_id(self) -> NDArray[np.str_]:
        """(N,) names."""
        ...

    @property
    def truth(self) -> NDArray[Any] | None:
        """(N,) as in `Predictions`."""
        ...


@dataclass(frozen=True, eq=False)
class Labels:
    """Whose predictions they are, and of what; and, of several members, who has which object where."""

    info: PredictionInfo
    object_id: NDArray[np.str_]
    truth: NDArray[Any] | None
    names: tuple[str, ...] = ()
    """Of M members."""
    rows: tuple[NDArray[np.intp] | slice, ...] = ()
    """M times the rows that put a member's objects into this order; all of them where they are in it."""


def align_members(predictions: Sequence[Labelled]) -> Labels:
    """Return how several members' predictions of the same objects fit together, in the first one's order.

    Raises
    ------
    InputError
        As `stack_members` does.
    """
    if not predictions:
        raise fail("members", "there must be at least one to stack, but found none")
    first = predictions[0]
    info, truth = first.info, None
    names: list[str] = []
    rows = []
    for member in predictions:
        where = f"predictions of {member.info.maker}"
        if member.info.maker in names:
            raise fail(where, "a member must occur once in a stack, but this one occurs twice")
        names.append(member.info.maker)
        _require_same_columns(info, member.info, where)
        rows.append(rows_in_order(first.object_id, member.object_id, where, info.maker))
        if member.truth is not None:
            own = member.truth[rows[-1]]
            truth = own if truth is None else truth
            _require_same_truth(truth, own, first.object_id, where)
    return Labels(info, first.object_id, truth, tuple(names), tuple(rows))


def stack_members(predictions: Sequence[Predictions]) -> Stack:
    """Stack the predictions of several members, with the objects in the first member's order.

    Raises
    ------
    InputError
        When none is given, two have the same name, or they differ in kind, in classes or bins,
        in their objects, or in the truth of an object.
    """
    for number, member in enumerate(predictions):
        require_predictions(member, f"members, item {number}")
    found = align_members(predictions)
    values = np.empty((len(predictions), *predictions[0].values.shape), dtype=np.float32)
    for i, (member, rows) in enumerate(zip(predictions, found.rows, strict=True)):
        values[i] = member.values[rows]
    return Stack(found.names, found.info.target, found.object_id, found.truth, values)


def average_starts(starts: Sequence[Predictions]) -> Predictions:
    """Return the mean of predictions for the same objects by networks that differ by their random start.

    The result goes by the first one's name. A single start is returned as it is.

    Raises
    ------
    InputError
        As `stack_members` does.
    """
    if len(starts) == 1:
        return starts[0]
    stack = stack_members(starts)
    return Predictions(starts[0].info, stack.object_id, stack.truth, stack.values.mean(axis=0))


def pool_folds(folds: Sequence[Predictions]) -> Predictions:
    """Join the out-of-fold predictions of one configuration's members end to end.

    With a single fold (hold-out validation) they are returned as they are. Otherwise the result
    belongs to no fold, and its ``member`` is the configuration's hash, or the names of all the
    members where there is none.

    Raises
    ------
    InputError
        When none is given, they differ in kind, in classes or bins, in configuration, role or
        survey, some have truth and some not, or an object occurs in two of them.
    """
    if len(folds) == 1:
        return folds[0]
    found = join_folds(folds)
    return Predictions(found.info, found.object_id, found.truth, np.concatenate([f.values for f in folds]))


def join_folds(folds: Sequence[Labelled], object_id: NDArray[np.str_] | None = None) -> Labels:
    """Return the labels of `pool_folds`, which raises the same errors.

    Parameters
    ----------
    object_id
        All their objects, where it is known that no two folds share one.
    """
    if not folds:
        raise fail("folds", "there must be at least one to pool, but found none")
    first = folds[0]
    if len(folds) == 1:
        return Labels(first.info, first.object_id, first.truth)
    fold_of: dict[str, int] = {}
    for i, fold in enumerate(folds):
        where = f"predictions of {fold.info.maker}"
        _require_same_columns(first.info, fold.info, where, also=("configuration", "role", "survey"))
        if (fold.truth is None) != (first.truth is None):
            raise fail(
                where, f"the truth must be known in all folds or in none, unlike in {first.info.maker}"
            )
        for name in fold.object_id.tolist() if object_id is None else ():
            if fold_of.setdefault(name, i) != i:
                other = folds[fold_of[name]].info.maker
                raise fail(where, f"folds must not share objects, but object {name} is in {other} too")
    maker = first.info.configuration or "+".join(fold.info.maker for fold in folds)
    truths = [fold.truth for fold in folds if fold.truth is not None]
    return Labels(
        info=replace(first.info, member=maker, bundle=None, fold=None),
        object_id=np.concatenate([fold.object_id for fold in folds]) if object_id is None else object_id,
        truth=np.concatenate(truths) if truths else None,
    )


def _require_same_columns(
    expected: PredictionInfo, info: PredictionInfo, where: str, also: Sequence[str] = ()
) -> None:
    told = [
        dict.fromkeys(KEYS) | to_dict(each.target) | {key: getattr(each, key) for key in also}
        for each in (expected, info)
    ]
    for key in told[0]:
        wanted, found = (each[key] for each in told)
        if wanted != found:
            rule = f"`{key}` must equal that of {expected.maker}, {wanted!r:.200}"
            raise fail(where, f"{rule}, but found {found!r:.200}")


def rows_in_order(
    wanted: NDArray[np.str_], found: NDArray[np.str_], where: str, reference: str
) -> NDArray[np.intp] | slice:
    """Return the rows of `found` that put it into the order of `wanted`; both hold the same objects."""
    if wanted is found or np.array_equal(wanted, found):
        return slice(None)
    order = np.argsort(found)
    rank = np.searchsorted(found, wanted, sorter=order).clip(max=len(found) - 1)
    rows: NDArray[np.intp] = order[rank]
    missing = np.flatnonzero(found[rows] != wanted)
    if missing.size:
        raise fail(where, f"the objects must be those of {reference}, but {wanted[missing[0]]} is missing")
    if len(found) != len(wanted):
        extra = np.setdiff1d(found, wanted)[0]
        raise fail(where, f"the objects must be those of {reference}, but {extra} is not among them")
    return rows


def _require_same_truth(
    expected: NDArray[Any], found: NDArray[Any], object_id: NDArray[np.str_], where: str
) -> None:
    same = expected == found
    if expected.dtype.kind == "f":
        same |= np.isnan(expected) & np.isnan(found)
    different = np.flatnonzero(~same)
    if different.size:
        row = int(different[0])
        rule = f"the truth of object {object_id[row]} must be the same in all members"
        raise fail(where, f"{rule}, but found {found[row]} and {expected[row]}")
