"""Campaigns on a real Ray: what is trained, once and again, what a failure leaves, what the table says."""

import csv
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from processes import wait_for, wait_until_gone
from rookery import api
from rookery.inference.priors import labelled_fractions
from rookery.surveys import open_split
from rookery_ensembles import (
    InputError,
    classification_metrics,
    correct_probabilities,
    estimate_fractions,
    load_bundle,
    read_predictions,
)

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]

FILE = """\
name: test
surveys:
  sky: {path: SKY}
  far: {path: FAR}
defaults:
  family: pelican
  members: 2
  configuration: {days_per_column: 16, merged_blocks: 1, temporal_filters: 2, band_filters: 8, features: 8,
                  merged_filters: 2, batch_size: 32, learning_rate: 0.01, epochs: 2}
experiments:
  half: {survey: sky, split: half, max_test: 60}
  again: {survey: sky, split: half}
  elsewhere: {survey: sky, split: half, test_survey: far, rows: [plain, ensemble, gated, + autoencoder]}
rows:
  - {name: baseline, baseline: binned-trees}
  - {name: plain, configuration: {}}
  - {name: + autoencoder, add: {autoencoder: true}, members: 1}
  - {name: ensemble, ensemble_of: [plain, + autoencoder]}
  - {name: gated, ensemble_of: [plain, + autoencoder], by: gate, covariates: [mwebv], groups: mwebv}
  - {name: average, average_of: [plain, + autoencoder]}
  - {name: with trees, average_of: [baseline, plain]}
  - {name: with trees corrected, average_of: [baseline, plain], correct_priors: true}
table:
  columns: [accuracy, auc]
  baseline: baseline
  bins: {column: redshift, edges: [0, 0.4, 2]}
  differences: [[average, plain], [plain, baseline]]
  replicates: 20
published:
  name: them
  source: a paper
  rows:
    - {experiment: half, training_size: 7, test_size: 9, metrics: {auc: 0.9}, baseline: {auc: 0.8}}
"""


@pytest.fixture(scope="module")
def file(survey, other_survey, tmp_path_factory):
    path = tmp_path_factory.mktemp("campaigns") / "test.yaml"
    path.write_text(FILE.replace("SKY", str(survey.path)).replace("FAR", str(other_survey.path)))
    return path


@pytest.fixture(scope="module")
def finished(file, ray_session, tmp_path_factory):
    """A campaign at its end, and its result."""
    out = tmp_path_factory.mktemp("runs") / "campaign"
    return out, api.campaign(file, out=out, processes=1)


@pytest.fixture
def copy(finished, tmp_path):
    """A finished campaign in a folder of the test's own."""
    return shutil.copytree(finished[0], tmp_path / "campaign")


def lines(result, row, bin_=""):
    return {line.experiment: line for line in result.lines if line.row == row and line.bin == bin_}


def members(out):
    cards = (out / "members").glob("[!.]*/card.json")
    return {card.parent.name: card.stat().st_mtime_ns for card in cards}


def test_what_experiments_share_is_trained_once(finished):
    out, result = finished
    assert result.trained == len(members(out)) == 3, (
        "two plain ones and one autoencoder serve three experiments"
    )
    plain = lines(result, "plain")
    assert {name: line.ids for name, line in plain.items()} == dict.fromkeys(plain, plain["half"].ids)
    assert [path.name for path in out.glob("running/*")] == []


def test_a_row_is_the_mean_over_its_members_with_their_scatter(finished, survey):
    out, result = finished
    line = lines(result, "plain")["half"]
    scores = []
    for name in line.ids:
        found = read_predictions(out / "members" / name / "predictions-test.parquet")
        assert len(found.object_id) == 100
        scores.append(classification_metrics(("Ia", "non-Ia"), found.truth, found.values)["auc"])
    whole = lines(result, "plain")["again"]
    assert whole.metrics["auc"] == pytest.approx(sum(scores) / 2)
    assert whole.scatter["auc"] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)
    assert (line.training_size, line.validation_size, line.test_size, whole.test_size) == (100, 20, 60, 100)
    assert lines(result, "+ autoencoder")["half"].scatter == {}


