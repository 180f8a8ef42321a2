"""Predictions that know nothing of their objects are told from those that do, whatever their calibration."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import cli
from rookery.surveys import new_galaxy_survey, open_survey
from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins, write_predictions
from rookery_ensembles.chance import against_chance

RNG = np.random.default_rng(5)


def test_gain_and_error_are_those_of_all_permutations():
    values, truth = RNG.dirichlet(np.ones(3), 6), np.array([0, 0, 1, 2, 2, 2])
    log = np.log(values)
    means = [log[np.arange(6), list(dealt)].mean() for dealt in itertools.permutations(truth)]
    found = against_chance(values, truth)
    assert found is not None
    assert found.gain == pytest.approx(log[np.arange(6), truth].mean() - np.mean(means), rel=1e-12)
    assert found.error == pytest.approx(np.std(means), rel=1e-12)


@pytest.mark.parametrize("n", [30, 3000])
def test_predictions_of_nothing_are_chance_at_the_rate_of_the_rule(n):
    """Two standard errors on one side: 2.3 % of what knows nothing; of 400 more than 20 once in 2,000."""
    truth = RNG.integers(0, 2, (400, n))
    found = [against_chance(RNG.dirichlet([0.3, 0.3], n), one) for one in truth]
    assert sum(one is not None and one.is_better for one in found) <= 20


def test_what_knows_something_is_better_even_where_its_log_loss_is_worse_than_of_fractions():
    truth = RNG.integers(0, 2, 500)
    sure = np.where(RNG.uniform(size=500) < 0.7, truth, 1 - truth)  # right in 70 %, and always certain
    values = np.where(np.arange(2) == sure[:, None], 0.9999, 0.0001)
    found = against_chance(values, truth)
    assert found is not None
    assert found.is_better
    assert -np.log(values[np.arange(500), truth]).mean() > np.log(2)


def test_one_answer_for_all_is_chance_and_one_object_tells_nothing():
    found = against_chance(np.full((9, 3), 1 / 3), np.arange(9) % 3)
    assert found is not None
    assert (found.gain, found.is_better) == (pytest.approx(0.0, abs=1e-15), False)
    assert against_chance(np.array([[0.5, 0.5]]), np.array([0])) is None


@pytest.mark.parametrize(("knows", "width"), [(False, 0.05), (True, 0.05), (True, 0.01)])
def test_the_table_and_the_page_say_that_a_result_is_chance_or_of_coarse_bins(
    tmp_path: Path, capsys, monkeypatch, knows, width
):
    n, edges = 60, tuple(np.linspace(0.0, 0.4, 21))
    with new_galaxy_survey(tmp_path / "s", name="s", bands=["r"]) as writer:
        z, ids = RNG.uniform(0, 0.4, n), [f"g{i}" for i in range(n)]
        writer.finish(objects=pd.DataFrame({"object_id": ids, "redshift": z, "mag_r": 18.0}))
    survey = open_survey(tmp_path / "s")
    guess = z if knows else RNG.permutation(z)
    centres = (np.array(edges)[1:] + np.array(edges)[:-1]) / 2
    pdf = np.exp(-0.5 * ((centres - guess[:, None]) / width) ** 2)
    pdf /= pdf.sum(axis=1, keepdims=True) * 0.02
    info = PredictionInfo(target=RedshiftBins(edges), bundle="b", survey=survey.checksum)
    write_predictions(Predictions(info, np.array(ids), None, pdf.astype(np.float32)), tmp_path / "p.parquet")
    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", lambda *_: None)
    words = ["evaluate", str(tmp_path / "p.parquet"), str(survey.path), "--report", str(tmp_path / "r")]
    monkeypatch.setattr(sys, "argv", ["rookery", *words, "--replicates", "0"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    page = (tmp_path / "r" / "index.html").read_text()
    printed = " ".join(capsys.readouterr().out.split())
    for text in (printed, page):
        assert ("No better than chance" in text) is not knows
        assert ("Coarse bins" in text) is (width < 0.02)
    assert "Pasquet" not in page.split("<script>")[0]
