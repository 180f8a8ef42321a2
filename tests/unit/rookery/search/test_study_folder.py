import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rookery.search.creation import create_or_open_study
from rookery.search.jobs import trial_jobs
from rookery.search.space import SearchSpace
from rookery.search.study import Study, driver_lock, open_study
from rookery.surveys import Survey, open_survey, simulate_supernovae, split_survey
from rookery.training.job import TrainingJob
from rookery_ensembles import Classes
from rookery_ensembles.errors import InputError

Create = Callable[..., Study]
DOCUMENT: dict[str, Any] = {
    "family": "pelican",
    "objective": {"metric": "validation_log_loss", "direction": "minimize"},
    "parameters": {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
        "autoencoder": {"type": "categorical", "choices": [True, False]},
        "autoencoder_weight": {"type": "float", "low": 0.01, "high": 1, "when": {"autoencoder": True}},
        "epochs": {"value": 3},
    },
    "published": [{"learning_rate": 0.02, "autoencoder": False}],
}
SPACE = SearchSpace.model_validate(DOCUMENT)


@pytest.fixture
def create(tmp_path: Path, tiny_survey: Survey) -> Create:
    """Return a function that creates the study, or opens it again; its arguments replace terms."""

    def make(**changes: Any) -> Study:
        terms = {"space": SPACE, "survey": tiny_survey, "split": "half", "target": Classes(("Ia", "non-Ia"))}
        return create_or_open_study(tmp_path / "study", **{**terms, **changes})

    return make


@pytest.fixture(scope="module")
def other_survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    survey = simulate_supernovae(tmp_path_factory.mktemp("surveys") / "other", n=40, seed=2)
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    return survey


def content(study: Study) -> str:
    return (study.path / "study.yaml").read_text()


def test_study_document_tells_what_was_asked(create: Create, tiny_survey: Survey) -> None:
    study = create(seed=7, sampler="random", pruner="asha", execution="actor")
    document = yaml.safe_load(content(study))
    assert document["survey"] == {"path": str(tiny_survey.path), "checksum": tiny_survey.checksum}
    assert (document["split"]["name"], document["split"]["folds"]) == ("half", 0)
    keys = ("family", "class_names", "seed", "sampler", "pruner", "execution")
    assert [document[key] for key in keys] == ["pelican", ["Ia", "non-Ia"], 7, "random", "asha", "actor"]
    assert [file.name for file in study.path.iterdir()] == ["study.yaml"]


def test_reopened_study_is_the_same(create: Create) -> None:
    study = create()
    before = content(study)
    again = create()
    assert (again.document, again.space) == (study.document, study.space)
    assert again.space == SPACE
    assert open_study(study.path) == again
    assert content(study) == before


@pytest.mark.parametrize(("split", "folds"), [("half", [None]), ("folds", [0, 1, 2])])
def test_trials_train_once_or_once_per_fold(create: Create, split: str, folds: list) -> None:
    study = create(split=split)
    assert study.trainings() == [(fold, 0) for fold in folds]
    names = [study.member_name(12, *each) for each in study.trainings()]
    assert names == (["0012"] if split == "half" else ["0012-f0", "0012-f1", "0012-f2"])
    assert study.finished(12) is None


@pytest.mark.parametrize(("minutes", "seconds"), [(3.0, 30.0), (None, None)])
def test_networks_of_a_trial_share_its_time(
    create: Create, minutes: float | None, seconds: float | None
) -> None:
    study = create(split="folds", starts=2, trial_minutes=minutes)
    assert [job.most_seconds for job in trial_jobs(study, 0, {"epochs": 3})] == [seconds] * 6


def test_networks_are_compiled_as_the_study_says(create: Create) -> None:
    study = create(compile="never")
    assert [job.compile for job in trial_jobs(study, 0, {"epochs": 3})] == ["never"]


@pytest.mark.parametrize(
    ("asked", "deterministic", "wanted"),
    [("auto", None, "auto"), ("auto", 2, "never"), ("always", 2, "always")],
)
def test_what_timed_steps_say_decides_nothing_in_a_deterministic_study(
    create: Create, asked: str, deterministic: int | None, wanted: str
) -> None:
    study = create(compile=asked, deterministic=deterministic)
    assert trial_jobs(study, 0, {"epochs": 3})[0].compile == wanted


