"""Where the next configuration comes from: published points, earlier studies, a grid, or the sampler."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from rookery.search.attributes import TRUST
from rookery.search.constraints import Constraints
from rookery.search.earlier_studies import WarmStart
from rookery.search.ensemble_gains import EnsembleGains
from rookery.search.pruners import make_pruner
from rookery.search.samplers import grid, make_sampler, without_warnings
from rookery.search.sparing_pruner import SparingPruner
from rookery.search.study import StudyDocument
from rookery.search.visible_trials import DeterministicPruner, VisibleTrialsSampler


class Proposals:
    """The configurations of a study, in the order in which they are to be tried.

    Parameters
    ----------
    document
        What the study is.
    study
        Its Optuna study; it gets the sampler and the pruner of the document.
    begun
        Trials that were begun by earlier drivers.
    gains
        Of a search for the ensemble.
    """

    def __init__(
        self, document: StudyDocument, study: optuna.Study, begun: int, gains: EnsembleGains | None = None
    ) -> None:
        self._space, self._study, self._constraints = document.space, study, Constraints(document)
        self._grid: list[dict[str, Any]] | None = None
        if document.sampler == "grid":
            complete = document.space.with_fixed
            points = grid(document.space)
            self._grid = [point for point in points if self._constraints.keeps(complete(point))]
        self._earlier: WarmStart | None = None
        if document.warm_start:
            self._earlier = WarmStart(document.warm_start, document.space, self._constraints.broken)
        lag = document.deterministic
        pruner = make_pruner(document.pruner, document.pruner_options)
        if gains is not None:
            pruner = SparingPruner(pruner, gains, document.space)
        study.pruner = DeterministicPruner(pruner, lag) if lag else pruner

        def sampler(seed: int) -> optuna.samplers.BaseSampler:
            return make_sampler(document.sampler, seed, document.space, document.sampler_options)

        # A sampler with the same seed at each start would repeat its first suggestions.
        seed = document.seed if lag else document.seed + 7919 * begun
        through_view = lag is not None or self._earlier is not None or gains is not None
        study.sampler = (
            VisibleTrialsSampler(sampler, seed, lag, self._earlier, gains) if through_view else sampler(seed)
        )

    @property
    def most(self) -> int | None:
        """How many there are, None for no limit."""
        return None if self._grid is None else len(self._grid)

    def enqueue_first(self, existing: Sequence[FrozenTrial]) -> None:
        """Queue the published points of a new study, then the best ones of earlier studies.

        Idempotent: a crash in between changes nothing.
        """
        if self._grid is not None or any(trial.state is not TrialState.WAITING for trial in existing):
            return
        points = [self._space.searched(point) for point in self._space.published]
        if self._earlier is not None:
            points += self._earlier.first_points()
        for point in points:
            self._study.enqueue_trial(point, skip_if_exists=True)

    @contextmanager
    def like(self, params: Mapping[str, Any]) -> Iterator[None]:
        """Propose, inside, only what has these values, where it has such parameters."""
        sampler = self._study.sampler
        fixed = without_warnings(
            optuna.samplers.PartialFixedSampler, fixed_params=dict(params), base_sampler=sampler
        )
        self._study.sampler = fixed
        try:
            yield
        finally:
            self._study.sampler = sampler

    def ask(self, number: int) -> optuna.Trial:
        """Return a new trial, the one after `number` others."""
        # Not where a driver that died just then has queued the point of the grid.
        if self._grid is not None and not self._waiting():
            self._study.enqueue_trial(self._grid[number])
        return self._study.ask()

    def configure(self, trial: optuna.Trial) -> dict[str, Any] | None:
        """Return a trial's configuration; None when it breaks a constraint, which the trial then says."""
        values = self._space.suggest(trial)
        if self._earlier is not None and TRUST not in trial.user_attrs:
            # How far the earlier studies were trusted when this trial was proposed.
            trust = {path: round(value, 3) for path, value in self._earlier.trust.items()}
            trial.set_user_attr(TRUST, trust)
        return values if self._constraints.tell(trial, values) else None

    def again(self, trial: FrozenTrial) -> None:
        """Queue a trial's configuration once more; a grid comes to it by itself."""
        if self._grid is None:
            self._study.enqueue_trial(trial.params)

    def must_wait(self, lag: int) -> bool:
        """Whether one of the trials that the next one is proposed from, `lag` before it, still runs."""
        trials = self._study.get_trials(deepcopy=False)
        waiting = (trial.number for trial in trials if trial.state is TrialState.WAITING)
        following = next(waiting, len(trials))
        return any(t.state is TrialState.RUNNING and t.number <= following - lag for t in trials)

    def _waiting(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
