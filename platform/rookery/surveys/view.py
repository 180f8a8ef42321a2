"""Views: some objects of a survey with observations of their own, in memory only."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._observations import ObservationArrays, select
from rookery.surveys.store import Survey


@dataclass(frozen=True, eq=False)
class SurveyView(Survey):
    """Some objects of a survey with some, or changed, observations.

    Folder, document and checksum are those of the survey that it shows; counts are not.

    Attributes
    ----------
    arrays
        The observations.
    rows
        (n_objects,) rows of the whole survey's object table.
    """

    arrays: ObservationArrays
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, survey: Survey, rows: NDArray[np.integer], arrays: ObservationArrays) -> "SurveyView":
        """Return the objects of `rows` with other observations, in that order."""
        objects = survey.objects.iloc[rows].reset_index(drop=True)
        return cls(survey.path, survey.info, objects, arrays, np.asarray(rows, dtype=np.intp))

    def observation_arrays(self) -> ObservationArrays:
        """Return the view's observations."""
        return self.arrays

    def truth(self) -> pd.DataFrame | None:
        """Read the truth table's rows of the objects that are left."""
        whole = super().truth()
        return None if whole is None else whole.iloc[self.rows].reset_index(drop=True)


def take_objects(arrays: ObservationArrays, rows: NDArray[np.integer]) -> ObservationArrays:
    """Return the observations of some objects, renumbered from 0 in the order of `rows`."""
    owner, index = arrays.rows_of(rows)
    return select(arrays, index, owner, len(rows))
