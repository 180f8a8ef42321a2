"""No calibration: pooled values as they are."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations.base import CLASSES, PDFS, Calibration, Covariates, FloatArray, Method
from rookery_ensembles.probabilities import as_probabilities, check_sample_weight, check_truth_index
from rookery_ensembles.shown import short_repr


@short_repr
@dataclass(frozen=True)
class NoCalibration(Calibration):
    """The map that changes nothing."""

    document: ClassVar[str] = "none"
    kinds: ClassVar[tuple[str, ...]] = (CLASSES, PDFS)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return "no calibration"

    @classmethod
    def fit(
        cls,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
    ) -> Self:
        """Check the arguments as every calibration does; there is nothing to find."""
        check_truth_index(truth_index_n, *as_probabilities(values_nk).shape)
        check_sample_weight(sample_weight, len(np.asarray(truth_index_n)))
        return cls()

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return the values in double precision; raises InputError when they break their rules."""
        return as_probabilities(values_nk)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        return {"method": self.document}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        Fields.of_method(document, where, cls.document, ())
        return cls()


METHODS = tuple(
    Method("none", kind, "Leaves the pooled values as they are.", NoCalibration.fit, softens=True)
    for kind in (CLASSES, PDFS)
)
