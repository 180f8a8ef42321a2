"""Local recalibration: coverage in each part of the sample, the global map where nothing more is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import Covariates, InputError, RedshiftBins
from rookery_ensembles.calibrations._beta_mixture import mixture_cdf, per_object_cdf
from rookery_ensembles.calibrations._local_map import WIDTH
from rookery_ensembles.calibrations.local import LocalCalibration
from rookery_ensembles.calibrations.temperature_beta import PdfCalibration
from rookery_ensembles.covariates import with_own
from rookery_ensembles.redshift_pdf import bin_indices, credible_interval, gaussian_pdf, pdf_std, pit

EDGES = np.linspace(0, 1, 101)
TARGET = RedshiftBins(tuple(EDGES.tolist()))


def galaxies(n: int, seed: int, *, depends: bool = True) -> tuple[np.ndarray, np.ndarray, Covariates]:
    """PDFs of one width; those of bright galaxies are too wide and those of faint ones too narrow."""
    rng = np.random.default_rng(seed)
    magnitude, mean = rng.uniform(18, 24, n), rng.uniform(0.3, 0.7, n)
    ratio = np.exp((magnitude - 21) / 3 * np.log(1.7)) if depends else np.ones(n)
    z = mean + 0.04 * ratio * rng.normal(size=n)
    return gaussian_pdf(mean, np.full(n, 0.04), EDGES), z, Covariates(("mag_r",), magnitude[:, None])


def thirds(pdf: np.ndarray, z: np.ndarray, known: Covariates, level: float) -> np.ndarray:
    """Coverage of central intervals in each third of the magnitudes."""
    low, high = credible_interval(pdf, EDGES, level).T
    inside = (z >= low) & (z <= high)
    order = np.argsort(known.values[:, 0])
    return np.array([inside[part].mean() for part in np.array_split(order, 3)])


@pytest.mark.slow
def test_coverage_holds_in_each_third_of_the_magnitudes() -> None:
    pdf, z, known = galaxies(12_000, 0)
    fitted = {
        method: TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method=method, covariates=known)
        for method in ("temperature_beta", "local")
    }
    pdf, z, known = galaxies(6000, 1)
    for level in (0.5, 0.68, 0.95):
        error = 3 * np.sqrt(level * (1 - level) / 2000) + 0.01
        found = {
            method: thirds(TARGET.calibrate(calibration, pdf, known), z, known, level)
            for method, calibration in fitted.items()
        }
        np.testing.assert_allclose(found["local"], level, atol=error)
        assert np.abs(found["temperature_beta"] - level).max() > error
    assert np.abs(np.quantile(pit(TARGET.calibrate(fitted["local"], pdf, known), EDGES, z), 0.5) - 0.5) < 0.03


def test_where_nothing_depends_on_the_covariate_the_global_map_is_all() -> None:
    pdf, z, known = galaxies(3000, 2, depends=False)
    found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local", covariates=known)
    before = TARGET.fit_calibration(pdf, bin_indices(z, EDGES))
    mapped, plain = (TARGET.calibrate(each, pdf, known) for each in (found, before))
    inside = bin_indices(z, EDGES)
    assert TARGET.log_loss(mapped, inside) <= TARGET.log_loss(plain, inside)
    np.testing.assert_allclose(mapped, plain, atol=0.08 * plain.max())


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_looked_at_and_what_matters_is(seed: int) -> None:
    n = 800
    weather = np.random.default_rng([seed, 9]).normal(size=(n, 2))
    for depends, wanted in ((False, ()), (True, ("mag_r",))):
        pdf, z, known = galaxies(n, seed, depends=depends)
        both = Covariates(("weather", "mag_r", "moon"), np.insert(weather, 1, known.values[:, 0], axis=1))
        found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local", covariates=both)
        assert found.covariates == wanted


def test_of_two_covariates_that_tell_the_same_one_is_looked_at() -> None:
    pdf, z, known = galaxies(1500, 0)
    twice = Covariates(("mag_r", "mag_i"), np.column_stack([known.values, known.values + 0.3]))
    found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local", covariates=twice)
    assert len(found.covariates) == 1


def test_an_object_that_lacks_a_covariate_has_the_global_map() -> None:
    pdf, z, known = galaxies(4000, 3)
    found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local", covariates=known)
    assert found.covariates == ("mag_r",)
    lacking = Covariates(("mag_r",), np.where(np.arange(4000) < 10, np.nan, known.values[:, 0])[:, None])
    mapped, plain = TARGET.calibrate(found, pdf, lacking), TARGET.calibrate(found.base, pdf)
    np.testing.assert_allclose(mapped[:10], plain[:10], rtol=1e-12)
    assert np.abs(mapped[10:] - plain[10:]).max() > 0.1
    np.testing.assert_allclose(TARGET.calibrate(found, pdf), plain, rtol=1e-12)  # no catalogue at all
    far = TARGET.calibrate(found, pdf[:1], Covariates(("mag_r",), [[40.0]]))
    end = TARGET.calibrate(found, pdf[:1], Covariates(("mag_r",), [[known.values.max()]]))
    np.testing.assert_allclose(far, end, rtol=1e-9)


def test_the_mean_redshift_of_the_pdfs_serves_without_a_catalogue() -> None:
    rng = np.random.default_rng(4)
    mean = rng.uniform(0.2, 0.8, 6000)
    z = np.clip(mean + np.where(mean > 0.5, 0.06, 0.02) * rng.normal(size=6000), 0, 1)
    pdf, index = gaussian_pdf(mean, np.full(6000, 0.035), EDGES), bin_indices(z, EDGES)
    found = TARGET.fit_calibration(pdf, index, method="local")
    assert found.covariates == ("z_mean",)
    gain = TARGET.log_loss(TARGET.calibrate(found.base, pdf), index) - TARGET.log_loss(
        TARGET.calibrate(found, pdf), index
    )
    assert gain > 0.03


def by_width(n: int, seed: int, power: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Narrow PDFs that are too wide by a half, and wide ones that are too narrow."""
    rng = np.random.default_rng(seed)
    mean, width = rng.uniform(0.4, 0.6, n), np.exp(rng.uniform(np.log(0.025), np.log(0.09), n))
    z = mean + width * (width / 0.047) ** power * rng.normal(size=n)
    return gaussian_pdf(mean, width, EDGES), np.clip(z, 0, 1)


