"""Vector scaling: a scale and an offset for the logarithm of each class's probability."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations._common import Checked, ClassCalibration, require_columns, softmax
from rookery_ensembles.calibrations._logits import check_numbers, fit_log_linear, floored_log
from rookery_ensembles.calibrations.base import CLASSES, Covariates, FloatArray, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import as_probabilities

# Pull towards no change, in objects.
_PRIOR = 1.0


@dataclass(frozen=True)
class VectorCalibration(ClassCalibration):
    """q_k proportional to p_k^(a_k) exp(b_k) (Guo et al. 2017, section 4.2, applied to log p).

    Raises
    ------
    InputError
        When their numbers differ, one is not finite, or a scale is negative.
    """

    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    """K numbers a and b each; scales are not negative. 1 and 0 change nothing."""

    document: ClassVar[str] = "vector"

    def __post_init__(self) -> None:
        """Check the rules."""
        _check(self.scales, self.offsets, self.document)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return f"vector scaling, scales {' '.join(f'{a:.3f}' for a in self.scales)}"

    @classmethod
    def _found(cls, data: Checked) -> Self:
        found = fit_log_linear(data, _PRIOR, diagonal=True)
        return cls(tuple(np.diag(found.matrix).tolist()), found.offsets)

    @classmethod
    def _unchanged(cls, k: int) -> Self:
        return cls((1.0,) * k, (0.0,) * k)

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities; InputError when they break their rules."""
        probability = as_probabilities(values_nk)
        require_columns(probability.shape[1], len(self.scales), "probability")
        if set(self.scales) == {1.0} and set(self.offsets) == {0.0}:
            return probability
        return softmax(floored_log(probability) * np.array(self.scales) + np.array(self.offsets))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        return {"method": self.document, "scales": list(self.scales), "offsets": list(self.offsets)}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, ("scales", "offsets"))
        scales, offsets = fields.take_list("scales", float), fields.take_list("offsets", float)
        _check(scales, offsets, where)
        return cls(scales, offsets)


def _check(scales: tuple[float, ...], offsets: tuple[float, ...], where: str) -> None:
    check_numbers([*scales, *offsets], where)
    if len(scales) != len(offsets) or len(scales) < 2:
        rule = "there must be a scale and an offset for each of two or more classes"
        raise fail(where, f"{rule}, but found {len(scales)} and {len(offsets)}")
    if min(scales) < 0:
        raise fail(where, f"scales must not be negative, but found {min(scales)}")


METHODS = (
    Method(
        "vector", CLASSES, "A scale and an offset of each class's log-probability.", VectorCalibration.fit
    ),
)
