"""Synthetic photometry: known answers, and the tables against sncosmo's own integration."""

from dataclasses import fields

import numpy as np
import pytest

sncosmo = pytest.importorskip("sncosmo")
speclite_filters = pytest.importorskip("speclite.filters")

from rookery.surveys.simulators.cosmology import (  # noqa: E402
    LIGHT_SPEED,
    distance_modulus,
    draw_redshift,
    rate_per_year,
)
from rookery.surveys.simulators.filters import WAVELENGTH, load_filters, make_filters  # noqa: E402
from rookery.surveys.simulators.supernovae import population as populations  # noqa: E402
from rookery.surveys.simulators.supernovae.flux_tables import build_table  # noqa: E402
from rookery.surveys.simulators.supernovae.light_curves import build_model, temperature, visual_light  # noqa: E402
from rookery.surveys.simulators.supernovae.spectra import SPECTRA, Surface, analytic_spectrum  # noqa: E402

NAMES = tuple(f"lsst2016-{band}" for band in "ugrizy")


@pytest.fixture(scope="module")
def model():
    return build_model(NAMES, 1.4)


def bandpass(name):
    curve = speclite_filters.load_filter(name)
    return sncosmo.Bandpass(np.asarray(curve.wavelength), np.asarray(curve.response), name=name)


def with_dust(source, r_v):
    dust = [sncosmo.OD94Dust(), sncosmo.F99Dust(3.1)]
    model = sncosmo.Model(source, dust, ["host", "mw"], ["rest", "obs"])
    model.set(hostr_v=r_v)
    return model


def population(kind, **values):
    """One supernova of plain parameters."""
    plain = {field.name: np.ones(1) for field in fields(populations.Population)}
    nothing = dict.fromkeys(("host_av", "attenuation", "mwebv", "blanketing", "plateau"), np.zeros(1))
    core = {"rise": [3.0], "decline": [20.0], "hot": [12000.0], "cold": [6000.0], "cooling": [20.0]}
    kinds = {"kind": np.array([populations.KINDS.index(kind)]), "diversity": np.zeros((1, 5))}
    given = {name: np.array(value) for name, value in (core | values).items()}
    return populations.Population(**(plain | nothing | kinds | given))


def test_ab_source_has_flux_one_in_every_filter():
    # f_nu = 3631 Jy, that is f_lambda = c / lambda^2 times 3.631e-20 erg/s/cm^2/Hz
    spectrum = 3.631e-20 * 2.99792458e18 / WAVELENGTH**2
    np.testing.assert_allclose(load_filters(NAMES).weights @ spectrum, 1.0, rtol=1e-12)


def test_flat_spectrum_gets_the_flux_of_its_pivot_wavelength():
    # A top hat from a to b: <f_lambda> over <f_AB> is f / f_AB(pivot), pivot^2 = (b^2 - a^2) / 2 / ln(b / a).
    a, b = 5000.0, 6000.0
    edges = np.linspace(a, b, 2000)
    top_hat = make_filters([(edges, np.ones(2000))])
    pivot = np.sqrt((b**2 - a**2) / 2.0 / np.log(b / a))
    expected = 1e-17 / (3.631e-20 * 2.99792458e18 / pivot**2)
    flux = top_hat.weights @ np.full(len(WAVELENGTH), 1e-17)
    np.testing.assert_allclose(flux, expected, rtol=2e-3)  # the grid's steps at the edges


def test_redshifted_flat_spectrum_dims_by_one_plus_z():
    surface = Surface(np.array([0.0, 1.0]), np.zeros(1), np.full((2, 1, len(WAVELENGTH)), 1e-17))
    table = build_table(surface, load_filters(NAMES[1:]), 1.0, 3.1)
    z = np.array([0.0, 0.3, 0.9])
    zero = np.zeros(3)
    flux = table.flux(zero, zero, z, np.full(3, 2), zero, zero)
    np.testing.assert_allclose(flux / flux[0], 1.0 / (1.0 + z), rtol=1e-4)


