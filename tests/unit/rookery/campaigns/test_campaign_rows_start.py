"""Rows of a campaign whose networks start from those of another row of the same campaign."""

from pathlib import Path
from typing import Any

import pytest

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.jobs import fold_name, training_job
from rookery.campaigns.load import load_campaign
from rookery.campaigns.plan import Folders, NetworkTask, count_networks, network_tasks
from rookery.campaigns.prepare import ExperimentData, prepare
from rookery.campaigns.train import NetworkQueue
from rookery.search.trial_plan import FINISHED, TrialPlan
from rookery.search.worker import run_plan
from rookery.surveys import Survey, simulate_supernovae
from rookery.surveys.merge import merge_surveys
from rookery.training.card import read_card
from rookery_ensembles.errors import InputError

FILE = """\
name: tuned
surveys:
  sky: {path: SKY}
defaults:
  family: pelican
  members: 2
  configuration: {days_per_column: 16, merged_blocks: 1, temporal_filters: 2, band_filters: 8,
                  merged_filters: 2, batch_size: 32, epochs: 1}
experiments:
  half: {survey: sky, split: half, rows: [tuned, first]}
  folds: {survey: sky, split: folds, folds: 3, members: 1}
rows:
  - {name: tuned, start_from: first, configuration: {rate_ratio: 0.1}}
  - {name: first, configuration: {features: 6, dropout: 0.1}}
  - {name: best, start_from: {row: first, take: best}, configuration: {}}
  - {name: again, start_from: tuned, add: {}, from: best}
"""


def opened(folder: Path, survey: Survey, text: str = FILE) -> Campaign:
    path = folder / "tuned.yaml"
    path.write_text(text.replace("SKY", str(survey.path)))
    return load_campaign(path)


@pytest.fixture
def campaign(tmp_path: Path, tiny_survey: Survey) -> Campaign:
    return opened(tmp_path, tiny_survey)


@pytest.fixture
def datasets(campaign: Campaign, tmp_path: Path) -> dict[str, ExperimentData]:
    return prepare(campaign, tmp_path / "surveys", lambda _: None)


def test_networks_are_compiled_as_the_defaults_say(tmp_path: Path, tiny_survey: Survey) -> None:
    asked = [
        opened(tmp_path, tiny_survey),
        load_campaign(tmp_path / "tuned.yaml", settings={"defaults.compile": "never"}),
    ]
    found = []
    for campaign in asked:
        datasets = prepare(campaign, tmp_path / "surveys", lambda _: None)
        name, document = next(iter(campaign.document.experiments.items()))
        row = next(row for row in campaign.rows_of(document) if row.configuration is not None)
        found.append(training_job(campaign, datasets, document, row, 0, next(iter(datasets[name].folds))))
    assert [job.compile for job in found] == ["auto", "never"]
    assert found[0].member == found[1].member, "it is no part of what a network is"


def by_row(
    campaign: Campaign, datasets: dict[str, ExperimentData], tasks: list[NetworkTask], experiment: str
) -> dict[str, list[NetworkTask]]:
    """The tasks of each row, found by the names that the table asks for."""
    known, data = {task.job.member: task for task in tasks}, datasets[experiment]
    document = campaign.document.experiments[experiment]
    return {
        row.name: [
            known[fold_name(training_job(campaign, datasets, document, row, seed).member, fold)]
            for seed in campaign.seeds(document, row)
            for fold in data.folds
        ]
        for row in campaign.rows_of(document)
    }


def test_each_start_and_fold_waits_for_its_own_and_shares_what_it_must(
    campaign: Campaign, datasets: dict[str, ExperimentData], tmp_path: Path
) -> None:
    tasks = network_tasks(campaign, datasets, Folders(tmp_path / "out"))
    assert len(tasks) == len(set(count_networks(campaign))) == 2 * 2 + 4 * 3
    half = by_row(campaign, datasets, tasks, "half")
    assert [task.after for task in half["tuned"]] == [(task.job.member,) for task in half["first"]]
    assert [task.job.configuration["features"] for task in half["tuned"]] == [6, 6]
    assert "dropout" not in half["tuned"][0].job.configuration, "it matters in training alone"
    folds = by_row(campaign, datasets, tasks, "folds")
    for name, source in {"tuned": "first", "best": "first", "again": "tuned"}.items():
        assert [task.after for task in folds[name]] == [(task.job.member,) for task in folds[source]], name
        assert all(task.job.configuration["features"] == 6 for task in folds[name])
    assert len({task.job.member for row in folds.values() for task in row}) == 12


def run(queue: NetworkQueue, key: str, plan: dict[str, Any] | None) -> None:
    assert plan is not None
    sent: list[dict[str, Any]] = []
    place = {"study": str(queue.folder), "in_worker_group": False, "cpus": 1, "gpus": 0}
    run_plan(TrialPlan.model_validate({**plan, **place}), sent.append)
    queue.finish(key, value=sent[-1][FINISHED])


