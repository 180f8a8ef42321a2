"""What every reader and baseline keeps whatever it reads or fits; those of other packages are tried."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery import baselines
from rookery.surveys import Survey, open_split
from rookery.surveys.readers import all_readers
from rookery_ensembles import Classes, InputError, RedshiftBins, plugins, read_predictions

READERS = all_readers()
BROUGHT = sorted(plugins.installed(baselines.GROUP))


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_takes_files_and_a_folder_and_options_by_name(name: str) -> None:
    first, second, *others = inspect.signature(READERS[name]).parameters.values()
    assert [first.name, second.name] == ["path", "out"]
    assert all(one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in others)
    assert inspect.getdoc(READERS[name])


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_of_nothing_says_so_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        READERS[name](tmp_path / "nowhere", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", baselines.names())
def test_a_baseline_takes_what_all_take_and_its_own_options_by_name(name: str) -> None:
    taken = inspect.signature(baselines.load(name)).parameters
    assert list(taken)[:3] == ["survey", "split", "out"]
    assert {"classes", "seed", "train_on"} <= set(taken) or taken[
        list(taken)[-1]
    ].kind == inspect.Parameter.VAR_KEYWORD


@pytest.mark.parametrize("name", BROUGHT)
def test_a_baseline_predicts_the_test_objects_and_repeats_itself(
    name: str, tiny_survey: Survey, tiny_galaxies: Survey, tmp_path: Path
) -> None:
    made: list[Any] = []
    for survey, kind in ((tiny_survey, Classes.kind), (tiny_galaxies, RedshiftBins.kind)):
        for again in ("once", "again"):
            out = tmp_path / f"{kind}-{again}.parquet"
            try:
                baselines.run_baseline(
                    name, out, survey=survey.path, split="half", class_names=("Ia", "non-Ia"), seed=3
                )
            except InputError:  # not of this kind of survey
                continue
            made.append((survey, read_predictions(out)))
    assert made, f"{name} predicts neither classes nor redshifts"
    for survey, found in made:
        tested = survey.objects["object_id"].to_numpy()[open_split(survey, "half").indices("test")]
        assert set(found.object_id.tolist()) == set(tested.tolist())
        assert np.isfinite(found.values).all()
    for (_, first), (_, second) in zip(made[::2], made[1::2], strict=True):
        np.testing.assert_array_equal(first.values, second.values)
