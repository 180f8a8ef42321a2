"""What earlier versions wrote opens, goes on and predicts as it did; see tests/fixtures/README.md."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import yaml

from rookery import api
from rookery.networks.configuration import configuration_hash
from rookery.networks.family import load_family
from rookery.search.study import StudyDocument, open_study
from rookery.surveys import open_split, open_survey
from rookery.training.card import CARD, read_card, verify_file
from rookery.training.checkpoint import load_checkpoint
from rookery.training.job import TrainingJob
from rookery.training.member import open_member, train_member
from rookery_ensembles import read_predictions

STUDIES = {"classes": "supernovae", "redshifts": "catalogue"}
"""Study -> survey that it learned from."""
WHEN_AND_WHERE = {"path", "asked_at", "began", "last_change", "last_ended", "driver_alive"}
SAID_SINCE = {"running_networks", "seconds_left", "wanted"}
"""Of a status: what depends on the clock, the time zone and the folder."""


@pytest.fixture(scope="module")
def files(project_root):
    return project_root / "tests" / "fixtures" / "files_of_0_1"


@pytest.fixture
def moved(files, tmp_path):
    """The files in a folder of the test's own."""
    return shutil.copytree(files, tmp_path / "moved", ignore=shutil.ignore_patterns("make.py"))


def jobs(files):
    return json.loads((files / "jobs.json").read_text())


def members(files):
    found = sorted(path.parent for path in files.rglob(f"members/*/{CARD}"))
    assert len(found) > 10
    return found


def without(found, keys):
    return {key: value for key, value in found.items() if key not in keys}


def without_anywhere(found, keys):
    """Return plain values without some keys, however deep they lie."""
    if isinstance(found, dict):
        return {key: without_anywhere(value, keys) for key, value in found.items() if key not in keys}
    return [without_anywhere(one, keys) for one in found] if isinstance(found, list) else found


def changes(found, wanted, at=""):
    """Return where plain values differ, numbers by more than 1e-5."""
    if isinstance(wanted, dict) and found.keys() == wanted.keys():
        return [text for key in wanted for text in changes(found[key], wanted[key], f"{at}.{key}")]
    if isinstance(wanted, list) and len(found) == len(wanted):
        return [
            text
            for n, pair in enumerate(zip(found, wanted, strict=True))
            for text in changes(*pair, f"{at}.{n}")
        ]
    alike = found == (pytest.approx(wanted, rel=1e-5, abs=1e-7) if isinstance(wanted, float) else wanted)
    return [] if alike else [f"{at}: {wanted!r} was written, but now it is {found!r}"]


@pytest.mark.parametrize(
    ("name", "objects", "bands"),
    [("supernovae", 60, "griz"), ("far", 20, "griz"), ("catalogue", 120, "gri"), ("images", 12, "ugriz")],
)
def test_surveys_open_and_are_whole(files, name, objects, bands):
    survey = open_survey(files / "surveys" / name, verify=True)
    assert (len(survey), "".join(survey.bands)) == (objects, bands)
    if name == "images":
        assert survey.image_array().shape == (12, 5, 32, 32)


@pytest.mark.parametrize(
    ("survey", "name", "counts", "folds", "groups"),
    [
        ("supernovae", "half", {"train": 24, "validation": 6, "test": 30}, 0, None),
        ("supernovae", "grouped", {"train": 60}, 2, 7),
        ("supernovae", "partial", {"train": 2, "validation": 1, "test": 21, "unlabelled": 36}, 0, None),
        ("catalogue", "cv", {"train": 120}, 2, None),
        ("images", "half", {"train": 5, "validation": 1, "test": 6}, 0, None),
    ],
)
def test_splits_open(files, survey, name, counts, folds, groups):
    split = open_split(open_survey(files / "surveys" / survey), name)
    assert {role: len(split.indices(role)) for role in counts} == counts
    assert split.n_folds == folds
    assert (None if split.group is None else len(set(split.group))) == groups


