"""What every reader of galaxies promises, whatever the format: a reader is one entry of READERS."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from damage import damages
from rookery.surveys import (
    Survey,
    ingest_annz,
    ingest_catalogue,
    ingest_cubes,
    ingest_cutouts,
    ingest_frames,
    ingest_mlz,
    open_survey,
)
from rookery.surveys.galaxies import MISSING_MAGNITUDE, NON_FINITE, SPIKE
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import sha256

BANDS = "ugriz"
SIZE = 8


@dataclass(frozen=True)
class Galaxy:
    """One galaxy as every format can tell it; `image` is (bands, rows, columns)."""

    object_id: str
    redshift: float | str
    magnitudes: tuple[float, ...]
    errors: tuple[float, ...]
    mwebv: float
    ra: float
    dec: float
    image: np.ndarray


def galaxy(number: int) -> Galaxy:
    image = np.random.default_rng(number).normal(0, 0.02, (5, SIZE, SIZE)).astype(np.float32)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    image += np.exp(-(x**2 + y**2) / 8).astype(np.float32) * np.arange(1, 6, dtype=np.float32)[:, None, None]
    return Galaxy(
        object_id=str(1237651752359329943 + number),
        redshift=round(0.05 + 0.03 * number, 4),
        magnitudes=tuple(round(19.5 - 0.5 * band + 0.1 * number, 4) for band in range(5)),
        errors=tuple(round(0.05 - 0.01 * band, 4) for band in range(5)),
        mwebv=round(0.02 + 0.01 * number, 4),
        ra=round(150 + 0.01 * number, 4),
        dec=round(2 + 0.005 * number, 4),
        image=image,
    )


GALAXIES = tuple(galaxy(number) for number in range(3))
COLUMNS = {"mag_{band}": "modelMag_{band}", "mag_err_{band}": "modelMagErr_{band}", "object_id": "objID"}


@dataclass(frozen=True)
class Reader:
    """How to write galaxies in a format and how to read them.

    `write` returns what is to be read, in the folder it is given. Without `ids` objects are called by
    row. Readers that are `packing_only` are held to give what the one before gives, and that says all.
    """

    write: Callable[[Path, tuple[Galaxy, ...]], Path]
    ingest: Callable[..., object]
    ids: bool = True
    images: bool = False
    packing_only: bool = False


def columns_of(galaxies: tuple[Galaxy, ...]) -> dict[str, list]:
    found: dict[str, list] = {"objID": [int(one.object_id) for one in galaxies]}
    found["redshift"] = [one.redshift for one in galaxies]
    for place, band in enumerate(BANDS):
        found[f"modelMag_{band}"] = [one.magnitudes[place] for one in galaxies]
        found[f"modelMagErr_{band}"] = [one.errors[place] for one in galaxies]
    for name in ("mwebv", "ra", "dec"):
        found[name] = [getattr(one, name) for one in galaxies]
    return {**found, "petroRad": [2.5] * len(galaxies)}


def catalogue(ending: str) -> Callable[[Path, tuple[Galaxy, ...]], Path]:
    def write(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
        place.mkdir(exist_ok=True)
        path, columns = place / f"cat.{ending}", columns_of(galaxies)
        if ending == "parquet":
            frame = pd.DataFrame(columns)
            mixed = frame["redshift"].map(type).nunique() > 1
            (frame.astype({"redshift": str}) if mixed else frame).to_parquet(path)
        elif ending.startswith("fits"):
            Table(columns).write(place / "t.fits")
            content = (place / "t.fits").read_bytes()
            (place / "t.fits").unlink()
            path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
        elif ending == "txt":
            rows = [
                " ".join(columns),
                *(" ".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
            ]
            path.write_text("# " + "\n".join(rows) + "\n")
        else:
            path.write_text(pd.DataFrame(columns).to_csv(index=False))
        return path

    return write


def read_catalogue(path: Path, out: Path, **options: object) -> object:
    return ingest_catalogue(path, out, **{"columns": COLUMNS, **options})


def mlz(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
    place.mkdir(exist_ok=True)
    names = ["zs", *BANDS, "u-g", *(f"e{band}" for band in BANDS), "mwebv", "ra", "dec"]
    rows = [[one.redshift, *one.magnitudes, 0.5, *one.errors, one.mwebv, one.ra, one.dec] for one in galaxies]
    path = place / "x.train"
    path.write_text("#" + "\n".join(" ".join(map(str, row)) for row in [names, *rows]) + "\n")
    return path


def annz(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
    place.mkdir(exist_ok=True)
    names = [f"F:MAG_{band};F:MAGERR_{band}" for band in "UGRIZ"]
    lines = ["#" + ";".join([*names, "F:EBV", "F:RA", "F:DEC", "D:Z"])]
    for one in galaxies:
        pairs = [value for pair in zip(one.magnitudes, one.errors, strict=True) for value in pair]
        lines.append(",".join(map(str, [*pairs, one.mwebv, one.ra, one.dec, one.redshift])))
    (place / "x.csv").write_text("\n".join(lines) + "\n")
    return place / "x.csv"


def labels_of(galaxies: tuple[Galaxy, ...]) -> np.ndarray:
    columns = columns_of(galaxies)
    text = any(isinstance(one.redshift, str) for one in galaxies)
    kinds = {"objID": "<i8", "redshift": "U8" if text else "<f8"}
    labels = np.zeros(len(galaxies), dtype=[(name, kinds.get(name, "<f8")) for name in columns])
    for name, values in columns.items():
        labels[name] = values
    return labels


def cube(save: Callable[..., None]) -> Callable[[Path, tuple[Galaxy, ...]], Path]:
    def write(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
        place.mkdir(exist_ok=True)
        images = np.stack([np.moveaxis(one.image, 0, -1) for one in galaxies])
        save(place / "x.npz", cube=images, labels=labels_of(galaxies))
        return place / "x.npz"

    return write


def read_cube(path: Path, out: Path, **options: object) -> object:
    return ingest_cubes(path, out, **{"columns": COLUMNS, "size": SIZE, **options})


def bare_cube(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
    catalogue("csv")(place, galaxies)
    np.save(place / "x.npy", np.stack([one.image for one in galaxies]))
    return place / "x.npy"


def read_bare_cube(path: Path, out: Path, **options: object) -> object:
    return read_cube(path, out, **{"catalogue": path.with_name("cat.csv"), **options})


def cutouts(ending: str) -> Callable[[Path, tuple[Galaxy, ...]], Path]:
    def write(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
        place.mkdir(exist_ok=True)
        entries = []
        for number, one in enumerate(galaxies):
            name = f"{number}.{ending}"
            if ending == "npy":
                np.save(place / name, np.moveaxis(one.image, 0, -1))
            else:
                fits.writeto(place / name, one.image)
            columns = columns_of((one,))
            identity = {"objID": columns.pop("objID")[0], "npy": f"samples/{name}"}
            entries.append({**identity, "tabular": {key: values[0] for key, values in columns.items()}})
        (place / "manifest.json").write_text(json.dumps(entries))
        return place

    return write


def read_cutouts(path: Path, out: Path, **options: object) -> object:
    return ingest_cutouts(path, out, **{"columns": COLUMNS, "size": SIZE, **options})


def frames(place: Path, galaxies: tuple[Galaxy, ...]) -> Path:
    catalogue("csv")(place, galaxies)
    (place / "frames").mkdir()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.01, 2.005], [100.5, 60.5]
    wcs.wcs.cdelt = [-1.1 / 3600, 1.1 / 3600]
    for place_of_band, band in enumerate(BANDS):
        pixels = np.full((120, 200), 0.01, np.float32)
        for one in galaxies:
            corner = np.ceil(np.array(wcs.all_world2pix(one.ra, one.dec, 0)) - SIZE / 2).astype(int)
            pixels[corner[1] : corner[1] + SIZE, corner[0] : corner[0] + SIZE] = one.image[place_of_band]
        header = wcs.to_header()
        header["FILTER"], header["BUNIT"] = band, "nanomaggy"
        fits.writeto(place / "frames" / f"{band}.fits", pixels, header)
    return place / "frames"


def read_frames(path: Path, out: Path, **options: object) -> object:
    default = {"columns": COLUMNS, "size": SIZE, "catalogue": path.with_name("cat.csv")}
    return ingest_frames(path, out, **{**default, **options})


READERS = {
    "catalogue-csv": Reader(catalogue("csv"), read_catalogue),
    "catalogue-text": Reader(catalogue("txt"), read_catalogue),
    "catalogue-parquet": Reader(catalogue("parquet"), read_catalogue),
    "catalogue-fits": Reader(catalogue("fits"), read_catalogue),
    "catalogue-fits-gz": Reader(catalogue("fits.gz"), read_catalogue, packing_only=True),
    "mlz": Reader(mlz, ingest_mlz, ids=False),
    "annz": Reader(annz, ingest_annz, ids=False),
    "cube": Reader(cube(np.savez), read_cube, images=True),
    "cube-packed": Reader(cube(np.savez_compressed), read_cube, images=True, packing_only=True),
    "cube-with-catalogue": Reader(bare_cube, read_bare_cube, images=True),
    "cutouts-npy": Reader(cutouts("npy"), read_cutouts, images=True),
    "cutouts-fits": Reader(cutouts("fits"), read_cutouts, images=True),
    "frames": Reader(frames, read_frames, images=True),
}
DIFFERENT = [name for name, one in READERS.items() if not one.packing_only]
WITH_IMAGES = [name for name in DIFFERENT if READERS[name].images]


@pytest.fixture(params=DIFFERENT)
def reader(request) -> Reader:
    return READERS[request.param]


@pytest.fixture(params=WITH_IMAGES)
def image_reader(request) -> Reader:
    return READERS[request.param]


@pytest.fixture
def survey(reader, tmp_path) -> Survey:
    reader.ingest(reader.write(tmp_path / "in", GALAXIES), tmp_path / "out", name="galaxies")
    return open_survey(tmp_path / "out")


def with_image(change: Callable[[np.ndarray], object]) -> tuple[Galaxy, ...]:
    """Return the galaxies, the image of the second changed in place."""
    image = GALAXIES[1].image.copy()
    change(image)
    return (GALAXIES[0], replace(GALAXIES[1], image=image), GALAXIES[2])


def with_second(**changes: object) -> tuple[Galaxy, ...]:
    return (GALAXIES[0], replace(GALAXIES[1], **changes), GALAXIES[2])


def test_redshifts_magnitudes_and_covariates_survive(survey, reader):
    objects = survey.objects
    assert survey.bands == tuple(BANDS)
    assert survey.info.kind == ("images" if reader.images else "catalogue")
    ids = [one.object_id for one in GALAXIES] if reader.ids else ["1", "2", "3"]
    assert objects["object_id"].tolist() == ids
    for name in ("redshift", "mwebv", "ra", "dec"):
        np.testing.assert_array_equal(objects[name], [getattr(one, name) for one in GALAXIES])
    np.testing.assert_array_equal(survey.magnitudes(), [one.magnitudes for one in GALAXIES])
    np.testing.assert_array_equal(survey.magnitude_errors(), [one.errors for one in GALAXIES])
    assert (objects["flags"] == 0).all()


def test_packed_files_give_the_same_survey(tmp_path):
    for plain, packed in (("catalogue-fits", "catalogue-fits-gz"), ("cube", "cube-packed")):
        checksums = set()
        for name in (plain, packed):
            reader = READERS[name]
            report = reader.ingest(reader.write(tmp_path / name, GALAXIES), tmp_path / f"{name}-out")
            checksums.add(report.survey.checksum)
        assert len(checksums) == 1


def test_columns_without_a_role_go_to_the_truth(survey):
    assert "petroRad" not in survey.objects.columns
    truth = survey.truth()
    assert truth is None or not {"petroRad", "u-g"}.isdisjoint(truth.columns)


def test_images_survive_in_the_order_of_the_objects(image_reader, tmp_path):
    source = image_reader.write(tmp_path / "in", GALAXIES)
    report = image_reader.ingest(source, tmp_path / "out", dtype="float32")
    np.testing.assert_array_equal(report.survey.image_array(), [one.image for one in GALAXIES])


def test_provenance_tells_columns_units_and_counts(survey):
    provenance = survey.info.provenance
    assert provenance["columns"]["redshift"]
    assert set(provenance["units"].values()) == {"ab"}
    assert (provenance["objects_read"], provenance["objects_skipped"]) == (3, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"errors": (0.05, 0.04, 0.0, 0.02, 0.01)}, "error of .*must be positive, but is 0"),
        ({"errors": (0.05, -0.5, 0.03, 0.02, 0.01)}, "error of .*must be positive, but is -0.5"),
        ({"redshift": -0.4}, "must be at least -0.02 .*but is -0.4"),
        ({"redshift": float("inf")}, "must be finite, but is inf"),
        ({"magnitudes": (1e5, 18.0, 17.0, 16.0, 15.0)}, "must be a magnitude between .*but is 100000"),
        ({"mwebv": -1.5}, "must lie in 0 .. inf, but is -1.5"),
    ],
)
def test_a_broken_galaxy_stops_with_its_row_column_and_value(reader, tmp_path, changes, message):
    source = reader.write(tmp_path / "in", with_second(**changes))
    with pytest.raises(InputError, match=rf"row 2.*{message}"):
        reader.ingest(source, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_a_redshift_that_is_no_number_is_refused(reader, tmp_path):
    source = reader.write(tmp_path / "in", with_second(redshift="high"))
    with pytest.raises(InputError, match=r"row 2.*must be a number, but is 'high'"):
        reader.ingest(source, tmp_path / "out")


def test_a_broken_galaxy_is_left_out_when_asked(reader, tmp_path):
    source = reader.write(tmp_path / "in", with_second(redshift=-0.4))
    report = reader.ingest(
        source, tmp_path / "out", on_error="skip", **({"dtype": "float32"} if reader.images else {})
    )
    assert (report.n_read, report.n_skipped, len(report.errors)) == (2, 1, 1)
    survey = open_survey(tmp_path / "out")
    assert survey.objects["redshift"].tolist() == [GALAXIES[0].redshift, GALAXIES[2].redshift]
    assert len(survey.truth() if survey.truth() is not None else [1, 2]) == 2
    if reader.images:
        np.testing.assert_array_equal(survey.image_array(), [GALAXIES[0].image, GALAXIES[2].image])


def test_no_galaxy_left_is_an_error(reader, tmp_path):
    source = reader.write(tmp_path / "in", tuple(replace(one, redshift=-0.4) for one in GALAXIES))
    with pytest.raises(InputError, match=r"no galaxy is left.*row 1"):
        reader.ingest(source, tmp_path / "out", on_error="skip")
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("sentinel", [-9999.0, -999.0, 99.0, float("nan"), 77.25])
def test_sentinels_become_missing_magnitudes_with_a_flag(reader, tmp_path, sentinel):
    changed = with_second(
        magnitudes=(sentinel, 18.0, 17.0, 16.0, 15.0), errors=(sentinel, 0.1, 0.1, 0.1, 0.1)
    )
    report = reader.ingest(reader.write(tmp_path / "in", changed), tmp_path / "out", missing=[77.25])
    assert np.isnan(report.survey.magnitudes()[:, 0]).tolist() == [False, True, False]
    assert np.isnan(report.survey.magnitude_errors()[:, 0]).tolist() == [False, True, False]
    assert report.survey.objects["flags"].tolist() == [0, MISSING_MAGNITUDE, 0]


def test_unknown_redshifts_are_allowed(reader, tmp_path):
    source = reader.write(tmp_path / "in", with_second(redshift=float("nan")))
    report = reader.ingest(source, tmp_path / "out")
    assert report.survey.info.counts == {"objects": 3, "with_redshift": 2}


def test_repeated_ids_are_refused_with_both_places(reader, tmp_path):
    if not reader.ids:
        pytest.skip("ids are row numbers")
    source = reader.write(tmp_path / "in", (*GALAXIES, replace(GALAXIES[2], object_id=GALAXIES[0].object_id)))
    with pytest.raises(InputError, match=rf"row 4.*'{GALAXIES[0].object_id}' is also that of .*row 1"):
        reader.ingest(source, tmp_path / "out")


def test_units_are_converted_and_unknown_ones_refused(reader, tmp_path):
    source = reader.write(tmp_path / "in", GALAXIES)
    survey = reader.ingest(source, tmp_path / "out", unit={"u": "nanomaggy"}).survey
    expected = 22.5 - 2.5 * np.log10([one.magnitudes[0] for one in GALAXIES])
    np.testing.assert_allclose(survey.magnitudes()[:, 0], expected, rtol=1e-14)
    with pytest.raises(InputError, match=r"unit: must be one of ab, asinh.*but is 'jansky'"):
        reader.ingest(source, tmp_path / "other", unit="jansky")


def test_magnitudes_are_dereddened_when_asked(reader, tmp_path):
    survey = reader.ingest(reader.write(tmp_path / "in", GALAXIES), tmp_path / "out", deredden=True).survey
    for number, one in enumerate(GALAXIES):
        expected = np.array(one.magnitudes) - one.mwebv * np.array([4.239, 3.303, 2.285, 1.698, 1.263])
        np.testing.assert_allclose(survey.magnitudes()[number], expected, rtol=1e-14)


def test_an_existing_survey_is_never_overwritten(reader, tmp_path):
    source = reader.write(tmp_path / "in", GALAXIES)
    reader.ingest(source, tmp_path / "out")
    before = {path.name: sha256(path) for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="must not exist yet"):
        reader.ingest(source, tmp_path / "out")
    assert {path.name: sha256(path) for path in (tmp_path / "out").iterdir()} == before


def test_a_missing_source_is_named(reader, tmp_path):
    reader.write(tmp_path, GALAXIES)
    with pytest.raises(InputError, match=r"nowhere.*does not exist"):
        reader.ingest(tmp_path / "nowhere", tmp_path / "out")


def test_pixels_that_are_not_finite_become_zero_with_a_flag(image_reader, tmp_path):
    def spoil(image: np.ndarray) -> None:
        image[1, 2, 3], image[4, 0, 0] = np.nan, np.inf

    report = image_reader.ingest(image_reader.write(tmp_path / "in", with_image(spoil)), tmp_path / "out")
    assert report.survey.objects["flags"].tolist() == [0, NON_FINITE, 0]
    image = report.survey.image_array()[1]
    assert (image[1, 2, 3], image[4, 0, 0]) == (0, 0)


def test_a_spike_is_clipped_with_a_flag(image_reader, tmp_path):
    def spoil(image: np.ndarray) -> None:
        image[2, 1, 1] = 190.0

    report = image_reader.ingest(image_reader.write(tmp_path / "in", with_image(spoil)), tmp_path / "out")
    assert report.survey.objects["flags"].tolist() == [0, SPIKE, 0]
    assert report.survey.image_array()[1, 2, 1, 1] < 5


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_band_without_exposure_is_refused(image_reader, tmp_path, value):
    def spoil(image: np.ndarray) -> None:
        image[3] = value

    source = image_reader.write(tmp_path / "in", with_image(spoil))
    with pytest.raises(InputError, match="band 'i' has no exposure"):
        image_reader.ingest(source, tmp_path / "out")
    assert image_reader.ingest(source, tmp_path / "out", on_error="skip").n_read == 2


@pytest.mark.parametrize("options", [{"size": 9}, {"bands": ("g", "r", "i", "z")}])
def test_another_size_or_number_of_bands_is_refused(image_reader, tmp_path, options):
    if image_reader is READERS["frames"]:
        pytest.skip("stamps are cut to the size that is asked for")
    with pytest.raises(InputError, match=r"must have \d x \d pixels in \d bands.*but is"):
        image_reader.ingest(image_reader.write(tmp_path / "in", GALAXIES), tmp_path / "out", **options)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def check_damaged(name: str, damage: Callable[[bytes], bytes], which: float, policy: str) -> None:
    reader = READERS[name]
    with TemporaryDirectory() as folder:
        place = Path(folder)
        source = reader.write(place / "in", GALAXIES)
        files = sorted(path for path in (place / "in").rglob("*") if path.is_file())
        victim = files[int(which * len(files))]
        victim.write_bytes(damage(victim.read_bytes()))
        try:
            reader.ingest(source, place / "out", on_error=policy)
        except InputError:
            assert [entry.name for entry in place.iterdir()] == ["in"]
        else:
            survey = open_survey(place / "out")
            assert len(survey) >= 1
            assert not reader.images or np.isfinite(survey.image_array()).all()


DRAWN = {
    "damage": damages(rb"([,;\s]+)"),
    "which": st.floats(0, 1, exclude_max=True),
    "policy": st.sampled_from(["stop", "skip"]),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=5, deadline=None, derandomize=True, database=None)
@given(**DRAWN)
def test_damaged_files_raise_input_errors_and_leave_nothing(name, damage, which, policy):
    check_damaged(name, damage, which, policy)


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
@settings(max_examples=100, deadline=None, database=None)
@given(**DRAWN)
def test_files_damaged_in_new_ways_raise_input_errors_and_leave_nothing(name, damage, which, policy):
    check_damaged(name, damage, which, policy)
