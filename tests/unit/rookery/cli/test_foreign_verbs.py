"""combine, apply and export as typed: files of any program in, a bundle and tables out."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api, cli
from rookery.surveys import Survey
from rookery_ensembles import InputError, read_predictions


def run(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Run a command line; return its status and what it printed."""
    monkeypatch.setattr(sys, "argv", ["rookery", *line.split()])
    try:
        cli.main()
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def table_of_classes(path: Path, ids: list[str], types: np.ndarray, seed: int, **more: object) -> None:
    right = np.random.default_rng(seed).uniform(0.4, 0.9, len(ids))
    p = np.where(types == "Ia", right, 1 - right)
    pd.DataFrame({"object_id": ids, "p_Ia": p, "p_non-Ia": 1 - p} | more).to_csv(path, index=False)


@pytest.fixture
def predicted(tiny_survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Survey:
    """Predictions of two programs for the objects of a survey, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    objects = tiny_survey.objects
    types = np.where(objects["type"] == "Ia", "Ia", "non-Ia")
    for seed, name in enumerate(("snn", "superphot")):
        table_of_classes(tmp_path / f"{name}.csv", objects["object_id"].tolist(), types, seed)
    return tiny_survey


def test_tables_of_two_programs_become_a_bundle_and_then_a_table(
    predicted: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(predicted)
    status, told = run(f"combine snn.csv superphot.csv --truth {predicted.path} --out b", capsys, monkeypatch)
    assert status == 0
    assert f"{n} objects, {n} of them in the truth, {n} of known truth" in told
    status, told = run("apply b snn.csv superphot.csv --out all.fits", capsys, monkeypatch)
    assert (status, told.split()[:3]) == (0, ["all.fits:", str(n), "objects"])
    assert run("apply b snn.csv superphot.csv --out all.parquet", capsys, monkeypatch)[0] == 0
    status, told = run(f"export all.parquet all.csv --catalogue {predicted.path}", capsys, monkeypatch)
    assert status == 0
    assert "columns object_id, class, p_Ia, p_non-Ia" in told
    found = pd.read_csv("all.csv", dtype={"object_id": str})
    assert found["object_id"].tolist() == predicted.objects["object_id"].tolist()
    assert found["type"].tolist() == predicted.objects["type"].tolist()
    np.testing.assert_allclose(found["p_Ia"], read_predictions("all.parquet").values[:, 0], atol=1e-7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("export nowhere.parquet out.txt", "must end in .csv"),
        ("export nowhere.parquet out.csv", "does not exist"),
        ("export nowhere.parquet out.csv --to votable", "votable"),
        ("combine nowhere.csv --truth {survey} --out b", "does not exist"),
        ("combine snn.csv --truth nowhere.csv --out b", "does not exist"),
        ("combine snn.csv --truth {survey} --out b --bins 0,1,10", "must hold redshift PDFs"),
        ("combine snn.csv --truth {survey} --out b --bins 0,1,10 --classes Ia,II", "give one of them"),
        ("combine other.csv --truth {survey} --out b", "all objects must be in"),
        ("combine liar.csv --truth {survey} --out b", "own truth must be that of"),
        ("combine liar.csv --truth {survey} --out snn.csv", "snn.csv: must not exist yet"),
        (
            "combine snn.csv --truth kinds.csv --out b",
            "label of true values, or one that --truth-column names; its columns are object_id, kind, seen",
        ),
        (
            "combine snn.csv --truth kinds.csv --truth-column sort --out b",
            "kinds.csv: must have the column `sort` of true values; its columns are object_id, kind, seen",
        ),
        ("combine snn.csv --truth {survey} --truth-column sort --out b", "column `sort` of true values"),
        (
            "combine snn.csv --truth-column kind --out b",
            "--truth-column: must be a column of --truth, but is",
        ),
        (
            "combine snn.csv --id-column name --out b",
            "--id-column: must be a column of --truth, but is 'name'",
        ),
        ("apply nowhere snn.csv --out out.parquet", "nowhere"),
        ("apply nowhere snn.csv --out out.txt", "must end in .csv"),
        ("predict nowhere {survey} out.txt", "must end in .csv"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    line: str,
    message: str,
    predicted: Survey,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = predicted.objects
    types = np.where(objects["type"] == "Ia", "Ia", "non-Ia")
    table_of_classes(tmp_path / "other.csv", [f"x{i}" for i in range(len(objects))], types, 1)
    wrong = np.where(types == "Ia", "non-Ia", "Ia")
    table_of_classes(tmp_path / "liar.csv", objects["object_id"].tolist(), types, 1, true_class=wrong)
    kinds = pd.DataFrame({"object_id": objects["object_id"], "kind": types, "seen": "often"})
    kinds.to_csv(tmp_path / "kinds.csv", index=False)
    status, told = run(line.format(survey=predicted.path), capsys, monkeypatch)
    assert status == 2
    assert message in " ".join(told.split())


def test_the_column_of_the_truth_may_have_any_name(
    predicted: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = predicted.objects
    kinds = pd.DataFrame({"object_id": objects["object_id"], "type": "unsure", "kind": objects["type"]})
    kinds.iloc[5:].to_csv(tmp_path / "kinds.csv", index=False)
    line = "combine snn.csv superphot.csv --truth kinds.csv --truth-column kind --out b"
    status, told = run(line, capsys, monkeypatch)
    assert status == 0
    n = len(predicted)
    assert f"{n} objects, {n - 5} of them in the truth, {n - 5} of known truth" in told
    line = f"combine snn.csv superphot.csv --truth {predicted.path} --truth-column type --out c"
    assert run(line, capsys, monkeypatch)[0] == 0


def test_files_of_different_objects_are_cut_to_those_that_all_have(
    predicted: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("snn", "superphot"))
    first, second = first.iloc[3:], second.iloc[::-1].iloc[5:]
    first.to_csv("snn.csv", index=False)
    second.to_csv("superphot.csv", index=False)
    line = f"combine snn.csv superphot.csv --truth {predicted.path} --by mean --out b"
    status, told = run(line, capsys, monkeypatch)
    assert status == 2
    assert "the objects must be those of snn" in " ".join(told.split())
    n = len(predicted)
    assert run(f"{line} --common", capsys, monkeypatch)[0] == 0
    assert run("apply b snn.csv superphot.csv --out all.parquet", capsys, monkeypatch)[0] == 2
    status, told = run("apply b snn.csv superphot.csv --out all.parquet --common", capsys, monkeypatch)
    assert status == 0
    assert f"all.parquet: {n - 8} objects" in told
    made = read_predictions("all.parquet")
    wanted = (first.set_index("object_id") + second.set_index("object_id")).dropna() / 2
    assert set(made.object_id) == set(wanted.index.astype(str))
    wanted.index = wanted.index.astype(str)
    assert np.allclose(made.values, wanted.loc[list(made.object_id), ["p_Ia", "p_non-Ia"]], atol=1e-6)
    second.assign(object_id=[f"x{i}" for i in range(n - 5)]).to_csv("superphot.csv", index=False)
    status, told = run("apply b snn.csv superphot.csv --out none.parquet --common", capsys, monkeypatch)
    assert status == 2
    assert "some object must be in all of snn, superphot, but none is" in " ".join(told.split())
    status, told = run("apply b snn.csv superphot.csv --out folder --common", capsys, monkeypatch)
    assert (status, "`common` is of files" in told) == (2, True)


@pytest.mark.parametrize("column", ["zspec", "z_spec", "Z", "redshift"])
def test_redshifts_of_a_usual_name_need_no_option(
    column: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    z, centres = np.random.default_rng(0).uniform(0, 0.4, 60), np.array([0.05, 0.15, 0.25, 0.35])
    values = np.where(abs(z[:, None] - centres) < 0.05, 0.7, 0.1)
    long = {"object_id": np.repeat(range(60), 4), "z": np.tile(centres, 60), "value": values.ravel()}
    pd.DataFrame(long).to_csv("long.csv", index=False)
    pd.DataFrame({"object_id": range(60), column: z}).to_csv("truth.csv", index=False)
    status, told = run("combine long.csv --truth truth.csv --out b", capsys, monkeypatch)
    assert status == 0, told
    assert "60 of known truth" in told


def test_predict_with_foreign_networks_says_what_to_do(predicted: Survey) -> None:
    api.combine(["snn.csv", "superphot.csv"], truth=predicted.path, out="b")
    with pytest.raises(InputError, match=r"predict with their own programs, then `rookery apply"):
        api.predict("b", predicted.path, "out.csv")
