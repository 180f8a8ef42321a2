"""Redshifts on a real Ray: from a catalogue to out-of-fold PDFs, a bundle, a report, a campaign's table."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery.surveys import new_galaxy_survey, open_survey
from rookery_ensembles import InputError, read_predictions

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]

BANDS = ("g", "r", "i")
FIXED = {
    "epochs": 12,
    "hidden_layers": 2,
    "width": 32,
    "batch_size": 64,
    "learning_rate": 0.01,
    "norm": "none",
}
CAMPAIGN = """\
name: redshifts
surveys: {sky: {path: SKY}}
defaults: {family: photoz_mlp, bins: {low: 0, high: 0.5, number: 25}, members: 2,
           configuration: {epochs: 12, hidden_layers: 2, width: 32, batch_size: 64, learning_rate: 0.01}}
experiments: {half: {survey: sky, split: {train_fraction: 0.6, seed: 1}}}
rows:
  - {name: B16, baseline: b16}
  - {name: network, configuration: {}}
  - {name: ensemble, ensemble_of: [network]}
published:
  name: them
  source: a paper
  rows: [{experiment: half, training_size: 7, metrics: {sigma_mad: 0.009}}]
"""


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    """900 galaxies whose colours tell their redshift, with errors that are as they say."""
    rng = np.random.default_rng(3)
    z = rng.uniform(0.02, 0.4, 900)
    frame = pd.DataFrame({"object_id": [f"g{n}" for n in range(900)], "redshift": z})
    for band, slope in zip(BANDS, (5.0, 2.0, 0.5), strict=True):
        frame[f"mag_{band}"] = 17 + slope * z + rng.normal(0, 0.03, 900)
        frame[f"mag_err_{band}"] = 0.03
    path = tmp_path_factory.mktemp("surveys") / "galaxies"
    with new_galaxy_survey(path, name="galaxies", bands=BANDS) as writer:
        writer.finish(objects=frame)
    api.split(path, "cv", folds=2, seed=1)
    return open_survey(path)


@pytest.fixture(scope="module")
def study(galaxies, ray_session, tmp_path_factory):
    """A study of two trials, two folds and two random starts, and its ensemble."""
    path = tmp_path_factory.mktemp("runs") / "study"
    api.search(
        "photoz_mlp",
        survey=galaxies.path,
        split="cv",
        study=path,
        trials=2,
        bins=(0.0, 0.5, 25),
        starts=2,
        pruner="none",
        fixed=FIXED,
    )
    return path, api.ensemble(path)


def test_each_trial_trains_every_fold_from_every_start(study):
    names = sorted(folder.name for folder in (study[0] / "members").iterdir())
    assert names == [
        f"000{trial}-f{fold}-s{start}" for trial in (0, 1) for fold in (0, 1) for start in (0, 1)
    ]
    card = json.loads((study[0] / "members" / names[0] / "card.json").read_text())
    assert card["redshift_bins"] == {"low": 0.0, "high": 0.5, "number": 25}
    assert card["class_names"] is None


def test_every_galaxy_has_an_out_of_fold_pdf_that_is_better_than_knowing_nothing(study, galaxies):
    path, built = study
    found = read_predictions(path / "ensemble-out-of-fold.parquet")
    assert sorted(found.object_id) == sorted(galaxies.objects["object_id"])
    assert built.out_of_fold is not None
    np.testing.assert_array_equal(found.values, built.out_of_fold.values)
    np.testing.assert_allclose(found.values.sum(axis=1) * 0.02, 1, rtol=1e-4)
    assert built.choice.scores["selected_calibrated"]["sigma_mad"] < 0.04
    assert built.choice.scores["selected_calibrated"]["log_loss"] < math.log(20)


def test_the_bundle_predicts_another_survey_and_is_judged_beside_b16(study, galaxies, tmp_path):
    made = api.predict(study[0] / "ensemble", galaxies.path, tmp_path / "all.parquet")
    assert made.info.target.kind == "redshift_pdf"
    assert made.info.target.edges[-1] == 0.5
    baseline = api.baseline(
        "b16", tmp_path / "b16.parquet", survey=galaxies.path, split="cv", bins=(0.0, 0.5, 25)
    )
    assert len(baseline.object_id) == 900
    unseen = study[0] / "ensemble-out-of-fold.parquet"
    metrics = api.evaluate(
        unseen, galaxies.path, report=tmp_path / "report", against=[tmp_path / "b16.parquet"], replicates=20
    )
    assert metrics["n"] == 900
    assert (tmp_path / "report" / "index.html").is_file()


def test_redshift_outside_the_bins_is_one_clear_error(galaxies, tmp_path):
    with pytest.raises(ValueError, match=r"needs a redshift from 0 to 0.1, but \d+ have none there"):
        api.search(
            "photoz_mlp",
            survey=galaxies.path,
            split="cv",
            study=tmp_path / "s",
            trials=1,
            bins=(0.0, 0.1, 10),
        )
    assert not (tmp_path / "s").exists()


def test_a_campaign_of_redshifts_ends_in_a_table_of_their_metrics(galaxies, ray_session, tmp_path):
    file = tmp_path / "campaign.yaml"
    file.write_text(CAMPAIGN.replace("SKY", str(galaxies.path)))
    result = api.campaign(file, out=tmp_path / "out", processes=1)
    lines = {line.row: line for line in result.lines}
    assert lines["network"].members == 2
    assert lines["network"].test_size == lines["B16"].test_size == 360
    assert lines["ensemble"].metrics["sigma_mad"] < 0.04
    head = next(line for line in result.table.splitlines() if line.startswith("| experiment"))
    assert [word in head for word in ("Bias", "σ_MAD", "η (%)", "CRPS", "Accuracy")] == [True] * 4 + [False]
    assert "| half | them (published) | – | 7 | – | – | 0.00900 | – | – | – |" in result.table


FOLDS = """\
name: folds
surveys: {sky: {path: SKY}}
defaults: {family: photoz_mlp, bins: {low: 0, high: 0.5, number: 25}, members: 2,
           configuration: {epochs: 12, hidden_layers: 2, width: 32, batch_size: 64, learning_rate: 0.01}}
