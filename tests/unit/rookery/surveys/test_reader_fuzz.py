"""Damaged files of every format: a reader answers with its own error type or a whole survey, nothing else."""

import gzip
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from damage import damages
from rookery.surveys import (
    ingest_headphot_csv,
    ingest_plasticc,
    ingest_snana,
    ingest_snana_fits,
    ingest_table,
    open_survey,
)
from rookery_ensembles.errors import InputError

ROWS = {
    "MJD": [56001.0, 56002.5, -777.0, 56003.0, -777.0],
    "FLT": ["g", "r", "-", "DES-g", "-"],
    "FLUXCAL": [1.5, -2.0, 0.0, 30.25, 0.0],
    "FLUXCALERR": [1.0, 0.5, 0.0, 3.0, 0.0],
}
HEAD = {
    "SNID": ["7", "08"],
    "SNTYPE": [1, -9],
    "NOBS": [2, 1],
    "PTROBS_MIN": [1, 4],
    "PTROBS_MAX": [2, 4],
    "REDSHIFT_FINAL": [0.25, -9.0],
    "SIM_PEAKMJD": [56002.0, 56003.0],
}
ASCII = """\
SNID: 7
SNTYPE: 1
FILTERS: gr
REDSHIFT_FINAL: 0.25 +- 0.01
SIM_PEAKMJD: 56002.0
NOBS: 2
VARLIST: MJD FLT FLUXCAL FLUXCALERR
OBS: 56001.0 g 1.5 1.0
OBS: 56002.5 r -2.0 0.5
END:
"""


def fits_bytes(columns: dict[str, list]) -> bytes:
    with TemporaryDirectory() as folder:
        Table(columns).write(Path(folder) / "t.fits")
        return (Path(folder) / "t.fits").read_bytes()


def csv_bytes(columns: dict[str, list]) -> bytes:
    return pd.DataFrame(columns).to_csv(index=False).encode()


def parquet_bytes(columns: dict[str, list]) -> bytes:
    with TemporaryDirectory() as folder:
        pd.DataFrame(columns).to_parquet(Path(folder) / "t.parquet")
        return (Path(folder) / "t.parquet").read_bytes()


LONG = {
    "object_id": ["7", "7", "08"],
    "mjd": [56001.0, 56002.5, 56003.0],
    "passband": [1, 2, 1],
    "flux": [1.5, -2.0, 30.25],
    "flux_err": [1.0, 0.5, 3.0],
}
METADATA = {"object_id": ["7", "08"], "ra": [1.0, 2.0], "true_target": [90, 42], "true_z": [0.25, 0.5]}
SNID = {"SNID": ["7", "7", "", "08", ""]}


def read_table(folder: Path, out: Path, **options: object) -> object:
    objects = next(folder.glob("objects.*"))
    return ingest_table(folder, out, objects=objects, columns={"band": "passband"}, **options)


SOURCES: dict[str, tuple[Callable[..., object], dict[str, bytes]]] = {
    "snana": (
        ingest_snana,
        {"SN7.DAT": ASCII.encode(), "SN8.DAT": ASCII.replace("SNID: 7", "SNID: 8").encode()},
    ),
    "snana-fits": (ingest_snana_fits, {"X_HEAD.FITS": fits_bytes(HEAD), "X_PHOT.FITS": fits_bytes(ROWS)}),
    "snana-fits-gz": (
        ingest_snana_fits,
        {
            "X_HEAD.FITS.gz": gzip.compress(fits_bytes(HEAD), mtime=0),
            "X_PHOT.FITS.gz": gzip.compress(fits_bytes(ROWS), mtime=0),
        },
    ),
    "headphot-csv": (
        ingest_headphot_csv, {"X_HEAD.csv": csv_bytes(HEAD), "X_PHOT.csv": csv_bytes({**SNID, **ROWS})},
    ),
    "plasticc": (ingest_plasticc, {"x_metadata.csv": csv_bytes(METADATA), "x.csv": csv_bytes(LONG)}),
    "table-csv": (read_table, {"objects.csv": csv_bytes(METADATA), "rows.csv": csv_bytes(LONG)}),
    "table-parquet": (
        read_table, {"objects.parquet": parquet_bytes(METADATA), "rows.parquet": parquet_bytes(LONG)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_intact_files_are_read(source, tmp_path):
    ingest, files = SOURCES[source]
    folder = tmp_path / "in"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert ingest(folder, tmp_path / "out").n_read == 2


def check(source: str, damage: Callable[[bytes], bytes], which: int, policy: str) -> None:
    ingest, files = SOURCES[source]
    with TemporaryDirectory() as place:
        folder, out = Path(place) / "in", Path(place) / "out"
        folder.mkdir()
        for number, (name, content) in enumerate(files.items()):
            (folder / name).write_bytes(damage(content) if number == which else content)
        try:
            ingest(folder, out, on_error=policy)
        except InputError:
            assert [entry.name for entry in Path(place).iterdir()] == ["in"]
        else:
            survey = open_survey(out)
            assert len(survey) >= 1
            assert np.isfinite(survey.observation_arrays().flux).all()


DRAWN = {
    "damage": damages(rb"([,\s]+)"),
    "which": st.integers(0, 1),
    "policy": st.sampled_from(["stop", "skip"]),
}


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(**DRAWN)
def test_damaged_files_raise_input_errors_and_leave_nothing(source, damage, which, policy):
    check(source, damage, which, policy)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=150, deadline=None, database=None)
@given(**DRAWN)
def test_files_damaged_in_new_ways_raise_input_errors_and_leave_nothing(source, damage, which, policy):
    check(source, damage, which, policy)
