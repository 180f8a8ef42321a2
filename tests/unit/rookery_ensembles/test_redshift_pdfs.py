import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, truncnorm

from rookery_ensembles import InputError
from rookery_ensembles.redshift_pdf import (
    bin_centres,
    bin_indices,
    bin_masses,
    bins_in_interval,
    cdf_at_edges,
    credible_interval,
    gaussian_pdf,
    pdf_std,
    pit,
    quantiles,
    z_mean,
    z_median,
    z_mode,
)

PUBLISHED = np.linspace(0.0, 0.4, 181)
# Masses of 0.25, 0, 0.75 on bins of different widths, all exact in binary.
EDGES = (0.0, 0.125, 0.25, 0.5)
PDF = np.array([[2.0, 0.0, 3.0]])


def one_bin(k: int, edges: np.ndarray) -> np.ndarray:
    pdf = np.zeros((1, len(edges) - 1))
    pdf[0, k] = 1 / (edges[k + 1] - edges[k])
    return pdf


def test_numbers_of_a_pdf_worked_by_hand() -> None:
    np.testing.assert_allclose(bin_centres(EDGES), [0.0625, 0.1875, 0.375])
    np.testing.assert_allclose(bin_masses(PDF, EDGES), [[0.25, 0.0, 0.75]])
    np.testing.assert_allclose(cdf_at_edges(PDF, EDGES), [[0.0, 0.25, 0.25, 1.0]])
    np.testing.assert_allclose(z_mean(PDF, EDGES), 0.25 * 0.0625 + 0.75 * 0.375)
    np.testing.assert_allclose(z_median(PDF, EDGES), 0.25 + 0.25 / 3)
    np.testing.assert_allclose(z_mode(PDF, EDGES), 0.375)
    found = quantiles(PDF, EDGES, (0, 0.125, 0.25, 0.625, 1))
    np.testing.assert_allclose(found, [[0.0, 0.0625, 0.125, 0.375, 0.5]])
    np.testing.assert_allclose(credible_interval(PDF, EDGES, 0.75), [[0.0625, 0.25 + 0.25 * 0.625 / 0.75]])
    # From the middle of the first bin to 5/6 of the third.
    np.testing.assert_allclose(bins_in_interval(PDF, EDGES, 0.75), [0.5 + 1 + 5 / 6])


def test_the_mean_of_one_bin_is_its_centre_and_not_its_left_edge() -> None:
    pdf, centre = one_bin(44, PUBLISHED), 44.5 * 0.4 / 180
    np.testing.assert_allclose(z_mean(pdf, PUBLISHED), centre, rtol=1e-14)
    assert centre - PUBLISHED[44] == pytest.approx(0.00111, abs=5e-6)  # ten times the published bias
    np.testing.assert_allclose(z_median(pdf, PUBLISHED), centre)
    np.testing.assert_allclose(z_mode(pdf, PUBLISHED), centre)


def test_the_spread_within_a_bin_counts() -> None:
    np.testing.assert_allclose(pdf_std(one_bin(7, PUBLISHED), PUBLISHED), 0.4 / 180 / np.sqrt(12))
    flat = np.full((1, 180), 1 / 0.4)
    np.testing.assert_allclose(pdf_std(flat, PUBLISHED), 0.4 / np.sqrt(12))
    np.testing.assert_allclose(z_mean(flat, PUBLISHED), 0.2)


def test_a_gaussian_keeps_its_mean_spread_and_quantiles() -> None:
    mean, sigma = np.array([0.12, 0.2]), np.array([0.015, 0.03])
    pdf = gaussian_pdf(mean, sigma, PUBLISHED)
    np.testing.assert_allclose(z_mean(pdf, PUBLISHED), mean, atol=1e-6)
    np.testing.assert_allclose(pdf_std(pdf, PUBLISHED), sigma, rtol=2e-3)
    expected = mean[:, None] + sigma[:, None] * norm.ppf([0.16, 0.5, 0.84])
    np.testing.assert_allclose(quantiles(pdf, PUBLISHED, (0.16, 0.5, 0.84)), expected, atol=1e-4)


def test_a_gaussian_is_truncated_to_the_bins() -> None:
    pdf = gaussian_pdf(np.array([0.01, -0.3]), np.array([0.02, 0.1]), PUBLISHED)
    for row, (mean, sigma) in zip(pdf, ((0.01, 0.02), (-0.3, 0.1)), strict=True):
        exact = truncnorm((0 - mean) / sigma, (0.4 - mean) / sigma, mean, sigma).cdf(PUBLISHED)
        np.testing.assert_allclose(np.cumsum(row) * 0.4 / 180, exact[1:], rtol=1e-9)


def test_a_gaussian_far_outside_piles_up_at_the_edge_and_one_of_no_width_fills_its_bin() -> None:
    pdf = gaussian_pdf(np.array([50.0, -50.0, 0.2501]), np.array([0.01, 1e-5, 1e-300]), PUBLISHED)
    np.testing.assert_allclose(bin_masses(pdf, PUBLISHED)[[0, 1, 2], [179, 0, 112]], 1.0, rtol=1e-6)


