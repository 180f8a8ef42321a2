"""A search for the ensemble: what a trial is worth is what its networks add to the ensemble of all trials.

Nothing is kept but the members' predictions for validation objects and the trials: a driver that was killed
is continued from those.
"""

import copy
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from rookery.search.attributes import ENSEMBLE, GAIN
from rookery.shift.options import DegradedValidation
from rookery.training.candidate import open_candidate
from rookery_ensembles.candidates import tabulate_candidates
from rookery_ensembles.errors import fail
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.marginal import Contributions, contributions

if TYPE_CHECKING:
    from rookery.search.study import Study

logger = logging.getLogger(__name__)
FloatArray = NDArray[np.float64]
_MOST_OBJECTS = 10_000


class MemberLikelihoods:
    """The probability that each trial's networks give to the truth of the study's validation objects.

    Each trial's files are read once. Of more than 10,000 objects so many are drawn, and the others forgotten.
    """

    def __init__(self, study: "Study") -> None:
        self._study = study
        self._counts = study.importance_weights()
        self._degraded = isinstance(study.space.objective.shift, DegradedValidation)
        self._rows: dict[int, FloatArray | None] = {}
        self._drawn: NDArray[np.intp] | None = None
        self._object_id: NDArray[np.str_] | None = None
        self.weight_n: FloatArray | None = None
        """(N,) what each object counts; None where all count the same."""

    def of(self, trial: int) -> FloatArray | None:
        """Return (N,) a finished trial's likelihoods; None where its members are no longer there.

        Raises
        ------
        InputError
            When the predictions are not those of the members' cards, or of other objects than other trials'.
        """
        if trial not in self._rows:
            self._rows[trial] = self._read(trial)
        return self._rows[trial]

    def _read(self, trial: int) -> FloatArray | None:
        study, name = self._study, f"{trial:04d}"
        cards = study.finished(trial)
        if cards is None:
            logger.warning("%s: members of trial %d are gone: it is in no ensemble", study.path, trial)
            return None
        folders = [study.members_folder / card.member for card in cards]
        candidates = tabulate_candidates([open_candidate(f, name, degraded=self._degraded) for f in folders])
        table = LikelihoodTable(candidates, self._counts)
        object_id = candidates.object_id[table.rows]
        if self._object_id is None:
            n = len(object_id)
            self._object_id, self.weight_n = object_id, table.weight_n
            self._drawn = np.sort(np.random.default_rng(0).permutation(n)[:_MOST_OBJECTS])
            self.weight_n = None if table.weight_n is None else table.weight_n[self._drawn]
        elif not np.array_equal(object_id, self._object_id):
            raise fail(folders[0], "predicts other validation objects than the study's first finished trial")
        return np.asarray(table.likelihood_mn[0][self._drawn], dtype=np.float64)


class EnsembleGains:
    """What the trials of a study add to their ensemble.

    Parameters
    ----------
    study
        A study that is searched for the ensemble.
    likelihoods
        Where the trials' likelihoods come from; by default from the study's members.
    """

    def __init__(self, study: "Study", likelihoods: MemberLikelihoods | None = None) -> None:
        self._likelihoods = likelihoods or MemberLikelihoods(study)
        self._sign = 1.0 if study.space.objective.direction == "maximize" else -1.0
        self._lag = study.document.deterministic
        self._known: dict[tuple[int, ...], Contributions] = {}

    def revalued(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return trials whose values are what one more like each would add to the ensemble of COMPLETE ones.

        The sign is that of the study's direction, so that better is still better. Trials whose members are
        gone are left out.
        """
        complete = [trial.number for trial in trials if trial.state is TrialState.COMPLETE]
        found = self._of(complete)
        worth = (
            {} if found is None else dict(zip(self._there(complete), found.another_m.tolist(), strict=True))
        )
        seen = []
        for trial in trials:
            if trial.state is not TrialState.COMPLETE:
                seen.append(trial)
            elif trial.number in worth:
                shown = copy.copy(trial)
                shown.values = [self._sign * worth[trial.number]]
                seen.append(shown)
        return seen

    def attributes(self, study: optuna.Study, number: int) -> dict[str, Any]:
        """Return what is to be written down of a trial that is about to be told complete.

        Of a deterministic study it is compared with the trials from which it was proposed, whatever ended
        before it.
        """
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        known = complete if self._lag is None else [t for t in complete if t.number <= number - self._lag]
        earlier = [trial.number for trial in known if trial.number != number]
        before, after = self._of(earlier), self._of([*earlier, number])
        found = {} if after is None else {ENSEMBLE: after.loss}
        if before is not None and after is not None:
            found[GAIN] = before.loss - after.loss
        return found

    def gains(self, numbers: Sequence[int]) -> dict[int, float]:
        """Return by number what each of these complete trials adds to the ensemble of all of them."""
        found = self._of(numbers)
        return {} if found is None else dict(zip(self._there(numbers), found.gain_m.tolist(), strict=True))

    def _there(self, numbers: Sequence[int]) -> list[int]:
        """Return the numbers of trials whose members are there, in their order."""
        return [number for number in sorted(numbers) if self._likelihoods.of(number) is not None]

    def _of(self, numbers: Sequence[int]) -> Contributions | None:
        """Return what trials are worth together and each, in the order of their numbers."""
        key = tuple(sorted(numbers))
        if key not in self._known:
            rows = [row for number in key if (row := self._likelihoods.of(number)) is not None]
            if not rows:
                return None
            if len(self._known) > 2:  # of the trials before the last, and with it
                del self._known[next(iter(self._known))]
            self._known[key] = contributions(np.stack(rows), self._likelihoods.weight_n)
        return self._known[key]
