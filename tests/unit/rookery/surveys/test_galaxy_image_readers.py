"""Images of galaxies: what is mended, how they join a catalogue, and stamps cut out of frames."""

import bz2
import json

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.surveys import ingest_cubes, ingest_cutouts, ingest_frames
from rookery.surveys.galaxies import EDGE, SPIKE
from rookery.surveys.readers.galaxies._pixels import clean, sky_noise
from rookery_ensembles.errors import InputError

BANDS = tuple("ugriz")


def noise(n: int = 1, size: int = 32, sigma: float = 0.03) -> np.ndarray:
    return np.random.default_rng(size).normal(0, sigma, (n, 5, size, size)).astype(np.float32)


def star(size: int, fwhm: float, x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.exp(-4 * np.log(2) * ((columns - x) ** 2 + (rows - y) ** 2) / fwhm**2).astype(np.float32)


def mend(images: np.ndarray, ratio: float | None = 4.0, limit: float = 65504.0):
    return clean(images.copy(), BANDS, spike_ratio=ratio, limit=limit)


def test_sky_noise_is_that_of_the_pixels_and_ignores_a_galaxy():
    images = noise(size=64)
    np.testing.assert_allclose(sky_noise(images), 0.03, rtol=0.06)
    galaxy = images + 2 * star(64, 8, 31, 31)
    np.testing.assert_allclose(sky_noise(galaxy), 0.03, rtol=0.2)
    images[:, :, :, :40] = 0
    np.testing.assert_allclose(sky_noise(images), 0.03, rtol=0.1)


@settings(max_examples=40)
@given(st.floats(2.3, 6), st.floats(0, 31), st.floats(0, 31), st.floats(0.01, 1e4))
def test_a_star_of_any_place_and_brightness_is_no_spike(fwhm, x, y, peak):
    images = noise() + peak * star(32, fwhm, x, y)
    mended, flags, _ = mend(images)
    assert flags[0] == 0
    np.testing.assert_array_equal(mended, images)


@settings(max_examples=30)
@given(st.integers(0, 31), st.integers(0, 31), st.floats(1, 6e4), st.sampled_from([1, -1]))
def test_a_hot_or_dead_pixel_is_clipped_and_nothing_else(x, y, value, sign):
    images = noise()
    images[0, 2, y, x] = sign * value
    mended, flags, _ = mend(images)
    assert flags[0] == SPIKE
    assert abs(mended[0, 2, y, x]) < 0.6
    changed = mended != images
    assert changed.sum() == 1


def test_a_group_of_hot_pixels_is_eaten_from_its_corners():
    images = noise()
    images[0, 1, 10:13, 20:22] = 500
    mended, flags, _ = mend(images)
    assert flags[0] == SPIKE
    assert mended[0, 1].max() < 60


def test_saturation_clips_and_no_ratio_leaves_spikes_alone():
    images = noise()
    images[0, 0, 5, 5] = 190
    mended, flags, _ = mend(images, ratio=None)
    assert (flags[0], mended[0, 0, 5, 5]) == (0, 190)
    mended, flags, _ = mend(images, ratio=None, limit=100)
    assert (flags[0], mended[0, 0, 5, 5]) == (SPIKE, 100)


def test_the_real_spike_alone_is_flagged_and_the_others_stay_as_they_are(shared_data, tmp_path):
    columns = {"mag_{band}": "dered_{band}"}
    source = shared_data / "sdss_cutouts"
    survey = ingest_cutouts(source, tmp_path / "out", columns=columns, dtype="float32").survey
    assert np.flatnonzero(survey.objects["flags"]).tolist() == [25]
    images = survey.image_array()
    for number, entry in enumerate(json.loads((source / "manifest.json").read_text())):
        raw = np.moveaxis(np.load(source / entry["npy"].split("/")[-1]), -1, 0)
        if number == 25:
            assert raw[2].max() > 190
            assert images[number, 2].max() < 120
            assert (raw != images[number]).sum() < 10
        else:
            np.testing.assert_array_equal(images[number], raw)


def cube(path, n=6, size=8, **labels):
    images = np.moveaxis(noise(n, size), 1, -1)
    images += np.arange(1, n + 1, dtype=np.float32)[:, None, None, None]
    np.savez(path / "x.npz", cube=images, **labels)
    return path / "x.npz"


def first_pixels(survey):
    return np.round(survey.image_array()[:, 0].mean(axis=(1, 2)).astype(np.float64)).astype(int).tolist()


def test_a_catalogue_is_joined_by_id_in_any_order(tmp_path):
    source = cube(tmp_path, objid=np.arange(6), ebv=np.full(6, 0.03))
    frame = pd.DataFrame({"objid": [3, 1, 5, 0, 2, 4], "mag_r": [13.0, 11, 15, 10, 12, 14], "z_spec": 0.1})
    frame.to_csv(tmp_path / "c.csv", index=False)
    report = ingest_cubes(source, tmp_path / "out", size=8, catalogue=tmp_path / "c.csv")
    objects = report.survey.objects
    assert objects["object_id"].tolist() == list("012345")
    assert objects["mag_r"].tolist() == [10, 11, 12, 13, 14, 15]
    assert objects["mwebv"].tolist() == [0.03] * 6
    assert objects["redshift"].tolist() == [0.1] * 6
    assert first_pixels(report.survey) == [1, 2, 3, 4, 5, 6]


def test_other_objects_in_the_catalogue_are_refused_or_left_out(tmp_path):
    source = cube(tmp_path, objid=np.arange(6))
    frame = pd.DataFrame({"objid": [3, 1, 5, 0, 2, 7], "mag_r": [13.0, 11, 15, 10, 12, 17]})
    frame.to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(
        InputError, match=r"object '4' has no row there: .*must have the same objects \(6 and 6\)"
    ):
        ingest_cubes(source, tmp_path / "out", size=8, catalogue=tmp_path / "c.csv")
    report = ingest_cubes(source, tmp_path / "out", size=8, catalogue=tmp_path / "c.csv", on_error="skip")
    assert report.survey.objects["object_id"].tolist() == list("01235")
    assert first_pixels(report.survey) == [1, 2, 3, 4, 6]
    assert len(report.errors) == 2
    assert "1 of its objects have no image" in report.errors[1]


def test_without_ids_numbers_and_redshifts_must_agree(tmp_path):
    z = np.linspace(0.1, 0.2, 6)
    source = cube(tmp_path, z=z)
    pd.DataFrame({"mag_r": np.arange(6) + 10.0, "z_spec": z}).to_csv(tmp_path / "c.csv", index=False)
    report = ingest_cubes(source, tmp_path / "out", size=8, catalogue=tmp_path / "c.csv")
    assert report.survey.objects["mag_r"].tolist() == [10, 11, 12, 13, 14, 15]
    pd.DataFrame({"mag_r": np.arange(6) + 10.0, "z_spec": z[::-1]}).to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(InputError, match=r"row 1: redshift must be that of image 1 .*different orders"):
        ingest_cubes(source, tmp_path / "no", size=8, catalogue=tmp_path / "d.csv")
    pd.DataFrame({"mag_r": np.arange(5) + 10.0}).to_csv(tmp_path / "e.csv", index=False)
    with pytest.raises(InputError, match="but there are 5 rows and 6 images"):
        ingest_cubes(source, tmp_path / "no", size=8, catalogue=tmp_path / "e.csv")


def test_labels_with_several_numbers_in_a_field_are_as_many_columns(tmp_path):
    labels = np.zeros(6, dtype=[("id", "S4"), ("mags", "f4", (5,))])
    labels["id"] = [b"a", b"b", b"c", b"d", b"e", b"f"]
    labels["mags"] = np.arange(5) + 15
    source = cube(tmp_path, labels=labels)
    columns = {f"mag_{band}": f"mags_{place}" for place, band in enumerate(BANDS)}
    survey = ingest_cubes(source, tmp_path / "out", size=8, columns=columns).survey
    assert survey.objects["object_id"].tolist() == list("abcdef")
    assert survey.magnitudes()[3].tolist() == [15, 16, 17, 18, 19]


def test_labels_of_another_length_and_pickles_are_refused(tmp_path):
    source = cube(tmp_path, labels=np.zeros(5, dtype=[("z", "f4")]))
    with pytest.raises(InputError, match=r"array 'labels.npy': must tell of 6 galaxies"):
        ingest_cubes(source, tmp_path / "out", size=8)
    source = cube(tmp_path, labels=np.array([{"z": 1}] * 6, dtype=object))
    with pytest.raises(InputError, match="holds Python objects: pickles are never loaded"):
        ingest_cubes(source, tmp_path / "out", size=8)


def test_cubes_in_fortran_order_and_without_a_cube_are_refused(tmp_path):
    np.savez(tmp_path / "f.npz", cube=np.asfortranarray(noise(3, 8)))
    with pytest.raises(InputError, match="in Fortran's order"):
        ingest_cubes(tmp_path / "f.npz", tmp_path / "out", size=8)
    np.savez(tmp_path / "g.npz", labels=np.zeros(3))
    with pytest.raises(
        InputError, match=r"must hold a cube of cutouts called 'cube' \(--cube\), but holds labels"
    ):
        ingest_cubes(tmp_path / "g.npz", tmp_path / "out", size=8)


def test_pixels_are_converted_to_nanomaggies(tmp_path):
    source = cube(tmp_path)
    survey = ingest_cubes(source, tmp_path / "out", size=8, zero_point=25.0, dtype="float32").survey
    raw = np.moveaxis(np.load(source)["cube"], -1, 1)
    np.testing.assert_allclose(survey.image_array(), raw * np.float32(0.1), rtol=1e-6)


def named_cutouts(folder):
    """Write galaxies 0007, b.2 and c as files of their names, and a catalogue of them beside."""
    folder.mkdir()
    images = noise(3, size=8)
    np.save(folder / "0007.npy", np.moveaxis(images[0], 0, -1))
    fits.PrimaryHDU(images[1]).writeto(folder / "b.2.fits")
    fits.PrimaryHDU(images[2]).writeto(folder / "c.FIT")
    (folder / ".hidden.fits").write_bytes(b"")
    (folder / "README").write_text("not a cutout")
    return images


def test_cutouts_that_are_named_by_their_ids_need_no_manifest(tmp_path):
    images = named_cutouts(tmp_path / "in")
    options = {"bands": BANDS, "pixel_scale": 0.4, "size": 8, "dtype": "float32"}
    survey = ingest_cutouts(tmp_path / "in", tmp_path / "out", **options).survey
    assert survey.objects["object_id"].tolist() == ["0007", "b.2", "c"]
    assert survey.objects["redshift"].isna().all()
    np.testing.assert_array_equal(survey.image_array(), images)
    catalogue = tmp_path / "in" / "known.csv"  # beside the cutouts it is no manifest
    catalogue.write_text("object_id,redshift\n0007,0.1\nc,0.3\nb.2,0.2\n")
    survey = ingest_cutouts(tmp_path / "in", tmp_path / "more", catalogue=catalogue, **options).survey
    assert dict(zip(survey.objects["object_id"], survey.objects["redshift"], strict=True)) == {
        "0007": 0.1,
        "b.2": 0.2,
        "c": 0.3,
    }
    (tmp_path / "in" / "c.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"c\.npy: is named as c\.FIT is: both would be the galaxy c"):
        ingest_cutouts(tmp_path / "in", tmp_path / "twice", catalogue=catalogue, **options)


def test_cutouts_and_manifest_must_be_as_many(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", noise(1, 8)[0])
    entries = [{"id": number, "npy": f"{number}.npy"} for number in (0, 1)]
    (folder / "manifest.json").write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"names 2 cutouts, but 1 more lie beside it, the first 2\.npy"):
        ingest_cutouts(folder, tmp_path / "out", size=8)
    report = ingest_cutouts(folder, tmp_path / "out", size=8, on_error="skip")
    assert (report.n_read, report.n_ignored) == (2, 1)
    (folder / "manifest.json").write_text(
        json.dumps([*entries, {"id": 2, "npy": "2.npy"}, {"id": 3, "npy": "3.npy"}])
    )
    with pytest.raises(InputError, match=r"row 4: names '3\.npy', but there is no such file"):
        ingest_cutouts(folder, tmp_path / "other", size=8)


def test_a_manifest_may_be_a_table_with_a_path_column(tmp_path):
    np.save(tmp_path / "a.npy", noise(1, 8)[0])
    (tmp_path / "list.csv").write_text("name_of,where,objid\nx,a.npy,7\n")
    with pytest.raises(InputError, match="must name each galaxy's file under npy or path"):
        ingest_cutouts(tmp_path / "list.csv", tmp_path / "out", size=8)
    survey = ingest_cutouts(tmp_path / "list.csv", tmp_path / "out", size=8, path_column="where").survey
    assert survey.objects["object_id"].tolist() == ["7"]


# Frames: stars of 100 nanomaggies at known positions.
POSITIONS = [(150.0, 2.0), (150.01, 2.012), (149.99, 1.99)]
SIZE = 32


def frame(path, band, *, scale=0.396, angle=0.0, shift=(0.0, 0.0), shape=(300, 400), **keys):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
    wcs.wcs.crpix = [shape[1] / 2 + shift[0], shape[0] / 2 + shift[1]]
    cos, sin = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = scale / 3600 * np.array([[-cos, sin], [sin, cos]])
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    pixels = np.full(shape, 1e-6)
    width = 1.5 * 0.396 / scale
    for ra, dec in POSITIONS:
        x, y = wcs.all_world2pix(ra, dec, 0)
        profile = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / width**2)
        pixels += 100 * profile / (2 * np.pi * width**2)
    header = wcs.to_header()
    header.update({"FILTER": band, "BUNIT": "nanomaggy", **keys})
    fits.writeto(path, pixels.astype(np.float32), header)


def positions(path, extra=()):
    rows = [*POSITIONS, *extra]
    frame = pd.DataFrame({"id": range(len(rows)), "ra": [r for r, _ in rows], "dec": [d for _, d in rows]})
    frame.to_csv(path / "cat.csv", index=False)
    return path / "cat.csv"


def centres(image):
    rows, columns = np.mgrid[: len(image), : len(image)]
    return (image * columns).sum() / image.sum(), (image * rows).sum() / image.sum()


@pytest.fixture
def frames(tmp_path):
    (tmp_path / "in").mkdir()
    frame(tmp_path / "in" / "a.fits", "g", shift=(3, -2))
    frame(tmp_path / "in" / "b.fits", "r")
    frame(tmp_path / "in" / "c.fits", "z", scale=0.3, angle=0.4, shift=(0.3, 0.2), shape=(420, 560))
    return tmp_path / "in"


def cut(folder, out, **options):
    given = {
        "bands": ("g", "r", "z"),
        "size": SIZE,
        "dtype": "float32",
        "catalogue": folder.parent / "cat.csv",
    }
    return ingest_frames(folder, out, **{**given, **options})


def test_bands_on_other_grids_come_onto_the_reference_s_with_their_fluxes(frames, tmp_path):
    positions(tmp_path)
    survey = cut(frames, tmp_path / "out").survey
    assert survey.info.image.pixel_scale == pytest.approx(0.396)
    for images in survey.image_array():
        where = centres(images[1])
        assert 15 - 1e-3 <= min(where) <= max(where) <= 16 + 1e-3
        for band in range(3):
            assert images[band].sum() == pytest.approx(100, rel=2e-3)
            np.testing.assert_allclose(centres(images[band]), where, atol=0.01)


def test_resampled_objects_stand_in_the_very_middle(frames, tmp_path):
    positions(tmp_path)
    for images in cut(frames, tmp_path / "out", resample="always").survey.image_array():
        for band in range(3):
            np.testing.assert_allclose(centres(images[band]), 15.5, atol=0.01)


def test_bands_are_cut_as_they_are_without_resampling(frames, tmp_path):
    positions(tmp_path)
    image = cut(frames, tmp_path / "out", resample="never").survey.image_array()[0, 1]
    with fits.open(frames / "b.fits") as units:
        x, y = (int(np.argmax(units[0].data.max(axis=axis))) for axis in (0, 1))
        np.testing.assert_array_equal(image, units[0].data[y - 16 : y + 16, x - 16 : x + 16])


def test_stamps_across_an_edge_are_padded_with_zeros_and_flagged(frames, tmp_path):
    with fits.open(frames / "b.fits") as units:
        ra, dec = WCS(units[0].header).all_pix2world(5, 150, 0)
    positions(tmp_path, [(float(ra), float(dec))])
    survey = cut(frames, tmp_path / "out").survey
    assert survey.objects["flags"].tolist() == [0, 0, 0, EDGE]
    image = survey.image_array()[3, 1]
    assert (image[:, :11] == 0).all()
    assert (image[:, 11:] != 0).all()


def test_objects_outside_all_frames_are_refused_or_left_out(frames, tmp_path):
    positions(tmp_path, [(150.2, 2.0)])
    with pytest.raises(
        InputError, match=r"object '3'\): lies outside all frames of band 'g' \(ra 150.2, dec 2\)"
    ):
        cut(frames, tmp_path / "out")
    assert cut(frames, tmp_path / "out", on_error="skip").n_read == 3


def test_the_frame_with_the_object_farthest_from_its_edge_is_taken(frames, tmp_path):
    positions(tmp_path)
    frame(frames / "d.fits", "r", shift=(180, 0), shape=(300, 400))
    survey = cut(frames, tmp_path / "out").survey
    assert sorted(survey.objects["object_id"]) == ["0", "1", "2"]
    assert (survey.objects["flags"] == 0).all()


def test_stacks_and_packed_frames_are_read(frames, tmp_path):
    positions(tmp_path)
    with fits.open(frames / "b.fits") as units:
        stack = fits.PrimaryHDU(np.stack([units[0].data] * 3), units[0].header)
        stack.writeto(tmp_path / "stack.fits.gz")
    survey = cut(tmp_path / "stack.fits.gz", tmp_path / "out", catalogue=tmp_path / "cat.csv").survey
    images = survey.image_array()
    np.testing.assert_array_equal(images[:, 0], images[:, 2])
    assert images[0, 0].sum() == pytest.approx(100, rel=1e-3)


@pytest.mark.parametrize("kind", ["bz2", "fz", "scaled", "beside a mask"])
def test_frames_of_every_kind_give_the_same_stamps(frames, tmp_path, kind):
    positions(tmp_path)
    expected = cut(frames, tmp_path / "expected", bands=("r",)).survey.image_array()
    (tmp_path / "other").mkdir()
    with fits.open(frames / "b.fits") as units:
        image, header = units[0].data, units[0].header
        if kind == "bz2":
            (tmp_path / "other" / "b.fits.bz2").write_bytes(bz2.compress((frames / "b.fits").read_bytes()))
        elif kind == "fz":
            packed = fits.CompImageHDU(image, header, compression_type="GZIP_2", quantize_level=0)
            fits.HDUList([fits.PrimaryHDU(), packed]).writeto(tmp_path / "other" / "b.fits.fz")
        elif kind == "scaled":
            unit = fits.PrimaryHDU(image.astype(np.float64), header)
            unit.scale("int32", bscale=1e-6, bzero=1.0)
            unit.writeto(tmp_path / "other" / "b.fits")
        else:
            primary = fits.PrimaryHDU()
            primary.header["FILTER"] = "r DECam"
            del header["FILTER"]
            mask = fits.ImageHDU(np.ones(image.shape, np.int16), header, name="MASK")
            parts = [primary, mask, fits.ImageHDU(image, header, name="SCI")]
            fits.HDUList(parts).writeto(tmp_path / "other" / "b.fits")
    found = cut(tmp_path / "other", tmp_path / "out", bands=("r",)).survey.image_array()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_interpolation_is_that_of_reproject(frames, tmp_path):
    reproject = pytest.importorskip("reproject", reason="the package reproject is not installed")
    positions(tmp_path)
    image = cut(frames, tmp_path / "out").survey.image_array()[1, 2]
    with fits.open(frames / "b.fits") as units, fits.open(frames / "c.fits") as other:
        grid = WCS(units[0].header)
        pixel = np.array(grid.all_world2pix(*POSITIONS[1], 0))
        grid.wcs.crpix -= np.ceil(pixel - SIZE / 2 - 1e-3)
        expected, _ = reproject.reproject_interp(other[0], grid, shape_out=(SIZE, SIZE), order="bicubic")
    np.testing.assert_allclose(image, expected * (0.396 / 0.3) ** 2, atol=1e-3)


@pytest.mark.parametrize(
    ("keys", "options", "message"),
    [
        ({"BUNIT": "counts"}, {}, "pixels must be in nanomaggies, but BUNIT is 'counts'.*--zero-point"),
        (
            {"FILTER": "what"},
            {},
            r"its band must be one of g, r, z, .*\(FILTER 'what'\): say it with --frame",
        ),
        ({"FILTER": "i"}, {}, "must have a frame of band 'r'"),
        ({}, {"pixel_scale": 0.2}, "the pixel scale must be 0.2 arcsec, .*but is 0.396"),
        ({}, {"frames": {"y": "*"}}, "frame 'y': must be one of the bands g, r, z"),
        ({}, {"catalogue": None}, "catalogue: must be given"),
        ({"CTYPE1": "X", "CTYPE2": "Y"}, {}, r"must hold an image with celestial coordinates"),
    ],
)
def test_frames_that_cannot_be_used_say_why(tmp_path, keys, options, message):
    positions(tmp_path)
    (tmp_path / "in").mkdir()
    for name, band in (("a", "g"), ("c", "z")):
        frame(tmp_path / "in" / f"{name}.fits", band, shape=(300, 300))
    frame(tmp_path / "in" / "b.fits", **{"band": "r", "shape": (300, 300)})
    with fits.open(tmp_path / "in" / "b.fits", mode="update") as units:
        units[0].header.update(keys)
    with pytest.raises(InputError, match=message):
        cut(tmp_path / "in", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