def test_the_pit_is_the_share_of_probability_below_the_truth() -> None:
    z = np.array([0.0625, 0.2, 0.375, -0.9, 0.6, np.nan, 0.5])
    expected = [0.125, 0.25, 0.625, 0.0, 1.0, np.nan, 1.0]
    np.testing.assert_allclose(pit(np.repeat(PDF, 7, axis=0), EDGES, z), expected)


def test_a_redshift_belongs_to_the_bin_whose_lower_edge_it_reaches() -> None:
    z = [0.0, 0.125, 0.1249, 0.5, -1e-9, 0.51, np.nan]
    assert bin_indices(np.array(z), EDGES).tolist() == [0, 1, 0, 2, -1, -1, -1]


def test_the_last_quantile_is_the_last_edge_whatever_is_rounded() -> None:
    edges = np.array([0.03258079001114982, 0.11967722829716472])
    assert edges[0] + (edges[1] - edges[0]) > edges[1]
    assert quantiles(np.array([[11.481525]]), edges, [1.0]) == edges[1]


@settings(max_examples=60)
@given(data=st.data())
def test_cumulative_distributions_rise_from_0_to_1_and_quantiles_invert_them(redshift_pdfs, data) -> None:
    pdf, edges = data.draw(redshift_pdfs)
    np.testing.assert_allclose(bin_masses(pdf, edges).sum(axis=1), 1, rtol=1e-14)
    cdf = cdf_at_edges(pdf, edges)
    assert (cdf[:, 0] == 0).all()
    assert (cdf[:, -1] == 1).all()
    assert (np.diff(cdf, axis=1) >= 0).all()
    q = np.linspace(0, 1, 11)
    found = quantiles(pdf, edges, q)
    assert (np.diff(found, axis=1) >= 0).all()
    assert ((found >= edges[0]) & (found <= edges[-1])).all()
    for i, wanted in enumerate(q):
        np.testing.assert_allclose(pit(pdf, edges, found[:, i]), wanted, atol=1e-9)


@settings(max_examples=25)
@given(data=st.data())
def test_numbers_of_a_pdf_are_those_of_redshifts_drawn_from_it(redshift_pdfs, data) -> None:
    pdf, edges = data.draw(redshift_pdfs)
    # Evenly spaced quantiles stand for draws; none is wrong by more than their spacing.
    z = quantiles(pdf, edges, (np.arange(400) + 0.5) / 400)
    span = edges[-1] - edges[0]
    np.testing.assert_allclose(z_mean(pdf, edges), z.mean(axis=1), atol=span / 400)
    np.testing.assert_allclose(pdf_std(pdf, edges), z.std(axis=1), atol=span / 40)


@settings(max_examples=40)
@given(data=st.data(), means=st.lists(st.floats(-5, 5), min_size=1, max_size=5), sigma=st.floats(1e-6, 1e3))
def test_gaussians_are_normalised_wherever_they_lie(redshift_pdfs, data, means, sigma) -> None:
    _, edges = data.draw(redshift_pdfs)
    pdf = gaussian_pdf(np.array(means), np.full(len(means), sigma), edges)
    assert (pdf >= 0).all()
    np.testing.assert_allclose(pdf @ np.diff(edges), 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: z_mean(PDF, (0.0, 0.1)), r"one density for each of 1 bins, but has the shape \(1, 3\)"),
        (lambda: z_mean(PDF, (0.0, 0.3, 0.1, 0.5)), "edges must be finite and increase, but found 0.3, 0.1"),
        (lambda: z_mean(PDF * 2, EDGES), "row 0: the PDF must integrate to 1 within 0.001"),
        (lambda: z_mean(PDF * np.nan, EDGES), "row 0: values must be finite"),
        (lambda: z_mean(np.array([[9.0, -1.0, 0.0]]), EDGES), "must not be negative, but column 1 holds -1"),
        (lambda: quantiles(PDF, EDGES, (0.5, 1.5)), "q: must be between 0 and 1, but found 1.5"),
        (lambda: credible_interval(PDF, EDGES, 68), "level: must be between 0 and 1, but found 68"),
        (lambda: pit(PDF, EDGES, np.zeros(2)), "one redshift for each of 1 objects"),
        (lambda: pit(PDF, EDGES, np.array([np.inf])), "z_spec, row 0: must be finite and above -1, or NaN"),
        (lambda: pit(PDF, EDGES, np.array([-9999.0])), "z_spec, row 0: .* but found -9999"),
        (lambda: gaussian_pdf(np.zeros(2), np.array([1.0, 0.0]), EDGES), "sigma, row 1: .* greater than 0"),
        (lambda: gaussian_pdf(np.array([np.nan]), np.ones(1), EDGES), "mean, row 0: must be finite, but"),
        (lambda: gaussian_pdf(np.zeros(2), np.ones(3), EDGES), "one sigma per mean"),
    ],
)
def test_what_is_no_pdf_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