def test_an_average_is_the_plain_mean_of_its_networks(finished):
    out, result = finished
    line = lines(result, "average")["again"]
    assert (line.members, line.scatter) == (3, {})
    found = [read_predictions(out / "members" / name / "predictions-test.parquet") for name in line.ids]
    mean = sum(each.values.astype(float) for each in found) / 3
    assert line.metrics["auc"] == pytest.approx(
        classification_metrics(("Ia", "non-Ia"), found[0].truth, mean)["auc"]
    )


def test_an_average_with_a_baseline_counts_each_row_the_same(finished, survey):
    out, result = finished
    for name in ("half", "again"):
        trees, plain, line = (lines(result, row)[name] for row in ("baseline", "plain", "with trees"))
        assert (line.members, line.wanted, line.ids) == (2, 2, (*plain.ids, *trees.ids))
    of_trees = read_predictions(out / "predictions" / f"{trees.ids[0]}.parquet")
    place = {name: row for row, name in enumerate(of_trees.object_id)}
    mean = of_trees.values / 2
    for member in plain.ids:
        found = read_predictions(out / "members" / member / "predictions-test.parquet")
        mean[[place[name] for name in found.object_id]] += found.values / 4
    wanted = classification_metrics(("Ia", "non-Ia"), of_trees.truth, mean)
    assert line.metrics["auc"] == pytest.approx(wanted["auc"])
    assert line.metrics["log_loss"] == pytest.approx(wanted["log_loss"], rel=1e-5)
    rows = open_split(survey, "half").labelled
    labelled = labelled_fractions(survey, rows, of_trees.info.target, "the split")
    estimated = estimate_fractions(mean, labelled).fractions
    at = correct_probabilities(mean, labelled, estimated)
    wanted = classification_metrics(("Ia", "non-Ia"), of_trees.truth, at)
    assert lines(result, "with trees corrected")["again"].metrics["log_loss"] == pytest.approx(
        wanted["log_loss"], rel=1e-4
    )
    assert not np.allclose(estimated, labelled, atol=0.01)


def test_errors_and_paired_differences_stand_in_every_table(finished):
    out, result = finished
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    plain = next(row for row in rows if (row["experiment"], row["row"], row["bin"]) == ("again", "plain", ""))
    line = lines(result, "plain")["again"]
    assert float(plain["auc_error"]) == pytest.approx(line.error["auc"], abs=1e-6)
    assert line.error["auc"] >= line.scatter["auc"] / 2**0.5
    pairs = list(csv.DictReader((out / "differences.csv").read_text().splitlines()))
    assert [(row["first"], row["second"]) for row in pairs if not row["bin"]] == [
        ("half/average", "half/plain"),
        ("half/plain", "half/baseline"),
        ("again/average", "again/plain"),
        ("again/plain", "again/baseline"),
    ]
    one = next(row for row in pairs if row["first"] == "again/plain" and not row["bin"])
    beside = lines(result, "baseline")["again"].metrics["auc"]
    assert float(one["auc"]) == pytest.approx(line.metrics["auc"] - beside, abs=1e-6)
    assert float(one["auc_low"]) <= float(one["auc_high"])
    document = json.loads((out / "table.json").read_text())
    assert len(document["differences"]) == len(pairs)
    assert "## Differences" in result.table


def test_another_survey_is_predicted_by_the_members(finished, other_survey):
    out, result = finished
    assert lines(result, "plain")["elsewhere"].test_size == len(other_survey) == 80
    assert lines(result, "ensemble")["elsewhere"].metrics["auc"] > 0
    assert len(list((out / "predictions").glob("*-s*.parquet"))) == 3


