"""Objects that two surveys have in common are found by what was merged, and what has grown."""

from pathlib import Path

import numpy as np
import pytest

from rookery.surveys import Survey, merge_surveys, simulate_supernovae, split_survey
from rookery.surveys.parts import shared_objects, spellings, survey_parts


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate_supernovae(tmp_path_factory.mktemp("parts") / "other", n=30, seed=2)


def test_a_name_is_known_without_the_origins_before_it() -> None:
    assert list(spellings("a:b:SN1")) == ["a:b:SN1", "b:SN1", "SN1"]
    assert list(spellings("SN1")) == ["SN1"]


def test_surveys_share_what_was_merged_into_either(
    tiny_survey: Survey, other: Survey, tmp_path: Path
) -> None:
    both = merge_surveys(
        [other.path, tiny_survey.path], tmp_path / "both", prefix_ids=True, origins=["o", "t"]
    )
    assert [part[1:] for part in survey_parts(both)] == [(0, 230), (0, 30), (30, 230)]
    rows = np.array([0, 31, 35])
    assert np.flatnonzero(shared_objects(tiny_survey, both, rows)).tolist() == [1, 5]
    assert np.flatnonzero(shared_objects(other, both, rows)).tolist() == [0]
    assert np.flatnonzero(shared_objects(both, tiny_survey, np.array([2]))).tolist() == [32]
    assert not shared_objects(other, tiny_survey, np.arange(200)).any()


def test_also_by_way_of_a_survey_that_was_merged_itself(
    tiny_survey: Survey, other: Survey, tmp_path: Path
) -> None:
    third = simulate_supernovae(tmp_path / "third", n=10, seed=3)
    named = {"origins": ["o", "t"], "prefix_ids": True}
    inner = merge_surveys([other.path, tiny_survey.path], tmp_path / "inner", **named)
    outer = merge_surveys([third.path, inner.path], tmp_path / "outer", prefix_ids=True, origins=["a", "b"])
    marked = shared_objects(outer, tiny_survey, np.array([0, 199]))
    assert np.flatnonzero(marked).tolist() == [40, 239]
    split_survey(inner, "half", train_fraction=0.5, seed=1)
    half = merge_surveys([inner.path, third.path], tmp_path / "half", split="half", **named)
    names = half.objects["object_id"]
    found = shared_objects(half, tiny_survey, np.arange(200))
    assert found.tolist() == names.str.startswith("o:t:").tolist()
    assert 0 < found.sum() < 200
