"""Which of a split's training objects train: a smaller training set, or another one."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rookery.documents import Document
from rookery.surveys._where import matching
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
