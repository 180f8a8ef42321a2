"""A family of networks with its search space and a small survey: what its contract suites are given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
import pytest
import torch
from torch import Tensor, nn

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs, family_names, load_family
from rookery.search.space import SearchSpace, find_space, load_space
from rookery.surveys import Survey
from rookery.training.job import TrainingJob
from rookery.training.target import chosen_target, target_fields

optuna.logging.set_verbosity(optuna.logging.WARNING)
N_OUTPUTS = 3
POINTS = range(5)
BATCH = slice(0, 6)
CHEAP = {"images": {"image_size": 16, "width": 0.1, "units": 32}}
"""Values, by kind of survey, that make networks small; those that a family does not have do not count."""


def draws_of(inputs: Inputs, seed: int = 1) -> Draws:
    """Return the draws of a batch's objects in the first epoch."""
    return Draws.of(seed, 0, torch.arange(len(next(iter(inputs.values())))))


@dataclass
class Case:
    """A family with its search space, and inputs of a survey that it can learn from."""

    family: Family[Any]
    space: SearchSpace
    """The family, and its space with networks made small."""
    survey: Survey
    """A small one."""

    def sampled(self, n: int) -> list[dict[str, Any]]:
        """Return the values of `n` random points of the space."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return [self.space.suggest(study.ask()) for _ in range(n)]

    def point(self, number: int) -> TrainingConfiguration:
        """Return the `number`-th random configuration of the space."""
        configuration: TrainingConfiguration = self.family.configure(self.sampled(number + 1)[number])
        return configuration

    def unsmoothed(self, number: int) -> TrainingConfiguration:
        """Return the `number`-th configuration, its cross-entropy that of the targets themselves."""
        found = self.point(number)
        off = {"label_smoothing": 0.0}
        return found.model_copy(update=off) if off.keys() <= type(found).model_fields.keys() else found

    def network(self, configuration: TrainingConfiguration, seed: int = 0) -> nn.Module:
        """Return a network with random weights whose scales are those of the whole survey."""
        torch.manual_seed(seed)
        network = self.family.build(configuration, len(self.survey.bands), N_OUTPUTS)
        self.family.fit_scale(network, self.inputs(configuration), torch.arange(len(self.survey)))
        return network

    def inputs(self, configuration: TrainingConfiguration) -> Inputs:
        """Return the network's inputs of the whole survey."""
        return self.family.encode(self.survey, configuration, self.survey.bands)

    def batch(self, configuration: TrainingConfiguration, rows: slice = BATCH) -> Inputs:
        """Return the inputs of some objects."""
        return {name: values[rows] for name, values in self.inputs(configuration).items()}

    def job(self, make_job: Callable[..., TrainingJob], configuration: TrainingConfiguration) -> TrainingJob:
        """Return a job on the survey: two types, or three bins of redshift."""
        target = chosen_target(self.family.prediction_kind, ("Ia", "non-Ia"), (0, 0.4, 3))
        job = make_job(
            family=self.family.name,
            survey=str(self.survey.path),
            survey_checksum=self.survey.checksum,
            **target_fields(target),
        )
        return job.model_copy(update={"configuration": configuration.model_dump()})

    def predict(self, network: nn.Module, inputs: Inputs) -> Tensor:
        """Return the probabilities (N, K) of inputs."""
        with torch.inference_mode():
            return self.family.predict(network.eval(), inputs)


@pytest.fixture(params=family_names())
def case(request: pytest.FixtureRequest, survey_of_kind: Callable[[str], Survey], one_thread: None) -> Case:
    """Return every installed family in turn, with small networks."""
    family = load_family(request.param)
    kind = family.survey_kinds[0]
    space = load_space(find_space(family.name), family.configuration)
    cheap: dict[str, Any] = {
        name: value for name, value in CHEAP.get(kind, {}).items() if name in space.parameters
    }
    return Case(family, space.fix(cheap, family.configuration), survey_of_kind(kind))


@pytest.fixture(params=POINTS)
def number(request: pytest.FixtureRequest) -> int:
    """Which of the sampled configurations."""
    return int(request.param)