def test_a_study_of_before_there_was_a_choice_goes_on_with_the_jobs_that_it_had(create: Create) -> None:
    study = create()
    file = study.path / "study.yaml"
    text = file.read_text()
    assert "compile: auto\n" in text
    file.write_text(text.replace("compile: auto\n", ""))
    jobs = [trial_jobs(found, 0, {"epochs": 3})[0] for found in (study, create())]
    assert jobs[1] == jobs[0]
    # What digests were made of before: a checkpoint of then is taken up.
    dump = jobs[0].model_dump(mode="json", exclude={"compile"})
    assert TrainingJob.model_validate(dump).digest() == jobs[0].digest()


def test_a_study_does_not_begin_where_no_trial_could_be_compiled(create: Create) -> None:
    rule = "`compile` always needs networks that one process trains, but `workers_per_network` is 2"
    with pytest.raises(InputError, match=rule):
        create(compile="always", workers_per_network=2)


def test_random_starts_train_every_fold_so_often_under_names_of_their_own(create: Create) -> None:
    study = create(split="folds", starts=2)
    names = [study.member_name(3, *each) for each in study.trainings()]
    assert names == [f"0003-f{fold}-s{start}" for start in (0, 1) for fold in (0, 1, 2)]


def test_study_of_another_survey_is_refused_with_both(
    create: Create, tiny_survey: Survey, other_survey: Survey
) -> None:
    study = create()
    before = content(study)
    with pytest.raises(InputError) as caught:
        create(survey=other_survey)
    message = str(caught.value)
    assert message.startswith(f"{study.path / 'study.yaml'}: `survey.checksum`: the study belongs to another")
    for survey in (tiny_survey, other_survey):
        assert str(survey.path) in message
        assert survey.checksum[:12] in message
    assert content(study) == before


def test_survey_that_has_moved_is_accepted_at_its_new_place(
    create: Create, tiny_survey: Survey, tmp_path: Path
) -> None:
    create()
    moved = open_survey(shutil.copytree(tiny_survey.path, tmp_path / "moved"))
    study = create(survey=moved)
    assert study.document.survey.path == str(moved.path)
    assert study.document.survey.checksum == tiny_survey.checksum


def test_split_made_anew_under_the_same_name_is_refused(
    create: Create, tiny_survey: Survey, tmp_path: Path
) -> None:
    moved = open_survey(shutil.copytree(tiny_survey.path, tmp_path / "moved"))
    create(survey=moved)
    split_survey(moved, "half", train_fraction=0.5, seed=2, overwrite=True)
    with pytest.raises(
        InputError, match=r"study\.yaml: `split`: the study was made with .*half.*, not with .*half"
    ):
        create(survey=moved)


def changed(**parameters: Any) -> SearchSpace:
    return SearchSpace.model_validate({**DOCUMENT, "parameters": {**DOCUMENT["parameters"], **parameters}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "folds"}, r"`split`: the study was made with .*half.*folds=0, not with .*folds.*folds=3"),
        (
            {"target": Classes(("non-Ia", "Ia"))},
            r"`class_names`: .*with \('Ia', 'non-Ia'\), not with \('non-Ia', 'Ia'\)",
        ),
        ({"sampler": "random"}, "`sampler`: the study was made with 'tpe', not with 'random'"),
        ({"pruner": "none"}, "`pruner`: the study was made with 'percentile', not with 'none'"),
        ({"seed": 1}, "`seed`: the study was made with 0, not with 1"),
        ({"trial_minutes": 5.0}, "`trial_minutes`: the study was made with None, not with 5.0"),
        ({"execution": "train"}, "`execution`: the study was made with 'auto', not with 'train'"),
        ({"compile": "never"}, "`compile`: the study was made with 'auto', not with 'never'"),
        ({"space": SPACE.fix({"learning_rate": 0.02})}, r"`space`: .*\(changed: learning_rate, published\)"),
        ({"space": changed(epochs={"value": 4})}, r"`space`: .*\(changed: epochs\)"),
        ({"space": changed(dropout={"value": 0.1})}, r"`space`: .*\(changed: dropout\)"),
        (
            {
                "space": SPACE.model_copy(
                    update={"objective": SPACE.objective.model_copy(update={"direction": "maximize"})}
                )
            },
            r"`space`: .*\(changed: objective\)",
        ),
    ],
)
def test_study_under_other_terms_is_refused_with_key_and_values(
    create: Create, change: dict[str, Any], message: str
) -> None:
    study = create()
    before = content(study)
    with pytest.raises(InputError, match=rf"study\.yaml: {message}"):
        create(**change)
    assert content(study) == before


