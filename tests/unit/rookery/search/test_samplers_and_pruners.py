"""Who proposes configurations, with priors over good regions, and who stops bad trials."""

import math
from pathlib import Path

import numpy as np
import optuna
import pytest

from rookery.search.priors import STRENGTH, draw, priors_of
from rookery.search.pruners import WorstPruner, make_pruner
from rookery.search.samplers import grid, make_sampler
from rookery.search.space import SearchSpace, load_space
from rookery_ensembles.errors import InputError

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


PRUNER = WorstPruner(0.25, n_startup_trials=4, n_warmup_steps=2)


def study_with(values: list[float], direction: str = "minimize", stop: float = math.inf) -> optuna.Study:
    """Return a study of trials with one constant value each; those above `stop` were pruned at step 2."""
    study = optuna.create_study(direction=direction)
    for value in values:
        trial = study.ask()
        for step in range(1, 11):
            trial.report(value, step)
            if value > stop and step == 2:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    return study


def stops(study: optuna.Study, value: float, step: int) -> bool:
    trial = study.ask()
    trial.report(value, step)
    return PRUNER.prune(study, study.get_trials()[trial.number])


@pytest.mark.parametrize(("value", "stopped"), [(0.5, False), (6.5, True), (5.9, False), (math.nan, True)])
def test_the_worst_quarter_is_stopped(value, stopped):
    assert stops(study_with([1, 2, 3, 4, 5, 6, 7, 8]), value, 5) is stopped


def test_of_values_to_be_maximised_the_smallest_are_stopped():
    study = study_with([1, 2, 3, 4, 5, 6, 7, 8], "maximize")
    assert stops(study, 2.0, 5)
    assert not stops(study, 4.0, 5)


def test_few_trials_and_early_steps_stop_nothing():
    assert not stops(study_with([1, 2, 3]), 9.0, 5)
    assert not stops(study_with([1, 2, 3, 4, 5]), 9.0, 1)


def test_trials_that_were_stopped_still_count_later():
    study = study_with([1, 1, 1, 1, 5, 6, 7, 8], stop=4)
    assert not stops(study, 4.5, 9), "a completed-only comparison would stop it"
    assert stops(study, 7.5, 9)


optuna.logging.set_verbosity(optuna.logging.WARNING)
HEAD = "family: pelican\nobjective: {metric: validation_log_loss, direction: minimize}\nparameters:\n"
SPACE = """\
  learning_rate: {type: float, low: 1.0e-5, high: 1.0, log: true, prior: {center: 1.0e-3, width: 1.5}}
  merged_blocks: {type: int, low: 1, high: 3, prior: {center: 3, width: 0.2}}
  dropout: {type: float, low: 0.0, high: 0.5, step: 0.25, prior: {center: 0.25, width: 0.01}}
  pooling: {type: categorical, choices: [mean_max, flatten]}
  kl: {type: categorical, choices: [true, false], prior: {weights: [9, 1]}}
  rho: {type: float, low: 0.0, high: 1.0, when: {kl: true}, prior: {center: 0.5, width: 0.01}}
"""


def space_of(folder: Path, parameters: str = SPACE) -> SearchSpace:
    (folder / "space.yaml").write_text(HEAD + parameters)
    return load_space(folder / "space.yaml")


@pytest.mark.parametrize(
    ("definition", "rule"),
    [
        ("{type: float, low: 0, high: 1, prior: {center: 2, width: 1}}", "`prior.center` must lie in .*is 2"),
        ("{type: float, low: 0, high: 1, prior: {center: 0.5}}", "`width` is required"),
        ("{type: float, low: 0, high: 1, prior: {center: 0.5, width: 0}}", "greater than 0, but found 0"),
        ("{type: float, low: 0, high: 1, prior: 0.5}", "but found 0.5"),
        ("{type: float, low: 0, high: 1, prior: {centre: 0.5, width: 1}}", "is not a known key"),
        (
            "{type: float, low: 0.1, high: 1, log: true, prior: {center: 0.5, width: 0.9}}",
            "`prior.width` is a factor on a log scale, above 1, but is 0.9",
        ),
        ("{type: int, low: 1, high: 4, prior: {center: 9, width: 1}}", "`prior.center` must lie in"),
        (
            "{type: categorical, choices: [1, 2], prior: {weights: [1]}}",
            "one for each of 2 choices, but are 1",
        ),
        ("{type: categorical, choices: [1, 2], prior: {weights: [0, 0]}}", "one of them above"),
        ("{type: categorical, choices: [1, 2], prior: {weights: [-1, 2]}}", "must be at least 0"),
    ],
)
def test_a_bad_prior_is_refused_with_its_line(tmp_path: Path, definition: str, rule: str) -> None:
    with pytest.raises(InputError, match=rf"space.yaml, line 4: `parameters.features.*{rule}"):
        space_of(tmp_path, f"  features: {definition}\n")


def test_draws_keep_range_and_grid_and_lie_where_the_prior_says(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    drawn = {
        name: [draw(parameter, random) for _ in range(2000)]
        for name, parameter in priors_of(space_of(tmp_path)).items()
    }
    assert set(drawn) == {"learning_rate", "merged_blocks", "dropout", "kl", "rho"}
    logs = np.log(drawn["learning_rate"])
    assert np.mean(np.abs(logs - math.log(1e-3)) < math.log(1.5)) == pytest.approx(0.683, abs=0.04)
    assert set(drawn["merged_blocks"]) <= {2, 3}
    assert np.mean(np.equal(drawn["merged_blocks"], 3)) > 0.95
    assert all(isinstance(value, int) for value in drawn["merged_blocks"])
    assert set(drawn["dropout"]) == {0.25}
    assert np.mean(drawn["kl"]) == pytest.approx(0.9, abs=0.03)


def test_a_wide_prior_is_cut_at_the_ends_of_the_range(tmp_path: Path) -> None:
    text = "  dropout: {type: float, low: 0.0, high: 0.5, prior: {center: 0.5, width: 1.0e6}}\n"
    parameter = priors_of(space_of(tmp_path, text))["dropout"]
    values = [draw(parameter, np.random.default_rng(seed)) for seed in range(500)]
    assert 0 <= min(values) < 0.05
    assert 0.45 < max(values) <= 0.5
    assert np.mean(values) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("name", ["tpe", "random", "gp", "nsgaii"])
def test_first_trials_come_from_the_priors_and_later_ones_seldom(tmp_path: Path, name: str) -> None:
    space = space_of(tmp_path)
    n = 12 if name == "gp" else 60

    def search() -> list[dict[str, object]]:
        study = optuna.create_study(sampler=make_sampler(name, 3, space))
        for _ in range(n):
            trial = study.ask()
            values = space.suggest(trial)
            assert ("rho" in values) == values["kl"]
            study.tell(
                trial, abs(math.log(float(values["learning_rate"])))
            )  # the best are far from the prior
        return [trial.params for trial in study.trials]

    found = search()
    near = [abs(math.log(float(str(params["learning_rate"])) / 1e-3)) < 3 * math.log(1.5) for params in found]
    assert near[0]
    assert sum(near[:STRENGTH]) >= STRENGTH / 2
    if n > 12:
        assert sum(near[-20:]) < 12
    assert search() == found, "a function of the seed"


def test_a_grid_takes_no_prior(tmp_path: Path) -> None:
    text = "  merged_blocks: {type: int, low: 1, high: 3, prior: {center: 3, width: 1}}\n"
    with pytest.raises(InputError, match=r"parameter `merged_blocks`: .*no `prior` matters"):
        make_sampler("grid", 0, space_of(tmp_path, text))
