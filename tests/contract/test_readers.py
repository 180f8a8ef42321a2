"""What every reader of light curves promises, whatever the format: a reader is one entry of READERS."""

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from rookery.networks.light_curve_image import light_curve_images
from rookery.surveys import (
    Survey,
    ingest_headphot_csv,
    ingest_plasticc,
    ingest_snana,
    ingest_snana_fits,
    ingest_table,
    open_survey,
)
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import sha256

# Columns that a reader may put into the object table: identity, type and redshift, covariates.
ALLOWED = {
    "object_id", "type", "redshift", "source_file", "ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err",
    "deep",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One object as every format can tell it; rows are (mjd, band, flux, error), unsorted."""

    object_id: str
    kind: str | None
    redshift: float
    peak_mjd: float
    mwebv: float
    rows: tuple[tuple[float, str, float, float], ...]


SOURCES = (
    Source(
        "102",
        "Ia",
        redshift=0.31,
        peak_mjd=56020.5,
        mwebv=0.02,
        rows=((56030.5, "r", 9.0, 1.0), (56010.25, "g", 12.0, 2.0), (56010.25, "r", -3.0, 1.5)),
    ),
    Source(
        "11",
        "II",
        redshift=0.12,
        peak_mjd=56001.5,
        mwebv=0.05,
        rows=((56002.0, "i", 30.0, 3.0), (56001.0, "i", 31.0, 3.0)),
    ),
    Source("205", None, redshift=0.77, peak_mjd=56044.0, mwebv=0.01, rows=((56040.0, "g", 0.5, 4.0),)),
)


@dataclass(frozen=True)
class Reader:
    """How to write a source in a format, how to read it, and what messages and tables call things.

    `write` returns the one thing it makes in the folder. `place` matches the name of the n-th
    object's place. Readers of one `format` must give one checksum; for those that are
    `packing_only`, that says all.
    """

    format: str
    write: Callable[[Path, tuple[Source, ...]], Path]
    ingest: Callable[..., object]
    place: str = r"row {row}"
    peak: str = "sim_peakmjd"
    packing_only: bool = False


def snana_text(source: Source) -> str:
    codes = {"Ia": 1, "II": 2, None: -9}
    rows = [f"OBS: {mjd} DES-{band} {flux} {error} 21.0" for mjd, band, flux, error in source.rows]
    header = [
        f"SNID: {source.object_id}",
        f"SNTYPE: {codes[source.kind]}",
        "FILTERS: gri",
        f"MWEBV: {source.mwebv} MW E(B-V)",
        f"SIM_REDSHIFT: {source.redshift}",
        f"SIM_PEAKMJD: {source.peak_mjd}",
        f"SEARCH_PEAKMJD: {source.peak_mjd}",
        f"NOBS: {len(rows)}",
        "VARLIST: MJD BAND FLUXCAL FLUXCALERR SIM_MAG",
    ]
    return "\n".join([*header, *rows, "END:", ""])


def snana_folder(place: Path, sources: tuple[Source, ...]) -> Path:
    folder = place / "release"
    folder.mkdir(parents=True)
    for number, source in enumerate(sources):
        (folder / f"{number}-SN{source.object_id}.DAT").write_text(snana_text(source))
    (folder / "all.list").write_text("".join(f"SN{source.object_id}.DAT\n" for source in sources))
    return folder


def snana_archive(suffix: str, mode: str) -> Callable[[Path, tuple[Source, ...]], Path]:
    def write(place: Path, sources: tuple[Source, ...]) -> Path:
        folder = snana_folder(place, sources)
        with tarfile.open(place / f"release{suffix}", mode) as archive:
            archive.add(folder, "release")
        shutil.rmtree(folder)
        return place / f"release{suffix}"

    return write


CODES = {"Ia": 1, "II": 2, None: -9}
FITS_NAMES = ("release_HEAD.FITS", "release_PHOT.FITS")


def head_table(sources: tuple[Source, ...]) -> dict[str, list]:
    """Return SNANA's object columns; pointers leave a separator row behind each object."""
    last = np.cumsum([len(source.rows) + 1 for source in sources]) - 1
    return {
        "SNID": [source.object_id for source in sources],
        "SNTYPE": [CODES[source.kind] for source in sources],
        "NOBS": [len(source.rows) for source in sources],
        "PTROBS_MIN": [end - len(source.rows) + 1 for source, end in zip(sources, last, strict=True)],
        "PTROBS_MAX": list(last),
        "MWEBV": [source.mwebv for source in sources],
        "REDSHIFT_FINAL": [source.redshift for source in sources],
        "PEAKMJD": [source.peak_mjd for source in sources],
        "SIM_PEAKMJD": [source.peak_mjd for source in sources],
    }


def phot_table(sources: tuple[Source, ...]) -> dict[str, list]:
    rows = [
        row
        for source in sources
        for row in [*((source.object_id, *row) for row in source.rows), ("", -777.0, "-", 0.0, 0.0)]
    ]
    names = ("SNID", "MJD", "FLT", "FLUXCAL", "FLUXCALERR")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return columns | {"FLT": [band if band == "-" else f"DES-{band}" for band in columns["FLT"]]}


def fits_pair(pack: bool, form: str) -> Callable[[Path, tuple[Source, ...]], Path]:
    def write(place: Path, sources: tuple[Source, ...]) -> Path:
        folder = place / "release"
        folder.mkdir(parents=True)
        head = Table(head_table(sources))
        head["HOSTGAL_MAGS"] = np.zeros((len(sources), 3), np.float32)
        head.meta["PHOTFILE"] = FITS_NAMES[1]
        phot = Table({name: values for name, values in phot_table(sources).items() if name != "SNID"})
        phot["PSF"] = np.ones((len(phot), 2))
        for name, table in zip(FITS_NAMES, (head, phot), strict=True):
            table.write(folder / name)
            if pack:
                (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
                (folder / name).unlink()
        if form == "list":
            (folder / "release.LIST").write_text(f"{FITS_NAMES[0]}\n")
        return folder

    return write


def fits_head(source: Path, out: Path, **options: object) -> object:
    return ingest_snana_fits(source / FITS_NAMES[0], out, name="release", **options)


def write_csv(path: Path, columns: dict[str, list], packing: str) -> None:
    text = pd.DataFrame(columns).to_csv(index=False, na_rep="nan").encode()
    if packing == "gz":
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(text))
    elif packing == "zip":
        with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.name, text)
    else:
        path.write_bytes(text)


