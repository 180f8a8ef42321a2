"""The command line as a user types it: every verb once, and one clear line for each mistake."""

import json
import shutil
import subprocess
import sys

import pytest

from rookery import api, cli, demo
from rookery.cli.build import Group, Verb
from rookery.cli.verbs import VERBS
from rookery.signature import arguments
from rookery.training.member import train_member


def rookery(*words, **options):
    command = [sys.executable, "-m", "rookery", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, **options)


def succeed(*words, **options):
    done = rookery(*words, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory, project_root):
    """Light curves of Foundation in SNANA ascii."""
    folder = project_root.parent / "shared" / "data" / "real_snia" / "Foundation_DJ17"
    if not folder.is_dir():
        pytest.skip(f"real light curves are absent: there is no {folder}")
    return folder


@pytest.mark.slow
@pytest.mark.ray
def test_every_verb_from_simulation_to_report(tmp_path):
    def run(line):
        return succeed(*line.split(), cwd=tmp_path)

    assert "120 objects" in run("simulate supernovae survey --n 120 --seed 3")
    assert "train" in run("split survey half --train-fraction 0.5")
    fixed = "--set epochs=2 --set days_per_column=8 --set merged_blocks=2 --set autoencoder=false"
    assert "2 done" in run(f"search pelican --survey survey --split half --study runs/x --trials 2 {fixed}")
    assert "selected calibrated" in run("ensemble runs/x")
    scores = json.loads(run("ensemble runs/x --overwrite --json"))["scores"]
    assert 0 < scores["test"]["selected_calibrated"]["log_loss"] < 2
    assert "120 objects" in run("predict runs/x/ensemble survey all.parquet")
    assert "AUC" in run("evaluate all.parquet survey --split half --report report")
    assert "baseline.parquet" in run("baseline binned-trees --survey survey --split half baseline.parquet")
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())


def test_real_light_curves_are_ingested(archive, tmp_path):
    printed = succeed("ingest", "snana", archive, tmp_path / "foundation", "--name", "Foundation")
    assert "242 light curves read, 0 skipped" in printed
    assert "bands g r i z" in printed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ingest snana nowhere out", "nowhere"),
        ("ingest snana nowhere out --band g", "--band must be NAME=VALUE"),
        ("ingest snana nowhere out --type Ia=1", "--type must be CODE=NAME"),
        ("split nowhere half --train-fraction 0.5", "nowhere"),
        ("split {survey} half --train-fraction 0.5", "half"),
        ("split {survey} other --train-fraction 1.5", "1.5"),
        ("search pelikan --survey {survey} --split half --study s --trials 1", "pelican"),
        ("search pelican --survey nowhere --split half --study s --trials 1", "nowhere"),
        ("search pelican --survey {survey} --split nosplit --study s --trials 1", "nosplit"),
        (
            "search pelican --survey {survey} --split half --study s --trials 1 --set epochs=[1",
            "--set epochs",
        ),
        ("search pelican --survey {survey} --split half --study s --trials 1 --set epochs=no", "`epochs`"),
        ("search pelican --survey {survey} --split half --study s --trials 1 --set epoch=1", "`epoch`"),
        ("search pelican --survey {survey} --split half --study s --trials 1 --classes Ia,II", "II"),
        ("search pelican --survey {survey} --split half --study s --trials 1 --classes Ia", "class_names"),
        ("search pelican --survey {survey} --split half --study {survey} --trials 1", "not empty"),
        ("search pelican --survey {survey} --split half --study s --trials 1 --address foo", "HOST:PORT"),
        (
            "search pelican --survey {survey} --split half --study s --trials 1 --address ray://h:1",
            "ray://h:1",
        ),
        ("ensemble nowhere", "is no study"),
        ("predict nowhere {survey} out.parquet", "nowhere"),
        ("evaluate nowhere.parquet {survey} --report report", "nowhere.parquet"),
        ("evaluate nowhere.parquet {survey} --report report --days 1,x", "--days must be numbers"),
        ("evaluate nowhere.parquet {survey} --report report --days 1", "needs both a bundle and days"),
        ("evaluate nowhere.parquet {survey} --report report --bins redshift", "--bins must be NAME=VALUE"),
        ("evaluate nowhere.parquet {survey} --report report --bins z=0,x", "--bins z must be numbers"),
        ("predict nowhere {survey} out.parquet --days -1", "days since detection must be 0 or more"),
        ("baseline forest --survey {survey} --split half out.parquet", "binned-trees"),
        (
            "baseline binned-trees --survey {survey} --split half o.parquet --redshift redshift",
            "is the truth",
        ),
        (
            "baseline binned-trees --survey {survey} --split half o.parquet --processes 2",
            "takes no `processes`",
        ),
        (
            "baseline salt2-trees --survey {survey} --split half o.parquet --model-path nowhere",
            "must be the folder of a SALT model",
        ),
        ("campaign nowhere --out o", "is no campaign: neither a file nor one that ships ("),
        ("campaign tiny --out o --set defaults.members=0", "`defaults.members`"),
        ("campaign tiny --out o --survey earth=here", "has no survey 'earth'"),
        ("dashboard nowhere", "is no study"),
        ("demo {survey}", "choose another folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(line, message, tiny_survey, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rookery", *line.format(survey=tiny_survey.path).split()])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert printed.startswith("error: ")
    assert message in printed
    assert len(printed.strip().splitlines()) == 1


