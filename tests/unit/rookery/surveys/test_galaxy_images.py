"""The parts of the galaxy simulator against galsim, direct integrals and known answers."""

from dataclasses import replace

import numpy as np
import pytest

from rookery.surveys.simulators.filters import optional_module
from rookery.surveys.simulators.galaxies import images, moments, photometry, spectra, surveys
from rookery.surveys.simulators.galaxies.profiles import (
    PSF_WEIGHTS,
    PSF_WIDTHS,
    SCALE_LENGTHS,
    fwhm_per_sigma,
    shape_matrix,
)
from rookery.surveys.simulators.galaxies.scene import Scene

pytest.importorskip("speclite")
pytest.importorskip("galsim")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIZE = 64


def conditions(n, seeing=1.3, mwebv=0.0):
    drawn = surveys.draw_conditions(surveys.DESIGNS["sdss"], n, np.random.default_rng(0))
    round_psf = np.tile([1.0, 0.0, 1.0], (n, 1))
    reddening = np.full(n, mwebv)
    return replace(
        drawn,
        psf_fwhm=np.full((n, 5), seeing),
        psf_shape=round_psf,
        mwebv=reddening,
        mwebv_catalogued=reddening,
    )


def scene(radius, axis_ratio, angle, bulge, x, y, flux):
    """One extended source in each cutout; radii (half-light) in pixels."""
    radius, bulge = np.asarray(radius, float), np.asarray(bulge)
    scale = np.where(bulge, radius, radius / SCALE_LENGTHS)
    nothing = np.zeros(0)
    n = len(radius)
    return Scene(
        owner=np.arange(n),
        bulge=bulge,
        shape=shape_matrix(scale, np.asarray(axis_ratio, float), np.asarray(angle, float)),
        x=np.asarray(x, float),
        y=np.asarray(y, float),
        flux=np.asarray(flux, float)[:, None] * np.ones(5),
        own=np.ones(n, np.int64),
        point_owner=np.zeros(0, np.int64),
        point_x=nothing,
        point_y=nothing,
        point_flux=np.zeros((0, 5)),
        knot_x=np.zeros((n, 1)),
        knot_y=np.zeros((n, 1)),
        knot_share=np.ones((n, 1)),
        knot_flux=np.zeros((n, 5)),
        centre=np.stack([x, y], axis=1),
    )


@pytest.mark.parametrize(
    ("bulge", "radius", "axis_ratio"), [(False, 6.0, 0.3), (False, 2.0, 1.0), (True, 4.0, 0.7)]
)
def test_pixels_are_those_of_galsim(bulge, radius, axis_ratio):
    galsim = pytest.importorskip("galsim")
    x, y, angle, seeing = 31.2, 32.1, 0.6, 1.3
    ours = images.render(
        scene([radius], [axis_ratio], [angle], [bulge], [x], [y], [100.0]), conditions(1, seeing), SIZE
    )[0, 2]
    scale = surveys.PIXEL_SCALE
    # galsim's half-light radius is that of the ellipse's geometric mean.
    if bulge:
        profile = galsim.Sersic(
            4, half_light_radius=radius * scale, trunc=8 * radius * scale, flux_untruncated=True
        )
    else:
        profile = galsim.Exponential(half_light_radius=radius * scale)
    mean_kept = profile.shear(q=axis_ratio, beta=angle * galsim.radians).dilate(np.sqrt(axis_ratio))
    sigma = seeing / fwhm_per_sigma()
    psf = galsim.Sum(
        [
            galsim.Gaussian(sigma=sigma * width, flux=weight)
            for weight, width in zip(PSF_WEIGHTS, PSF_WIDTHS, strict=True)
        ]
    )
    final = galsim.Convolve(mean_kept.withFlux(100.0), psf)
    offset = (x - 0.5 * (SIZE - 1), y - 0.5 * (SIZE - 1))
    theirs = final.drawImage(nx=SIZE, ny=SIZE, scale=scale, offset=offset).array
    assert np.abs(ours - theirs).max() < 0.006 * theirs.max()
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.005)


def test_a_star_has_the_width_and_the_flux_of_the_psf():
    star = scene([0.01], [1.0], [0.0], [False], [31.0], [31.0], [50.0])
    image = images.render(star, conditions(1, seeing=1.6), SIZE)[0, 2].astype(float)
    assert image.sum() == pytest.approx(50.0, rel=0.003)
    row = image[31, 31:40] / image[31, 31]
    half = np.interp(-0.5, -row, np.arange(9))  # pixels, a little more than the PSF's: pixels are wide
    assert 2.0 * half * surveys.PIXEL_SCALE == pytest.approx(1.6, rel=0.06)


@pytest.mark.parametrize("redshift", [0.05, 0.137, 0.31])
def test_redshifted_colours_are_those_of_a_direct_integration(redshift):
    filters = optional_module("speclite.filters")
    table = spectra.load_table()
    wavelength, flux = np.loadtxt(spectra._folder() / "CWW_Scd_ext.sed", unpack=True)
    ours = table.magnitudes(np.array([2.0]), np.array([redshift]), np.array([0.7]))[0]
    fine = np.linspace(2500.0, 12000.0, 40001)
    rest = fine / (1.0 + redshift)
    dimmed = np.interp(rest, wavelength, flux) * 10.0 ** (-0.4 * 0.7 * spectra.attenuation(rest))
    direct = []
    for name in spectra.FILTERS:
        curve = filters.load_filter(name)
        response = np.interp(fine, np.asarray(curve.wavelength), np.asarray(curve.response), left=0, right=0)
        above, below = (response * fine * dimmed).sum(), (response / fine).sum()
        direct.append(-2.5 * np.log10(above / below))
    np.testing.assert_allclose(ours - ours[2], np.array(direct) - direct[2], atol=0.012)