def csv_pair(packing: str) -> Callable[[Path, tuple[Source, ...]], Path]:
    def write(place: Path, sources: tuple[Source, ...]) -> Path:
        folder = place / "release"
        folder.mkdir(parents=True)
        write_csv(folder / "X_HEAD.csv", head_table(sources), packing)
        write_csv(folder / "X_PHOT.csv", phot_table(sources), packing)
        return folder

    return write


def plasticc_files(packing: str) -> Callable[[Path, tuple[Source, ...]], Path]:
    def write(place: Path, sources: tuple[Source, ...]) -> Path:
        folder = place / "release"
        folder.mkdir(parents=True)
        metadata = {
            "object_id": [source.object_id for source in sources],
            "ddf_bool": [1 for _ in sources],
            "mwebv": [source.mwebv for source in sources],
            "true_target": [{"Ia": 90, "II": 42, None: -9}[source.kind] for source in sources],
            "true_z": [source.redshift for source in sources],
            "true_peakmjd": [source.peak_mjd for source in sources],
        }
        rows = [(source.object_id, *row) for source in sources for row in source.rows]
        names = ("object_id", "mjd", "passband", "flux", "flux_err")
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        columns["passband"] = ["ugrizy".index(band) for band in columns["passband"]]
        columns["detected_bool"] = [0 for _ in rows]
        write_csv(folder / "set_metadata.csv", metadata, packing)
        write_csv(folder / "set.csv", columns, packing)
        return folder

    return write


def tables(ending: str) -> Callable[[Path, tuple[Source, ...]], Path]:
    def write(place: Path, sources: tuple[Source, ...]) -> Path:
        folder = place / "release"
        folder.mkdir(parents=True)
        rows = [(source.object_id, *row) for source in sources for row in source.rows]
        names = ("object_id", "time", "filter", "flux", "flux_err")
        columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        columns["filter"] = [f"LSST/{band}" for band in columns["filter"]]
        objects = {
            "object_id": [source.object_id for source in sources],
            "class": [source.kind for source in sources],
            "redshift": [source.redshift for source in sources],
            "mwebv": [source.mwebv for source in sources],
            "peak": [source.peak_mjd for source in sources],
        }
        for name, content in (("objects", objects), ("rows", columns)):
            if ending == "parquet":
                pd.DataFrame(content).to_parquet(folder / f"{name}.parquet")
            else:
                write_csv(folder / f"{name}.csv", content, "")
        return folder

    return write


def read_tables(source: Path, out: Path, **options: object) -> object:
    columns = {"mjd": "time", "band": "filter", "type": "class"}
    objects = next(source.glob("objects.*"))
    return ingest_table(source, out, objects=objects, columns=columns, **options)