def test_limits_look_at_a_covariate_also_of_another_survey(finished, other_survey, tmp_path):
    out, result = finished
    bundle = load_bundle(out / "ensembles" / "elsewhere" / "gated")
    assert bundle.covariates == ("mwebv",)
    assert bundle.groups is not None
    made = api.predict(bundle.path, other_survey.path, tmp_path / "far.parquet")
    found = classification_metrics(("Ia", "non-Ia"), made.truth, made.values)
    assert lines(result, "gated")["elsewhere"].metrics["auc"] == pytest.approx(found["auc"], abs=1e-6)


def test_an_ensemble_is_a_bundle_and_predicts_what_the_table_says(finished, survey, tmp_path):
    out, result = finished
    bundle = load_bundle(out / "ensembles" / "again" / "ensemble")
    line = lines(result, "ensemble")["again"]
    assert {member.id for member in bundle.members} <= set(line.ids)
    found = api.predict(bundle.path, survey.path, tmp_path / "all.parquet")
    first = read_predictions(out / "members" / line.ids[0] / "predictions-test.parquet")
    rows = [found.object_id.tolist().index(name) for name in first.object_id]
    metrics = classification_metrics(("Ia", "non-Ia"), found.truth[rows], found.values[rows])
    assert metrics["log_loss"] == pytest.approx(line.metrics["log_loss"], rel=1e-5)


def test_the_table_has_bins_the_baseline_beside_and_published_lines_marked(finished, file):
    out, result = finished
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    bins = ["", "0 <= redshift < 0.4", "0.4 <= redshift < 2"]
    half = [row for row in rows if row["experiment"] == "half"]
    assert [row["bin"] for row in half if row["row"] == "plain"] == bins
    assert "baseline" not in {row["row"] for row in rows}
    beside = lines(result, "baseline")["half"].metrics["auc"]
    whole = next(row for row in half if row["row"] == "plain")
    assert float(whole["baseline_auc"]) == pytest.approx(beside, abs=1e-6)
    assert sum(int(row["test_size"]) for row in half if row["row"] == "plain" and row["bin"]) == 60
    (published,) = [row for row in rows if row["source"] == "published"]
    wanted = {"experiment": "half", "row": "them", "auc": "0.900000", "accuracy": "", "training_size": "7"}
    assert {key: published[key] for key in wanted} == wanted
    text = (out / "table.md").read_text()
    assert text == result.table
    assert "them (published)" in text
    assert "Simulated: sky, far." in text
    document = json.loads((out / "table.json").read_text())
    assert document["networks"] == 3
    assert document["device_seconds"] > 0
    assert len(document["lines"]) == len(rows)


def test_a_second_run_trains_nothing(copy, file):
    before = members(copy)
    result = api.campaign(file, out=copy)
    assert (result.trained, members(copy)) == (0, before)


def test_only_what_is_missing_is_trained_again(copy, file, finished):
    before = members(copy)
    gone, half, *_ = sorted(before)
    shutil.rmtree(copy / "members" / gone)
    (copy / "members" / half / "weights.safetensors").unlink()
    (copy / "members" / f".{gone}.partial-01234567").mkdir()
    result = api.campaign(file, out=copy, processes=1)
    after = members(copy)
    assert result.trained == 2
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {gone, half}
    assert result.table == finished[1].table, "the same seeds give the same networks"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of Ray Data
def test_a_worker_group_trains_the_same_network(copy, file, finished):
    gone = min(members(copy))
    shutil.rmtree(copy / "members" / gone)
    result = api.campaign(file, out=copy, processes=1, settings={"defaults.execution": "train"})
    assert (result.trained, result.table) == (1, finished[1].table)
    assert {path.name for path in copy.iterdir()} == {path.name for path in finished[0].iterdir()}


