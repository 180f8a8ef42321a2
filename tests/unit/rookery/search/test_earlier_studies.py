import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from rookery.search.ask_tell import open_ask_tell
from rookery.search.attributes import TRUST
from rookery.search.creation import create_or_open_study
from rookery.search.earlier_studies import FIRST, MOST_TRIALS, WarmStart
from rookery.search.pruners import make_pruner
from rookery.search.space import SearchSpace
from rookery.search.study import EarlierStudy, EarlierTrial, Study, open_study
from rookery.search.visible_trials import VisibleTrialsSampler
from rookery.surveys import Survey
from rookery_ensembles import Classes, InputError

Make = Callable[..., Study]
PARAMETERS: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "features": {"type": "int", "low": 4, "high": 64},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "block": {"type": "categorical", "choices": ["inception", "convolution"]},
    "epochs": {"value": 1},
}


def space(**changes: Any) -> SearchSpace:
    document = {
        "family": "pelican",
        "objective": {"metric": "validation_log_loss", "direction": "minimize"},
        "parameters": PARAMETERS,
    }
    return SearchSpace.model_validate({**document, **changes})


def loss(point: dict[str, Any]) -> float:
    """A network's loss, best at a learning rate of 0.003, 40 features, little dropout, convolutions."""
    rate = np.log10(point["learning_rate"] / 3e-3)
    block = 0.3 * (point["block"] == "inception")
    return float(0.2 + rate**2 + ((point["features"] - 40) / 40) ** 2 + point["dropout"] + block)


@pytest.fixture
def make(tmp_path: Path, tiny_survey: Survey) -> Make:
    """Return a function that makes a study and, with `run`, lets it finish so many trials."""

    def made(
        name: str,
        run: int = 0,
        objective: Callable[[dict[str, Any]], float] = loss,
        wanted: SearchSpace | None = None,
        **terms: Any,
    ) -> Study:
        study = create_or_open_study(
            tmp_path / name,
            wanted or space(),
            tiny_survey,
            "half",
            target=Classes(("Ia", "non-Ia")),
            **{"sampler": "random", "pruner": "none", "seed": 1, **terms},
        )
        ask_tell = open_ask_tell(study, run)
        while (plan := ask_tell.suggest("key")) is not None:
            ask_tell.finish("key", value=objective(plan["jobs"][0]["configuration"]))
        return study

    return made


def warm(study: Study) -> WarmStart:
    return WarmStart(study.document.warm_start, study.space, lambda values: {})


def points(number: int, seed: int) -> list[dict[str, Any]]:
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space().searched(space().suggest(sampler.ask())) for _ in range(number)]


def own(number: int, objective: Callable[[dict[str, Any]], float], seed: int = 5) -> list[FrozenTrial]:
    """Complete trials of a study at random points."""
    parameters = space().parameters
    return [
        create_trial(
            value=objective(point),
            params=point,
            distributions={name: parameters[name].distribution() for name in point},  # type: ignore[union-attr]
        )
        for point in points(number, seed)
    ]


def test_best_configurations_are_tried_after_the_published_one(make: Make, tmp_path: Path) -> None:
    earlier = make("earlier", 8)
    published = [{"learning_rate": 0.05, "features": 4, "dropout": 0.5, "block": "inception"}]
    study = make("study", wanted=space(published=published), warm_start=[earlier.path])
    ask_tell = open_ask_tell(study, 20)
    tried = [ask_tell.suggest(str(n))["jobs"][0]["configuration"] for n in range(4)]  # type: ignore[index]
    best = sorted(earlier.optuna_study().trials, key=lambda trial: trial.value or 0)[:FIRST]
    assert [space().searched(each) for each in tried] == [*published, *(trial.params for trial in best)]


