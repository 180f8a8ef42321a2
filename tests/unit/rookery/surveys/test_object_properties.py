from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.surveys import Survey, object_properties, write_survey
from rookery.surveys.properties import PROPERTIES

Rows = list[tuple[str, float, str, float, float]]

LIGHT_CURVES: Rows = [
    # rises to its peak of 90 at S/N 9 on day 104; the brighter point of day 106 is no detection
    ("sn", 100.0, "g", 2.0, 1.0),
    ("sn", 102.0, "r", 50.0, 10.0),
    ("sn", 104.0, "g", 90.0, 10.0),
    ("sn", 106.0, "r", 99.0, 40.0),
    ("faint", 10.0, "g", -3.0, 1.0),
    ("faint", 12.5, "g", 4.0, 1.0),
    ("single", 7.0, "r", -1.0, 2.0),
]


@pytest.fixture
def make_survey(tmp_path: Path) -> Callable[[Rows], Survey]:
    def make(rows: Rows) -> Survey:
        frame = pd.DataFrame(rows, columns=["object_id", "mjd", "band", "flux", "flux_err"])
        ids = list(dict.fromkeys(frame["object_id"]))
        objects = pd.DataFrame({"object_id": ids, "type": "Ia"})
        return write_survey(tmp_path / "s", name="s", bands=["g", "r"], objects=objects, observations=frame)

    return make


def test_properties_of_hand_made_light_curves(make_survey: Callable[[Rows], Survey]) -> None:
    found = object_properties(make_survey(LIGHT_CURVES))
    assert tuple(found.columns) == PROPERTIES
    assert found["n_observations"].tolist() == [4, 2, 1]
    assert found["n_detections"].tolist() == [2, 0, 0]
    assert found["peak_snr"].tolist() == [9.0, 4.0, -0.5]
    assert found["peak_flux"].tolist() == [90.0, 4.0, -1.0]
    assert found["peak_mjd"].tolist() == [104.0, 12.5, 7.0]
    assert found["duration"].tolist() == [6.0, 2.5, 0.0]


def test_an_object_without_a_detection_counts_from_its_first_observation(
    make_survey: Callable[[Rows], Survey],
) -> None:
    assert object_properties(make_survey(LIGHT_CURVES))["first_detection_mjd"].tolist() == [102.0, 10.0, 7.0]


def test_properties_agree_with_a_loop_over_objects(tiny_survey: Survey) -> None:
    arrays, found = tiny_survey.observation_arrays(), object_properties(tiny_survey)
    assert found.index.equals(tiny_survey.objects.index)
    for index in range(0, len(tiny_survey), 17):
        rows = arrays.rows(index)
        snr = arrays.flux[rows].astype(float) / arrays.flux_err[rows]
        detected = np.flatnonzero(snr >= 5)
        row = found.iloc[index]
        assert row["peak_snr"] == snr.max()
        assert row["n_detections"] == len(detected)
        assert row["first_detection_mjd"] == arrays.mjd[rows][detected[0]]
        brightest = detected[arrays.flux[rows][detected].argmax()]
        assert row["peak_mjd"] == arrays.mjd[rows][brightest]
        assert row["peak_flux"] == arrays.flux[rows][brightest]
