"""What a verb returns to Python can be shown: never a page of arrays."""

import inspect
from importlib import import_module

import pytest

from rookery import api

PLAIN = {
    "None",
    "str",
    "Path",
    "tuple[str, ...]",
    "dict[str, float]",
    "dict[int, list[str]]",
    "dict[str, Any]",
    "list[dict[str, Any]]",
    "dict[str, Any] | list[dict[str, Any]]",
}
RESULTS = {
    "Combined": "rookery_ensembles.foreign",
    "Comparison": "rookery_ensembles.paired",
    "StudyEnsemble": "rookery.inference",
    "Partitions": "rookery_ensembles.partitions",
    "Predictions": "rookery_ensembles",
    "SearchResult": "rookery.search.driver",
    "CampaignResult": "rookery.campaigns.run",
    "SpeedResult": "rookery.training.speed_result",
    "DoctorReport": "rookery.clusters.doctor",
    "IngestReport": "rookery.surveys",
    "Growth": "rookery.surveys",
    "Survey": "rookery.surveys",
}
FOREIGN = {"JobClient"}  # represented by Python's own few words


def written(annotation: object) -> str:
    """Return an annotation as its author wrote it, quoted or not."""
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removeprefix("typing.").replace("[typing.", "[").replace(" typing.", " ")


def returned() -> dict[str, str]:
    verbs = {name: value for name in api.__all__ if callable(value := getattr(api, name))}
    found = {name: inspect.signature(verb).return_annotation for name, verb in verbs.items()}
    named = {name: written(kind) for name, kind in found.items()}
    return {name: kind for name, kind in named.items() if kind not in PLAIN | FOREIGN}


def test_every_verb_returns_a_result_that_is_looked_at_here() -> None:
    assert {one for kind in returned().values() for one in kind.split(" | ")} == set(RESULTS)


@pytest.mark.parametrize(("name", "module"), RESULTS.items())
def test_a_result_has_a_short_representation(name: str, module: str) -> None:
    cls = getattr(import_module(module), name)
    values = {field: ["x" * 1000] * 1000 for field in cls.__dataclass_fields__}
    blank = object.__new__(cls)
    for field, value in values.items():
        object.__setattr__(blank, field, value)
    assert len(repr(blank)) < 500
    assert repr(blank).startswith(f"{name}(")
