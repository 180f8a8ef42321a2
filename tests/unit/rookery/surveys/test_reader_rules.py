"""Rules of single formats, and what each answers to input that breaks them."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from rookery.networks.family import load_family
from rookery.surveys import (
    Survey,
    ingest_headphot_csv,
    ingest_plasticc,
    ingest_snana,
    ingest_snana_fits,
    ingest_table,
    split_survey,
    write_survey,
)
from rookery.surveys._split_file import write_split
from rookery.training.rows import role_rows
from rookery_ensembles import Classes
from rookery_ensembles.errors import InputError

HEAD = {
    "SNID": ["7", "08"],
    "SNTYPE": [1, -9],
    "NOBS": [2, 1],
    "PTROBS_MIN": [1, 4],
    "PTROBS_MAX": [2, 4],
}
PHOT = {
    "MJD": [56001.0, 56002.5, -777.0, 56003.0, -777.0],
    "BAND": ["g", "r", "-", "DES-g", "-"],
    "FLUXCAL": np.array([1.5, -2.0, 0.0, 30.25, 0.0], np.float32),
    "FLUXCALERR": np.array([1.0, 0.5, 0.0, 3.0, 0.0], np.float32),
}
LONG = {
    "object_id": ["a", "a", "b"],
    "mjd": [56001.0, 56002.5, 56003.0],
    "band": ["g", "r", "g"],
    "flux": [1.0, -2.0, 30.0],
    "flux_err": [1.0, 0.5, 3.0],
}


@pytest.fixture
def fits(tmp_path: Path):
    """Write a HEAD and a PHOT table with some columns replaced (None takes one away); return HEAD's path."""

    def write(head: dict[str, Any] | None = None, phot: dict[str, Any] | None = None, **meta: Any) -> Path:
        for name, base, changes in (("HEAD", HEAD, head), ("PHOT", PHOT, phot)):
            table = Table({k: v for k, v in {**base, **(changes or {})}.items() if v is not None})
            table.meta.update(meta)
            table.write(tmp_path / f"X_{name}.FITS", overwrite=True)
        return tmp_path / "X_HEAD.FITS"

    return write