def test_what_starts_from_others_is_trained_after_them_from_the_best_of_them(
    tiny_survey: Survey, tmp_path: Path, one_thread: None
) -> None:
    rows = FILE.replace("start_from: first,", "start_from: {row: first, take: best},")
    campaign = opened(tmp_path, tiny_survey, rows.replace("  folds:", "  # folds:"))
    datasets, folders = prepare(campaign, tmp_path / "surveys", lambda _: None), Folders(tmp_path / "out")
    tasks = sorted(network_tasks(campaign, datasets, folders), key=lambda task: not task.after)
    found = by_row(campaign, datasets, tasks, "half")
    first, tuned = ([task.job.member for task in found[name]] for name in ("first", "tuned"))
    queue = NetworkQueue(tasks, folders, lambda *_: None)
    plans = {key: queue.suggest(key) for key in "ab"}
    assert (queue.suggest("c"), queue.waits()) == (None, True)
    run(queue, "a", plans["a"])
    assert (queue.suggest("c"), queue.waits()) == (None, True)
    run(queue, "b", plans["b"])
    assert queue.waits() is False
    cards = {name: read_card(folders.members / name) for name in first}
    best = min(first, key=lambda name: cards[name].value)
    run(queue, "c", queue.suggest("c"))
    started = read_card(folders.members / tuned[0]).start
    assert started is not None
    assert (started.member, started.weights, started.fresh) == (best, cards[best].weights, ())

    left = [task for task in tasks if not task.is_finished(folders)]
    assert [task.job.member for task in left] == tuned[1:]
    later = NetworkQueue(left, folders, lambda *_: None)
    plan = later.suggest("a")
    assert plan is not None, "the same command goes on with what is there"
    assert plan["jobs"][0]["start"]["weights"] == cards[best].weights


def test_networks_whose_start_failed_fail_with_it(
    campaign: Campaign, datasets: dict[str, ExperimentData], tmp_path: Path
) -> None:
    tasks = network_tasks(campaign, datasets, Folders(tmp_path / "out"))
    said: list[str] = []
    queue = NetworkQueue(tasks, Folders(tmp_path / "out"), lambda task, _: said.append(task.job.member))
    source = by_row(campaign, datasets, tasks, "folds")["first"][0].job.member
    plan = queue.suggest("a")
    while plan is not None and plan["jobs"][0]["member"] != source:
        plan = queue.suggest(f"key {len(said)} {plan['trial']}")
    key = next(key for key, live in queue._live.items() if live.task.job.member == source)
    queue.finish(key, error="it broke")
    assert len(said) == 4
    assert queue.errors[said[1]] == f"it starts from {source}, which failed: it broke"
    assert (queue.folder / "failed" / f"{said[3]}.txt").is_file()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("start_from: first", "start_from: {row: furst}", r"13: `rows.0.start_from.row`: must be a row that "
         r"trains networks \(tuned, first, best, again\), but found 'furst'; did you mean 'first'\?"),
        ("start_from: first", "start_from: furst", r"furst: is no member .*; nor is it a row \(tuned, first"),
        ("start_from: first", "start_from: {row: first, experiment: halve}", "must be an experiment "
         r"\(half, folds\), but found 'halve'"),
        ("[tuned, first]", "[tuned]", "`tuned` of half starts from `first`, which half does not have"),
        ("configuration: {features: 6", "start_from: again, configuration: {features: 6",
         "`rows.0.start_from`: starts from itself .folds/tuned <- folds/first <- folds/again <- folds/tuned"),
        ("start_from: first", "start_from: {row: first, take: worst}",
         "`rows.0.start_from.take`: Input should be 'each' or 'best'"),
        ("features: 6, dropout: 0.1", "features: 0", "features"),
    ],
)  # fmt: skip
def test_a_start_that_cannot_be_is_one_error_of_the_file(
    old: str, new: str, rule: str, tmp_path: Path, tiny_survey: Survey
) -> None:
    text = (
        FILE.replace("half: {survey: sky, split: half, rows: [tuned, first]}", "") if "again" in new else FILE
    )
    with pytest.raises(InputError, match=rule):
        opened(tmp_path, tiny_survey, text.replace(old, new))


def test_a_row_of_another_family_gives_no_start(tmp_path: Path, tiny_galaxies: Survey) -> None:
    text = """\
name: other
surveys: {sky: {path: SKY}}
defaults: {family: photoz_mlp}
experiments: {half: {survey: sky, split: half}}
rows:
  - {name: catalogue, configuration: {}}
  - {name: images, family: photoz_cnn, start_from: catalogue, configuration: {}}
"""
    rule = "a network of `photoz_cnn` cannot start from one of `photoz_mlp`, as `catalogue` is"
    with pytest.raises(InputError, match=rule):
        opened(tmp_path, tiny_galaxies, text)


def test_no_row_starts_from_one_that_learned_from_its_judges(tmp_path: Path, tiny_survey: Survey) -> None:
    other = simulate_supernovae(tmp_path / "other", n=60, seed=2)
    both = merge_surveys(
        [other.path, tiny_survey.path], tmp_path / "both", origins=["o", "t"], prefix_ids=True
    )
    text = f"""\
name: seen
surveys: {{sky: {{path: SKY}}, both: {{path: {both.path}}}, other: {{path: {other.path}}}}}
defaults: {{family: pelican}}
experiments:
  learns: {{survey: both, split: {{train_fraction: 0.5, seed: 3}}, rows: [first]}}
  tests: {{survey: sky, split: half, rows: [tuned]}}
rows:
  - {{name: first, configuration: {{}}}}
  - {{name: tuned, start_from: {{row: first, experiment: learns}}, configuration: {{}}}}
"""
    campaign = opened(tmp_path, tiny_survey, text)
    datasets = prepare(campaign, tmp_path / "surveys", lambda _: None)
    rule = (
        r"`rows.1.start_from`: `first` of learns may have learned from objects that judge tests: \d+ of them"
    )
    with pytest.raises(InputError, match=rule):
        network_tasks(campaign, datasets, Folders(tmp_path / "out"))
    apart = opened(tmp_path, tiny_survey, text.replace("learns: {survey: both", "learns: {survey: other"))
    datasets = prepare(apart, tmp_path / "surveys", lambda _: None)
    tasks = network_tasks(apart, datasets, Folders(tmp_path / "out"))
    assert [len(task.after) for task in tasks] in ([0, 1], [1, 0])
