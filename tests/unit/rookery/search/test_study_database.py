"""The database of a study through deaths and full disks while it is made, and what they left before."""

import re
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from sqlalchemy.schema import CreateTable

from disks import fill, mounted
from rookery.dashboard.optuna_pages import open_storage
from rookery.search.costs import trial_costs
from rookery.search.status import study_status
from rookery.search.study import open_study
from rookery.search.trials_table import pareto_front
from rookery_ensembles import InputError
from rookery_ensembles.files import is_partial

STUDY = """\
family: photoz_mlp
survey: {path: /nowhere, checksum: "0"}
split: {name: half, digest: "0", folds: 0}
redshift_bins: {low: 0, high: 0.4, number: 10}
sampler: random
pruner: none
seed: 0
execution: actor
space:
  objective: {metric: validation_log_loss, direction: minimize}
  family: photoz_mlp
  parameters: {epochs: {value: 3}}
"""
KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy
from rookery.search.study import open_study

def make(folder):
    MAKE

def killed_at(number, folder):
    passed = 0
    def step(*_):
        nonlocal passed
        passed += 1
        if passed == number:
            os.kill(os.getpid(), signal.SIGKILL)
    def file_step(event, arguments):
        if event in ("open", "os.link", "os.rename", "os.remove") and str(arguments[0]).startswith(WHERE):
            step()
    def statement(connection, cursor, text, *_):
        if not text.lstrip().startswith(("PRAGMA", "SELECT")):
            step()
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "after_cursor_execute", statement)
    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", step)
    sys.addaudithook(file_step)
    make(folder)
    os._exit(0)

make(Path(sys.argv[1]) / "0")  # everything is imported now
number, status = 0, 1
while status:
    number += 1
    if not (child := os.fork()):
        killed_at(number, Path(sys.argv[1]) / str(number))
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
print(number)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "study")


def make_folder(path: Path, storage: Path | None = None) -> Path:
    path.mkdir()
    text = STUDY if storage is None else f"{STUDY}storage: sqlite:///{storage}\nstorage_name: ours\n"
    (path / "study.yaml").write_text(text)
    return path


