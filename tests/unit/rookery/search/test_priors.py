"""Priors of a search space: where the first trials look, and how that fades."""

import math
from pathlib import Path

import numpy as np
import optuna
import pytest

from rookery.search.priors import STRENGTH, draw, priors_of
from rookery.search.samplers import make_sampler
from rookery.search.space import SearchSpace, load_space
from rookery_ensembles.errors import InputError

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
