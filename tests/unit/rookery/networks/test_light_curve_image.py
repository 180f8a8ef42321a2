from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.networks import light_curve_image
from rookery.networks.light_curve_image import window_starts
from rookery.surveys import Survey, write_survey

Row = tuple[str, float, str, float, float]  # object, mjd, band, flux, flux_err
MakeSurvey = Callable[[Sequence[Row]], Survey]


def light_curve_images(survey: Survey, bands: tuple[str, ...], **grid: float) -> dict[str, torch.Tensor]:
    """Return the images of all objects of a survey."""
    return light_curve_image.light_curve_images(survey.observation_arrays(), survey.bands, bands, **grid)


@pytest.fixture
def make_survey(tmp_path: Path) -> MakeSurvey:
    def make(rows: Sequence[Row]) -> Survey:
        observations = pd.DataFrame(rows, columns=["object_id", "mjd", "band", "flux", "flux_err"])
        ids = sorted(set(observations["object_id"]))
        return write_survey(
            tmp_path / "survey",
            name="hand-made",
            bands=["g", "r"],
            objects=pd.DataFrame({"object_id": ids, "type": "Ia"}),
            observations=observations,
            replace=True,
        )

    return make


def test_points_of_one_pixel_are_averaged_with_inverse_variance_weights(make_survey: MakeSurvey) -> None:
    # Weights 1 and 1/4: mean (10 + 20 / 4) / (5 / 4) = 12, error (5 / 4) ** -0.5.
    survey = make_survey([("a", 56000.1, "g", 10, 1), ("a", 56001.9, "g", 20, 2), ("a", 56002.0, "g", 7, 3)])
    images = light_curve_images(survey, ("g", "r"), days_per_column=2, n_columns=3)
    assert images["flux"].tolist() == [[pytest.approx([12, 7, 0]), [0, 0, 0]]]
    assert images["error"].tolist() == [[pytest.approx([1.25**-0.5, 3, 0]), [0, 0, 0]]]
    assert images["mask"].tolist() == [[[1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("bands", "rows"),
    [
        (("g", "r"), [[10, 0], [0, 20]]),
        (("r", "g"), [[0, 20], [10, 0]]),
        (("r",), [[0, 20]]),
        (("z", "g"), [[0, 0], [10, 0]]),
    ],
)
def test_channels_follow_the_bands_asked_for_and_a_band_that_the_survey_lacks_is_empty(
    make_survey: MakeSurvey, bands: tuple[str, ...], rows: list
) -> None:
    survey = make_survey([("a", 56000.5, "g", 10, 1), ("a", 56001.5, "r", 20, 1)])
    images = light_curve_images(survey, bands, days_per_column=1, n_columns=2)
    assert images["flux"].tolist() == [rows]
    assert images["mask"].tolist() == (images["flux"] != 0).float().tolist()


def test_observed_flux_of_zero_is_told_from_no_observation(make_survey: MakeSurvey) -> None:
    survey = make_survey([("a", 56000.0, "g", 0, 2), ("a", 56001.0, "r", -5, 1)])
    images = light_curve_images(survey, ("g", "r"), days_per_column=1, n_columns=2)
    assert images["mask"].tolist() == [[[1, 0], [0, 1]]]
    assert images["error"].tolist() == [[[2, 0], [0, 1]]]
    assert images["flux"].tolist() == [[[0, 0], [0, -5]]]


def test_window_of_a_light_curve_of_several_years_holds_the_supernova(make_survey: MakeSurvey) -> None:
    noise = [("a", 56000.0 + day, "g", 0.5, 1) for day in range(0, 700, 7)]
    supernova = [("a", 56400.25 + day, "r", flux, 1) for day, flux in enumerate([3, 9, 30, 9, 3])]
    images = light_curve_images(make_survey(noise + supernova), ("r",), days_per_column=1, n_columns=20)
    column = int(images["mask"][0, 0].argmax())
    assert images["flux"][0, 0, column : column + 5].tolist() == [3, 9, 30, 9, 3]
    assert images["mask"].sum() == 5


def test_one_wild_point_does_not_outweigh_a_supernova(make_survey: MakeSurvey) -> None:
    wild = [("a", 56000.0, "g", 1e6, 1)]
    supernova = [("a", 56400.0 + day, "g", 8, 1) for day in range(5)]
    images = light_curve_images(make_survey(wild + supernova), ("g",), days_per_column=1, n_columns=10)
    assert images["flux"][0, 0, :5].tolist() == [8] * 5


def test_objects_do_not_mix(make_survey: MakeSurvey) -> None:
    rows_a = [("a", 56000.0, "g", 1, 1), ("a", 56003.0, "r", 2, 1)]
    rows_b = [("b", 57000.0, "r", 3, 1), ("b", 57001.0, "g", 4, 1)]
    both = light_curve_images(make_survey(rows_a + rows_b), ("g", "r"), days_per_column=1, n_columns=4)
    for row, rows in enumerate((rows_a, rows_b)):
        alone = light_curve_images(make_survey(rows), ("g", "r"), days_per_column=1, n_columns=4)
        assert all((both[name][row] == alone[name][0]).all() for name in both)


def brute_force_start(mjd: np.ndarray, signal_to_noise: np.ndarray, window: float) -> float:
    """Try the day of every observation; the earliest of the best wins."""
    signal = np.clip(signal_to_noise, 0, 10) ** 2
    days = np.unique(np.floor(mjd))
    gains = [signal[(mjd >= day) & (mjd < day + window)].sum() for day in days]
    return float(days[int(np.argmax(gains))])


LIGHT_CURVES = st.lists(
    # Dates in eighths of a day and whole signal-to-noise ratios: sums are exact, ties are common.
    st.lists(st.tuples(st.integers(0, 400), st.integers(-3, 14)), min_size=1, max_size=12),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(curves=LIGHT_CURVES, window=st.sampled_from([1.0, 3.0, 10.0, 60.0]))
def test_window_starts_where_trying_every_day_finds_the_most_signal(
    curves: list[list[tuple[int, int]]], window: float
) -> None:
    tables = [np.array(sorted(curve), dtype=float) * [0.125, 1] + [56000.5, 0] for curve in curves]
    owner = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    mjd, signal = np.concatenate(tables).T
    starts = window_starts(owner, mjd, signal, len(tables), window)
    assert starts.tolist() == [brute_force_start(*table.T, window) for table in tables]


def test_window_does_not_depend_on_how_much_signal_other_objects_have() -> None:
    mjd, signal = np.array([56000.0, 56100.0]), np.array([1.0, 1.01])
    alone = window_starts(np.zeros(2, int), mjd, signal, 1, 10.0)
    crowd = 500_000
    owner = np.concatenate([[0, 0], np.arange(1, crowd + 1)])
    among = window_starts(
        owner,
        np.concatenate([mjd, np.full(crowd, 56000.0)]),
        np.concatenate([signal, np.full(crowd, 10.0)]),
        crowd + 1,
        10.0,
    )
    assert alone[0] == among[0] == 56100.0


@settings(max_examples=20, deadline=None)
@given(
    days_per_column=st.sampled_from([0.5, 1, 3, 7]), n_columns=st.integers(1, 60), n_bands=st.integers(1, 4)
)
def test_images_never_hold_more_than_was_observed(
    tiny_survey: Survey, days_per_column: float, n_columns: int, n_bands: int
) -> None:
    images = light_curve_images(
        tiny_survey, tiny_survey.bands[:n_bands], days_per_column=days_per_column, n_columns=n_columns
    )
    flux, error, mask = (images[name].double() for name in ("flux", "error", "mask"))
    assert mask.shape == (len(tiny_survey), n_bands, n_columns)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert ((flux == 0) | (mask == 1)).all()
    assert ((error > 0) == (mask == 1)).all()
    arrays = tiny_survey.observation_arrays()
    per_object = np.diff(arrays.offsets)
    assert (mask.sum((1, 2)).numpy() <= per_object).all()
    precision = np.add.reduceat(arrays.flux_err.astype(float) ** -2, arrays.offsets[:-1])
    kept = (mask / (error + 1 - mask) ** 2).sum((1, 2)).numpy()
    assert (kept <= precision * (1 + 1e-5)).all()


def test_window_longer_than_the_survey_loses_no_observation(tiny_survey: Survey) -> None:
    images = light_curve_images(tiny_survey, tiny_survey.bands, days_per_column=4, n_columns=500)
    flux, error, mask = (images[name].double() for name in ("flux", "error", "mask"))
    arrays = tiny_survey.observation_arrays()
    weight = arrays.flux_err.astype(float) ** -2
    kept = mask / (error + 1 - mask) ** 2
    np.testing.assert_allclose(kept.sum((1, 2)), np.add.reduceat(weight, arrays.offsets[:-1]), rtol=1e-5)
    weighted = np.add.reduceat(weight * arrays.flux, arrays.offsets[:-1])
    np.testing.assert_allclose((kept * flux).sum((1, 2)), weighted, rtol=1e-4, atol=1e-5)
