"""What a verb shows can also be read by programs: every verb that writes nothing has `--json`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rookery.cli.main import app
from rookery.signature import arguments
from rookery.surveys import Survey
from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins
from rookery_ensembles.predictions import write_predictions
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rules_of_verbs import CONTINUED, LEAVES, is_output

ACTING = {
    *("split", "append", "update", "submit", "dashboard", "demo", "campaign"),
    *("cluster write", "new family", "jobs logs", "jobs stop"),
}
"""Verbs that change or begin something, and a log, which is text as it is."""


def shows(words: tuple[str, ...]) -> bool:
    taken = arguments(LEAVES[words].function)
    writes = any(is_output(one) and one.required for one in taken)
    continues = any((words[0], one.name) in CONTINUED for one in taken)
    return not writes and not continues and " ".join(words) not in ACTING


@pytest.mark.parametrize("words", [words for words in LEAVES if shows(words)], ids=" ".join)
def test_what_is_shown_can_be_read_by_a_program(words: tuple[str, ...]) -> None:
    assert "json" in LEAVES[words].flags


def test_a_judgement_and_a_comparison_are_json(
    tiny_galaxies: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", lambda *_: None)
    target, objects = RedshiftBins.equal(0.0, 0.4, 20), tiny_galaxies.objects
    pdf = np.random.default_rng(1).dirichlet(np.ones(20), len(objects)) / target.widths
    ids, truth = objects["object_id"].to_numpy().astype(str), objects["redshift"].to_numpy()
    made = Predictions(PredictionInfo(target, member="m"), ids, truth, pdf.astype(np.float32))
    file = str(tmp_path / "z.parquet")
    write_predictions(made, file)
    judged = ["evaluate", file, str(tiny_galaxies.path), "--report", str(tmp_path / "r"), "--replicates", "0"]
    for words in (judged, ["compare", file, file, "--replicates", "0"]):
        with pytest.raises(SystemExit) as stop:
            app([*words, "--json"])
        assert not stop.value.code
        assert json.loads(capsys.readouterr().out)["n"] == len(objects)


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stop:
        app([*words, "--json"])
    assert not stop.value.code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_bundle_of_foreign_networks_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng, target = np.random.default_rng(1), RedshiftBins.equal(0.0, 0.4, 20)
    z, ids = rng.uniform(0, 0.4, 100), np.array([f"g{i}" for i in range(100)])
    for name in ("a", "b"):
        pdf = gaussian_pdf(z + rng.normal(0, 0.02, 100), np.full(100, 0.03), np.asarray(target.edges))
        made = Predictions(PredictionInfo(target, member=name), ids, z, pdf.astype(np.float32))
        write_predictions(made, tmp_path / f"{name}.parquet")
    pd.DataFrame({"id": ids, "z_spec": z}).to_csv(tmp_path / "z.csv", index=False)
    files = [str(tmp_path / f"{name}.parquet") for name in ("a", "b")]
    words = ["combine", *files, "--truth", str(tmp_path / "z.csv"), "--out", str(tmp_path / "out")]
    found = printed([*words, "--by", "mean"], capsys)
    assert found["bundle"] == str(tmp_path / "out")
    assert found["members"] == {"a": 0.5, "b": 0.5}
    assert found["objects"] == {"objects": 100, "matched": 100, "known": 100}
    assert found["scores"]["known_truth"]["average"]["n"] == 100


def test_a_campaigns_plan_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(["campaign", "tiny", "--out", str(tmp_path / "c"), "--dry-run"], capsys)
    assert "networks" in found["plan"]
    assert not (tmp_path / "c").exists()