@pytest.mark.slow
def test_a_network_that_fails_leaves_the_others_and_is_named(file, copy):
    broken = file.with_name("broken.yaml")
    row = "  - {name: broken, configuration: {learning_rate: 1.0e+30}, members: 1}\n"
    broken.write_text(file.read_text().replace("table:", row + "table:"))
    with pytest.raises(InputError, match=r"1 networks or .* half/broken, again/broken; .*DivergedError"):
        api.campaign(broken, out=copy, processes=1)
    (record,) = (copy / "failed").iterdir()
    assert "DivergedError" in record.read_text()
    text = (copy / "table.md").read_text()
    assert "| again | broken | all | 0 of 1 |" in text
    assert len(members(copy)) == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("column: redshift", "column: redshit", r"`table.bins.column`: .*but not 'redshit'"),
        ("split: half", "split: hald", "no such split; the survey's splits are: .*half"),
        ("split: half", "split: half, train_on: {where: [redshift<0]}", "train_on.where .*no object"),
        ("split: half", "split: half, test_where: [redshift<0]", "test_where .*no object"),
        ("{path: SKY}", "{ingest: snana}", r"needs the files to read: --set surveys.sky.from=PATH"),
        (
            "split: half",
            "split: {train_fraction: much}",
            "`experiments.half.split`: has a value that `split`",
        ),
    ],
)
def test_what_only_the_survey_can_tell_is_refused_before_training(
    survey, other_survey, tmp_path, old, new, message
):
    text = FILE.replace(old, new, 1).replace("SKY", str(survey.path)).replace("FAR", str(other_survey.path))
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        api.campaign(tmp_path / "c.yaml", out=tmp_path / "out")
    assert not (tmp_path / "out" / "members").exists()


def test_a_folder_of_something_else_is_refused(file, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"is not empty and holds no campaign\.yaml"):
        api.campaign(file, out=tmp_path)


def test_a_survey_made_by_another_definition_is_refused(tmp_path):
    options = {"dry_run": False, "settings": {"experiments.half.split": "nosuch", "surveys.sky.n": 20}}
    with pytest.raises(InputError, match="no such split"):
        api.campaign("tiny", out=tmp_path / "out", **options)
    options["settings"]["surveys.sky.n"] = 30
    with pytest.raises(InputError, match=r"sky: was made by .*'n': 20.* but the campaign says .*'n': 30"):
        api.campaign("tiny", out=tmp_path / "out", **options)


@pytest.mark.slow
def test_a_driver_killed_at_any_moment_loses_no_finished_network(file, tmp_path):
    out = tmp_path / "out"
    long = ["--set", "defaults.configuration.epochs=30", "--set", "defaults.configuration.patience=30"]
    command = [sys.executable, "-m", "rookery", "campaign", str(file), "--out", str(out), *long]
    command += ["--processes", "2", "--set"]
    many = [*command, "defaults.members=500"]  # they do not end before they are killed on any machine
    driver = subprocess.Popen(many, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list((out / "members").glob("[!.]*/card.json")), 300)
        workers = psutil.Process(driver.pid).children(recursive=True)
    finally:
        driver.kill()
        driver.wait()
    wait_until_gone(workers)  # they may just have finished one more
    before = members(out)
    wanted = len(before) + 3
    few = [*command, f"defaults.members={wanted}"]
    done = subprocess.run(few, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    after = members(out)
    assert len(after) == wanted + 1  # the autoencoder's too
    assert {name: after[name] for name in before} == before
    assert f"| again | plain | all | {wanted} |" in done.stdout


@pytest.mark.slow
def test_a_campaign_in_one_process_ends_at_sigterm_also_where_its_shell_has_it_ignore_ctrl_c(file, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "rookery", "campaign", str(file), "--out", str(out), "--processes", "0"]
    command += ["--set=defaults.configuration.epochs=3000", "--set=defaults.configuration.patience=3000"]
    ignoring = ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command]
    driver = subprocess.Popen(ignoring, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: list((out / "running").glob("*.safetensors")))  # a network trains
        driver.send_signal(signal.SIGTERM)
        said, _ = driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 130, said
    assert f"{out}: stopped; the same command goes on with it" in said
    assert "Traceback" not in said