@pytest.fixture
def csv(tmp_path: Path):
    """Write a CSV; return its path."""

    def write(name: str, columns: dict[str, Any]) -> Path:
        pd.DataFrame(columns).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def test_fits_without_phot_is_one_error(fits, tmp_path):
    head = fits()
    (tmp_path / "X_PHOT.FITS").unlink()
    with pytest.raises(InputError, match=r"X_HEAD\.FITS: must have its PHOT file beside it \(X_PHOT\.FITS"):
        ingest_snana_fits(head, tmp_path / "out")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"NOBS": [3, 1]}, r"row 1: .*must be NOBS rows, but NOBS is 3 and the pointers take in 2"),
        ({"PTROBS_MAX": [2, 9], "NOBS": None}, r"row 2: pointers must lie within the 5 rows of X_PHOT"),
        ({"PTROBS_MIN": [1, 2], "PTROBS_MAX": [2, 4], "NOBS": None}, r"row 2: .*must not overlap"),
        ({"PTROBS_MAX": [3, 4], "NOBS": None}, r"row 1: .*separator .*takes in row 3 of X_PHOT"),
        ({"PTROBS_MAX": [1, 4], "NOBS": None}, r"X_PHOT\.FITS, row 2: every row but separators .*1 rows"),
        ({"PTROBS_MAX": None}, r"must have a column PTROBS_MAX of whole numbers"),
        ({"SNID": None}, r"must have a column SNID"),
        ({"SNTYPE": [1, 77]}, r"row 2 \(object '08'\): SNTYPE must be one of 1 \(Ia\), .* but is 77"),
    ],
)
def test_wrong_pointers_lengths_and_labels_of_fits_are_named(fits, tmp_path, head, message):
    with pytest.raises(InputError, match=message):
        ingest_snana_fits(fits(head), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_broken_pair_is_skipped_whole_and_a_foreign_label_alone(fits, tmp_path):
    (tmp_path / "Y_HEAD.FITS").write_bytes(fits({"SNTYPE": [1, 77]}).read_bytes()[:3000])
    report = ingest_snana_fits(tmp_path, tmp_path / "out", on_error="skip")
    assert (report.n_read, report.n_skipped) == (1, 2)
    assert "Y_HEAD" in " ".join(report.errors)
    again = ingest_snana_fits(tmp_path / "X_HEAD.FITS", tmp_path / "more", type_map={77: "Ib"})
    assert again.survey.objects["type"].tolist() == ["Ia", "Ib"]


def test_vector_columns_become_a_column_each_in_truth_and_are_no_matter_elsewhere(fits, tmp_path):
    head = fits({"SIM_MAGS": np.array([[1.0, 2.0], [3.0, 4.0]])}, {"PSF": np.ones((5, 3))})
    truth = ingest_snana_fits(head, tmp_path / "out").survey.truth()
    assert truth[["sim_mags_0", "sim_mags_1"]].to_numpy().tolist() == [[1, 2], [3, 4]]
    with pytest.raises(InputError, match="must have a column FLUXCAL with one value a row"):
        ingest_snana_fits(fits(phot={"FLUXCAL": np.ones((5, 2))}), tmp_path / "more")


def test_simulated_names_go_before_simulated_codes_and_these_before_sntype(fits, tmp_path):
    head = {"SIM_TYPE_NAME": ["UNKNOWN", "IIP"], "SIM_TYPE_INDEX": [3, 1], "SNTYPE": [1, 1]}
    assert ingest_snana_fits(fits(head), tmp_path / "1").survey.objects["type"].tolist() == ["Ibc", "IIP"]
    chosen = ingest_snana_fits(tmp_path / "X_HEAD.FITS", tmp_path / "2", type_column="SNTYPE")
    assert chosen.survey.objects["type"].tolist() == ["Ia", "Ia"]


def test_zero_points_of_images_are_ignored_and_those_of_fluxes_must_be_one(fits, tmp_path):
    ingest_snana_fits(fits(phot={"ZEROPT": [30.0, 31.0, 0.0, 32.0, 0.0]}), tmp_path / "out")
    mixed = fits(phot={"ZP_FLUXCAL": [27.5, 25.0, 0.0, 27.5, 0.0]})
    with pytest.raises(InputError, match=r"ZP_FLUXCAL holds 27.5 and 25.0 \(mixed zero points\)"):
        ingest_snana_fits(mixed, tmp_path / "other")


def test_ascii_files_of_different_zero_points_are_refused(tmp_path):
    rows = "NOBS: 1\nVARLIST: MJD FLT FLUXCAL FLUXCALERR\nOBS: 56001 g 1 1\nEND:\n"
    (tmp_path / "in").mkdir()
    for number, zero_point in ((1, 27.5), (2, 25.0)):
        text = f"SNID: {number}\nZP_FLUXCAL: {zero_point}\n{rows}"
        (tmp_path / "in" / f"{number}.DAT").write_text(text)
    with pytest.raises(InputError, match=r"ZP_FLUXCAL holds 27.5 and 25.0 \(mixed zero points\)"):
        ingest_snana(tmp_path / "in", tmp_path / "out")


def test_rows_without_measurement_are_left_out_of_csv_and_counted(csv, tmp_path):
    csv("X_HEAD.csv", {"SNID": ["7", "8"], "NOBS": [2, 1]})
    phot = {"MJD": [1.0, 2.0, 3.0], "FLT": ["g", "g", "r"], "FLUXCAL": [1.0, -9.0, 2.0]}
    csv("X_PHOT.csv", {"SNID": ["7", "7", "8"], **phot, "FLUXCALERR": [1.0, -9.0, 1.0]})
    survey = ingest_headphot_csv(tmp_path / "X_HEAD.csv", tmp_path / "out").survey
    assert survey.info.counts["observations"] == 2
    assert survey.info.provenance["rows_without_measurement"] == 1
    csv("X_HEAD.csv", {"SNID": ["7", "8"], "NOBS": [2, 5]})
    with pytest.raises(InputError, match=r"row 2 \(object '8'\): NOBS must be .*NOBS is 5 and there are 1"):
        ingest_headphot_csv(tmp_path / "X_HEAD.csv", tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "fluxes"),
    [
        ({"zero_point": 25.0}, [10.0, -20.0, 300.0]),
        ({"columns": {"zero_point": "zps"}}, [10.0, -20.0, 30.0]),
        ({"columns": {"mag": "m", "mag_err": "flux_err"}}, [10.0, 1.0, 0.1]),
    ],
)
def test_fluxes_and_magnitudes_of_any_zero_point_are_converted(csv, tmp_path, options, fluxes):
    path = csv("rows.csv", {**LONG, "zps": [25.0, 25.0, 27.5], "m": [25.0, 27.5, 30.0]})
    survey = ingest_table(path, tmp_path / "out", **options).survey
    np.testing.assert_allclose(survey.observation_arrays().flux, fluxes, rtol=1e-6)
    assert survey.info.zero_point == 27.5


