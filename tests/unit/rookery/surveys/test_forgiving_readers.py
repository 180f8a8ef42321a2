"""Readers say what they took for what, guess nothing in silence, and may leave out single broken rows."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from rookery import api, cli
from rookery.surveys import open_survey
from rookery_ensembles import InputError

NAN = float("nan")


def table(**columns: object) -> pd.DataFrame:
    """Two supernovae with two observations each."""
    made = {"object_id": ["a", "a", "b", "b"], "mjd": [1.0, 2, 1, 2], "band": ["g", "r"] * 2}
    made |= {"flux": [10.0, 20, 30, 40], "flux_err": [1.0] * 4, "type": ["Ia", "Ia", "II", "II"]}
    return pd.DataFrame(made | columns)


def ingest(tmp_path: Path, frame: pd.DataFrame, **options: object):
    frame.to_csv(tmp_path / "rows.csv", index=False)
    return api.ingest_table(tmp_path / "rows.csv", tmp_path / "survey", **options)


def test_a_broken_row_of_a_table_is_left_out_alone_and_counted(tmp_path: Path) -> None:
    frame = table(flux=[10.0, NAN, 30, 40], flux_err=[1.0, 1, 1, -1], mjd=[1.0, 2, 1, 2])
    with pytest.raises(InputError, match="row 2"):
        ingest(tmp_path, frame)
    report = ingest(tmp_path, frame, on_error="skip-row")
    assert (report.n_read, report.n_skipped) == (2, 0)
    assert {rule: found.rows for rule, found in report.dropped.items()} == {
        "flux must be finite": 1,
        "flux error must be finite and positive": 1,
    }
    assert (
        "rows.csv, row 2 (object 'a'): flux must be finite, but is nan"
        in report.dropped["flux must be finite"].first
    )
    assert len(open_survey(report.survey.path).observation_arrays()) == 2
    assert report.survey.info.provenance["rows_skipped"]["flux must be finite"]["rows"] == 1


def test_an_object_of_broken_rows_alone_is_left_out(tmp_path: Path) -> None:
    report = ingest(tmp_path, table(flux=[10.0, 20, NAN, NAN]), on_error="skip-row")
    assert report.survey.objects["object_id"].tolist() == ["a"]
    assert report.survey.info.provenance["objects_without_observations"] == 1


SNANA = """SNID: {name}
SNTYPE: 1
FILTERS: gr
NOBS: 3
VARLIST: MJD FLT FLUXCAL FLUXCALERR
OBS: 1 {band} 10 1
OBS: 2 {band} nan 1
OBS: 3 {band} 12 1
END:
"""


def test_a_broken_row_of_an_snana_file_is_left_out_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.dat").write_text(SNANA.format(name="a", band="g"))
    with pytest.raises(InputError, match="line 7: FLUXCAL must be finite, but is nan"):
        api.ingest_snana(tmp_path / "in", tmp_path / "survey")
    report = api.ingest_snana(tmp_path / "in", tmp_path / "survey", on_error="skip-row")
    assert {rule: found.rows for rule, found in report.dropped.items()} == {"FLUXCAL must be finite": 1}
    assert len(report.survey.observation_arrays()) == 2


def test_rows_of_galaxies_are_galaxies(tmp_path: Path) -> None:
    pd.DataFrame({"mag_r": [20.0], "redshift": [0.1]}).to_csv(tmp_path / "g.csv", index=False)
    with pytest.raises(InputError, match="each row is a galaxy of its own"):
        api.ingest_catalogue(tmp_path / "g.csv", tmp_path / "s", on_error="skip-row")


@pytest.mark.parametrize(
    ("name", "zero_point"),
    [("f_uJy", 23.9), ("flux(nJy)", 31.4), ("flux_nanomaggies", 22.5), ("FLUXCAL", 27.5), ("fluxmJy", 16.4)],
)
def test_a_unit_in_a_columns_name_is_converted_and_told(tmp_path: Path, name: str, zero_point: float) -> None:
    frame = table().rename(columns={"flux": name})
    report = ingest(tmp_path, frame, columns={"flux": name})
    factor = 10 ** (0.4 * (27.5 - zero_point))
    assert report.survey.observation_arrays().flux[0] == pytest.approx(10 * factor, rel=1e-5)
    assert report.survey.observation_arrays().flux_err[0] == pytest.approx(factor, rel=1e-5)
    assert f"zero point {zero_point:g}, as its columns say" in report.flux
    assert report.columns["flux"] == name


def test_a_unit_in_parquet_metadata_is_converted(tmp_path: Path) -> None:
    made = pa.Table.from_pandas(table(), preserve_index=False)
    place = made.schema.get_field_index("flux")
    schema = made.schema.set(place, made.schema.field("flux").with_metadata({"unit": "uJy"}))
    pq.write_table(made.cast(schema), tmp_path / "rows.parquet")
    report = api.ingest_table(tmp_path / "rows.parquet", tmp_path / "survey")
    assert report.survey.observation_arrays().flux[0] == pytest.approx(10 * 10 ** (0.4 * 3.6), rel=1e-5)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (
            {"flux": "flux_adu"},
            {},
            r"'flux_adu' holds adu, whose AB zero point nothing tells: give --zero-point",
        ),
        ({"flux": "f_uJy", "flux_err": "e_nJy"}, {}, "'f_uJy' is in uJy and 'e_nJy' is in nJy"),
        ({"flux": "f_uJy"}, {"zero_point": 27.5}, r"fluxes are in uJy \(zero point 23.9\), but .* 27.5"),
        ({}, {"zero_point": 25, "flux_unit": "uJy"}, "exclude each other"),
        ({}, {"flux_unit": "furlong"}, "must be one of fluxcal, nanomaggy"),
    ],
)
def test_units_that_contradict_or_say_nothing_are_refused(
    tmp_path: Path, names: dict, options: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        ingest(tmp_path, table().rename(columns=names), columns=names, **options)
    assert not (tmp_path / "survey").exists()


def test_the_terminal_tells_columns_unit_and_rows_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table(flux=[10.0, NAN, 30, 40]).rename(columns={"mjd": "time"}).to_csv(tmp_path / "r.csv", index=False)
    words = f"ingest table {tmp_path / 'r.csv'} {tmp_path / 's'} --column mjd=time --on-error skip-row"
    monkeypatch.setattr(sys, "argv", ["rookery", *words.split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert "1 rows left out: flux must be finite; the first:" in printed
    assert (
        "columns: object_id=object_id, mjd=time, band=band, flux=flux, flux_err=flux_err, type=type"
        in printed
    )
    assert "fluxes: no unit told: taken as FLUXCAL, zero point 27.5 (else --zero-point or" in printed


@pytest.mark.parametrize("prefix", ["DES.", "sdss::", "LSST-", "a/b/", "Survey.DES-"])
def test_prefixes_of_bands_are_lost_by_one_rule(tmp_path: Path, prefix: str) -> None:
    report = ingest(tmp_path, table(band=[f"{prefix}g", f"{prefix}r"] * 2))
    assert report.survey.bands == ("g", "r")


def test_names_of_two_surveys_that_would_be_one_band_are_refused_once_unless_named(tmp_path: Path) -> None:
    frame = table(band=["DES.g", "SDSS-g"] * 2)
    with pytest.raises(InputError, match=r"'DES.g' and 'SDSS-g' would both be 'g': .*--band OLD=NEW"):
        ingest(tmp_path, frame, on_error="skip")
    report = ingest(tmp_path, frame, band_aliases={"SDSS-g": "g_sdss"})
    assert report.survey.bands == ("g", "g_sdss")


def test_snana_files_of_two_surveys_are_refused_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, band in (("a", "DES-g"), ("b", "SDSS-g")):
        (tmp_path / "in" / f"{name}.dat").write_text(SNANA.format(name=name, band=band))
    with pytest.raises(InputError, match="would both be 'g'"):
        api.ingest_snana(tmp_path / "in", tmp_path / "survey", on_error="skip-row")


def test_a_search_whose_classes_no_type_is_of_lists_the_types(tmp_path: Path) -> None:
    objects = [f"o{i}" for i in range(8)]
    frame = pd.DataFrame({"object_id": objects, "mjd": 1.0, "band": "g", "flux": 9.0, "flux_err": 1.0})
    survey = ingest(tmp_path, frame.assign(type=["Ia"] * 5 + ["II"] * 3)).survey
    api.split(survey.path, "half", train_fraction=0.5)
    before = ray.is_initialized()
    for classes, message in (
        (("Ibc", "non-Ibc"), r"no object is of the class Ibc; its types are Ia \(5\), II \(3\)"),
        (("Ia", "Ibc"), r"must be one of the classes Ia, Ibc, .*; its types are Ia \(5\), II \(3\)"),
    ):
        with pytest.raises(InputError, match=message):
            api.search(
                "pelican",
                survey=survey.path,
                split="half",
                study=tmp_path / "x",
                trials=1,
                class_names=classes,
            )
    assert ray.is_initialized() == before
    assert not (tmp_path / "x").exists()
    assert json.loads((survey.path / "survey.json").read_text())["provenance"]["flux"].startswith("no unit")


CATALOGUE = "name,zspec,mag_g,mag_err_g\na1,0.125,17.5,0.02\na2,0.25,18.25,0.03\n"
LIGHT_CURVES = (
    "id,mjd,band,flux,flux_err\na1,53000.5,g,1.5,0.25\na1,53001.5,r,2.5,0.25\na2,53000.5,g,3.5,0.5\n"
)
WRITTEN = {
    "commas": lambda text: text,
    "tabulators": lambda text: text.replace(",", "\t"),
    "semicolons": lambda text: text.replace(",", ";"),
    "decimal commas": lambda text: text.replace(",", ";").replace(".", ","),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_catalogue_is_read_however_its_fields_are_parted(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "sky.csv"
    file.write_text(WRITTEN[kind](CATALOGUE))
    columns = {"object_id": "name", "redshift": "zspec", "mag_{band}": "mag_{band}"}
    columns["mag_err_{band}"] = "mag_err_{band}"
    survey = api.ingest_catalogue(file, tmp_path / "sky", columns=columns).survey
    assert survey.objects["object_id"].tolist() == ["a1", "a2"]
    assert survey.objects["redshift"].tolist() == [0.125, 0.25]
    np.testing.assert_allclose(survey.objects["mag_g"], [17.5, 18.25])


@pytest.mark.parametrize("kind", WRITTEN)
def test_light_curves_are_read_however_their_fields_are_parted(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "curves.csv"
    file.write_text(WRITTEN[kind](LIGHT_CURVES))
    columns = {"object_id": "id", "mjd": "mjd", "band": "band", "flux": "flux", "flux_err": "flux_err"}
    api.ingest_table(file, tmp_path / "sky", columns=columns, zero_point=27.5)
    read = pd.read_parquet(tmp_path / "sky" / "observations.parquet")
    assert sorted(read["flux"].tolist()) == [1.5, 2.5, 3.5]
    assert sorted(read["mjd"].tolist()) == [53000.5, 53000.5, 53001.5]


def test_a_column_that_is_not_there_is_told_the_one_most_like_it(tmp_path: Path) -> None:
    file = tmp_path / "sky.csv"
    file.write_text(CATALOGUE)
    with pytest.raises(InputError, match="did you mean 'zspec'"):
        api.ingest_catalogue(file, tmp_path / "sky", columns={"object_id": "name", "redshift": "z_spec"})
