"""A verb declares its options for all; where the function that does the work has one too, it is the same."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from rookery import api
from rookery.search.study import StudyDocument
from rookery.signature import REQUIRED, arguments
from rules_of_verbs import LEAVES

WORK = [
    ("search", "rookery.search.creation", "create_or_open_study"),
    ("search", "rookery.search.driver", "run_search"),
    ("search", "rookery.compute.resources", "Resources"),
    ("campaign", "rookery.compute.resources", "Resources"),
    ("ensemble", "rookery.inference", "build_ensemble"),
    ("predict", "rookery.inference", "predict_survey"),
    ("predict", "rookery.inference", "predict_whole_survey"),
    ("combine", "rookery_ensembles.foreign", "combine"),
    ("export", "rookery_ensembles.exchange", "export"),
    ("evaluate", "rookery.reports", "evaluate"),
    ("evaluate", "rookery.reports", "evaluate_redshifts"),
    ("evaluate", "rookery.inference", "predict_partial"),
    ("baseline", "rookery.baselines", "run_baseline"),
    ("split", "rookery.surveys", "split_survey"),
    ("merge", "rookery.surveys", "merge_surveys"),
    ("simulate_supernovae", "rookery.surveys.simulators", "simulate_supernovae"),
    ("simulate_galaxies", "rookery.surveys.simulators", "simulate_galaxies"),
    ("doctor", "rookery.clusters.doctor", "examine"),
    ("dashboard", "rookery.dashboard", "serve"),
]


def verb(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(api, name)
    return found


@pytest.mark.parametrize(("name", "module", "function"), WORK, ids=[f"{one[0]}-{one[2]}" for one in WORK])
def test_an_option_that_both_have_has_one_default(name: str, module: str, function: str) -> None:
    work = inspect.signature(getattr(import_module(module), function)).parameters
    both = {one.name: one.default for one in arguments(verb(name)) if one.name in work}
    assert both
    theirs = {option: work[option].default for option in both}
    given = {option for option in both if REQUIRED in (both[option], theirs[option])}
    assert {n: d for n, d in both.items() if n not in given} == {
        n: d for n, d in theirs.items() if n not in given
    }


@pytest.mark.parametrize(
    ("name", "module", "function"), [one for one in WORK if one[1].startswith("rookery.surveys")]
)
def test_a_campaign_file_takes_the_options_of_the_verb(name: str, module: str, function: str) -> None:
    """A campaign reads the options of the function that does the work."""
    beside = {"figure", "overwrite", "replace", "name"}  # a figure is drawn of any simulation
    taken = {one.name for one in arguments(getattr(import_module(module), function))}
    assert {one.name for one in arguments(verb(name))} - beside == taken - beside


def test_a_study_keeps_what_a_search_asks_for() -> None:
    fields = StudyDocument.model_fields
    asked = {one.name: one for one in arguments(api.search)}
    plain = {
        name: field.default
        for name, field in fields.items()
        if name in asked and not field.is_required() and field.default_factory is None
    }
    del plain["class_names"]  # of a target, which may be of redshifts
    assert {name: asked[name].default for name in plain} == plain
    hints = get_type_hints(api.search, vars(import_module(api.search.__module__)) | {"SearchResult": Any})
    choices = {name: get_args(kind) for name, kind in hints.items() if get_origin(kind) is Literal}
    assert {"sampler", "pruner", "execution", "keep", "search_for"} <= set(choices)
    assert choices == {name: get_args(fields[name].annotation) for name in choices}


def test_every_verb_is_a_function_of_the_same_name() -> None:
    groups = {"cluster write": "cluster", "jobs list": "jobs", "jobs logs": "jobs", "jobs stop": "jobs"}
    names = {" ".join(words): "_".join(words).replace("-", "_") for words in LEAVES} | groups
    names.pop("demo")  # rookery.demo, which is made of the others
    assert set(names.values()) == {name for name in api.__all__ if callable(getattr(api, name))}
    own = {"jobs list", "jobs logs", "jobs stop", "demo"}
    for words, verb in LEAVES.items():
        if " ".join(words) not in own:
            assert verb.function is getattr(api, names[" ".join(words)])