ASCII = r"{file}-SN{object_id}"
READERS = {
    "snana-folder": Reader("snana", snana_folder, ingest_snana, ASCII),
    "snana-tar": Reader("snana", snana_archive(".tar", "w"), ingest_snana, ASCII, packing_only=True),
    "snana-tar-gz": Reader("snana", snana_archive(".tar.gz", "w:gz"), ingest_snana, ASCII, packing_only=True),
    "snana-tar-xz": Reader("snana", snana_archive(".tar.xz", "w:xz"), ingest_snana, ASCII, packing_only=True),
    "fits-folder": Reader("fits", fits_pair(False, "folder"), ingest_snana_fits),
    "fits-head": Reader("fits", fits_pair(False, "folder"), fits_head, packing_only=True),
    "fits-list-gz": Reader("fits", fits_pair(True, "list"), ingest_snana_fits),
    "headphot-csv": Reader("headphot", csv_pair(""), ingest_headphot_csv),
    "headphot-csv-gz": Reader("headphot", csv_pair("gz"), ingest_headphot_csv, packing_only=True),
    "plasticc": Reader(
        "plasticc", plasticc_files(""), ingest_plasticc, peak="true_peakmjd", packing_only=True
    ),
    "plasticc-gz": Reader(
        "plasticc", plasticc_files("gz"), ingest_plasticc, peak="true_peakmjd", packing_only=True
    ),
    "plasticc-zip": Reader("plasticc", plasticc_files("zip"), ingest_plasticc, peak="true_peakmjd"),
    "table-csv": Reader("table-csv", tables("csv"), read_tables, peak="peak"),
    "table-parquet": Reader("table-parquet", tables("parquet"), read_tables, peak="peak"),
}


@pytest.fixture(params=[name for name, one in READERS.items() if not one.packing_only])
def reader(request) -> Reader:
    return READERS[request.param]


@pytest.fixture
def survey(reader, tmp_path) -> Survey:
    reader.ingest(reader.write(tmp_path, SOURCES), tmp_path / "out")
    return open_survey(tmp_path / "out")


def broken(flux: float = 1.0, error: float = 1.0) -> tuple[Source, ...]:
    bad = replace(SOURCES[1], rows=((56002.0, "i", flux, error),))
    return (SOURCES[0], bad, SOURCES[2])


def test_objects_and_covariates_survive(survey):
    objects = survey.objects.set_index("object_id")
    for source in SOURCES:
        row = objects.loc[source.object_id]
        assert (row["type"], row["redshift"], row["mwebv"]) == (source.kind, source.redshift, source.mwebv)
    assert survey.info.counts["objects"] == 3
    assert survey.info.counts["by_type"] == {"II": 1, "Ia": 1, "unknown": 1}


def test_observations_survive_sorted_by_object_then_time(survey):
    arrays = survey.observation_arrays()
    bands = np.array(survey.bands)
    for index, object_id in enumerate(survey.objects["object_id"]):
        rows = arrays.rows(index)
        found = zip(
            arrays.mjd[rows],
            bands[arrays.band_index[rows]],
            arrays.flux[rows],
            arrays.flux_err[rows],
            strict=True,
        )
        expected = next(source.rows for source in SOURCES if source.object_id == object_id)
        assert list(found) == sorted(expected)
        assert (arrays.object_index[rows] == index).all()
    assert len(arrays) == sum(len(source.rows) for source in SOURCES)


def test_bands_lose_their_prefix(survey):
    assert survey.bands == ("g", "r", "i")


def test_no_truth_reaches_a_column_that_a_network_may_see(survey, reader):
    assert set(survey.objects.columns) <= ALLOWED
    assert set(survey.covariates).isdisjoint({"type", "redshift", "object_id", "source_file"})
    peaks = {source.peak_mjd for source in SOURCES}
    for name in survey.covariates:
        assert peaks.isdisjoint(survey.objects[name])
    assert peaks <= set(survey.truth()[reader.peak]), "what the source knew is kept, apart"


def test_every_packaging_gives_the_same_checksum(tmp_path):
    by_format: dict[str, set[str]] = {}
    for name, one in READERS.items():
        one.ingest(one.write(tmp_path / name, SOURCES), tmp_path / name / "out")
        by_format.setdefault(one.format, set()).add(open_survey(tmp_path / name / "out").checksum)
    assert all(len(checksums) == 1 for checksums in by_format.values())


