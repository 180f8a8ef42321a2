"""Dirichlet calibration: a linear map of the log-probabilities, its off-diagonal part regularised."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.calibrations._common import Checked, ClassCalibration, require_columns, softmax
from rookery_ensembles.calibrations._logits import check_numbers, fit_log_linear, floored_log
from rookery_ensembles.calibrations.base import CLASSES, Covariates, FloatArray, Method
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import log_loss
from rookery_ensembles.probabilities import as_probabilities

PRIORS = (1.0, 10.0, 100.0, 1000.0)
"""Pulls, in objects, of which cross-validation chooses one; see `fit_log_linear`."""
_PARTS, _MOST_TO_CHOOSE = 3, 20_000


@dataclass(frozen=True)
class DirichletCalibration(ClassCalibration):
    """q proportional to exp(W ln p + b) (Kull et al. 2019).

    Raises
    ------
    InputError
        When W is not K by K, or a number is not finite.
    """

    matrix: tuple[tuple[float, ...], ...]
    """K rows of K numbers, W; the unit matrix changes nothing."""
    offsets: tuple[float, ...]
    """K numbers, b."""

    document: ClassVar[str] = "dirichlet"

    def __post_init__(self) -> None:
        """Check the rules."""
        _check(self.matrix, self.offsets, self.document)

    def __str__(self) -> str:
        """Return the calibration in a few words."""
        return f"Dirichlet, diagonal {' '.join(f'{row[i]:.3f}' for i, row in enumerate(self.matrix))}"

    @classmethod
    def _found(cls, data: Checked) -> Self:
        """With the pull (ODIR) that three-fold cross-validation prefers."""
        found = fit_log_linear(data, _best_prior(data), diagonal=False)
        return cls(_rows(found.matrix), found.offsets)

    @classmethod
    def _unchanged(cls, k: int) -> Self:
        return cls(_rows(np.eye(k)), (0.0,) * k)

    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities; InputError when they break their rules."""
        probability, matrix = as_probabilities(values_nk), np.array(self.matrix)
        require_columns(probability.shape[1], len(matrix), "probability")
        if set(self.offsets) == {0.0} and (matrix == np.eye(len(matrix))).all():
            return probability
        return softmax(floored_log(probability) @ matrix.T + np.array(self.offsets))

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""
        rows = [list(row) for row in self.matrix]
        return {"method": self.document, "matrix": rows, "offsets": list(self.offsets)}

    @classmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""
        fields = Fields.of_method(document, where, cls.document, ("matrix", "offsets"))
        matrix, offsets = fields.take_rows("matrix"), fields.take_list("offsets", float)
        _check(matrix, offsets, where)
        return cls(matrix, offsets)


def _rows(matrix: FloatArray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _check(matrix: tuple[tuple[float, ...], ...], offsets: tuple[float, ...], where: str) -> None:
    k = len(offsets)
    if k < 2 or len(matrix) != k or any(len(row) != k for row in matrix):
        sizes = ", ".join(str(len(row)) for row in matrix)
        rule = "`matrix` must hold a row of K numbers for each of K offsets, at least two"
        raise fail(where, f"{rule}, but found {k} offsets and rows of {sizes or 'none'}")
    check_numbers([*offsets, *(number for row in matrix for number in row)], where)


def _best_prior(data: Checked) -> float:
    """Return the pull of least log-loss on objects that were left out; the strongest of few objects."""
    probability, index, weight = data
    order = np.random.default_rng(0).permutation(len(index))[:_MOST_TO_CHOOSE]
    part = np.arange(len(order)) % _PARTS
    if len(order) < 2 * _PARTS or any(not weight[order[part != i]].any() for i in range(_PARTS)):
        return PRIORS[-1]
    losses = np.zeros(len(PRIORS))
    for i in range(_PARTS):
        seen, unseen = order[part != i], order[part == i]
        for j, prior in enumerate(PRIORS):
            found = fit_log_linear((probability[seen], index[seen], weight[seen]), prior, diagonal=False)
            left = DirichletCalibration(_rows(found.matrix), found.offsets).apply(probability[unseen])
            total = weight[unseen].sum()
            losses[j] += total * log_loss(left, index[unseen], weight[unseen]) if total else 0.0
    return PRIORS[int(losses.argmin())]


METHODS = (
    Method(
        "dirichlet",
        CLASSES,
        "A regularised linear map of the log-probabilities (ODIR).",
        DirichletCalibration.fit,
    ),
)
