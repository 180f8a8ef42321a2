"""Paired differences of two predictions of the same objects."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rookery import api, cli
from rookery_ensembles import Classes, InputError, RedshiftBins, write_predictions
from rookery_ensembles.paired import compare_predictions
from rookery_ensembles.predictions import PredictionInfo, Predictions

IA = Classes(("Ia", "non-Ia"))
IDS = np.array([f"SN{i}" for i in range(400)])
TRUTH = np.where(np.arange(400) % 2 == 0, "Ia", "non-Ia").astype(object)


def predictions(noise: float, seed: int, member: str = "a") -> Predictions:
    score = np.where(TRUTH == "Ia", 1.0, -1.0) + noise * np.random.default_rng(seed).normal(size=400)
    p = 1 / (1 + np.exp(-score))
    values = np.column_stack([p, 1 - p]).astype(np.float32)
    return Predictions(PredictionInfo(target=IA, member=member), IDS, TRUTH, values)


def test_a_prediction_does_not_differ_from_itself() -> None:
    found = compare_predictions(predictions(1, 0), predictions(1, 0, "b"))
    assert (found.n, found.left_out) == (400, (0, 0))
    assert all(pair.difference == 0 for pair in found.metrics.values())
    assert all(pair.better is None for pair in found.metrics.values())


def test_the_better_one_is_found_whichever_way_is_better() -> None:
    good, bad = predictions(0.5, 0), predictions(3, 1, "b")
    found = compare_predictions(good, bad).metrics
    assert found["auc"].difference > 0
    assert found["log_loss"].difference < 0
    assert {found[key].better for key in ("auc", "log_loss", "accuracy")} == {"first"}
    assert {compare_predictions(bad, good).metrics[key].better for key in ("auc", "log_loss")} == {"second"}
    assert found["auc"].low < found["auc"].difference < found["auc"].high


def test_pairing_makes_the_interval_narrower_than_two_of_their_own() -> None:
    one = predictions(2, 0)
    p = one.values[:, 0].astype(float) * 0.98 + 0.01  # the same ranks but for a trifle
    other = replace(one, values=np.column_stack([p, 1 - p]).astype(np.float32))
    pair = compare_predictions(one, other).metrics["log_loss"]
    alone = compare_predictions(one, predictions(2, 7, "b")).metrics["log_loss"]
    assert pair.high - pair.low < 0.2 * (alone.high - alone.low)


def test_only_objects_of_known_truth_that_both_have_count_in_any_order() -> None:
    one = predictions(1, 0)
    order = np.random.default_rng(3).permutation(300)
    part = replace(one, object_id=IDS[order], truth=TRUTH[order], values=one.values[order])
    unknown = np.array(TRUTH)
    unknown[:10] = None
    found = compare_predictions(replace(one, truth=unknown), part)
    assert found.n == 290
    assert found.left_out == (100, 10)
    assert all(pair.difference == 0 for pair in found.metrics.values())


def test_what_cannot_be_compared_is_one_error() -> None:
    one = predictions(1, 0)
    with pytest.raises(InputError, match="b: must predict the classes or bins that a does"):
        compare_predictions(one, replace(one, info=PredictionInfo(target=Classes(("Ia", "II")), member="b")))
    apart = replace(one, object_id=np.array([f"x{i}" for i in range(400)]))
    with pytest.raises(InputError, match="must share an object of known truth with a, but of 400 and 400"):
        compare_predictions(one, apart)
    with pytest.raises(
        InputError, match=r"the truth of SN0 must be that of a, Ia, but is non-Ia \(400 of 400"
    ):
        compare_predictions(one, replace(one, truth=TRUTH[::-1]))
    with pytest.raises(InputError, match="tells no truth: name the survey that knows it"):
        compare_predictions(one, replace(one, truth=None))
    with pytest.raises(InputError, match="at least 20"):
        compare_predictions(one, one, replicates=3)


def test_pdfs_of_redshift_are_compared_too() -> None:
    bins, rng = RedshiftBins.equal(0.0, 1.0, 20), np.random.default_rng(0)
    z, centre = rng.uniform(0.1, 0.9, 200), (np.arange(20) + 0.5) / 20

    def pdfs(width: float) -> Predictions:
        seen = z + width * rng.normal(size=200)
        values = np.exp(-0.5 * ((centre - seen[:, None]) / width) ** 2) + 1e-6
        values /= values.sum(1, keepdims=True) / 20
        info = PredictionInfo(target=bins, member="z")
        return Predictions(info, IDS[:200], z, values.astype(np.float32))

    found = compare_predictions(pdfs(0.05), pdfs(0.2)).metrics
    assert found["crps"].better == "first"
    assert found["sigma_mad"].better == "first"


def test_compare_is_a_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / name) for name in ("good.parquet", "bad.parquet")]
    for file, made in zip(files, (predictions(0.5, 0), predictions(3, 1)), strict=True):
        write_predictions(made, file)
    monkeypatch.setattr(sys, "argv", ["rookery", "compare", *files, "--out", str(tmp_path / "c.json")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "400 objects" in said
    assert max(map(len, said.splitlines()[1:])) <= 80
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["metrics"]["auc"]["better"] == "first"
    with pytest.raises(InputError, match="a split or role needs the survey"):
        api.compare(*files, split="half")