def test_an_unasked_zero_point_column_must_agree(csv, tmp_path):
    mixed = csv("mixed.csv", {**LONG, "zp": [25.0, 27.5, 27.5]})
    with pytest.raises(InputError, match=r"row 2.*mixed zero points.*--column zero_point=zp"):
        ingest_table(mixed, tmp_path / "out", zero_point=25)
    other = csv("other.csv", {**LONG, "zp": [25.0] * 3})
    with pytest.raises(InputError, match=r"row 1: 'zp' says that the zero point is 25.0.*--zero-point 25"):
        ingest_table(other, tmp_path / "out")
    assert ingest_table(other, tmp_path / "out", zero_point=25).n_read == 2


def test_columns_are_mapped_by_file_and_by_option(csv, tmp_path):
    path = csv("rows.csv", {("t" if k == "mjd" else k): v for k, v in LONG.items()})
    with pytest.raises(
        InputError, match=r"must have a column 'mjd' for mjd; .*Map one with --column mjd=NAME"
    ):
        ingest_table(path, tmp_path / "out")
    (tmp_path / "map.yaml").write_text("mjd: t\nband: nowhere\n")
    with pytest.raises(InputError, match="must have a column 'nowhere' for band"):
        ingest_table(path, tmp_path / "out", columns_file=tmp_path / "map.yaml")
    report = ingest_table(
        path, tmp_path / "out", columns_file=tmp_path / "map.yaml", columns={"band": "band"}
    )
    assert report.survey.objects["object_id"].tolist() == ["a", "b"]
    (tmp_path / "map.yaml").write_text("- mjd\n")
    with pytest.raises(
        InputError, match=r"map\.yaml: must be YAML that maps keys to values, but holds a list"
    ):
        ingest_table(path, tmp_path / "other", columns_file=tmp_path / "map.yaml")


def test_one_file_may_tell_of_the_objects_too_but_not_contradict_itself(csv, tmp_path):
    path = csv(
        "rows.csv", {**LONG, "type": ["Ia", "Ia", None], "z": [0.5, 0.5, 0.25], "colour": [1.0, 1.0, 2.0]}
    )
    survey = ingest_table(path, tmp_path / "out", columns={"redshift": "z", "colour": "colour"}).survey
    assert survey.objects["type"].tolist() == ["Ia", None]
    assert survey.objects["redshift"].tolist() == [0.5, 0.25]
    assert survey.covariates == ("colour",)
    bad = csv("bad.csv", {**LONG, "type": ["Ia", "II", "Ia"]})
    with pytest.raises(InputError, match=r"row 2 \(object 'a'\): 'type' must be the same in all rows"):
        ingest_table(bad, tmp_path / "other")
    assert ingest_table(bad, tmp_path / "other", on_error="skip").survey.objects["object_id"].tolist() == [
        "b"
    ]