def test_type_ia_agrees_with_sncosmo_through_dust_redshift_and_stretch(model):
    direct = with_dust(sncosmo.get_source("hsiao-subsampled"), 2.5)
    blue = sncosmo.Model("hsiao-subsampled").bandflux(bandpass("bessell-B"), 0.0, 0.0, "ab")
    bands = [bandpass(name) for name in NAMES]
    generator = np.random.default_rng(1)
    ratios = []
    for _ in range(150):
        z, a_v, mwebv = generator.uniform(0.02, 1.3), generator.exponential(0.3), generator.exponential(0.05)
        phase, stretch, band = generator.uniform(-14, 80), generator.uniform(0.8, 1.2), generator.integers(6)
        one = population(
            "Ia", redshift=[z], magnitude=[-19.3], stretch=[stretch], attenuation=[a_v], mwebv=[mwebv]
        )
        observer = phase * (1 + z) * stretch
        found = model.flux(one, np.zeros(1, int), np.array([observer]), np.array([band]))[0]
        magnitude = -19.3 + distance_modulus(np.array([z]))[0]
        direct.set(z=z, hostebv=a_v / 2.5, mwebv=mwebv, amplitude=10 ** (-0.4 * magnitude) / blue)
        ratios.append(found / direct.bandflux(bands[band], phase * (1 + z), 27.5, "ab"))
    assert np.abs(np.array(ratios) - 1.0).max() < 0.015
    assert abs(np.median(ratios) - 1.0) < 0.002


@pytest.mark.parametrize("kind", ["IIP", "IIn", "Ic"])
def test_analytic_tables_agree_with_sncosmo(model, kind):
    table = model.tables[populations.KINDS.index(kind)]
    wavelength = np.arange(1500.0, 11500.0, 5.0)
    generator = np.random.default_rng(2)
    ratios = []
    for _ in range(50):
        kelvin, blanketing = np.exp(generator.uniform(np.log(4500), np.log(16000))), generator.uniform(-1, 1)
        z, a_v, mwebv = generator.uniform(0.02, 0.5), generator.exponential(0.3), generator.exponential(0.05)
        band = int(generator.integers(1, 6))
        spectrum = analytic_spectrum(SPECTRA[kind], np.float64(kelvin), np.float64(blanketing), wavelength)
        source = sncosmo.TimeSeriesSource(np.arange(-10.0, 11.0, 5.0), wavelength, np.tile(spectrum, (5, 1)))
        direct = with_dust(source, 3.1)
        direct.set(z=z, hostebv=a_v / 3.1, mwebv=mwebv)
        where = [np.array([value]) for value in (np.log(kelvin), blanketing, z)]
        found = table.flux(*where, np.array([band]), np.array([a_v]), np.array([mwebv]))[0]
        ratios.append(found / direct.bandflux(bandpass(NAMES[band]), 0.0, 0.0, "ab"))
    assert np.abs(np.array(ratios) - 1.0).max() < 0.02
    assert abs(np.median(ratios) - 1.0) < 0.003


@pytest.mark.parametrize("kind", populations.KINDS)
def test_brightness_in_b_at_maximum_is_the_absolute_magnitude(kind):
    blue_at_rest = build_model(("bessell-B",), 0.02)
    z = 0.0005  # so near that the K-correction is nothing
    one = population(kind, redshift=[z], magnitude=[-18.0], blanketing=[0.35])
    flux = blue_at_rest.flux(one, np.zeros(1, int), np.zeros(1), np.zeros(1, int))[0]
    expected = -18.0 + distance_modulus(np.array([z]))[0]
    assert abs(27.5 - 2.5 * np.log10(flux) - expected) < 0.005


def test_nearby_distances_follow_hubbles_law():
    z = np.array([1e-3])
    # d_L = c/H0 (z + (1 - q0) z^2 / 2), with q0 = 1.5 * 0.3 - 1
    distance = LIGHT_SPEED / 70.0 * (z + 0.5 * (1 + 0.55) * z**2)
    np.testing.assert_allclose(10 ** ((distance_modulus(z) - 25) / 5), distance, rtol=1e-4)


