import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import cramervonmises, kstest, norm

from rookery_ensembles import InputError
from rookery_ensembles.photoz_metrics import (
    narrowest,
    photoz_metrics,
    photoz_scores,
    point_metrics,
    running_trend,
)
from rookery_ensembles.photoz_sample import PhotozSample, PitSample
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.redshift_pdf import credible_interval, gaussian_pdf, pdf_std, pit, z_median, z_mode

EDGES = np.linspace(0.0, 0.4, 181)
KEYS = (
    *("n", "bias", "sigma_mad", "eta", "crps", "log_likelihood", "cde_loss"),
    *("pit_ks", "pit_ks_pvalue", "pit_cvm", "pit_ad"),
    *("coverage_50", "coverage_68", "coverage_95", "sharpness", "eta_15"),
)


def flat(n: int, edges: tuple[float, ...] = (0.0, 0.25, 0.5)) -> np.ndarray:
    return np.full((n, len(edges) - 1), 1 / (edges[-1] - edges[0]))


def gaussians(n: int, sigma: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """PDFs that tell the truth of redshifts far from the edges."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.15, 0.25, n)
    return gaussian_pdf(mean, np.full(n, sigma), EDGES), mean + sigma * rng.normal(size=n)


def test_a_flat_pdf_has_the_metrics_of_the_textbook() -> None:
    z = np.array([0.1, 0.4])
    found = photoz_metrics(flat(2), (0.0, 0.25, 0.5), z, unseen=True)
    assert tuple(found) == KEYS
    # The CRPS of an even distribution over a length h is h (u^3 + (1 - u)^3) / 3.
    assert found["crps"] == pytest.approx(0.5 * (0.2**3 + 0.8**3) / 3)
    assert found["log_likelihood"] == pytest.approx(np.log(2))
    assert found["cde_loss"] == pytest.approx(2 - 2 * 2)
    assert found["sharpness"] == pytest.approx(0.5 / np.sqrt(12))
    dz = (0.25 - z) / (1 + z)
    assert found["bias"] == pytest.approx(dz.mean())
    assert found["sigma_mad"] == pytest.approx(1.4826 * abs(dz[0] - dz[1]) / 2)
    assert found["eta"] == 100
    assert found["eta_15"] == 0  # dz is 0.136 and -0.107
    # The PIT is 0.2 and 0.8: inside the intervals of 68 and 95 %, outside that of 50 %.
    assert (found["coverage_50"], found["coverage_68"], found["coverage_95"]) == (0, 1, 1)
    assert found["pit_ks"] == pytest.approx(0.3)


def test_point_metrics_of_a_hand_worked_case() -> None:
    spec = np.array([0.0, 0.1, 0.25, 0.0, np.nan])
    phot = np.array([0.01, 0.1, 0.3, 0.06, 0.2])  # dz = 0.01, 0, 0.04, 0.06
    found = point_metrics(phot, spec)
    assert found == pytest.approx({"n": 4, "bias": 0.0275, "sigma_mad": 1.4826 * 0.02, "eta": 25})


@pytest.mark.parametrize("z", [0.05, 0.1234, 0.2, 0.29])
def test_the_crps_of_a_gaussian_is_its_closed_form(z: float) -> None:
    edges, mean, sigma = np.linspace(-0.2, 0.6, 2001), 0.2, 0.05
    found = photoz_metrics(gaussian_pdf(np.array([mean]), np.array([sigma]), edges), edges, np.array([z]))
    t = (z - mean) / sigma
    exact = sigma * (t * (2 * norm.cdf(t) - 1) + 2 * norm.pdf(t) - 1 / np.sqrt(np.pi))  # Gneiting et al. 2005
    assert found["crps"] == pytest.approx(exact, rel=1e-5)
    assert found["log_likelihood"] == pytest.approx(norm.logpdf(z, mean, sigma), abs=0.02)
    assert found["cde_loss"] == pytest.approx(
        1 / (2 * sigma * np.sqrt(np.pi)) - 2 * norm.pdf(z, mean, sigma), rel=1e-2
    )


@settings(max_examples=25)
@given(data=st.data())
def test_the_crps_is_the_integral_it_stands_for(redshift_pdfs, data) -> None:
    pdf, edges = data.draw(redshift_pdfs)
    z = data.draw(st.floats(edges[0] - 0.2, edges[-1] + 0.2))
    low, high = min(edges[0], z), max(edges[-1], z)
    grid = np.linspace(low, high, 10_001)
    middle = (grid[1:] + grid[:-1]) / 2
    for row in pdf[:2]:
        f = pit(np.repeat(row[None], len(middle), axis=0), edges, middle)
        brute = float(np.sum((f - (middle >= z)) ** 2) * (grid[1] - grid[0]))
        assert photoz_metrics(row[None], edges, np.array([z]))["crps"] == pytest.approx(brute, abs=2e-4)


def test_a_truth_outside_of_the_bins_counts_by_the_stated_rule() -> None:
    edges = (0.0, 0.25, 0.5)
    found = photoz_metrics(flat(1), edges, np.array([0.7]))
    assert found["n"] == 1
    assert found["bias"] == pytest.approx((0.25 - 0.7) / 1.7)
    assert found["log_likelihood"] == pytest.approx(np.log(LOG_FLOOR / 0.25))
    assert found["crps"] == pytest.approx(0.5 / 3 + 0.2)
    assert found["cde_loss"] == pytest.approx(2)
    assert found["coverage_95"] == 0
    assert np.isfinite(list(found.values())).all()
    sample = PhotozSample(flat(2), edges, np.array([-0.1, 0.7]))
    assert sample.pit.tolist() == [0, 1]


def test_pit_distances_are_those_of_scipy() -> None:
    u = np.random.default_rng(3).beta(1.3, 1.0, 400)
    found = {key: float(value[0]) for key, value in PitSample(u).metrics(np.ones((1, 400))).items()}
    assert found["pit_ks"] == pytest.approx(kstest(u, "uniform").statistic)
    assert found["pit_cvm"] == pytest.approx(cramervonmises(u, "uniform").statistic)
    i, s = np.arange(1, 401), np.sort(u)
    textbook = -400 - np.mean((2 * i - 1) * (np.log(s) + np.log1p(-s[::-1])))  # Anderson & Darling 1954
    assert found["pit_ad"] == pytest.approx(textbook)


def test_pdfs_that_tell_the_truth_are_found_calibrated() -> None:
    pdf, z = gaussians(4000)
    found = photoz_metrics(pdf, EDGES, z, unseen=True)
    expected = kstest(pit(pdf, EDGES, z), "uniform")
    assert found["pit_ks_pvalue"] == pytest.approx(expected.pvalue, rel=1e-6)
    assert expected.pvalue > 0.01
    assert [found[f"coverage_{level}"] for level in (50, 68, 95)] == pytest.approx(
        [0.5, 0.68, 0.95], abs=0.02
    )
    assert found["sharpness"] == pytest.approx(0.02, rel=0.01)
    wide = photoz_metrics(gaussian_pdf(z * 0 + 0.2, z * 0 + 0.06, EDGES), EDGES, z, unseen=True)
    assert wide["pit_ks_pvalue"] < 1e-6
    assert wide["coverage_50"] > 0.6


def test_coverage_counts_the_truths_inside_the_credible_intervals() -> None:
    pdf, z = gaussians(500, seed=4)
    ends = credible_interval(pdf, EDGES, 0.68)
    inside = (z >= ends[:, 0]) & (z <= ends[:, 1])
    assert photoz_metrics(pdf, EDGES, z)["coverage_68"] == pytest.approx(inside.mean())


def test_each_point_estimate_has_its_own_point_metrics() -> None:
    skewed = np.diff((EDGES / 0.4) ** 0.3)[None] / np.diff(EDGES)
    pdf, z = np.repeat(skewed, 5, axis=0), np.linspace(0.01, 0.3, 5)
    for point, estimate in (("median", z_median), ("mode", z_mode)):
        found = photoz_metrics(pdf, EDGES, z, point=point)
        assert found["bias"] == pytest.approx(point_metrics(estimate(pdf, EDGES), z)["bias"])
    with pytest.raises(InputError, match="point: must be one of mean, median, mode, but is 'best'"):
        photoz_metrics(pdf, EDGES, z, point="best")


def test_objects_of_unknown_redshift_are_left_out() -> None:
    pdf, z = gaussians(60)
    blind = np.where(np.arange(60) < 20, np.nan, z)
    assert photoz_metrics(pdf, EDGES, blind) == photoz_metrics(pdf[20:], EDGES, z[20:])
    with pytest.raises(InputError, match="at least one of 60 redshifts must be known"):
        photoz_metrics(pdf, EDGES, z * np.nan)


def test_the_widest_fifth_is_removed_by_standard_deviation() -> None:
    sigma = np.linspace(0.01, 0.03, 50)[::-1]
    pdf = gaussian_pdf(np.full(50, 0.2), sigma, EDGES)
    kept = narrowest(pdf, EDGES)
    assert kept.sum() == 40
    assert pdf_std(pdf, EDGES)[kept].max() < pdf_std(pdf, EDGES)[~kept].min()
    assert narrowest(pdf[:1], EDGES).all()
    with pytest.raises(InputError, match="kept: must be above 0 and at most 1, but is 0"):
        narrowest(pdf, EDGES, 0.0)


@settings(max_examples=30)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000))
def test_metrics_by_weights_are_those_of_repeated_objects(n: int, seed: int) -> None:
    pdf, z = gaussians(n, seed=seed)
    counts = np.random.default_rng(seed).integers(0, 4, size=(2, n)).astype(float)
    counts[:, 0] += 1
    found = PhotozSample(pdf, EDGES, z).metrics(counts)
    for row, weight in enumerate(counts.astype(int)):
        again = np.repeat(np.arange(n), weight)
        expected = photoz_metrics(pdf[again], EDGES, z[again])
        assert set(found) == set(KEYS) - {"n", "pit_ks_pvalue"}
        for key, value in found.items():
            assert value[row] == pytest.approx(expected[key], abs=1e-9), key


@settings(max_examples=30)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_metrics_do_not_depend_on_the_order_of_the_objects(redshift_pdfs, data, seed: int) -> None:
    pdf, edges = data.draw(redshift_pdfs)
    rng = np.random.default_rng(seed)
    z, order = rng.uniform(edges[0] - 0.05, edges[-1] + 0.05, len(pdf)), rng.permutation(len(pdf))
    assert photoz_metrics(pdf[order], edges, z[order]) == pytest.approx(photoz_metrics(pdf, edges, z))


def test_bootstrap_intervals_hold_their_metrics_and_have_the_width_of_chance() -> None:
    pdf, z = gaussians(400)
    scores = photoz_scores(pdf, EDGES, z, replicates=200, unseen=True)
    expected = photoz_metrics(pdf, EDGES, z, unseen=True)
    assert (scores.n, ["n", *scores.metrics]) == (400, list(KEYS))
    for key, estimate in scores.metrics.items():
        assert estimate.value == expected[key]
        if key == "pit_ks_pvalue":
            assert estimate.to_json()["68"] is None
            continue
        low, high = estimate.intervals[0.68]
        assert low <= estimate.value <= high, key
    low, high = scores.metrics["bias"].intervals[0.68]
    assert high - low == pytest.approx(2 * 0.02 / 1.2 / np.sqrt(400), rel=0.2)  # twice the standard error
    low, high = scores.metrics["cde_loss"].intervals[0.95]
    assert low < scores.metrics["cde_loss"].value < high < 0


def test_a_trend_has_the_point_metrics_of_each_bin() -> None:
    rng = np.random.default_rng(1)
    z = rng.uniform(0.05, 0.35, 300)
    dust = np.where(np.arange(300) < 3, np.nan, rng.uniform(0, 0.2, 300))
    phot = z + 0.1 * dust * (1 + z) + 0.01 * rng.normal(size=300)
    phot = np.where(np.isnan(dust), z, phot)
    found = running_trend(dust, phot, z, name="mwebv", edges=[0, 0.1, 0.2], replicates=50)
    assert (found.name, found.edges, found.n_unknown) == ("mwebv", [0, 0.1, 0.2], 3)
    for entry, inside in zip(found.bins, (dust < 0.1, dust >= 0.1), strict=True):
        expected = point_metrics(phot[inside], z[inside])
        assert entry.n == expected.pop("n")
        assert {key: estimate.value for key, estimate in entry.scores.metrics.items()} == expected
        low, high = entry.scores.metrics["sigma_mad"].intervals[0.95]
        assert low < expected["sigma_mad"] < high
    assert found.bins[1].scores.metrics["bias"].value == pytest.approx(0.015, abs=0.004)


def test_a_trend_without_edges_has_equally_many_objects_in_each_bin() -> None:
    _, z = gaussians(400)
    spec = np.where(np.arange(400) % 2, z, np.nan)
    assert [entry.n for entry in running_trend(z, z, spec, n_bins=4, replicates=0).bins] == [50] * 4
    with pytest.raises(InputError, match="bins of value: there must be one value per object"):
        running_trend(z[:3], z, z)
    with pytest.raises(InputError, match="z_phot, row 1: must be finite where the redshift is known"):
        running_trend(z, z * np.nan, spec)