def test_jobs_and_configurations_have_the_digests_that_they_had(files):
    for told in jobs(files):
        job = TrainingJob.model_validate(told["job"])
        family = load_family(job.family)
        assert job.digest() == told["digest"]
        assert configuration_hash(family.name, family.configure(job.configuration)) == told["configuration"]
        came_later = {"start", "most_seconds", "compile"} - set(told["job"])
        assert job.model_dump(mode="json", exclude=came_later) == told["job"]
        assert (job.start, job.most_seconds, job.compile) == (None, None, "auto")


def test_a_network_that_was_cut_off_goes_on_from_its_checkpoint(files, tmp_path, one_thread):
    job = TrainingJob.model_validate(
        {**jobs(files)[0]["job"], "survey": str(files / "surveys" / "supernovae")}
    )
    checkpoint = tmp_path / "checkpoint.safetensors"
    shutil.copy(files / checkpoint.name, checkpoint)
    saved = load_checkpoint(checkpoint, job)
    assert saved is not None
    rows = []
    card = train_member(
        job, tmp_path / "member", checkpoint, lambda row, _: rows.append(dict(row)), device="cpu"
    )
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0] == saved.history[0]
    assert (card.epochs, card.draws) == (2, "mixed")


def test_members_open_and_are_as_their_cards_say(files):
    for folder in members(files):
        card = read_card(folder)
        in_bundle = folder.parents[1].name.startswith("ensemble")
        for name in ("weights.safetensors", *(() if in_bundle else card.predictions)):
            verify_file(folder, card, name)
        member = open_member(folder)
        assert configuration_hash(card.family, member.configuration) == card.configuration
        told = card.model_dump(mode="json", exclude_unset=True)
        assert json.loads((folder / CARD).read_text()) == told
        assert card.draws == "generators"


def test_all_predictions_open(files):
    found = [
        read_predictions(path) for path in files.rglob("*.parquet") if path.name.startswith("predictions-")
    ]
    kinds = {each.info.target.kind for each in found}
    assert kinds == {"class_probability", "redshift_pdf"}
    whole = read_predictions(files / "studies" / "redshifts" / "ensemble-out-of-fold.parquet")
    assert len(whole.object_id) == 120


def test_a_study_document_of_the_first_version_opens(files, tmp_path):
    shutil.copy(files / "first-study.yaml", tmp_path / "study.yaml")
    document = open_study(tmp_path).document
    told = yaml.safe_load((files / "first-study.yaml").read_text())
    assert document.space.parameters.keys() == told["space"]["parameters"].keys()
    assert api.status(tmp_path)["trials"]["complete"] == 0


@pytest.mark.parametrize("name", [*STUDIES, "warm"])
def test_studies_open_with_all_their_trials(files, name):
    study = open_study(files / "studies" / name)
    complete = study.complete_trials()
    told = json.loads((files / "status" / f"{name}.json").read_text())
    assert len(complete) == told["trials"]["complete"] > 0
    written = yaml.safe_load((study.path / "study.yaml").read_text())
    read = study.document.model_dump(mode="json")
    for parameter in read["space"]["parameters"].values():
        assert parameter.pop("prior", None) is None  # spaces have had priors since
    assert {key: read[key] for key in written} == written
    new = {key: value for key, value in read.items() if key not in written}
    assert new == {key: StudyDocument.model_fields[key].get_default() for key in new}


@pytest.mark.parametrize("name", ["classes", "redshifts", "warm", "campaign"])
def test_status_says_what_it_said(files, name):
    folder = files / "campaign" if name == "campaign" else files / "studies" / name
    told = json.loads((files / "status" / f"{name}.json").read_text())
    found = api.status(folder)
    assert found["running_networks"] == []
    assert changes(without(found, WHEN_AND_WHERE | SAID_SINCE), without(told, WHEN_AND_WHERE)) == []


@pytest.mark.parametrize(("name", "survey"), STUDIES.items())
def test_a_bundle_predicts_what_it_predicted(files, tmp_path, one_thread, name, survey):
    bundle = files / "studies" / name / "ensemble"
    found = api.predict(bundle, files / "surveys" / survey, tmp_path / "all.parquet", device="cpu")
    told = read_predictions(files / "predictions" / f"{name}.parquet")
    assert found.object_id.tolist() == told.object_id.tolist()
    np.testing.assert_allclose(found.values, told.values, rtol=1e-5, atol=1e-5)
    version = {"version": None}
    assert dataclasses.replace(found.info, **version) == dataclasses.replace(told.info, **version)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "survey"), STUDIES.items())