def test_distance_modulus_agrees_with_astropy():
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([0.05, 0.5, 1.4])
    expected = FlatLambdaCDM(H0=70.0, Om0=0.3).distmod(z).value
    np.testing.assert_allclose(distance_modulus(z), expected, atol=1e-4)


def test_nearby_rate_is_that_of_a_small_sphere():
    z = 0.005
    volume = 4.0 / 3.0 * np.pi * (LIGHT_SPEED / 70.0 * z) ** 3
    assert rate_per_year(1e-5, 0.0, (0.0, z)) == pytest.approx(1e-5 * volume, rel=0.02)


def test_nearby_redshifts_fill_the_volume():
    z = draw_redshift(0.0, (0.0, 0.02), 20000, np.random.default_rng(3))
    assert np.mean(z < 0.01) == pytest.approx(1 / 8, abs=0.01)  # half the radius, an eighth of the volume


def test_light_curves_are_stretched_by_time_dilation_and_stretch(model):
    z, stretch = 0.5, 1.2
    days = np.array([0.0, 20.0 * (1 + z) * stretch])
    owner, band = np.zeros(2, int), np.full(2, 3)
    slow = population("Ia", redshift=[z], magnitude=[-19.0], stretch=[stretch])
    plain = population("Ia", redshift=[z], magnitude=[-19.0])
    np.testing.assert_allclose(
        model.flux(slow, owner, days, band), model.flux(plain, owner, days / stretch, band), rtol=1e-10
    )


def test_there_is_no_light_before_the_explosion(model):
    one = population("Ia", redshift=[0.1], magnitude=[-19.0])
    flux = model.flux(one, np.zeros(2, int), np.array([-60.0, -23.0]), np.full(2, 2))
    np.testing.assert_array_equal(flux, 0.0)


def test_visual_light_of_a_core_collapse_is_brightest_at_its_maximum():
    days = np.linspace(-30, 80, 2201)
    many = population("Ib").take(np.zeros(2201, int))
    light = visual_light(many, days)
    assert abs(days[light.argmax()]) < 0.1
    assert light.max() == pytest.approx(1.0, rel=1e-3)
    assert (np.diff(temperature(many, days)) <= 0).all()


def test_broader_and_bluer_type_ia_are_brighter_as_tripp_says():
    drawn = populations.draw_population((0.02, 1.0), np.full(60000, 0.02), np.random.default_rng(4))
    ia = drawn.take(drawn.kind == 0)
    intrinsic = ia.colour - ia.host_av / 2.5
    # The stored magnitude leaves 3.5 times the intrinsic colour to the tables' attenuation.
    blue = ia.magnitude + 3.5 * intrinsic
    design = np.stack([np.ones(len(ia)), -ia.x1, intrinsic], axis=1)
    (zero, alpha, beta), *_ = np.linalg.lstsq(design, blue, rcond=None)
    assert zero == pytest.approx(-19.36 - 0.09, abs=0.01)
    assert alpha == pytest.approx(0.14, abs=0.01)
    assert beta == pytest.approx(2.0, abs=0.15)
    assert np.std(blue - design @ [zero, alpha, beta]) == pytest.approx(0.08, abs=0.01)


def test_kinds_come_in_the_proportions_of_their_rates():
    drawn = populations.draw_population((0.02, 0.4), np.full(40000, 0.02), np.random.default_rng(5))
    share = populations.rates((0.02, 0.4))
    counts = np.bincount(drawn.kind, minlength=len(share))
    np.testing.assert_allclose(counts / 40000, share / share.sum(), atol=0.01)


def test_superluminous_ones_explode_where_asked_for_one_for_a_thousand_others():
    volume, dust = (0.02, 0.4), np.full(200000, 0.02)
    drawn = populations.draw_population(volume, dust, np.random.default_rng(5), superluminous=True)
    counts = np.bincount(drawn.kind, minlength=len(populations.KINDS))
    assert counts[-1] / counts[1:-1].sum() == pytest.approx(0.001 / 0.945, rel=0.25)
    assert drawn.magnitude[drawn.kind == populations.KINDS.index("SLSN")].max() < -20
    share = populations.rates(volume, superluminous=True)
    np.testing.assert_allclose(share[:-1], populations.rates(volume))
