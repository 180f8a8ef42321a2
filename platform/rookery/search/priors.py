"""Priors over good regions of a search space: where most of the first trials shall look.

Trial n (from 0) is drawn from the priors with probability 10 / (10 + n), its parameters without one by the
sampler as ever; the sampler learns from all of them. So a good prior saves trials, a bad one is forgotten.
"""

import math
import zlib
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from rookery.search.parameters import CategoricalParameter, FixedParameter, FloatParameter, IntParameter
from rookery.search.space import SearchSpace

STRENGTH = 10
"""After so many trials half of them come from the priors."""
Ranged = FloatParameter | IntParameter


def priors_of(space: SearchSpace) -> dict[str, Ranged | CategoricalParameter]:
    """Return the parameters of a space that have a prior."""
    searched = {n: p for n, p in space.parameters.items() if not isinstance(p, FixedParameter)}
    return {name: parameter for name, parameter in searched.items() if parameter.prior is not None}


def draw(parameter: Ranged | CategoricalParameter, random: np.random.Generator) -> Any:
    """Return a value of a parameter by its prior: a normal distribution cut at the range, or weights."""
    if isinstance(parameter, CategoricalParameter):
        assert parameter.prior is not None
        weights = np.asarray(parameter.prior.weights, dtype=np.float64)
        return parameter.choices[int(random.choice(len(weights), p=weights / weights.sum()))]
    assert parameter.prior is not None
    whole = isinstance(parameter, IntParameter)
    half = parameter.step / 2 if parameter.step is not None and not parameter.log else 0.5 if whole else 0.0
    ends = parameter.low - half, parameter.high + half  # the ends of a grid get no less than their share
    centre, width = float(parameter.prior.center), parameter.prior.width
    if parameter.log:
        ends, centre, width = (math.log(ends[0]), math.log(ends[1])), math.log(centre), math.log(width)
    normal = NormalDist(centre, width)
    below, above = (normal.cdf(end) for end in ends)
    part = below + (above - below) * random.random()
    value = normal.inv_cdf(min(max(part, 1e-15), 1 - 1e-15))
    value = math.exp(value) if parameter.log else value
    if parameter.step is not None:
        value = parameter.low + parameter.step * round((value - parameter.low) / parameter.step)
    value = min(max(value, parameter.low), parameter.high)
    return int(value) if whole else float(value)


class PriorSampler(optuna.samplers.BaseSampler):
    """A sampler whose trials are sometimes drawn from priors.

    Parameters
    ----------
    sampler
        Who proposes all else, and learns from every trial.
    priors
        Parameters with a prior, by name.
    seed
        A trial's draws are a function of it, the trial's number and the parameter's name.
    """

    def __init__(
        self,
        sampler: optuna.samplers.BaseSampler,
        priors: Mapping[str, Ranged | CategoricalParameter],
        seed: int,
    ) -> None:
        self._sampler, self._priors, self._seed = sampler, priors, seed

    def _random(self, trial: FrozenTrial, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, trial.number, zlib.crc32(name.encode())])

    def _draws(self, trial: FrozenTrial) -> bool:
        return bool(self._random(trial, "").random() < STRENGTH / (STRENGTH + trial.number))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """See :class:`optuna.samplers.BaseSampler`."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See :class:`optuna.samplers.BaseSampler`."""
        found = self._sampler.sample_relative(study, trial, search_space)
        if self._draws(trial):
            for name in found.keys() & self._priors.keys():
                found[name] = draw(self._priors[name], self._random(trial, name))
        return found

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See :class:`optuna.samplers.BaseSampler`."""
        if param_name in self._priors and self._draws(trial):
            return draw(self._priors[param_name], self._random(trial, param_name))
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._sampler.before_trial(study, trial)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """See :class:`optuna.samplers.BaseSampler`."""
        self._sampler.after_trial(study, trial, state, values)
