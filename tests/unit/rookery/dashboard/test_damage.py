"""What is damaged inside is no finished row of the fleet: it says what is damaged, and the others stay."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from predicted import finish, folder, redshifts
from rookery.dashboard.fleet import Fleet, fleet_row
from rookery.dashboard.sources import find_sources
from rookery_ensembles.predictions import write_predictions

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)
FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"
STUDY, BUNDLE = "studies/classes", "studies/classes/ensemble"
PAGE = 4096


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Studies with bundles, predictions in a file, and predictions in a folder."""
    shutil.copytree(FILES / "studies", tmp_path / "studies")
    write_predictions(redshifts(50), tmp_path / "z.parquet")
    finish(folder(tmp_path / "sky.unfinished", (20, 10), 30, 20), (20, 10))
    return tmp_path


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - 20])


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


@pytest.mark.parametrize(
    ("key", "pattern", "damage", "reason"),
    [
        (STUDY, "members/*/predictions-validation.parquet", cut, "cut short"),
        (STUDY, "members/*/history.parquet", cut, "cut short"),
        (STUDY, "members/*/weights.safetensors", cut, "cut short"),
        (STUDY, "members/*/card.json", cut, "cut short"),
        (BUNDLE, "members/*/weights.safetensors", cut, "cut short"),
        (BUNDLE, "members/*/weights.safetensors", alter, "SHA-256"),
        (BUNDLE, "members/*/config.yaml", alter, "SHA-256"),
        (BUNDLE, "members/*/card.json", Path.unlink, "No such file"),
        ("sky", "*1.parquet", cut, "must have"),
        ("z.parquet", "", cut, "undamaged Parquet"),
    ],
)
def test_a_file_that_is_not_whole_is_told_in_its_row(
    runs: Path, key: str, pattern: str, damage: Callable[[Path], None], reason: str
) -> None:
    whole = {row["key"]: row for row in Fleet([runs]).refresh()}
    assert "damaged" not in {row["state"] for row in whole.values()}
    file = first(runs / key, pattern) if pattern else runs / key
    damage(file)
    rows = {row["key"]: row for row in Fleet([runs]).refresh()}
    assert [name for name, row in rows.items() if row["state"] == "damaged"] == [key]
    assert str(file) in rows[key]["error"]
    assert reason in rows[key]["error"]
    assert rows[key].get("done") == (None if key in ("z.parquet", "sky") else whole[key]["done"])


@pytest.mark.parametrize(("key", "pattern"), [(BUNDLE, "*/weights.safetensors"), (STUDY, "*/card.json")])
def test_what_comes_later_or_is_mended_is_damaged_no_longer(
    runs: Path, key: str, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery.dashboard.fleet._DAMAGED_SECONDS", 1e-9)
    file = first(runs / key / "members", pattern)
    content = file.read_bytes()
    file.write_bytes(content[:10])  # as while a folder is being copied
    fleet = Fleet([runs])
    assert {row["state"] for row in fleet.refresh() if row["key"] == key} == {"damaged"}
    file.write_bytes(content)
    assert "damaged" not in {row["state"] for row in fleet.refresh()}


def test_any_page_of_a_database_that_is_overwritten_is_told(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    shutil.copy(FILES / STUDY / "study.yaml", tmp_path / "s")
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s/study.db", study_name="rookery")
    trial = study.ask()
    for step in range(300):
        trial.report(1 / (step + 1), step)
    study.tell(trial, 0.5)
    study._storage.remove_session()
    file = tmp_path / "s" / "study.db"
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,), "all pages are of something"
    (source,) = find_sources([tmp_path]).values()
    assert fleet_row(source)["state"] == "stopped"
    content = file.read_bytes()
    assert len(content) > 10 * PAGE
    for start in range(0, len(content), PAGE):
        file.write_bytes(content[:start] + b"\xff" * PAGE + content[start + PAGE :])
        row = fleet_row(source)
        assert row["state"] == "damaged", f"page {start // PAGE + 1}"
        assert "study.db: is damaged" in row["error"]
        assert "\n" not in row["error"]


def test_the_page_of_a_study_tells_the_damage_beside_what_can_be_shown(runs: Path) -> None:
    from dash_callbacks import answer  # not above: the extra may lack
    from rookery.dashboard.viewer import Viewer

    viewer, tick = Viewer([runs]), {"study-tick.n_intervals": 1}
    state = {"study-key.data": STUDY, "study-shown.data": None}

    def told() -> str:
        return answer(viewer, "study-facts", tick, state).get_data(as_text=True)

    assert "is damaged" not in told()
    cut(first(runs / STUDY, "members/*/predictions-validation.parquet"))
    page = told()
    assert "predictions-validation.parquet: is damaged: it was cut short or altered" in page
    assert "best validation_log_loss" in page
