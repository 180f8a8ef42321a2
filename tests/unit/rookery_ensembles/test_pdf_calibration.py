from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, kstest

from rookery_ensembles import InputError, PdfCalibration
from rookery_ensembles.calibrations._beta_mixture import mixture_cdf
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.redshift_pdf import bin_indices, bin_masses, gaussian_pdf, pit, z_mean

EDGES = np.linspace(0.0, 0.4, 61)
parameters = st.floats(0.05, 20.0)


def loss(masses: np.ndarray, index: np.ndarray) -> float:
    return float(-np.log(np.maximum(masses[np.arange(len(index)), index], LOG_FLOOR)).mean())


def distorted(n: int, shift: float, width: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Bin masses of Gaussians that are shifted by parts of their sigma and too wide by a factor; truths."""
    rng = np.random.default_rng(seed)
    mean, sigma = rng.uniform(0.18, 0.22, n), rng.uniform(0.02, 0.03, n)
    z = mean + sigma * rng.normal(size=n)
    return bin_masses(gaussian_pdf(mean + shift * sigma, width * sigma, EDGES), EDGES), z


def test_a_calibration_worked_by_hand() -> None:
    # B(F; 2, 1) is F squared, B(F; 1, 2) is 1 - (1 - F)^2.
    masses = np.array([[0.5, 0.3, 0.2]])
    np.testing.assert_allclose(PdfCalibration(a=2.0).apply(masses), [[0.25, 0.39, 0.36]])
    np.testing.assert_allclose(PdfCalibration(b=2.0).apply(masses), [[0.75, 0.21, 0.04]])
    roots = np.sqrt(masses)
    np.testing.assert_allclose(PdfCalibration(temperature=2.0).apply(masses), roots / roots.sum())


@pytest.mark.parametrize(("shift", "width"), [(0.0, 1.8), (0.0, 0.6), (0.5, 1.0), (-0.4, 1.5)])
def test_pdfs_that_are_too_wide_too_narrow_or_shifted_become_calibrated(shift: float, width: float) -> None:
    masses, z = distorted(1500, shift, width)
    index, widths, found = bin_indices(z, EDGES), np.diff(EDGES), np.empty_like(masses)
    for half in (np.arange(1500) % 2 == 0, np.arange(1500) % 2 == 1):
        found[half] = PdfCalibration.fit(masses[~half], index[~half]).apply(masses[half])
    assert kstest(pit(masses / widths, EDGES, z), "uniform").pvalue < 1e-6
    assert kstest(pit(found / widths, EDGES, z), "uniform").pvalue > 0.01
    assert abs(np.mean(z_mean(found / widths, EDGES) - z)) < 2e-3


def test_the_temperature_that_widened_is_found() -> None:
    # A Gaussian to the power 1/T is one whose sigma is sqrt(T) times as large.
    masses, z = distorted(1500, 0.0, 2.0)
    assert PdfCalibration.fit(masses, bin_indices(z, EDGES)).temperature == pytest.approx(0.25, rel=0.1)


def test_without_leave_to_sharpen_pdfs_are_widened_or_left() -> None:
    wide, z = distorted(500, 0.3, 2.0)
    assert PdfCalibration.fit(wide, bin_indices(z, EDGES), sharpen=False) == PdfCalibration()
    narrow, z = distorted(500, 0.3, 0.5)
    found = PdfCalibration.fit(narrow, bin_indices(z, EDGES), sharpen=False)
    assert found.temperature > 2
    assert (found.a, found.b) == (1, 1)


def test_weights_are_repetitions() -> None:
    masses, z = distorted(200, 0.2, 1.4)
    index, counts = bin_indices(z, EDGES), np.random.default_rng(0).integers(0, 3, 200)
    again = np.repeat(np.arange(200), counts)
    weighted = PdfCalibration.fit(masses, index, counts)
    repeated = PdfCalibration.fit(masses[again], index[again])
    for name in ("temperature", "a", "b"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-3)


@settings(max_examples=15)
@given(data=st.data())
def test_calibration_never_lowers_the_likelihood_of_its_fit_data(member_stacks, data: st.DataObject) -> None:
    values, truth = data.draw(member_stacks)
    masses = PdfCalibration().apply(values[0])
    assert loss(PdfCalibration.fit(masses, truth).apply(masses), truth) <= loss(masses, truth)


def mixtures() -> st.SearchStrategy[tuple[float, ...]]:
    weights = st.lists(st.floats(0.01, 1), max_size=16)
    return weights.map(lambda found: tuple(weight / sum(found) for weight in found))


@settings(max_examples=40)
@given(weights=mixtures().filter(len), u=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_mixture_is_the_weighted_sum_of_its_beta_distributions(weights, u) -> None:
    j = len(weights)
    expected = sum(w * beta(i, j - i + 1).cdf(u) for i, w in enumerate(weights, start=1))
    np.testing.assert_allclose(mixture_cdf(weights, np.array(u)), expected, atol=1e-9)


def test_tails_too_light_about_a_core_too_wide_become_calibrated() -> None:
    rng = np.random.default_rng(0)
    mean, wild = rng.uniform(0.18, 0.22, 4000), rng.random(4000) < 0.15
    z = mean + np.where(wild, 0.05, 0.012) * rng.normal(size=4000)
    masses, widths = bin_masses(gaussian_pdf(mean, np.full(4000, 0.022), EDGES), EDGES), np.diff(EDGES)
    index, inside = bin_indices(z, EDGES), (z > 0) & (z < 0.4)
    found = PdfCalibration.fit(masses[inside], index[inside])
    two = replace(found, weights=())
    p_found, p_two = (kstest(pit(c.apply(masses) / widths, EDGES, z), "uniform").pvalue for c in (found, two))
    assert p_two < 0.01 < p_found


@settings(max_examples=40)
@given(data=st.data(), temperature=parameters, a=parameters, b=parameters, weights=mixtures())
def test_calibrated_masses_are_a_distribution_again(redshift_pdfs, data, temperature, a, b, weights) -> None:
    masses = bin_masses(*data.draw(redshift_pdfs))
    applied = PdfCalibration(temperature, a, b, weights).apply(masses)
    assert (applied >= 0).all()
    np.testing.assert_allclose(applied.sum(axis=1), 1)
    assert (applied[masses == 0] == 0).all()


@settings(max_examples=30)
@given(data=st.data())
def test_a_temperature_and_beta_distribution_of_ones_and_equal_weights_change_nothing(
    redshift_pdfs, data
) -> None:
    masses = bin_masses(*data.draw(redshift_pdfs))
    np.testing.assert_array_equal(PdfCalibration(1.0, 1.0, 1.0).apply(masses), masses)
    np.testing.assert_allclose(PdfCalibration(weights=(0.25,) * 4).apply(masses), masses, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 21.0])
@pytest.mark.parametrize("name", ["temperature", "a", "b"])
def test_impossible_parameters_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name}: must be from 0.05 to 20, but found {value}"):
        PdfCalibration(**{name: value})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((0.5, 0.6), "the weights must sum to 1, but sum to 1.1"),
        ((1.5, -0.5), "weights must be from 0 to 1, but found 1.5"),
        ((np.nan, 1.0), "weights must be from 0 to 1, but found nan"),
        ((0.05,) * 20, "at most 16 weights, but there are 20"),
    ],
)
def test_weights_off_the_simplex_are_refused(weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(InputError, match=f"weights: .*{message}"):
        PdfCalibration(weights=weights)
    document = {**PdfCalibration().to_dict(), "weights": list(weights)}
    with pytest.raises(InputError, match=f"f, key `weights`: .*{message}"):
        PdfCalibration.from_dict(document, "f")


def test_a_calibration_comes_back_from_its_mapping() -> None:
    found = PdfCalibration(1.25, 0.9, 1.1, (0.25, 0.75))
    numbers = {"temperature": 1.25, "a": 0.9, "b": 1.1, "weights": [0.25, 0.75]}
    assert found.to_dict() == {"method": "temperature_beta", **numbers}
    assert PdfCalibration.from_dict(found.to_dict(), "f") == found
    with pytest.raises(InputError, match="f, key `method`: must be `temperature_beta`, but found 'platt'"):
        PdfCalibration.from_dict({**found.to_dict(), "method": "platt"}, "f")