def test_an_ensemble_is_chosen_as_it_was(files, moved, name, survey):
    study = moved / "studies" / name
    text = (study / "study.yaml").read_text()
    old = yaml.safe_load(text)["survey"]["path"]
    (study / "study.yaml").write_text(text.replace(old, str(moved / "surveys" / survey)))
    built = api.ensemble(study, by="greedy", overwrite=True)  # the only way there was
    told = yaml.safe_load((files / "studies" / name / "ensemble" / "ensemble.yaml").read_text())
    found = yaml.safe_load((built.bundle.path / "ensemble.yaml").read_text())
    # The digest follows the last bits of fitted numbers, in which one processor differs from another.
    # Conformal limits, how a catalogue was read, and where networks and calibration come from came later.
    # The version is that of the commit.
    del told["provenance"]["version"]
    for later in ("version", "catalogue", "calibrated_on", "networks"):
        found["provenance"].pop(later, None)
    found = without_anywhere(without(found, ("digest", "conformal")), {"macro_f1", "eta_15"})
    assert changes(found, without(told, ("digest",))) == []
    if name == "redshifts":
        unseen = read_predictions(files / "studies" / name / "ensemble-out-of-fold.parquet")
        np.testing.assert_allclose(built.out_of_fold.values, unseen.values, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "survey"), STUDIES.items())
def test_predictions_are_judged_as_they_were(files, tmp_path, name, survey):
    stored = files / "predictions" / f"{name}.parquet"
    api.evaluate(stored, files / "surveys" / survey, report=tmp_path / "report", replicates=20)
    found, told = (
        json.loads((folder / "metrics.json").read_text())
        for folder in (tmp_path / "report", files / "reports" / name)
    )
    came_later = {"chance", "reliability_by_class", "macro_f1", "eta_15", "bins_in_interval_68"}
    added = {"tables/summary.md", "tables/summary.tex"}
    assert added <= set(found["files"])
    # Published figures stand in a report only where they are asked for.
    assert set(told["files"]) - set(found["files"]) <= {"tables/published.csv"}
    found, told = (without(report, ("provenance", "files", "published")) for report in (found, told))
    assert changes(without_anywhere(found, came_later), told) == []


def test_a_finished_campaign_trains_nothing_and_says_the_same(files, moved):
    surveys = {name: moved / "surveys" / folder for name, folder in (("near", "supernovae"), ("far", "far"))}
    out = moved / "campaign"
    before = {path: path.stat().st_mtime_ns for path in out.glob("members/*/*")}
    result = api.campaign(files / "campaign.yaml", out=out, survey_paths=surveys)
    assert result.trained == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("members/*/*")} == before
    assert result.table == (files / "campaign" / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize(("name", "survey"), STUDIES.items())
def test_a_study_is_continued(moved, ray_session, name, survey):
    path = moved / "studies" / name
    document = open_study(path).document
    space = yaml.safe_load((path / "study.yaml").read_text())["space"]
    for key, parameter in space["parameters"].items():  # as its author wrote it
        space["parameters"][key] = parameter.get("value", parameter)
    (moved / "space.yaml").write_text(yaml.safe_dump(space))
    known = open_study(path).complete_trials()
    options = {"bins": (0.0, 0.5, 25), "starts": 2} if name == "redshifts" else {}
    told = json.loads((moved / "status" / f"{name}.json").read_text())["trials"]
    begun = told["complete"] + told["failed"]
    api.search(
        moved / "space.yaml",
        survey=moved / "surveys" / survey,
        split=document.split.name,
        study=path,
        trials=begun + 1,
        pruner="none",
        **options,
    )
    after = open_study(path).complete_trials()
    assert {number: after[number] for number in known} == known
    assert len(open_study(path).reader().trials) == begun + 1
    if name == "redshifts":  # of the other study's points some are impossible
        assert len(after) == len(known) + 1
