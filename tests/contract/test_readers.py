"""What every reader of light curves promises, whatever the format: a reader is one entry of READERS."""

import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from rookery.surveys import Survey, ingest_snana, open_survey
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import sha256

# Columns that a reader may put into the object table: identity, type and redshift, covariates.
ALLOWED = {
    "object_id", "type", "redshift", "source_file", "ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err",
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
    """How to write a source in a format, and how to read it."""

    write: Callable[[Path, tuple[Source, ...]], Path]
    ingest: Callable[..., object]


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


READERS = {
    "snana-folder": Reader(snana_folder, ingest_snana),
    "snana-tar": Reader(snana_archive(".tar", "w"), ingest_snana),
    "snana-tar-gz": Reader(snana_archive(".tar.gz", "w:gz"), ingest_snana),
    "snana-tar-xz": Reader(snana_archive(".tar.xz", "w:xz"), ingest_snana),
}


@pytest.fixture(params=READERS, ids=str)
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


def test_no_truth_reaches_a_column_that_a_network_may_see(survey):
    assert set(survey.objects.columns) <= ALLOWED
    assert set(survey.covariates).isdisjoint({"type", "redshift", "object_id", "source_file"})
    peaks = {source.peak_mjd for source in SOURCES}
    for name in survey.covariates:
        assert peaks.isdisjoint(survey.objects[name])
    assert peaks <= set(survey.truth()["sim_peakmjd"]), "what the source knew is kept, apart"


def test_every_packaging_gives_the_same_checksum(tmp_path):
    by_format: dict[str, set[str]] = {}
    for name, one in READERS.items():
        one.ingest(one.write(tmp_path / name, SOURCES), tmp_path / name / "out")
        by_format.setdefault(name.split("-")[0], set()).add(open_survey(tmp_path / name / "out").checksum)
    assert all(len(checksums) == 1 for checksums in by_format.values())


def test_provenance_names_the_source_and_counts(survey):
    provenance = survey.info.provenance
    assert provenance["source"].startswith("release")
    assert (provenance["files_read"], provenance["files_skipped"]) == (3, 0)


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
    with pytest.raises(InputError, match=rf"SN11.*{message}"):
        reader.ingest(source, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [source]


def test_broken_object_is_skipped_when_asked(reader, tmp_path):
    report = reader.ingest(reader.write(tmp_path, broken(error=-2.0)), tmp_path / "out", on_error="skip")
    assert (report.n_read, report.n_skipped, len(report.errors)) == (2, 1, 1)
    assert sorted(open_survey(tmp_path / "out").objects["object_id"]) == ["102", "205"]


def test_repeated_object_is_refused_with_both_places(reader, tmp_path):
    source = reader.write(tmp_path, (*SOURCES, SOURCES[0]))
    with pytest.raises(InputError, match=r"3-SN102.*must be unique, but '102' is also that of .*0-SN102"):
        reader.ingest(source, tmp_path / "out")


def test_ids_are_text_so_that_leading_zeros_tell_objects_apart(reader, tmp_path):
    report = reader.ingest(
        reader.write(tmp_path, (*SOURCES, replace(SOURCES[0], object_id="0102"))), tmp_path / "out"
    )
    assert set(report.survey.objects["object_id"]) == {"102", "11", "205", "0102"}


def test_existing_survey_is_never_overwritten(reader, tmp_path):
    source = reader.write(tmp_path, SOURCES)
    reader.ingest(source, tmp_path / "out")
    before = {path.name: sha256(path) for path in (tmp_path / "out").iterdir()}
    with pytest.raises(InputError, match="must not exist yet"):
        reader.ingest(source, tmp_path / "out")
    assert {path.name: sha256(path) for path in (tmp_path / "out").iterdir()} == before
