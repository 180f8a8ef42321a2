"""A survey read block by block is the survey, of every kind and in any order."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rookery.shift.domain import observed_bands
from rookery.surveys import Survey
from rookery.surveys.blocks import SurveyBlocks, blocks_of
from rookery_ensembles import InputError

FIELDS = ("object_index", "mjd", "band_index", "flux", "flux_err", "offsets")


def in_small_groups(survey: Survey, folder: Path, rows: int) -> Path:
    """Copy a survey; its tables get row groups of so many rows."""
    shutil.copytree(survey.path, folder)
    for name in ("objects.parquet", "observations.parquet"):
        if (folder / name).is_file():
            pq.write_table(pq.read_table(folder / name), folder / name, row_group_size=rows)
    return folder


def assert_block(found: Survey, whole: Survey, start: int, stop: int) -> None:
    pd.testing.assert_frame_equal(found.objects, whole.objects.iloc[start:stop].reset_index(drop=True))
    if whole.info.kind == "images":
        np.testing.assert_array_equal(found.image_array(), whole.image_array()[start:stop])
        np.testing.assert_array_equal(found.magnitudes(), whole.magnitudes()[start:stop])
        return
    arrays, all_arrays = found.observation_arrays(), whole.observation_arrays()
    rows = slice(all_arrays.offsets[start], all_arrays.offsets[stop])
    for name in FIELDS[1:5]:
        np.testing.assert_array_equal(getattr(arrays, name), getattr(all_arrays, name)[rows])
        assert getattr(arrays, name).dtype == getattr(all_arrays, name).dtype
    np.testing.assert_array_equal(arrays.object_index, all_arrays.object_index[rows] - start)
    np.testing.assert_array_equal(arrays.offsets, all_arrays.offsets[start : stop + 1] - rows.start)
    truth, whole_truth = found.truth(), whole.truth()
    assert truth is not None
    assert whole_truth is not None
    pd.testing.assert_frame_equal(truth, whole_truth.iloc[start:stop].reset_index(drop=True))


@pytest.mark.parametrize("kind", ["light_curves", "images"])
@pytest.mark.parametrize("size", [1, 64, 1000])
def test_blocks_in_order_are_the_survey(kind: str, size: int, survey_of_kind: Any) -> None:
    whole = survey_of_kind(kind)
    blocks = SurveyBlocks(whole.path)
    assert len(blocks) == len(whole)
    assert list(blocks.observed_bands) == observed_bands(whole)
    for start, stop in blocks_of(0, min(len(whole), 20 * size), size):
        assert_block(blocks.read(start, stop), whole, start, stop)


@pytest.mark.parametrize("kind", ["light_curves", "images"])
@pytest.mark.parametrize("group", [40, 1000])
def test_blocks_in_any_order_are_the_survey(
    kind: str, group: int, survey_of_kind: Any, tmp_path: Path
) -> None:
    whole = survey_of_kind(kind)
    blocks = SurveyBlocks(in_small_groups(whole, tmp_path / "survey", group), verify=False)
    for start in (100, 110, 30, 31, 0, 119):
        assert_block(blocks.read(start, start + 1), whole, start, start + 1)
        assert_block(blocks.read(start // 2, start + 1), whole, start // 2, start + 1)


def test_a_band_of_which_no_object_has_a_magnitude_is_not_observed(
    tiny_galaxies: Survey, tmp_path: Path
) -> None:
    folder = tmp_path / "survey"
    shutil.copytree(tiny_galaxies.path, folder)
    document = (folder / "survey.json").read_text()
    (folder / "survey.json").write_text(document.replace('"kind": "images"', '"kind": "catalogue"'))
    table = pq.read_table(folder / "objects.parquet").to_pandas()
    table["mag_g"] = np.nan
    for statistics in (True, False):
        pq.write_table(
            pa.Table.from_pandas(table, preserve_index=False),
            folder / "objects.parquet",
            write_statistics=statistics,
        )
        assert SurveyBlocks(folder, verify=False).observed_bands == ("u", "r", "i", "z")


def test_a_table_that_was_altered_is_refused(tiny_survey: Survey, tmp_path: Path) -> None:
    folder = in_small_groups(tiny_survey, tmp_path / "survey", 50)
    with pytest.raises(InputError, match=r"objects\.parquet: was altered"):
        SurveyBlocks(folder)


def test_a_block_whose_rows_break_a_rule_names_the_file(tiny_survey: Survey, tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    shutil.copytree(tiny_survey.path, folder)
    table = pq.read_table(folder / "observations.parquet").to_pandas()
    table.loc[len(table) - 1, "flux_err"] = -1.0
    table.to_parquet(folder / "observations.parquet")
    blocks = SurveyBlocks(folder, verify=False)
    blocks.read(0, 100)
    with pytest.raises(InputError, match=r"observations\.parquet: row .*'flux_err' must be finite and posit"):
        blocks.read(100, 200)
