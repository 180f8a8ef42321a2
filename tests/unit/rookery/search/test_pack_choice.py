"""When a search of execution `auto` trains as packs."""

from typing import Any

import optuna
import pytest

from rookery.compute.resources import plan_resources
from rookery.search import pack_choice
from rookery.search.attributes import PACK_GAIN
from rookery.search.pack_choice import chosen_execution, may_pack, time_gain
from rookery.search.space import SearchSpace
from rookery.search.study import Study, StudyDocument

RATE = {"type": "float", "low": 0.001, "high": 0.01, "log": True}
SMALL = {"hidden_layers": 1, "width": 8, "batch_size": 8, "epochs": 2, "learning_rate": RATE}
CPUS = [{"CPU": 2}]


def space(family: str = "photoz_mlp", **parameters: Any) -> SearchSpace:
    wrapped = {
        name: value if isinstance(value, dict) else {"value": value} for name, value in parameters.items()
    }
    objective = {"metric": "validation_log_loss", "direction": "minimize"}
    return SearchSpace.model_validate({"family": family, "objective": objective, "parameters": wrapped})


@pytest.mark.parametrize(
    ("changes", "trials", "allowed"),
    [
        ({}, 32, True),
        ({}, 31, False),  # of two packs for the worker
        ({"dropout": {"type": "float", "low": 0.0, "high": 0.5}}, 10_000, False),
        ({"dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25}}, 48, True),
        ({"dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.25}}, 47, False),
        ({"width": {"type": "int", "low": 8, "high": 16, "step": 8}, "colours": True}, 32, True),
        ({"activation": {"type": "categorical", "choices": ["relu", "silu", "gelu"]}}, 47, False),
        ({"weight_decay": {"type": "float", "low": 0.0, "high": 0.5}}, 32, True),
        ({"family": "pelican"}, 32, False),  # of convolutions
    ],
)
def test_packs_are_for_spaces_of_few_architectures_and_families_of_dense_layers(
    changes: dict[str, Any], trials: int, allowed: bool
) -> None:
    if changes.get("family") == "pelican":
        assert may_pack(space("pelican", learning_rate=RATE), trials, 16, 1) is allowed
        return
    assert may_pack(space(**{**SMALL, **changes}), trials, 16, 1) is allowed


def study_of(monkeypatch: pytest.MonkeyPatch, gain: float, **changes: Any) -> Study:
    monkeypatch.setattr(pack_choice, "time_gain", lambda space, networks: gain)
    fields = {
        "space": space(**SMALL),
        "execution": "auto",
        "pack": 8,
        "deterministic": None,
        "sampler": "tpe",
    }
    document = StudyDocument.model_construct(**{**fields, **changes})
    return Study("study", document)  # type: ignore[arg-type]


@pytest.mark.parametrize(("gain", "execution"), [(1.29, "auto"), (1.3, "pack"), (7.5, "pack")])
def test_what_was_timed_decides_and_is_kept(
    monkeypatch: pytest.MonkeyPatch, gain: float, execution: str
) -> None:
    opened = optuna.create_study()
    plan = plan_resources(CPUS, "auto", concurrent=1)
    chosen, why = chosen_execution(study_of(monkeypatch, gain), opened, plan, 64)
    assert chosen == execution
    assert why is not None
    assert f"{gain:g} times as fast" in why
    assert opened.user_attrs[PACK_GAIN] == gain
    again, _ = chosen_execution(study_of(monkeypatch, 1 / gain), opened, plan, 3)
    assert again == execution, "a later run of the study goes on as it began"


@pytest.mark.parametrize(
    ("changes", "nodes"),
    [
        ({"execution": "actor"}, CPUS),
        ({"execution": "pack"}, CPUS),
        ({"deterministic": 2}, CPUS),
        ({"sampler": "grid"}, CPUS),
        ({}, [{"CPU": 2, "GPU": 1}]),
    ],
)
def test_nothing_is_timed_where_packs_are_no_question(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], nodes: list[dict[str, float]]
) -> None:
    opened = optuna.create_study()
    study = study_of(monkeypatch, 9.0, **changes)
    plan = plan_resources(nodes, study.document.execution, concurrent=1, pack=8)
    assert chosen_execution(study, opened, plan, 64) == (study.document.execution, None)
    assert PACK_GAIN not in opened.user_attrs


def test_networks_of_random_numbers_are_timed_both_ways(one_thread: None) -> None:
    gain = time_gain(space(**SMALL), 4)
    assert 0.05 < gain < 50
