"""What the name, the configuration and the search space of every family keep."""

import optuna
import pytest
import torch

from rookery.networks.configuration import configuration_hash
from rookery.networks.family import family_names, load_family
from rookery.search.space import find_space, load_space
from rookery.testing.family_case import Case


def test_family_and_its_space_go_by_the_name_of_their_folder(case: Case) -> None:
    assert case.family.name in family_names()
    assert case.space.family == case.family.name


def test_search_space_names_every_hyperparameter(case: Case) -> None:
    assert set(case.family.configuration.model_fields) - set(case.space.parameters) <= set(
        case.family.configuration.later
    )


def test_every_hyperparameter_is_explained_under_its_field(case: Case) -> None:
    fields = case.family.configuration.model_fields
    assert [name for name, field in fields.items() if not field.description] == []


def test_published_points_are_valid_configurations_once_completed(case: Case) -> None:
    assert case.space.published, "a family shows where its search starts"
    study = optuna.create_study()
    for point in case.space.published:
        study.enqueue_trial(case.space.searched(point))
        values = case.space.suggest(study.ask())
        assert point.items() <= values.items()
        case.family.configure(values)


def test_random_points_of_the_space_are_valid_configurations(case: Case) -> None:
    configurations = [case.family.configure(values) for values in case.sampled(30)]
    assert len({configuration_hash(case.family.name, c) for c in configurations}) == 30


def test_unknown_family_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        ValueError, match=rf"`penguin` is no family of networks; those are {', '.join(family_names())}"
    ):
        load_family("penguin")


@pytest.mark.parametrize("name", sorted(path.stem for path in find_space("pelican").parent.glob("*.yaml")))
def test_every_space_that_ships_is_whole_and_its_points_can_be_built(name: str) -> None:
    space = load_space(find_space(name))
    family = load_family(space.family)
    load_space(find_space(name), family.configuration)
    assert set(family.configuration.model_fields) - set(space.parameters) <= set(family.configuration.later)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for point in space.published:
        study.enqueue_trial(space.searched(point))
    for _ in range(10 + len(space.published)):
        with torch.device("meta"):  # shapes are checked, weights neither made nor drawn
            family.build(family.configure(space.suggest(study.ask())), n_bands=4, n_outputs=2)
