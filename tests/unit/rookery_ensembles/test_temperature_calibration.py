import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError, TemperatureCalibration
from rookery_ensembles.metrics import log_loss


def test_a_temperature_worked_by_hand() -> None:
    # Squaring 0.8 and 0.2 gives odds of 16 to 1; their roots give odds of 2 to 1.
    p = np.array([[0.8, 0.2]])
    np.testing.assert_allclose(TemperatureCalibration(0.5).apply(p), [[16 / 17, 1 / 17]])
    np.testing.assert_allclose(TemperatureCalibration(2.0).apply(p), [[2 / 3, 1 / 3]])


def test_the_fit_finds_the_temperature_that_distorted_the_probabilities() -> None:
    # Of 1000 objects that are said to be Ia at 64/65, 80 % are: odds of 64 are 4 cubed, so T is 3.
    p = np.tile([64 / 65, 1 / 65], (1000, 1))
    truth = np.repeat([0, 1], [800, 200])
    found = TemperatureCalibration.fit(p, truth)
    assert found.temperature == pytest.approx(3.0, rel=1e-3)
    np.testing.assert_allclose(found.apply(p)[0], [0.8, 0.2], rtol=1e-3)


def test_without_leave_to_sharpen_probabilities_are_softened_or_left() -> None:
    shy, bold = np.array([[0.6, 0.4]] * 9 + [[0.6, 0.4]]), np.array([[0.99, 0.01]] * 10)
    index = np.array([0] * 9 + [1])
    assert TemperatureCalibration.fit(shy, index).temperature < 0.5
    assert TemperatureCalibration.fit(shy, index, sharpen=False).temperature == 1.0
    softened = TemperatureCalibration.fit(bold, index).temperature
    assert TemperatureCalibration.fit(bold, index, sharpen=False).temperature == pytest.approx(
        softened, rel=1e-4
    )


def test_a_temperature_of_one_changes_nothing() -> None:
    p = np.array([[1.0, 0.0], [0.3, 0.7]])
    np.testing.assert_array_equal(TemperatureCalibration(1.0).apply(p), p)


@pytest.mark.parametrize(("right", "of"), [(1, 2), (2, 3), (3, 4), (4, 5), (9, 10), (99, 100)])
def test_probabilities_that_come_true_as_often_as_they_say_are_left_alone(right: int, of: int) -> None:
    p, truth = np.tile([right / of, 1 - right / of], (of, 1)), np.repeat([0, 1], [right, of - right])
    assert TemperatureCalibration.fit(p, truth) == TemperatureCalibration(1.0)


def test_a_certain_error_is_softened() -> None:
    p, truth = np.array([[1.0, 0.0]] * 10), np.array([0] * 9 + [1])
    found = TemperatureCalibration.fit(p, truth)
    assert log_loss(found.apply(p), truth) == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1), rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_calibration_never_raises_the_loss_of_its_fit_data(member_stacks, data: st.DataObject) -> None:
    values, truth = data.draw(member_stacks)
    p = TemperatureCalibration(1.0).apply(values[0])
    found = TemperatureCalibration.fit(p, truth)
    assert found.temperature > 0
    assert log_loss(found.apply(p), truth) <= log_loss(p, truth)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), temperature=st.floats(0.05, 20))
def test_calibrated_probabilities_are_normalised_and_keep_their_order(
    member_stacks, data, temperature
) -> None:
    values, _ = data.draw(member_stacks)
    applied = TemperatureCalibration(temperature).apply(values[0])
    np.testing.assert_allclose(applied.sum(axis=1), 1)
    ranked = np.take_along_axis(applied, np.argsort(values[0], axis=1), axis=1)
    assert (np.diff(ranked, axis=1) >= 0).all()
    np.testing.assert_array_equal(applied.argmax(axis=1), values[0].argmax(axis=1))


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf])
def test_impossible_temperatures_are_refused(temperature: float) -> None:
    with pytest.raises(InputError, match="temperature: must be finite and greater than 0"):
        TemperatureCalibration(temperature)


def test_a_calibration_comes_back_from_its_mapping() -> None:
    calibration = TemperatureCalibration(1.25)
    assert calibration.to_dict() == {"method": "temperature", "temperature": 1.25}
    assert TemperatureCalibration.from_dict(calibration.to_dict(), "f") == calibration


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"method": "platt", "temperature": 1}, "f, key `method`: must be `temperature`, but found 'platt'"),
        ({"method": "temperature"}, "f: the key `temperature` is missing"),
        ({"method": "temperature", "temperature": 0}, "f, key `temperature`: must be finite and greater"),
        ({"method": "temperature", "temperature": "hot"}, "f, key `temperature`: must be a number"),
        ("none", "f: must be a mapping"),
    ],
)
def test_an_invalid_mapping_is_refused_with_its_key(document: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TemperatureCalibration.from_dict(document, "f")