experiments:
  all: {survey: sky, split: cv, folds: 2}
  few: {survey: sky, split: cv, folds: 2, train_on: {part: 0.2}}
  bright: {survey: sky, split: cv, folds: 2, train_on: {where: ["mag_r<17.5"]}, test_where: ["mag_r<17.5"]}
  again: {survey: sky, split: cv, folds: 2}
rows:
  - {name: B16, baseline: b16}
  - {name: network, configuration: {}}
  - {name: ensemble, ensemble_of: [network]}
  - {name: average, average_of: [network]}
  - {name: narrow, average_of: [network], without_widest: 0.2}
table:
  baseline: B16
  differences: [[narrow, average], [average, B16]]
  between: [[few, all]]
  replicates: 40
"""


def test_a_campaign_with_folds_judges_every_object_by_networks_that_did_not_see_it(
    galaxies, ray_session, tmp_path
):
    file = tmp_path / "campaign.yaml"
    file.write_text(FOLDS.replace("SKY", str(galaxies.path)))
    result = api.campaign(file, out=tmp_path / "out", processes=2)
    assert result.trained == 3 * 2 * 2  # `again` shares those of `all`
    assert "16 networks (12 different" in result.plan
    lines = {(line.experiment, line.row): line for line in result.lines}
    for row, members in (("B16", 0), ("network", 4), ("ensemble", 4)):
        line = lines["all", row]
        assert (line.members, line.wanted, line.test_size) == (members, members, 900)
        assert lines["again", row].metrics == line.metrics
    assert lines["all", "network"].training_size == 450
    assert lines["few", "network"].training_size == 90
    bright = lines["bright", "network"]
    assert bright.test_size < 900
    assert bright.training_size == pytest.approx(bright.test_size / 2, abs=25)
    sigma = {name: lines[name, "network"].metrics["sigma_mad"] for name in ("all", "few")}
    assert sigma["all"] < sigma["few"]
    assert len(lines["all", "network"].scatter) > 0
    assert lines["all", "ensemble"].metrics["sigma_mad"] < 0.04
    narrow, average = (lines["all", row] for row in ("narrow", "average"))
    assert (narrow.test_size, average.test_size) == (720, 900)
    assert narrow.metrics["sigma_mad"] < average.metrics["sigma_mad"]
    assert lines["few", "B16"].metrics != lines["all", "B16"].metrics, "it trains on as few as the networks"
    pairs = json.loads((tmp_path / "out" / "table.json").read_text())["differences"]
    found = {(pair["first"], pair["second"]): pair["metrics"] for pair in pairs}
    assert found["few/network", "all/network"]["sigma_mad"]["low"] > 0
    gain = found["all/narrow", "all/average"]["sigma_mad"]
    assert gain["low"] < gain["value"] < 0
    assert ("bright/average", "bright/B16") in found
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace("[[few, all]]", "[[few, bright]]"))
    with pytest.raises(InputError, match=r"`few` judges 900 objects and `bright` .*not the same"):
        api.campaign(wrong, out=tmp_path / "out", processes=2)

    # The out-of-fold figures are those of the members' own files.
    names = lines["all", "network"].ids[:2]
    files = [tmp_path / "out" / "members" / name / "predictions-validation.parquet" for name in names]
    ids = np.concatenate([read_predictions(file).object_id for file in files])
    assert sorted(ids) == sorted(galaxies.objects["object_id"])
    assert api.campaign(file, out=tmp_path / "out", processes=2).trained == 0