def test_what_was_learned_is_kept_and_not_read_again(make: Make, tmp_path: Path) -> None:
    earlier = make("earlier", 8)
    study = make("study", warm_start=[earlier.path])
    assert [t.score for t in study.document.warm_start[0].trials] == sorted(
        t.score for t in study.document.warm_start[0].trials
    )
    shutil.rmtree(earlier.path)
    again = make("study", 5, warm_start=[earlier.path])
    assert again.document == open_study(study.path).document
    assert [TRUST in trial.user_attrs for trial in again.optuna_study().trials] == [True] * 5
    with pytest.raises(
        InputError, match=r"`warm_start`: the study was made with \['.*earlier'\], not with \[\]"
    ):
        make("study", 5)


def test_trials_outside_the_new_space_are_left_out(make: Make) -> None:
    earlier = make("earlier", 12)
    narrow = space(parameters={**PARAMETERS, "features": {"type": "int", "low": 30, "high": 50}})
    study = make("study", wanted=narrow, warm_start=[earlier.path])
    kept = {trial.trial for trial in study.document.warm_start[0].trials}
    inside = {t.number for t in earlier.optuna_study().trials if 30 <= t.params["features"] <= 50}
    assert kept == inside
    assert 0 < len(kept) < 12


def test_parameters_that_were_fixed_or_unknown_take_part(make: Make) -> None:
    before = {**PARAMETERS, "dropout": {"value": 0.25}}
    del before["block"]  # the family's default then
    earlier = make("earlier", 4, lambda c: c["learning_rate"], wanted=space(parameters=before))
    trials = make("study", warm_start=[earlier.path]).document.warm_start[0].trials
    assert len(trials) == 4
    assert {(t.point["dropout"], t.point["block"]) for t in trials} == {(0.25, "inception")}


@pytest.mark.parametrize(
    ("changes", "terms", "message"),
    [
        ({"objective": {"metric": "validation_accuracy", "direction": "maximize"}}, {}, "it was to minimize"),
        (
            {"parameters": {**PARAMETERS, "dropout": {"type": "float", "low": 0.6, "high": 0.7}}},
            {},
            r"none of its 3 complete trials lies in this search space \(trial 0: `dropout` must be",
        ),
        ({"parameters": {"epochs": {"type": "int", "low": 1, "high": 2}}}, {"sampler": "grid"}, "grid"),
    ],
)
def test_studies_that_say_nothing_here_are_refused(
    make: Make, tmp_path: Path, changes: dict[str, Any], terms: dict[str, Any], message: str
) -> None:
    earlier = make("earlier", 3)
    with pytest.raises(InputError, match=message):
        make("study", wanted=space(**changes), warm_start=[earlier.path], **terms)
    assert not (tmp_path / "study").exists()


def test_study_without_complete_trials_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of its trials is complete"):
        make("study", warm_start=[make("earlier", 0).path])
    with pytest.raises(InputError, match="is no study"):
        make("study", warm_start=[tmp_path / "nothing"])


def test_of_many_trials_those_at_all_ranks_are_taken(make: Make) -> None:
    earlier = make("earlier", MOST_TRIALS + 30)
    trials = make("study", warm_start=[earlier.path]).document.warm_start[0].trials
    values = {t.number: t.value for t in earlier.optuna_study().trials}
    assert len(trials) == MOST_TRIALS
    assert trials[0].trial == min(values, key=lambda number: values[number] or 0)
    assert trials[-1].trial == max(values, key=lambda number: values[number] or 0)


def learned(objective: Callable[[dict[str, Any]], float], number: int = 40) -> EarlierStudy:
    """An earlier study of random points."""
    found = sorted(points(number, seed=2), key=objective)
    quantiles = np.linspace(-2, 2, number)
    trials = [
        EarlierTrial(trial=n, point=point, score=(float(quantiles[n]),)) for n, point in enumerate(found)
    ]
    return EarlierStudy(study="earlier", trials=tuple(trials))


def start(objective: Callable[[dict[str, Any]], float]) -> WarmStart:
    return WarmStart([learned(objective)], space(), lambda values: {})