def test_pdfs_that_are_wrong_by_their_width_cover_in_each_third_of_it() -> None:
    pdf, z = by_width(3000, 0)
    found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local")
    assert "z_width" in found.covariates
    pdf, z = by_width(6000, 1)
    third = np.array_split(np.argsort(pdf_std(pdf, EDGES)), 3)
    inside = {
        name: np.abs(pit(TARGET.calibrate(made, pdf), EDGES, z) - 0.5) <= 0.34
        for name, made in (("all", found.base), ("local", found))
    }
    held = {name: np.array([each[part].mean() for part in third]) for name, each in inside.items()}
    assert np.abs(held["all"] - 0.68).max() > 0.08
    np.testing.assert_allclose(held["local"], 0.68, atol=0.03)


def test_maps_that_differ_by_object_keep_the_level_of_all() -> None:
    held = []
    for seed in range(3):
        pdf, z = by_width(2000, seed, power=1.5)
        found = TARGET.fit_calibration(pdf, bin_indices(z, EDGES), method="local")
        assert len(found.slopes) == 3 * len(found.covariates) + 1
        assert LocalCalibration.from_dict(found.to_dict(), "d") == found
        pdf, z = by_width(8000, 99 + seed, power=1.5)
        far = np.abs(pit(TARGET.calibrate(found, pdf), EDGES, z) - 0.5)
        held.append([np.mean(far <= 0.34), np.mean(far <= 0.475)])
    np.testing.assert_allclose(np.mean(held, axis=0), [0.68, 0.95], atol=0.02)


def test_pdfs_of_one_width_are_not_told_apart_by_rounding() -> None:
    pdf = np.tile(gaussian_pdf([0.5], [0.05], EDGES), (50, 1)) * (1 + 1e-7 * np.arange(50))[:, None]
    masses = pdf * np.diff(EDGES)
    known = with_own(None, masses / masses.sum(axis=1, keepdims=True), EDGES)
    assert known.names == ("z_mean", "z_width")
    assert len(np.unique(known.values[:, 1])) == 1


def test_a_catalogues_columns_of_these_names_are_of_other_pdfs() -> None:
    pdf, z = by_width(3000, 0)
    strange = Covariates(("z_width", "z_mean"), np.random.default_rng(0).normal(size=(3000, 2)))
    index = bin_indices(z, EDGES)
    found = TARGET.fit_calibration(pdf, index, method="local")
    assert "z_width" in found.covariates
    assert TARGET.fit_calibration(pdf, index, method="local", covariates=strange) == found
    np.testing.assert_array_equal(TARGET.calibrate(found, pdf, strange), TARGET.calibrate(found, pdf))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 30))
def test_whatever_the_slopes_the_cdf_rises_from_0_to_1(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    slopes = tuple(tuple(row) for row in (size * rng.normal(size=(3, WIDTH))).tolist())
    made = LocalCalibration(PdfCalibration(), ("x",), ((0.0, 0.3, 1.0),), slopes)
    masses = rng.dirichlet(np.full(20, 0.3), size=6)
    applied = made.apply(masses, Covariates(("x",), rng.uniform(-1, 2, (6, 1))))
    assert (applied >= 0).all()
    np.testing.assert_allclose(applied.sum(axis=1), 1)


def test_mixtures_of_all_objects_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    weights, u = rng.dirichlet(np.ones(8), 5), np.sort(rng.uniform(size=(5, 9)), axis=1)
    each = [mixture_cdf(w, row) for w, row in zip(weights, u, strict=True)]
    np.testing.assert_allclose(per_object_cdf(weights, u), each, atol=1e-12)


def test_impossible_documents_are_refused() -> None:
    good = LocalCalibration(PdfCalibration(), ("x",), ((0.0, 1.0),), ((0.0,) * WIDTH,) * 3).to_dict()
    for change, message in (
        ({"slopes": [[0.0] * WIDTH] * 2}, "3 rows of slopes for each of 1 covariates, but found 2"),
        ({"slopes": [[0.0]] * 3}, f"every row of slopes must hold {WIDTH}"),
        ({"covariates": [{"name": "x", "knots": [1.0, 0.0]}]}, "the knots of x must be one or more that"),
        ({"base": {"method": "magic"}}, "f, key `base`"),
    ):
        with pytest.raises(InputError, match=message):
            LocalCalibration.from_dict({**good, **change}, "f")