def test_an_unknown_device_is_one_error(make_job, tmp_path):
    with pytest.raises(ValueError, match="device `abacus` cannot be used here"):
        train_member(make_job(), tmp_path / "m", tmp_path / "c", lambda *_: None, device="abacus")


@pytest.fixture
def own_survey(tiny_survey, tmp_path):
    """A copy of the tiny survey, which may get splits that no other test shall see."""
    return shutil.copytree(tiny_survey.path, tmp_path / "survey")


@pytest.mark.slow
def test_a_split_without_validation_is_refused_before_anything_starts(own_survey, tmp_path):
    succeed("split", own_survey, "unvalidated", "--train-fraction", "0.5", "--validation-fraction", "0")
    study = tmp_path / "study"
    words = ["--survey", own_survey, "--split", "unvalidated", "--study", study, "--trials", "1"]
    done = rookery("search", "pelican", *words)
    assert done.returncode == 2
    assert "has no object to take for the validation role" in done.stderr
    assert not study.exists()


@pytest.mark.slow
def test_training_on_one_class_only_is_one_error(tiny_survey, own_survey, tmp_path):
    objects = tiny_survey.objects
    ids = objects["object_id"][objects["type"] != "Ia"].head(40)
    (tmp_path / "ids.txt").write_text("\n".join(ids))
    succeed("split", own_survey, "no-ia", "--train-ids", tmp_path / "ids.txt")
    words = ["--survey", own_survey, "--split", "no-ia", "--study", tmp_path / "study", "--trials", "1"]
    done = rookery("search", "pelican", *words)
    assert done.returncode == 2
    assert "every class needs training objects, but there are none of Ia" in done.stderr


def test_every_verb_is_a_function_whose_options_are_explained():
    groups = {name: verb.verbs() for name, verb in VERBS.items() if isinstance(verb, Group)}
    verbs = {name: verb for name, verb in VERBS.items() if isinstance(verb, Verb)}
    verbs |= {f"{group} {name}": verb for group, inside in groups.items() for name, verb in inside.items()}
    assert len(verbs) >= 30
    for name, verb in verbs.items():
        if not name.startswith("jobs "):
            known = {"demo": demo.demo, "cluster write": api.cluster}.get(name)
            assert verb.function is (known or getattr(api, name.replace(" ", "_").replace("-", "_"))), name
        for argument in arguments(verb.function):
            assert argument.words, f"{name} {argument.name}"