def test_provenance_names_the_source_and_counts(survey):
    provenance = survey.info.provenance
    assert provenance["source"].startswith("release")
    assert (provenance["objects_read"], provenance["objects_skipped"]) == (3, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flux": float("nan")}, "must be finite, but is nan"),
        ({"flux": float("inf")}, "must be finite, but is inf"),
        ({"error": 0.0}, "must be finite and positive, but is 0.0"),
        ({"error": -2.0}, "must be finite and positive, but is -2.0"),
    ],
)
def test_broken_object_stops_with_one_clear_error_and_leaves_nothing(reader, tmp_path, values, message):
    source = reader.write(tmp_path, broken(**values))
    with pytest.raises(InputError, match=rf"11.*{message}"):
        reader.ingest(source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [source]


def test_broken_object_is_skipped_when_asked(reader, tmp_path):
    report = reader.ingest(reader.write(tmp_path, broken(error=-2.0)), tmp_path / "out", on_error="skip")
    assert (report.n_read, report.n_skipped, len(report.errors)) == (2, 1, 1)
    assert sorted(open_survey(tmp_path / "out").objects["object_id"]) == ["102", "205"]


def test_repeated_object_is_refused_with_both_places(reader, tmp_path):
    source = reader.write(tmp_path, (*SOURCES, SOURCES[0]))
    second, first = (reader.place.format(file=n, row=n + 1, object_id="102") for n in (3, 0))
    with pytest.raises(InputError, match=rf"{second}.*must be unique, but '102' is also that of .*{first}"):
        reader.ingest(source, tmp_path / "out")


def test_ids_are_text_so_that_leading_zeros_tell_objects_apart(reader, tmp_path):
    report = reader.ingest(
        reader.write(tmp_path, (*SOURCES, replace(SOURCES[0], object_id="0102"))), tmp_path / "out"
    )
    assert set(report.survey.objects["object_id"]) == {"102", "11", "205", "0102"}


def test_exact_repeats_of_a_row_are_dropped_and_counted_and_other_measurements_kept(reader, tmp_path):
    row = (56003.5, "r", 5.0, 1.0)
    rows = (row, row, (56003.5, "r", 6.0, 1.0), (56003.5, "g", 5.0, 1.0))
    source = reader.write(tmp_path, (replace(SOURCES[0], rows=rows), *SOURCES[1:]))
    survey = reader.ingest(source, tmp_path / "out").survey
    arrays = survey.observation_arrays()
    here = arrays.rows(survey.objects["object_id"].tolist().index("102"))
    assert sorted(arrays.flux[here]) == [5.0, 5.0, 6.0]
    assert survey.info.provenance["repeated_rows"] == 1


def test_an_object_of_one_observation_and_one_of_negative_fluxes_pass(reader, tmp_path):
    rows = ((56003.5, "r", -5.0, 1.0), (56013.5, "g", -2.0, 1.0))
    source = reader.write(tmp_path, (replace(SOURCES[0], rows=rows), SOURCES[2]))
    survey = reader.ingest(source, tmp_path / "out").survey
    images = light_curve_images(
        survey.observation_arrays(), survey.bands, survey.bands, days_per_column=4, n_columns=8
    )
    assert images["mask"].sum(dim=(1, 2)).tolist() in ([2, 1], [1, 2])
    assert survey.info.counts["without_detection"] == 2


def test_mjd_and_jd_in_one_survey_are_refused_with_both_places(reader, tmp_path):
    rows = ((2456003.5, "i", 5.0, 1.0),)
    source = reader.write(tmp_path, (SOURCES[0], replace(SOURCES[1], rows=rows), SOURCES[2]))
    for policy in ("stop", "skip"):
        with pytest.raises(InputError, match=r"mixed: .*11.* has 2456003.5, and .*102.* has 560"):
            reader.ingest(source, tmp_path / "out", on_error=policy)
    assert list(tmp_path.iterdir()) == [source]


def test_julian_dates_are_converted_when_announced_and_refused_when_not(reader, tmp_path):
    later = tuple(
        replace(one, rows=tuple((mjd + 2400000.5, *rest) for mjd, *rest in one.rows)) for one in SOURCES
    )
    source = reader.write(tmp_path, later)
    with pytest.raises(InputError, match=r"all are JD .*--time-unit jd"):
        reader.ingest(source, tmp_path / "out")
    report = reader.ingest(source, tmp_path / "out", time_unit="jd")
    expected = sorted(row[0] for one in SOURCES for row in one.rows)
    np.testing.assert_array_equal(np.sort(report.survey.observation_arrays().mjd), expected)
    with pytest.raises(InputError, match=r"with time unit jd every date must be above 2,400,000"):
        reader.ingest(reader.write(tmp_path / "mjd", SOURCES), tmp_path / "other", time_unit="jd")


def test_bands_are_renamed_when_asked(reader, tmp_path):
    named = {"g": "G", "DES-g": "G", "LSST/g": "G", "1": "G"}
    report = reader.ingest(reader.write(tmp_path, SOURCES), tmp_path / "out", band_aliases=named)
    assert set(report.survey.bands) >= {"G", "r", "i"}
    assert report.n_read == 3


def test_existing_survey_is_never_overwritten(reader, tmp_path):
    source = reader.write(tmp_path, SOURCES)
    reader.ingest(source, tmp_path / "out")
    before = {path.name: sha256(path) for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="must not exist yet"):
        reader.ingest(source, tmp_path / "out")
    assert {path.name: sha256(path) for path in (tmp_path / "out").iterdir()} == before
