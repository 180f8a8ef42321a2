"""What every way to find weights does: check, fit, and shrink toward equal weights as far as it helps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.gate import Gate
from rookery_ensembles.probabilities import mean_loss
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weights.evidence import Evidence, FloatArray

SHRINKAGES: FloatArray = np.linspace(0.0, 1.0, 11)
_LEAST = 1e-6
"""A weight below this part of the mean weight is none."""


@short_repr
@dataclass(frozen=True, eq=False)
class FittedWeights:
    """Weights that were found."""

    weights_m: NDArray[np.float64]
    """(M,) not negative; they sum to 1."""
    shrinkage: float
    """How far they were moved from what was fitted, at 0, to equal weights, at 1."""
    gate: Gate | None = None
    """How they depend on covariates, members called by their numbers; None where they do not."""


class Weights(ABC):
    """A way to find how much each member counts."""

    name: ClassVar[str]
    """As it is asked for."""
    spoken: ClassVar[str]
    """In words."""
    quadratic: ClassVar[bool] = False
    """Whether it looks at the CRPS or Brier score, and not at the log score."""
    local: ClassVar[bool] = False
    """Whether it looks at covariates; then only the linear pool takes what it finds."""

    def fit(self, evidence: Evidence, *, shrink: bool = True) -> FittedWeights:
        """Return the weights that suit the objects.

        Parameters
        ----------
        evidence
            How the members did on objects that they were not trained on.
        shrink
            Whether to move the weights toward equal ones by the part that serves best where the others of
            five groups of the objects found the weights: noise in few objects argues for no member.

        Raises
        ------
        InputError
            When the evidence lacks what the score needs.
        """
        m = len(evidence)
        fitted = self._on_simplex(evidence) if m > 1 else np.ones(1)
        shrinkage = self._shrinkage(evidence) if shrink and m > 1 else 0.0
        return FittedWeights((1 - shrinkage) * fitted + shrinkage / m, shrinkage)

    def _shrinkage(self, evidence: Evidence) -> float:
        """Return the best of `SHRINKAGES` by cross-fitted score; of equally good ones the greatest."""
        folds = evidence.folds()
        if len(folds) < 2:
            return 1.0
        equal = np.full(len(evidence), 1 / len(evidence))
        losses = np.zeros(len(SHRINKAGES))
        for fold in folds:
            judged = evidence.chosen(fold)
            found = self._on_simplex(evidence.chosen(fold, without=True), brief=True)
            n = judged.likelihood_mn.shape[1]
            if self.quadratic:
                gram, toward = judged.gram, equal - found
                a, b, c = found @ gram @ found, 2 * found @ gram @ toward, toward @ gram @ toward
                losses += n * (a + SHRINKAGES * b + SHRINKAGES**2 * c)
                continue
            one, other = judged.pooled(found), judged.pooled(equal)
            losses += evidence.mass(fold) * np.array(
                [mean_loss((1 - part) * one + part * other, judged.weight_n) for part in SHRINKAGES]
            )
        best = losses.min()
        return float(SHRINKAGES[np.flatnonzero(losses <= best + 1e-12 * abs(best))[-1]])

    def _on_simplex(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        found = np.maximum(self._fit(evidence, brief=brief), 0.0)
        found[found < _LEAST * found.sum() / len(found)] = 0.0
        return np.asarray(found / found.sum())

    @abstractmethod
    def _fit(self, evidence: Evidence, *, brief: bool = False) -> FloatArray:
        """Return (M,) weights of two members or more; less precisely where a `brief` answer will do."""