def test_with_a_map_every_label_must_be_in_it(csv, tmp_path):
    path = csv("rows.csv", {**LONG, "type": ["SNIa", "SNIa", "?"]})
    with pytest.raises(InputError, match=r"object 'b'.*must be one of SNIa \(Ia\), but is \?"):
        ingest_table(path, tmp_path / "out", type_map={"SNIa": "Ia"})
    codes = csv("codes.csv", {**LONG, "type": [5, 5, 6]})
    with pytest.raises(InputError, match=r"but is 5; extend the type map \(--type\)"):
        ingest_table(codes, tmp_path / "out")


def test_parquet_with_a_list_of_observations_a_row_is_read(tmp_path):
    lists = {"mjd": [[56001.0, 56002.0], [56003.0]], "band": [["LSST-g", "r"], ["g"]]}
    fluxes = {"flux": [[1.0, 2.0], [3.0]], "flux_err": [[1.0, 1.0], [1.0]]}
    pq.write_table(
        pa.table({"object_id": [11, 12], "type": ["Ia", "II"], **lists, **fluxes}), tmp_path / "n.parquet"
    )
    survey = ingest_table(tmp_path / "n.parquet", tmp_path / "out").survey
    assert survey.observation_arrays().flux.tolist() == [1, 2, 3]
    assert survey.objects["object_id"].tolist() == ["11", "12"]


def test_rows_in_any_order_give_the_survey_that_memory_would_give(csv, tmp_path):
    generator = np.random.default_rng(0)
    n = 5000  # more than one part of the spool
    ids = np.repeat([f"o{number}" for number in range(n)], 3)
    frame = pd.DataFrame(
        {
            "object_id": ids,
            "mjd": 56000 + generator.integers(0, 4, len(ids)).astype(float),
            "band": generator.choice(["r", "g"], len(ids)),
            "flux": generator.integers(0, 2, len(ids)).astype(float),
            "flux_err": 1.0,
        }
    )
    objects = pd.DataFrame({"object_id": [f"o{number}" for number in range(n)], "type": "Ia"})
    kept = write_survey(tmp_path / "a", name="a", bands=["g", "r"], objects=objects, observations=frame)
    objects.to_csv(tmp_path / "objects.csv", index=False)
    frame.sample(frac=1, random_state=1).to_csv(tmp_path / "rows.csv", index=False)
    survey = ingest_table(tmp_path / "rows.csv", tmp_path / "b", objects=tmp_path / "objects.csv").survey
    for name, values in vars(kept.observation_arrays()).items():
        np.testing.assert_array_equal(getattr(survey.observation_arrays(), name), values, name)
    assert survey.info.counts == kept.info.counts
    assert survey.info.provenance["repeated_rows"] == kept.info.provenance["repeated_rows"] > 0


@pytest.fixture
def plasticc(csv):
    def write(name: str = "set.csv", **changes: Any) -> Path:
        columns = {"object_id": [615, 615, 713], "mjd": [59750.5, 59751.5, 59752.5], "passband": [2, 1, 5]}
        columns |= {"flux": [1.0, 2.0, 3.0], "flux_err": [1.0, 1.0, 1.0], "detected_bool": [0, 1, 1]}
        metadata = {"object_id": [615, 713, 730], "ra": 1.0, "decl": -9.0, "ddf_bool": [1, 0, 1]}
        metadata |= {
            "hostgal_photoz": [0.5, -9.0, 0.25],
            "true_target": [92, 90, 994],
            "true_z": [0.0, 0.5, 0.7],
        }
        csv("set_metadata.csv", {**metadata, **{k: v for k, v in changes.items() if k in metadata}})
        return csv(
            name, {**columns, **{k: v for k, v in changes.items() if k in columns and k != "object_id"}}
        )

    return write


