"""Copies of training objects for trees: the very ones that networks with such hyperparameters train on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rookery.baselines._rounds import Round
from rookery.baselines._trees import FurtherExamples
from rookery.shift.copies import copied_view
from rookery.shift.options import CopyDistance, CopySelection
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey


@dataclass(frozen=True)
class CopyOptions:
    """How many copies of each training object, and how they are made."""

    copies: int
    redshifting: bool
    dimming: float
    distance: CopyDistance
    selection: CopySelection
    least_snr: float
    """As in :func:`rookery.shift.copies.redshifted_copies`."""

    def examples(
        self,
        survey: "Survey",
        split: "Split",
        features: "Callable[[Survey], NDArray[np.float64]]",
        *,
        name: str,
        seed: int,
    ) -> Callable[[Round], FurtherExamples] | None:
        """Return what makes the copies of those who train in a round; None where no copies are wanted.

        They look like the split's test and unlabelled objects. `features` gives (C, F) of a survey of C
        objects, and `name` is the baseline's, for messages.

        Raises
        ------
        InputError
            For `copies` or `dimming` below 0; and of what is returned, where copies cannot be made.
        """
        if self.copies < 0 or self.dimming < 0:
            found = f"{self.copies} and {self.dimming:g}"
            raise fail(f"baseline {name!r}", f"copies and copy_dimming must be at least 0, but are {found}")
        if not self.copies:
            return None
        models = np.union1d(split.indices("test"), split.indices("unlabelled"))

        def made(each: Round) -> FurtherExamples:
            view, source = copied_view(
                survey,
                each.train,
                models,
                copies=self.copies,
                redshifting=self.redshifting,
                dimming=self.dimming,
                distance=self.distance,
                selection=self.selection,
                least_snr=self.least_snr,
                seed=seed,
            )
            return FurtherExamples(features(view), source)

        return made
