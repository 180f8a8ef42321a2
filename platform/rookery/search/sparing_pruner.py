"""In a search for the ensemble the pruner spares a network that is worse, but may err differently."""

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from rookery.search.earlier_studies import encoded
from rookery.search.ensemble_gains import EnsembleGains
from rookery.search.space import SearchSpace

NEAREST = 3
"""So many complete trials speak for one that runs."""


class SparingPruner(optuna.pruners.BasePruner):
    """Stops what another pruner would, but for trials whose like add to the ensemble.

    Of a network that runs only scores are known, not its predictions. So the complete trials whose
    configurations are nearest speak for it: it goes on where they gain more than nothing on average, however
    bad its own score is.

    Parameters
    ----------
    pruner
        Who would stop it.
    gains
        What complete trials add to the ensemble.
    space
        Of the study: what its configurations differ in.
    """

    def __init__(self, pruner: optuna.pruners.BasePruner, gains: EnsembleGains, space: SearchSpace) -> None:
        self._pruner, self._gains, self._space = pruner, gains, space

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether `trial` shall stop at its last reported step."""
        return self._pruner.prune(study, trial) and not self._spares(study, trial)

    def _spares(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        gains = self._gains.gains([each.number for each in complete])
        known = [each for each in complete if each.number in gains]
        if len(known) < NEAREST:
            return False
        nearest = np.argsort(self._distances(trial, known), kind="stable")[:NEAREST]
        return float(np.mean([gains[known[row].number] for row in nearest])) > 0

    def _distances(self, trial: FrozenTrial, others: list[FrozenTrial]) -> NDArray[np.float64]:
        """Return how far others are: the sum of parts of parameters' ranges, 1 for another choice."""
        points = encoded(self._space, [trial.params, *(other.params for other in others)])
        return np.asarray(np.minimum(abs(points[1:] - points[0]), 1.0).sum(axis=1))
