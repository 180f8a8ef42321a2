"""Rows of a campaign whose networks start from the weights of finished ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.load import load_campaign
from rookery.campaigns.plan import Folders, network_tasks
from rookery.campaigns.prepare import prepare
from rookery.surveys import Survey
from rookery.training.card import read_card
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles.errors import InputError

FILE = """\
name: tuned
surveys:
  sky: {{path: {survey}}}
defaults:
  family: pelican
  members: 2
  configuration: {{epochs: 2, features: 16}}
experiments:
  half: {{survey: sky, split: half}}
rows:
  - {{name: afresh, configuration: {{dropout: 0.1}}}}
  - {{name: tuned, {start}, add: {{rate_ratio: 0.1}}}}
"""


@pytest.fixture
def source(make_job: Callable[..., TrainingJob], tmp_path: Path) -> Path:
    folder = tmp_path / "0003"
    job = make_job(configuration={"epochs": 1})
    train_member(job, folder, tmp_path / "running", lambda *_: None, device="cpu")
    return folder


def campaign(folder: Path, survey: Survey, start: str) -> Campaign:
    path = folder / "campaign.yaml"
    path.write_text(FILE.format(survey=survey.path, start=start))
    return load_campaign(path)


def test_a_row_starts_from_a_member_and_shares_what_it_must(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    found = campaign(tmp_path, tiny_survey, f"start_from: {source}")
    half, tuned = found.document.experiments["half"], found.row("tuned")
    shared = found.configuration(half, tuned)
    assert {key: shared[key] for key in ("features", "epochs", "dropout", "rate_ratio")} == {
        "features": 8,
        "epochs": 2,
        "dropout": 0.1,
        "rate_ratio": 0.1,
    }
    assert found.configuration(half, found.row("afresh"))["features"] == 16
    datasets = prepare(found, tmp_path / "surveys", lambda _: None)
    jobs = [task.job for task in network_tasks(found, datasets, Folders(tmp_path / "out"))]
    assert len(jobs) == 4
    started = [job for job in jobs if job.start is not None]
    assert [job.start.weights for job in started if job.start] == [read_card(source).weights] * 2
    assert [job.configuration["features"] for job in started] == [8, 8]


def test_a_start_that_is_none_is_an_error_of_the_file(tiny_survey: Survey, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"campaign.yaml, line 12: `rows.1.start_from`.* is no member"):
        campaign(tmp_path, tiny_survey, f"start_from: {tmp_path / 'gone'}")
    text = FILE.format(survey=tiny_survey.path, start="start_from: x")
    other = tmp_path / "b.yaml"
    other.write_text(text.replace("add: {rate_ratio: 0.1}", "baseline: binned-trees"))
    with pytest.raises(InputError, match="`start_from` goes with networks alone, and this row is baseline"):
        load_campaign(other)