def test_types_run_from_red_to_blue_and_dust_reddens():
    table = spectra.load_table()
    kinds = np.linspace(0.0, 3.0, 7)
    plain = table.magnitudes(kinds, np.full(7, 0.1), np.zeros(7))
    assert (np.diff(plain[:, 1] - plain[:, 2]) < 0).all()
    dusty = table.magnitudes(kinds, np.full(7, 0.1), np.full(7, 0.5))
    assert ((dusty - plain)[:, :-1] > (dusty - plain)[:, 1:]).all()


@pytest.fixture(scope="module")
def galaxies():
    """Twelve lone galaxies of r = 15.8 to 17.7, disks and bulges."""
    generator = np.random.default_rng(4)
    n = 12
    return scene(
        generator.uniform(3.0, 6.0, n), generator.uniform(0.4, 1.0, n), generator.uniform(0.0, 3.0, n),
        np.arange(n) % 3 == 0, 31.5 + generator.uniform(-0.5, 0.5, n), 31.5 + generator.uniform(-0.5, 0.5, n),
        10.0 ** (0.4 * (22.5 - np.linspace(15.8, 17.7, n))),
    )  # fmt: skip


def test_measured_errors_are_the_scatter_over_noise(galaxies):
    through = conditions(12)
    clean = images.render(galaxies, through, SIZE)
    generator = np.random.default_rng(1)
    measured = []
    for _ in range(25):
        noisy = clean.copy()
        images.add_noise(noisy, through, generator)
        measured.append(photometry.measure(noisy, through))
    magnitudes = np.stack([catalogue.magnitude for catalogue in measured])
    errors = np.stack([catalogue.magnitude_error for catalogue in measured])
    ratio = np.nanstd(magnitudes, axis=0) / np.nanmean(errors, axis=0)
    assert 0.85 < np.median(ratio) < 1.15
    for band in range(5):
        assert 0.75 < np.median(ratio[:, band]) < 1.3


def test_colours_of_a_galaxy_without_gradient_are_right_whatever_the_seeing(galaxies):
    through = conditions(12)
    uneven = replace(through, psf_fwhm=np.tile([1.7, 1.5, 1.3, 1.2, 1.1], (12, 1)))
    catalogue = photometry.measure(images.render(galaxies, uneven, SIZE), uneven)
    colours = catalogue.magnitude - catalogue.magnitude[:, 2:3]
    assert np.abs(colours).max() < 0.03
    offset = catalogue.magnitude[:, 2] - (22.5 - 2.5 * np.log10(galaxies.flux[:, 2]))
    assert np.abs(offset[~galaxies.bulge]).max() < 0.06  # a disk: nearly all light
    assert (offset[galaxies.bulge] < 0.35).all()  # a bulge's wings lie outside, as in SDSS


def test_magnitudes_are_corrected_for_the_milky_way(galaxies):
    clear, dusty = conditions(12), conditions(12, mwebv=0.2)
    dimmed = replace(galaxies, flux=galaxies.flux * 10.0 ** (-0.4 * 0.2 * surveys.EXTINCTION))
    seen = photometry.measure(images.render(dimmed, dusty, SIZE), dusty).magnitude
    plain = photometry.measure(images.render(galaxies, clear, SIZE), clear).magnitude
    np.testing.assert_allclose(seen, plain, atol=0.01)


def test_a_bright_neighbour_is_found_and_taken_out(galaxies):
    through = conditions(12)
    star = replace(
        galaxies,
        point_owner=np.arange(12),
        point_x=np.full(12, 50.0),
        point_y=np.full(12, 24.0),
        point_flux=np.full((12, 5), 60.0),
    )
    noise = np.random.default_rng(3)
    alone, blended = images.render(galaxies, through, SIZE), images.render(star, through, SIZE)
    for pixels in (alone, blended):
        images.add_noise(pixels, through, noise)
    first, second = photometry.measure(alone, through), photometry.measure(blended, through)
    assert (first.n_neighbours == 0).mean() > 0.8
    assert (second.n_neighbours >= 1).all()
    assert np.abs(second.magnitude[:, 2] - first.magnitude[:, 2]).max() < 0.12


def test_moments_of_gaussians_are_known():
    basis = moments.pixel_basis(SIZE)
    covariance, centre = np.array([[9.0, 2.0, 5.0], [4.0, -1.0, 6.0]]), np.array([[0.3, -0.4], [0.0, 0.9]])
    pixels = 100.0 * moments.gaussian(covariance, centre, basis).reshape(2, SIZE, SIZE)
    found, measured = moments.adaptive_moments(pixels, basis, np.zeros((2, 2)))
    np.testing.assert_allclose(found, centre, atol=0.01)
    np.testing.assert_allclose(measured, covariance, atol=0.05)
