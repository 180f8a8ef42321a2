"""Which of a split's training objects train, and which are set apart to choose by."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rookery.documents import Document
from rookery.surveys._conditions import matching
from rookery.surveys._split_file import Split
from rookery.surveys._stratify import draw, partition, strata
from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail


class TrainOn(Document):
    """Which of the objects that could train do: a smaller training set, or another one."""

    part: float = Field(default=1.0, gt=0, le=1)
    """Part of them, drawn at random by the fold alone."""
    where: tuple[str, ...] = ()
    """Conditions that they meet, such as ``stripe82=1``."""


def training_rows(
    survey: Survey, train: NDArray[np.int64], wanted: TrainOn, fold: int | None
) -> NDArray[np.int64]:
    """Return those of the rows `train` that shall train.

    Smaller parts are contained in larger ones, and every network of a fold gets the same objects.

    Raises
    ------
    InputError
        When none is left.
    """
    if wanted.where:
        train = train[matching(survey, wanted.where, "train_on.where")[train]]
    number = round(wanted.part * len(train))
    if not number:
        raise fail(survey.path, f"no object is left to train by `train_on` {wanted.model_dump()}")
    order = np.random.default_rng([] if fold is None else [fold]).permutation(train)
    return np.sort(order[:number])


def inner_objects(survey: Survey, split: Split, train: NDArray[np.int64], part: float) -> NDArray[np.bool_]:
    """Mark the inner part of some training objects, stratified as splits are.

    The networks choose their epoch by it, so that the objects that judge them chose nothing.

    The draw depends on these objects alone: every network that could train on the same ones sets the
    same apart. The only object of a type always trains. Groups of the split stay whole, and no group is
    both inside and outside.

    Parameters
    ----------
    split
        The split that they are from.
    train
        (N,) rows of the survey's object table.
    part
        Fraction to mark, above 0 and at most 0.5; at least one object is.

    Returns
    -------
    (N,) bool.

    Raises
    ------
    InputError
        When all objects or none would be left to train.
    """
    objects = survey.objects.iloc[train]
    types = strata(survey.info.kind, objects).astype(str)
    ids = "\n".join(objects["object_id"]).encode()
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(ids).digest()[:8], "little"))
    inner = np.zeros(len(train), dtype=bool)
    if split.group is None:
        _, kind, count = np.unique(types, return_inverse=True, return_counts=True)
        candidates = np.flatnonzero(count[kind] > 1)
        number = min(max(1, round(part * len(train))), len(candidates) // 2)
        inner[candidates[draw(list(types[candidates]), number, generator)]] = True
    else:
        inner = partition(list(types), split.group[train], [part, 1 - part], generator) == 0
    if not inner.any() or inner.all():
        what = "objects" if split.group is None else "groups"
        rule = f"the {len(train)} training objects are too few {what} to set an inner part apart"
        raise fail(f"split {split.name} of {survey.path}", f"{rule}: keep the last epoch, or set none apart")
    return inner
