from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.networks.light_curve_image import light_curve_images
from rookery.surveys import Survey, reference_dates, truncate, write_survey
from rookery_ensembles import InputError

ROWS = [
    ("sn", 100.0, "g", 2.0, 1.0),
    ("sn", 102.0, "r", 50.0, 10.0),
    ("sn", 104.0, "g", 90.0, 10.0),
    ("sn", 106.0, "r", 60.0, 10.0),
    ("faint", 10.0, "g", -3.0, 1.0),
    ("faint", 12.5, "g", 4.0, 1.0),
]


def make_survey(folder: Path, truth: dict[str, list] | None = None) -> Survey:
    ids = ["sn", "faint"]
    return write_survey(
        folder,
        name="s",
        bands=["g", "r"],
        objects=pd.DataFrame({"object_id": ids, "type": ["Ia", "II"], "mwebv": [0.1, 0.2]}),
        observations=pd.DataFrame(ROWS, columns=["object_id", "mjd", "band", "flux", "flux_err"]),
        truth=None if truth is None else pd.DataFrame({"object_id": ids, **truth}),
    )


def kept(survey: Survey) -> dict[str, list[float]]:
    arrays = survey.observation_arrays()
    ids = survey.objects["object_id"]
    return {ids[index]: arrays.mjd[arrays.rows(index)].tolist() for index in range(len(survey))}


@pytest.mark.parametrize(
    ("days", "since", "expected"),
    [
        (0, "detection", {"sn": [100.0, 102.0], "faint": [10.0]}),
        (2, "detection", {"sn": [100.0, 102.0, 104.0], "faint": [10.0]}),
        (50, "detection", {"sn": [100.0, 102.0, 104.0, 106.0], "faint": [10.0, 12.5]}),
        (0, "peak", {"sn": [100.0, 102.0, 104.0], "faint": [10.0, 12.5]}),
        (-3, "peak", {"sn": [100.0]}),
    ],
)
def test_objects_keep_what_was_observed_by_the_day(
    tmp_path: Path, days: float, since: str, expected: dict[str, list[float]]
) -> None:
    """`faint` has no detection and counts from its first observation; three days before peak it had none."""
    view = truncate(make_survey(tmp_path / "s"), days, since)
    assert kept(view) == expected
    assert view.objects["mwebv"].tolist() == [0.1, 0.2][: len(expected)]


def test_true_peaks_are_used_where_they_are_known(tmp_path: Path) -> None:
    truth = {"sim_peakmjd": [102.0, -9.0], "peakmjd": [999.0, np.nan], "sim_note": ["a", "b"]}
    survey = make_survey(tmp_path / "s", truth)
    reference = reference_dates(survey, "peak")
    assert reference.mjd.tolist() == [102.0, 12.5]
    assert "truth table (sim_peakmjd); of 1 of 2 objects, which have none" in reference.description
    assert kept(truncate(survey, 0, reference))["sn"] == [100.0, 102.0]


def test_without_true_peaks_the_brightest_detection_is_named(tmp_path: Path) -> None:
    assert "brightest detection" in reference_dates(make_survey(tmp_path / "s"), "peak").description


def test_a_view_has_its_survey_checksum_and_its_own_rows(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", {"sim_x": [1.0, 2.0]})
    view = truncate(survey, 5, rows=np.array([1]))
    assert (view.checksum, view.rows.tolist(), len(view)) == (survey.checksum, [1], 1)
    assert view.truth()["sim_x"].tolist() == [2.0]
    assert view.observation_arrays().object_index.tolist() == [0, 0]


@settings(max_examples=20, deadline=None)
@given(days=st.floats(-30, 200))
def test_views_keep_every_rule_of_a_survey(tiny_survey: Survey, days: float) -> None:
    view, whole = truncate(tiny_survey, days, "peak"), tiny_survey.observation_arrays()
    arrays, reference = view.observation_arrays(), reference_dates(tiny_survey, "peak")
    assert (np.diff(arrays.offsets) > 0).all()
    assert arrays.offsets[-1] == len(arrays)
    np.testing.assert_array_equal(
        arrays.object_index, np.repeat(np.arange(len(view)), np.diff(arrays.offsets))
    )
    assert (arrays.mjd <= reference.mjd[view.rows][arrays.object_index] + days).all()
    assert len(arrays) == (whole.mjd <= reference.mjd[whole.object_index] + days).sum()


def test_networks_read_a_view_like_a_survey(tiny_survey: Survey) -> None:
    view = truncate(tiny_survey, 0, "detection")
    images, whole = (
        light_curve_images(
            survey.observation_arrays(), survey.bands, survey.bands, days_per_column=8, n_columns=16
        )
        for survey in (view, tiny_survey)
    )
    assert images["mask"].shape == whole["mask"].shape
    assert 0 < images["mask"].sum() < whole["mask"].sum()


@pytest.mark.parametrize(
    ("days", "since", "message"),
    [
        (-1, "detection", "days since detection must be 0 or more, but are -1"),
        (float("nan"), "peak", "days must be finite, but are nan"),
        (1, "tuesday", "since detection or since peak, but not 'tuesday'"),
    ],
)
def test_days_that_make_no_sense_are_refused(tmp_path: Path, days: float, since: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        truncate(make_survey(tmp_path / "s"), days, since)
