"""Exports: what a user opens has the right numbers, the user's own names and columns, or is not written."""

import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.exchange import export, summary_columns
from rookery_ensembles.exchange.ids import ids_as_text, users_ids
from rookery_ensembles.redshift_pdf import credible_interval, z_mean, z_median, z_mode

EDGES = (0.0, 0.1, 0.2, 0.4)
SUFFIXES = [".csv", ".fits", ".parquet"]


def redshifts(n: int = 5, names: list[str] | None = None, **more: object) -> Predictions:
    masses = np.random.default_rng(n).dirichlet(np.ones(3), n)
    truth = np.array([0.05, np.nan, *np.full(n - 2, 0.3)])
    found = names or [str(100 + i) for i in range(n)]
    info = PredictionInfo(RedshiftBins(EDGES), bundle="b")
    values = (masses / np.diff(EDGES)).astype(np.float32)
    return Predictions(info, np.array(found), truth, values, **more)  # type: ignore[arg-type]


def classes() -> Predictions:
    values = np.array([[0.7, 0.3], [0.1, 0.9], [0.5, 0.5]], dtype=np.float32)
    names = np.array(["SN1", "SN2", "é3"])
    truth = np.array(["Ia", None, "non-Ia"], dtype=object)
    return Predictions(PredictionInfo(Classes(("Ia", "non-Ia")), bundle="b"), names, truth, values)


def opened(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pandas()
    table = Table.read(path)
    for name in table.colnames:
        if table[name].dtype.kind == "S":
            table[name] = np.char.decode(np.asarray(table[name]), "utf-8")
    return table.to_pandas()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_stands_beside_predictions_is_exported_too(suffix: str, tmp_path: Path) -> None:
    beside = {"epistemic": np.linspace(0, 0.5, 5, dtype=np.float32), "flags": np.arange(5, dtype=np.int32)}
    names = export(redshifts(columns=beside), out := tmp_path / f"z{suffix}")
    assert names[-2:] == ("epistemic", "flags")
    found = opened(out)
    assert found["flags"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found["epistemic"], beside["epistemic"], rtol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_redshifts_and_their_intervals_stand_in_every_format(suffix: str, tmp_path: Path) -> None:
    made = redshifts(out_of_domain=np.array([True, False, False, True, False]))
    names = export(made, out := tmp_path / f"z{suffix}")
    found = opened(out)
    assert tuple(found.columns) == names
    assert found["object_id"].tolist() == [100, 101, 102, 103, 104]
    for name, wanted in [
        ("z_mean", z_mean(made.values, EDGES)),
        ("z_median", z_median(made.values, EDGES)),
        ("z_mode", z_mode(made.values, EDGES)),
        ("z_low_68", credible_interval(made.values, EDGES, 0.68)[:, 0]),
        ("z_high_68", credible_interval(made.values, EDGES, 0.68)[:, 1]),
        ("z_low_95", credible_interval(made.values, EDGES, 0.95)[:, 0]),
        ("z_high_95", credible_interval(made.values, EDGES, 0.95)[:, 1]),
        ("z_spec", made.truth),
    ]:
        np.testing.assert_allclose(found[name], wanted, atol=1e-12)
    assert found["out_of_domain"].tolist() == [True, False, False, True, False]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_classes_and_their_probabilities_stand_in_every_format(suffix: str, tmp_path: Path) -> None:
    export(classes(), out := tmp_path / f"c{suffix}")
    found = opened(out)
    assert found["object_id"].tolist() == ["SN1", "SN2", "é3"]
    assert found["class"].tolist() == ["Ia", "non-Ia", "Ia"]
    np.testing.assert_allclose(found[["p_Ia", "p_non-Ia"]], classes().values, atol=1e-7)
    assert [x if isinstance(x, str) and x else None for x in found["true_class"]] == ["Ia", None, "non-Ia"]
    assert "out_of_domain" not in found


def test_a_known_pdf_has_the_known_numbers() -> None:
    flat = Predictions(
        PredictionInfo(RedshiftBins((0.0, 0.5, 1.0)), bundle="b"),
        ["a"],
        None,
        [[1.0, 1.0]],  # type: ignore[arg-type]
    )
    found = {name: values[0] for name, values in summary_columns(flat).items() if name != "object_id"}
    assert found == pytest.approx(
        {"z_mean": 0.5, "z_median": 0.5, "z_mode": 0.25, "z_low_68": 0.16, "z_high_68": 0.84}
        | {"z_low_95": 0.025, "z_high_95": 0.975}
    )


@settings(max_examples=60)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, unique=True))
def test_whole_numbers_come_back_as_they_were(numbers: list[int]) -> None:
    found = users_ids([str(number) for number in numbers])
    assert found.dtype == np.int64
    assert found.tolist() == numbers
    assert ids_as_text(found, "ids").tolist() == [str(number) for number in numbers]


@pytest.mark.parametrize("other", ["007", "+1", "1.0", "1e3", "-0", "9223372036854775808", "SN1", " 2", "٣"])
def test_one_name_that_is_no_canonical_number_keeps_all_as_text(other: str) -> None:
    assert users_ids(["1", other]).tolist() == ["1", other]


def test_ids_in_doubles_must_be_whole_and_exact() -> None:
    assert ids_as_text(np.array([1.0, -2.0]), "ids").tolist() == ["1", "-2"]
    for bad in (1.5, np.nan, 2.0**60):
        with pytest.raises(InputError, match="ids, row 1: must be text or whole numbers"):
            ids_as_text(np.array([1.0, bad]), "ids")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", SUFFIXES)
