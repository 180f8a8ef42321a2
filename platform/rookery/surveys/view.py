"""Views: some objects of a survey with observations of their own, in memory only."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.observations import ObservationArrays, assemble, select
from rookery.surveys.store import Survey


@dataclass(frozen=True, eq=False)
class SurveyView(Survey):
    """Some objects of a survey with some, or changed, observations.

    Folder, document and checksum are those of the survey that it shows; counts are not.
    """

    arrays: ObservationArrays
    """The observations."""
    rows: NDArray[np.intp]
    """(n_objects,) rows of the whole survey's object table."""

    @classmethod
    def of(cls, survey: Survey, rows: NDArray[np.integer], arrays: ObservationArrays) -> "SurveyView":
        """Return the objects of `rows` with other observations, in that order."""
        objects = survey.objects.iloc[rows].reset_index(drop=True)
        return cls(survey.path, survey.info, objects, arrays, np.asarray(rows, dtype=np.intp))

    @classmethod
    def of_objects(cls, survey: Survey, rows: NDArray[np.integer]) -> "SurveyView":
        """Return the objects of `rows` as they are, in that order; repeats are allowed."""
        light_curves = survey.info.kind == "light_curves"
        arrays = take_objects(survey.observation_arrays(), rows) if light_curves else _none(len(rows))
        return cls.of(survey, rows, arrays)

    def image_array(self) -> NDArray[np.floating]:
        """Return the view's cutouts, a copy."""
        return super().image_array()[self.rows]

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


def _none(n_objects: int) -> ObservationArrays:
    """Return the observations of objects that have none."""
    number = np.zeros(0, np.float64)
    flux = number.astype(np.float32)
    return assemble(number.astype(np.int64), number, number.astype(np.int8), flux, flux, n_objects)