def test_like_study_is_trusted_and_brought_to_the_values_here() -> None:
    warm_start = start(lambda point: -5 + 100 * loss(point) ** 2)  # another scale, the same order
    seen = warm_start.seen(own(12, loss))
    assert warm_start.trust["earlier"] > 0.6
    assert len(seen) > 0.6 * 40
    told = np.array([trial.value for trial in seen])
    true = np.array([loss(trial.params) for trial in seen])
    assert np.corrcoef(told, true)[0, 1] > 0.9
    assert abs(np.median(told) - np.median(true)) < 0.5 * true.std()


def test_opposite_study_is_no_longer_seen() -> None:
    warm_start = start(lambda point: -loss(point))
    assert len(warm_start.seen([])) == 40
    assert len(warm_start.seen(own(3, loss))) < 40
    assert warm_start.seen(own(8, loss)) == []
    assert warm_start.trust == {"earlier": 0.0}


def test_study_of_something_else_is_seen_less_and_less() -> None:
    generator = np.random.default_rng(0)
    warm_start = start(lambda point: float(generator.normal()))
    numbers = [len(warm_start.seen(own(n, loss))) for n in (0, 4, 8, 30)]
    assert numbers[0] == 40
    assert numbers[-1] < 15


def test_diverged_network_does_not_spoil_the_scale() -> None:
    warm_start = start(loss)
    trials = own(10, loss)
    wild = create_trial(value=1e9, params=trials[0].params, distributions=trials[0].distributions)
    values = [trial.value or 0 for trial in warm_start.seen([*trials, wild])]
    assert max(values) < 100


def test_trials_that_break_a_constraint_are_not_seen() -> None:
    def broken(values: Any) -> dict[str, float]:
        return {"parameters": values["features"] / 32 - 1}

    warm_start = WarmStart([learned(loss)], space(), broken)
    seen = warm_start.seen([])
    assert 0 < len(seen) < 40
    assert all(trial.params["features"] <= 32 and trial.constraints["parameters"] <= 0 for trial in seen)
    assert all(point["features"] <= 32 for point in warm_start.first_points())  # type: ignore[operator]


def search(warm_start: WarmStart | None, seed: int, n: int) -> float:
    """The best loss of a search by TPE."""

    def tpe(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.TPESampler(seed=seed)

    study = optuna.create_study(
        sampler=VisibleTrialsSampler(tpe, seed, None, warm_start), pruner=make_pruner("none")
    )
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, loss(space().suggest(trial)))
    return study.best_value


@pytest.mark.slow
def test_search_finds_more_after_a_like_study_and_little_less_after_an_opposite_one() -> None:
    """The sampler alone, without the configurations that are tried first; means over 8 seeds."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seeds = range(8)
    cold = np.mean([search(None, seed, 15) for seed in seeds])
    like = np.mean([search(start(lambda p: loss({**p, "dropout": 0.1})), seed, 15) for seed in seeds])
    opposite = np.mean([search(start(lambda p: -loss(p)), seed, 15) for seed in seeds])
    assert like - 0.2 < 0.6 * (cold - 0.2)
    assert opposite - 0.2 < 2 * (cold - 0.2)


def test_deterministic_study_is_the_same_whoever_is_faster(make: Make) -> None:
    earlier = make("earlier", 10)

    def run(name: str, order: list[str]) -> list[dict[str, Any]]:
        study = make(name, sampler="tpe", deterministic=2, warm_start=[earlier.path])
        ask_tell = open_ask_tell(study, 14)
        live: dict[str, Any] = {}
        while not ask_tell.nothing_left():
            for key in ("a", "b"):
                if key not in live and not ask_tell.waits() and (plan := ask_tell.suggest(key)):
                    live[key] = plan["jobs"][0]["configuration"]
            done = next(key for key in order if key in live)
            ask_tell.finish(done, value=loss(live.pop(done)))
        return [t.params for t in study.optuna_study().trials if t.state is TrialState.COMPLETE]

    assert run("one", ["a", "b"]) == run("two", ["b", "a"])
