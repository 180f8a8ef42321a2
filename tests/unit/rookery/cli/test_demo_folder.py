import json
import shutil
import sys
from pathlib import Path

import pytest
from rich.console import Console

from rookery import demo
from rookery_ensembles.errors import InputError


def made(folder: Path, *, finished: bool, seed: int = 1) -> None:
    """Make what a demo leaves, and a file of the user's own beside it."""
    demo._prepare(folder, seed)
    for name in ("survey", "study", "report", "galaxies-report"):
        (folder / name).mkdir()
    (folder / "notes.txt").write_text("mine")
    if finished:
        for name in ("report", "galaxies-report"):
            (folder / name / "index.html").touch()


def test_finished_demo_is_made_anew_without_what_is_not_its_own(tmp_path: Path) -> None:
    made(tmp_path / "demo", finished=True)
    demo._prepare(tmp_path / "demo", 1)
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == ["demo.json", "notes.txt"]


def test_unfinished_demo_goes_on(tmp_path: Path) -> None:
    made(tmp_path / "demo", finished=False)
    demo._prepare(tmp_path / "demo", 1)
    assert (tmp_path / "demo" / "study").is_dir()


def test_unfinished_demo_of_another_seed_is_made_anew(tmp_path: Path) -> None:
    made(tmp_path / "demo", finished=False)
    demo._prepare(tmp_path / "demo", 2)
    assert not (tmp_path / "demo" / "study").exists()
    assert json.loads((tmp_path / "demo" / "demo.json").read_text())["seed"] == 2


def test_folder_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "survey").mkdir()
    (tmp_path / "survey" / "survey.json").touch()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").touch()
    with pytest.raises(InputError, match="is not empty and holds no earlier demo"):
        demo._prepare(tmp_path, 1)
    assert (tmp_path / "survey" / "survey.json").exists()


def test_what_is_next_can_be_typed_also_where_the_command_is_not_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    demo._say_what_is_next(Console(), tmp_path, (tmp_path / "a.html", tmp_path / "b.html"), 3.0)
    typed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "#" in line]
    assert len(typed) == 4
    assert {Path(word).resolve() for word in typed} == {Path(sys.executable).parent.resolve() / "rookery"}