def killed_at_every_step(tmp_path: Path, make: str, storage: Path | None = None) -> list[Path]:
    """Let a process die after each step in which `make` makes a study's database; return the studies."""
    (steps := tmp_path / "steps").mkdir()
    for number in range(60):
        place = None if storage is None else storage.with_name(f"{number}.db")
        make_folder(steps / str(number), place)
    code = KILLED.replace("MAKE", make).replace("WHERE", repr(str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-c", code, str(steps)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    n_steps = int(done.stdout)
    assert 10 < n_steps < 60
    return [steps / str(number) for number in range(1, n_steps)]


def assert_sound(folder: Path, name: str = "rookery", n_trials: int = 0) -> None:
    """Open a study as its next drivers do; see that it has one Optuna study, and takes trials."""
    study = open_study(folder)
    for _ in range(2):
        opened = study.optuna_study(single_writer=True)
        assert len(opened.trials) == n_trials
    opened.tell(opened.ask(), 0.5)
    connection = sqlite3.connect(study.url.database or "")
    rows = connection.execute("SELECT study_name FROM studies").fetchall()
    assert rows == [(name,)]
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute("INSERT INTO studies (study_name) VALUES (?)", (name,))
    assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]
    connection.close()
    assert study_status(folder)["trials"]["complete"] == n_trials + 1
    assert len(trial_costs(study)) == n_trials + 1


@pytest.mark.slow
def test_a_death_at_any_step_of_making_a_database_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    folders = killed_at_every_step(tmp_path, "open_study(folder).optuna_study()")
    made = [folder for folder in folders if (folder / "study.db").exists()]
    assert 0 < len(made) < len(folders)
    for folder in folders:
        assert trial_costs(open_study(folder)).empty  # a reader makes nothing
        assert (folder / "study.db").exists() == (folder in made)
    for folder in [*made, *folders[-len(made) - 3 : -len(made)], folders[0]]:
        assert_sound(folder)
        open_study(folder).sweep()
        assert [path.name for path in folder.iterdir() if is_partial(path)] == []


@pytest.mark.slow
def test_a_database_that_the_user_names_is_made_whole_too(tmp_path: Path) -> None:
    (tmp_path / "databases").mkdir()
    make = "open_study(folder).optuna_study()"
    for folder in killed_at_every_step(tmp_path, make, tmp_path / "databases" / "x.db")[-6:]:
        assert_sound(folder, "ours")


def brick(folder: Path) -> None:
    """Leave what a death after the very first table left, and the two commands that followed, before."""
    with sqlite3.connect(folder / "study.db") as connection:
        connection.execute(str(CreateTable(models.StudyModel.__table__)))
    connection.close()
    storage = RDBStorage(f"sqlite:///{folder}/study.db")
    opened = optuna.create_study(storage=storage, study_name="rookery", load_if_exists=True)
    opened.tell(opened.ask(), 0.25)
    with suppress(optuna.exceptions.StorageInternalError):  # two were found, where one was looked for
        storage.create_new_study([StudyDirection.MINIMIZE], "rookery")
    storage.engine.dispose()


@pytest.mark.slow
def test_what_a_death_left_half_made_is_made_whole(tmp_path: Path) -> None:
    """Databases as they were made before, table by table, up to each of their steps."""
    make = "__import__('optuna').storages.RDBStorage(f'sqlite:///{folder}/study.db')"
    folders = killed_at_every_step(tmp_path, make)
    half_made = [folder for folder in folders if (folder / "study.db").exists()]
    assert len(half_made) > 10
    for folder in half_made:
        assert_sound(folder)


def test_two_studies_of_one_name_are_explained_to_readers_and_mended_by_the_next_search(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    brick(folder)
    rule = "study.db: is damaged (index ix_studies_study_name is missing; there are 2 studies `rookery`); "
    study = open_study(folder)
    for look in (
        lambda: trial_costs(study),
        lambda: pareto_front(study),
        lambda: study_status(folder),
        lambda: open_storage(folder),
        study.complete_trials,
    ):
        with pytest.raises(InputError, match=re.escape(f"{rule}the `rookery search` that made it mends it")):
            look()
    before = (folder / "study.db").read_bytes()
    assert_sound(folder, n_trials=1)
    assert "was left half made (index ix_studies_study_name is missing; there are 2 studies" in caplog.text
    (kept,) = folder.glob("study.db.damaged-*")
    assert kept.name in caplog.text
    assert kept.read_bytes() == before


def test_mending_keeps_the_trials_of_every_study(folder: Path) -> None:
    brick(folder)
    with sqlite3.connect(folder / "study.db") as connection:
        for number in range(2):
            values = (number, 2, "PRUNED")
            connection.execute("INSERT INTO trials (number, study_id, state) VALUES (?, ?, ?)", values)
    connection.close()
    study = open_study(folder)
    assert [trial.value for trial in study.optuna_study().trials] == [0.25]
    storage = open_storage(folder)
    others = {found.study_name: found._study_id for found in storage.get_all_studies()}
    assert others.pop("rookery") == 1
    ((name, identity),) = others.items()
    assert name == "rookery (study 2, of the same name)"
    assert [trial.state.name for trial in storage.get_all_trials(identity)] == ["PRUNED"] * 2


def test_a_journal_of_another_database_is_not_rolled_back_into_a_new_one(folder: Path) -> None:
    study = open_study(folder)
    study.optuna_study()
    killed = f"""
import os, sqlite3
connection = sqlite3.connect({str(folder / "study.db")!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("CREATE TABLE notes AS WITH RECURSIVE n(x) AS "
                   "(SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9999) SELECT x FROM n")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", killed], check=True)
    assert (folder / "study.db-journal").stat().st_size > 0
    (folder / "study.db").unlink()
    assert_sound(folder)


@pytest.mark.parametrize("limit", [0, 60_000])
@pytest.mark.slow
def test_a_file_size_limit_while_it_is_made_is_one_error_and_the_same_call_goes_on(
    folder: Path, limit: int
) -> None:
    code = f"""
import resource, signal, sys
from rookery.search.study import open_study
study = open_study({str(folder)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    study.optuna_study()
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder}/study.db: cannot be written (File too large)\n"
    assert sorted(path.name for path in folder.iterdir()) == ["study.yaml"]
    assert_sound(folder)


def test_a_full_disk_while_it_is_made_is_one_error_and_the_same_call_goes_on(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        folder = make_folder(disk / "study")
        fill(disk)
        with pytest.raises(InputError, match=r"study\.db: cannot be written \(No space left on device\)"):
            open_study(folder).optuna_study()
        assert sorted(path.name for path in folder.iterdir()) == ["study.yaml"]
        (disk / "filler").unlink()
        assert_sound(folder)


def test_readers_of_a_study_that_has_not_begun_make_no_database(folder: Path) -> None:
    study = open_study(folder)
    assert trial_costs(study).empty
    assert pareto_front(study) == []
    assert study.complete_trials() == {}
    assert study_status(folder)["trials"]["complete"] == 0
    with pytest.raises(InputError, match="does not exist yet"):
        open_storage(folder)
    assert [path.name for path in folder.iterdir()] == ["study.yaml"]
