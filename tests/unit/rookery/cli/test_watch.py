"""Many studies on a terminal: a line each, drawn anew while one of them runs."""

import io
import json
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from rookery import api, cli
from rookery.cli import watch
from rookery.search.time_left import Arrival, time_left
from rookery_ensembles import InputError

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A folder with a study, a campaign and a broken study."""
    shutil.copytree(FILES / "studies" / "classes", tmp_path / "runs" / "classes")
    shutil.copytree(FILES / "campaign", tmp_path / "runs" / "paper" / "campaign")
    broken = tmp_path / "runs" / "a broken one"
    broken.mkdir()
    (broken / "study.yaml").write_text("{family: pelican}\n")
    return tmp_path / "runs"


def row(path: str = "runs/x", **changes: Any) -> dict[str, Any]:
    trials = {"complete": 30, "pruned": 6, "failed": 1, "waiting": 0, "running": 2, "interrupted": 0}
    network = {
        "member": "0037-f1", "fold": 1, "epoch": 12, "epochs": 40, "metric": "validation_log_loss",
        "value": 0.3312, "best": 0.3301, "seconds_per_epoch": 2.1, "silent_seconds": 700.0, "stalled": False,
        "device": "cpu", "host": "node-3", "memory_bytes": None,
    }  # fmt: skip
    found = {
        "kind": "study", "path": path, "trials": trials, "wanted": 200, "first_error": None,
        "best": {"trial": 3, "value": 0.31224},
        "running_networks": [network, network | {"member": "0038", "stalled": True}],
        "driver_alive": True, "seconds_left": 7500.0,
    }  # fmt: skip
    return found | changes


GONE = row()["trials"] | {"running": 0}


def drawn(found: list[dict[str, Any]], width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(watch.Fleet().table(found, width))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_folder_of_studies_is_a_list_in_which_a_broken_one_hides_no_other(fleet: Path) -> None:
    found = api.status(fleet)
    assert isinstance(found, list)
    assert [(Path(one["path"]).name, one["kind"]) for one in found] == [
        ("a broken one", "broken"), ("classes", "study"), ("campaign", "campaign"),
    ]  # fmt: skip
    assert "a broken one" in found[0]["error"]
    several = api.status([fleet / "classes", fleet / "paper"])
    assert [one["kind"] for one in several] == ["study", "campaign"]
    assert isinstance(api.status(fleet / "classes"), dict)
    (fleet / "empty").mkdir()
    with pytest.raises(InputError, match="empty: is neither a study nor a campaign, and no folder below it"):
        api.status([fleet / "classes", fleet / "empty"])


@pytest.mark.parametrize("flags", [[], ["--json"], ["--watch"], ["--watch", "--json"]])
def test_the_command_line_lists_a_fleet_and_ends_where_none_runs(
    fleet: Path, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rookery", "status", str(fleet), *flags])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    output = capsys.readouterr().out
    if "--json" in flags:
        assert [one["kind"] for one in json.loads(output)] == ["broken", "study", "campaign"]
    else:
        assert "finished" in output
        assert "broken" in output


def test_a_fleet_fits_into_eighty_columns() -> None:
    name = "a/very/long/path/of/a/study/that/nobody/would/type/" + "x" * 30
    lines = drawn(
        [row(name, seconds_left=7500.0), row(wanted=None, best=None), row("b", first_error="E" * 99)]
    )
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for words in (
        "running",
        "37/200",
        "0.3122",
        "2 h 5 min left",
        "epoch 12 of 40",
        "0.3312 (best 0.3301)",
        "node-3",
    ):
        assert words in text
    assert "0038" in text
    assert "no epoch for 11 min" in text


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        (
            {"driver_alive": False, "trials": GONE | {"interrupted": 2}},
            "interrupted",
        ),
        ({"driver_alive": False, "trials": GONE}, "stopped"),
        ({"driver_alive": False, "wanted": 37, "trials": GONE}, "finished"),
        ({"kind": "broken", "error": "damaged"}, "broken"),
    ],
)
def test_a_state_is_one_word(changes: dict[str, Any], state: str) -> None:
    assert watch.state_of(row(**changes)) == state


def test_watching_draws_until_none_runs() -> None:
    answers = [
        [row()],
        [row()],
        [row(driver_alive=False, wanted=37, trials=GONE)],
    ]
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    pauses: list[float] = []
    watch.watch(lambda: answers.pop(0), as_json=False, console=console, pause=pauses.append)
    assert answers == []
    assert pauses == [2.0, 2.0]
    assert "finished" in console.file.getvalue()  # type: ignore[attr-defined]


def test_time_left_is_that_of_what_ended_lately() -> None:
    ends = [0.0, *range(10_000, 10_300, 10)]
    assert time_left(len(ends), len(ends) + 6, ends, now=10_290.0) == pytest.approx(60.0)
    assert time_left(len(ends), len(ends) + 6, ends, now=10_295.0) == pytest.approx(55.0)
    assert time_left(5, 5, [], now=0.0) == 0.0
    assert time_left(1, 5, [1.0], now=2.0) is None
    assert time_left(3, None, [1.0, 2.0, 3.0], now=4.0) is None


def test_the_time_left_does_not_jump() -> None:
    now = [0.0]
    arrival = Arrival(lambda: now[0])
    shown = []
    for second in range(0, 600, 2):
        now[0] = float(second)
        estimate = 2000.0 - second + (300.0 if second % 4 else -300.0)  # as noisy as trials are unlike
        shown.append(arrival.left(estimate))
    steps = [abs(b - a + 2) for a, b in pairwise(shown)]  # type: ignore[operator]
    assert max(steps) < 12
    assert shown[-1] == pytest.approx(2000 - 598, abs=100)