def test_plasticc_metadata_is_parted_into_covariates_and_truth(plasticc, tmp_path):
    report = ingest_plasticc(plasticc(), tmp_path / "out")
    objects = report.survey.objects.set_index("object_id")
    assert objects["type"].to_dict() == {"615": "RRL", "713": "Ia"}
    assert objects["deep"].to_dict() == {"615": 1.0, "713": 0.0}
    assert objects["dec"].to_dict() == {"615": -9.0, "713": -9.0}
    assert objects["host_photo_z"].isna().tolist() == [False, True]
    assert report.survey.bands == ("g", "r", "y")
    assert report.survey.info.provenance["objects_without_observations"] == 1
    assert set(report.survey.truth().columns) >= {"true_target", "true_z"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"passband": [2, 1, 6]}, r"set\.csv, row 3: passband must be one of 0 \(u\), .* but is 6"),
        (
            {"true_target": [92, 91, 90]},
            r"row 2 \(object '713'\): 'true_target' must be one of 90 .*but is 91",
        ),
        (
            {"object_id": [615, 714, 730]},
            r"row 3: every object must be in the object table, but '713' is not",
        ),
        ({"flux_err": ["1", "x", "1"]}, r"set\.csv: cannot be read as a table .*Row #3.*'x'"),
    ],
)
def test_broken_plasticc_tables_are_named(plasticc, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        ingest_plasticc(plasticc(**changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_plasticc_comes_in_several_files(plasticc, csv, tmp_path):
    plasticc("set_01.csv")
    (tmp_path / "set_02.csv.gz").write_bytes(gzip.compress(plasticc("set_02.csv").read_bytes()))
    (tmp_path / "set_02.csv").unlink()
    report = ingest_plasticc(tmp_path, tmp_path / "out")
    assert report.survey.info.provenance["files"] == ["set_01.csv", "set_02.csv.gz"]
    assert report.survey.info.provenance["repeated_rows"] == 3
    csv("more_metadata.csv", {"object_id": [1]})
    with pytest.raises(InputError, match=r"2 have .*name the file with --metadata"):
        ingest_plasticc(tmp_path, tmp_path / "other")


def unlabelled(folder: Path) -> Survey:
    path = folder / "rows.csv"
    pd.DataFrame(LONG).to_csv(path, index=False)
    return ingest_table(path, folder / "survey").survey


def test_an_unlabelled_survey_is_refused_by_split_and_by_search(tmp_path):
    survey = unlabelled(tmp_path)
    with pytest.raises(
        InputError, match="needs objects of known type to train on, but none of the 2 has one"
    ):
        split_survey(survey, "half", train_fraction=0.5)
    place = survey.path / "splits" / "bare.parquet"
    role = np.array(["train", "validation"], dtype=object)
    write_split(place, survey, role, np.full(2, -1, np.int16), {})
    with pytest.raises(InputError, match="every object of role train needs a type, but 1 have none"):
        role_rows(survey, "bare", None, Classes(("Ia", "non-Ia")), load_family("pelican"))


def test_real_fits_and_ascii_releases_of_foundation_agree(shared_data, tmp_path):
    fits = ingest_snana_fits(shared_data / "snana_fits", tmp_path / "fits").survey
    ascii = ingest_snana(shared_data / "real_snia" / "Foundation_DJ17", tmp_path / "ascii").survey
    assert (len(fits), fits.bands, fits.info.counts["by_type"]) == (185, ("g", "r", "i", "z"), {"Ia": 185})
    both = fits.objects.merge(ascii.objects, on="object_id")
    assert len(both) > 100
    np.testing.assert_allclose(both["redshift_x"], both["redshift_y"], atol=2e-3)
    np.testing.assert_allclose(both["ra_x"], both["ra_y"], atol=1e-2)


def test_real_simulated_fits_keep_truth_apart(shared_data, tmp_path):
    survey = ingest_snana_fits(shared_data / "snana_fits" / "sim_des", tmp_path / "sim").survey
    assert (len(survey), survey.info.counts["observations"]) == (620, 42610 - 620)
    assert set(survey.covariates) == {"ra", "dec", "mwebv"}
    assert {"sim_peakmjd", "peakmjd", "hostgal_specz"} <= set(survey.truth().columns)
