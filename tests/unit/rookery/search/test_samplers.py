"""Who proposes configurations, with the options of Optuna's classes."""

from pathlib import Path

import optuna
import pytest

from rookery.search.pruners import make_pruner
from rookery.search.samplers import grid, make_sampler
from rookery.search.space import SearchSpace, load_space

TEXT = """
family: pelican
objective: {metric: validation_log_loss, direction: minimize}
parameters:
  epochs: 3
  features: {type: int, low: 32, high: 96, step: 32}
  dropout: {type: float, low: 0.0, high: 0.5, step: 0.25}
  kl: {type: categorical, choices: [true, false]}
  rho: {type: categorical, choices: [0.1, 0.2], when: {kl: true}}
"""


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    (tmp_path / "space.yaml").write_text(TEXT)
    return load_space(tmp_path / "space.yaml")


def test_grid_holds_every_point_once_and_no_value_that_does_not_apply(space):
    points = grid(space)
    assert len(points) == 3 * 3 * (2 + 1)
    assert len({repr(sorted(point.items())) for point in points}) == len(points)
    assert all(("rho" in point) == point["kl"] for point in points)
    assert "epochs" not in points[0]


def test_grid_of_real_numbers_needs_steps(tmp_path):
    (tmp_path / "space.yaml").write_text(TEXT.replace(", step: 0.25", ""))
    with pytest.raises(ValueError, match="parameter `dropout`: a grid needs a `step`, or --set to one value"):
        make_sampler("grid", 0, load_space(tmp_path / "space.yaml"))


@pytest.mark.parametrize("name", ["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "random"])
def test_every_sampler_finds_its_way_through_conditions(space, name):
    study = optuna.create_study(sampler=make_sampler(name, 1, space))
    for _ in range(12):
        trial = study.ask()
        values = space.suggest(trial)
        assert ("rho" in values) == values["kl"]
        study.tell(trial, values["dropout"] + values["features"])
    again = optuna.create_study(sampler=make_sampler(name, 1, space))
    first = again.ask()
    space.suggest(first)
    assert first.params == study.trials[0].params


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"startup": 3}, "sampler tpe: takes no option 'startup'; those are .*n_startup_trials"),
        ({"n_startup_trials": "many"}, "sampler tpe: `n_startup_trials` must be of type int, but is 'many'"),
        ({"seed": 3}, "sampler tpe: takes no option 'seed'"),
        ({"gamma": 3}, "sampler tpe: takes no option 'gamma'"),
    ],
)
def test_options_that_a_sampler_does_not_take_are_refused(space, options, message):
    with pytest.raises(ValueError, match=message):
        make_sampler("tpe", 0, space, options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("percentile", {"part": 0.5}),
        ("median", {"n_warmup_steps": 3}),
        ("asha", {"min_resource": 2}),
        ("hyperband", {"max_resource": 60}),
        ("patience", {"patience": 5}),
        ("none", {}),
    ],
)
def test_every_pruner_takes_its_options_and_no_others(name, options):
    assert isinstance(make_pruner(name, options), optuna.pruners.BasePruner)
    with pytest.raises(ValueError, match=f"pruner {name}: takes no option 'colour'"):
        make_pruner(name, {"colour": 1})


def test_a_value_that_a_pruner_refuses_is_told():
    with pytest.raises(ValueError, match=r"pruner asha: .*reduction_factor"):
        make_pruner("asha", {"reduction_factor": 1})
    pruner = make_pruner("patience", {"patience": 2})
    study = optuna.create_study(pruner=pruner)
    trial = study.ask()
    for step, value in enumerate([3.0, 2.0, 2.5, 2.5, 2.5]):
        trial.report(value, step)
    assert trial.should_prune()