def test_the_users_own_columns_are_joined_by_name(suffix: str, kind: str, tmp_path: Path) -> None:
    catalogue = pd.DataFrame(
        {"objid": [104, 100, 7, 101, 102, 103], "ra": np.arange(6) / 2, "z_spec": 0.3, "z_mean": 1.0}
    )
    file = tmp_path / f"catalogue{kind}"
    if kind == ".csv":
        catalogue.to_csv(file, index=False)
    elif kind == ".parquet":
        catalogue.to_parquet(file)
    else:
        Table.from_pandas(catalogue).write(file)
    export(redshifts(), out := tmp_path / f"z{suffix}", catalogue=file)
    found = opened(out)
    assert found["objid"].tolist() == [100, 101, 102, 103, 104]
    assert found["ra"].tolist() == [0.5, 1.5, 2.0, 2.5, 0.0]
    assert (found["z_spec"] == 0.3).all()
    assert (found["catalogue_z_mean"] == 1.0).all()
    assert (found["z_mean"] < 0.4).all()


def test_a_catalogue_that_lacks_or_repeats_an_object_is_refused(tmp_path: Path) -> None:
    for ids, rule in [
        ([100, 101, 102, 103], "1 are absent, the first being '104'"),
        ([100] * 2, "occur once"),
    ]:
        with pytest.raises(InputError, match=rule):
            export(redshifts(), tmp_path / "z.csv", catalogue={"object_id": np.array(ids)})
    assert not (tmp_path / "z.csv").exists()


@pytest.mark.parametrize("name", ["z.txt", "z", "z.csv.gz", "z.pq", "z.hdf"])
def test_an_unknown_ending_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv \(csv\), .*, \.hdf5 or \.h5 \(qp\)"):
        export(tmp_path / "nowhere.parquet", tmp_path / name)


def test_a_format_that_is_not_the_endings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a file of qp must end in \.hdf5 or \.h5"):
        export(tmp_path / "nowhere.parquet", tmp_path / "z.csv", to="qp")
    with pytest.raises(
        InputError, match="--to: must be one of csv, fits, parquet, qp, compact, but is 'votable'"
    ):
        export(tmp_path / "nowhere.parquet", tmp_path / "z.csv", to="votable")


def test_compact_is_a_prediction_file_that_every_verb_reads(tmp_path: Path) -> None:
    given = redshifts(50)
    export(given, tmp_path / "small.parquet", to="compact")
    found = read_predictions(tmp_path / "small.parquet")
    assert found.info.compact == "quantiles"
    np.testing.assert_array_equal(found.object_id, given.object_id)
    np.testing.assert_allclose(found.values @ np.diff(EDGES), 1, rtol=1e-5)
    np.testing.assert_allclose(z_mean(found.values, EDGES), z_mean(given.values, EDGES), atol=0.01)
    for predictions, name, more, told in (
        (given, "a.csv", {}, "file of compact must end in .parquet"),
        (classes(), "a.parquet", {}, "is for redshift PDFs, but these are class probabilities"),
        (given, "a.parquet", {"catalogue": {"object_id": given.object_id}}, "no columns of a catalogue"),
    ):
        with pytest.raises(InputError, match=told):
            export(predictions, tmp_path / name, to="compact", **more)
        assert not (tmp_path / name).exists()


def test_class_probabilities_are_no_file_of_qp(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qp's files hold redshift PDFs"):
        export(classes(), tmp_path / "c.hdf5")


def test_a_prediction_file_is_exported_and_a_truncated_one_refused(tmp_path: Path) -> None:
    write_predictions(redshifts(), file := tmp_path / "p.parquet")
    export(file, tmp_path / "z.csv")
    assert len(pd.read_csv(tmp_path / "z.csv")) == 5
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"p\.parquet"):
        export(file, tmp_path / "again.csv")
    assert not (tmp_path / "again.csv").exists()


def test_the_layout_of_qps_files(tmp_path: Path) -> None:
    export(made := redshifts(), out := tmp_path / "z.hdf5")
    with h5py.File(out) as file:
        assert file["meta/pdf_name"][0] == b"hist"
        np.testing.assert_array_equal(file["meta/bins"][0], EDGES)
        np.testing.assert_allclose(file["data/pdfs"][()], made.values)
        assert file["ancil/object_id"][()].tolist() == [100, 101, 102, 103, 104]


def test_qp_reads_the_same_pdfs(tmp_path: Path, project_root: Path) -> None:
    python = project_root / ".venv-qp" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"no environment with qp-prob: {python}; .ci/run makes it")
    made = redshifts(40)
    export(made, out := tmp_path / "z.hdf5")
    at = np.linspace(0.0, 0.4, 33)
    code = (
        "import json, sys, qp, numpy as np; e = qp.read(sys.argv[1]); at = np.array(json.loads(sys.argv[2]));"
        "print(json.dumps([int(e.npdf), e.cdf(at).tolist(), np.ravel(e.ppf(0.84)).tolist(), "
        "np.asarray(e.ancil['object_id']).tolist()]))"
    )
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, out, json.dumps(at.tolist())],
        check=True,
        capture_output=True,
        text=True,
    )
    n, cdf, high, ids = json.loads(done.stdout.splitlines()[-1])
    mine = summary_columns(made)
    ends = np.concatenate([np.zeros((40, 1)), np.cumsum(made.values * np.diff(EDGES), axis=1)], axis=1)
    assert n == 40
    np.testing.assert_allclose(cdf, [np.interp(at, EDGES, one) for one in ends], atol=1e-6)
    np.testing.assert_allclose(high, mine["z_high_68"], atol=1e-6)
    assert ids == mine["object_id"].tolist()