def test_folder_of_something_else_is_refused_and_left_alone(create: Create, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"study: is not empty and holds no study\.yaml"):
        create()
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["thesis.tex"]


def test_empty_folder_becomes_a_study(create: Create, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    assert content(create())


def test_unknown_split_is_refused_before_anything_is_written(create: Create, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"third\.parquet: no such split; the survey's splits are: folds, half"
    ):
        create(split="third")
    assert not (tmp_path / "study").exists()


def test_folder_without_study_document_is_no_study(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=rf"^{re.escape(str(path))}: is no study: it has no study\.yaml"):
            open_study(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("sampler: tpe", "sampler: bayes", "`sampler`: .*'tpe', 'gp', .*but found 'bayes'"),
        ("seed: 0", "sead: 0", "`sead`: is not a known key"),
        ("  folds: 0", "  folds: -1", "`split.folds`: .*greater than or equal to 0, but found -1"),
    ],
)
def test_study_document_with_a_mistake_is_refused_with_its_line(
    create: Create, before: str, after: str, message: str
) -> None:
    path = create().path / "study.yaml"
    line = path.read_text().splitlines().index(before) + 1
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(InputError, match=rf"study\.yaml, line {line}: {message}"):
        open_study(path.parent)


def test_database_that_is_none_is_refused_and_kept(create: Create) -> None:
    study = create()
    database = study.path / "study.db"
    database.write_bytes(b"my notes, which happen to have this name\n" * 50)
    with pytest.raises(InputError, match=r"study\.db: cannot be used as a SQLite database"):
        study.optuna_study()
    assert database.read_bytes().startswith(b"my notes")


HOLDER = """
import fcntl, sys, time
stream = open(sys.argv[1], "a")
fcntl.flock(stream, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""


def test_second_driver_is_refused_until_the_first_is_gone_even_by_kill(create: Create) -> None:
    study = create()
    with driver_lock(study):
        pass
    command = [sys.executable, "-c", HOLDER, str(study.path / "driver.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"
            with (
                pytest.raises(InputError, match="another `rookery search` is running on this study"),
                driver_lock(study),
            ):
                pytest.fail("two drivers hold the study")
        finally:
            holder.send_signal(signal.SIGKILL)
    with driver_lock(study):
        pass


def test_lock_is_freed_when_its_driver_fails(create: Create) -> None:
    study = create()
    with pytest.raises(ZeroDivisionError), driver_lock(study):
        raise ZeroDivisionError
    with driver_lock(study):
        pass


def test_folder_with_nothing_but_a_half_written_document_becomes_a_study(
    create: Create, tmp_path: Path
) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / ".study.yaml.partial-0123abcd").write_text("family: pel")
    assert create().space == SPACE


def test_study_path_that_is_a_file_is_refused(create: Create, tmp_path: Path) -> None:
    (tmp_path / "study").write_text("mine")
    with pytest.raises(InputError, match="study: is a file"):
        create()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": Classes(("Ia", "Ia", "non-Ia"))}, "`class_names`: classes must differ"),
        ({"target": Classes(("Ia", "II"))}, "every type must be one of the classes Ia, II"),
        ({"target": Classes(("Ia",))}, "`class_names`: .*at least 2 items"),
        ({"trial_minutes": 0}, "`trial_minutes`: .*greater than 0, but found 0"),
        ({"execution": "cloud"}, "`execution`: .*'train'.*but found 'cloud'"),
        ({"seed": -1}, "`seed`: .*greater than or equal to 0, but found -1"),
    ],
)
def test_impossible_terms_are_refused_and_nothing_is_written(
    create: Create, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        create(**change)
    assert not (tmp_path / "study").exists()


def test_what_a_killed_worker_left_half_written_is_swept(create: Create) -> None:
    study = create()
    left = [
        study.members_folder / ".0003.partial-0123abcd",
        study.path / "running" / ".0004.partial-0123abcd",
    ]
    left[0].mkdir(parents=True)
    (left[0] / "card.json").write_text("{}")
    left[1].parent.mkdir()
    left[1].write_bytes(b"half")
    (study.members_folder / "0002").mkdir()
    study.sweep()
    assert not left[0].exists()
    assert not left[1].exists()
    assert (study.members_folder / "0002").is_dir()
