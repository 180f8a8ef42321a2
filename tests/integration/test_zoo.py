"""The benchmark of many pools runs, and judges what it says it judges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_task_of_the_zoo_is_judged_on_objects_that_nothing_saw(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "benchmarks/zoo.py",
        "--folder",
        str(tmp_path),
        "--only",
        "wine-00",
        "cancer-01",
    ]
    done = subprocess.run(
        [*command, "--processes", "1"], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "deephyper: left out" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[1:]] == [
        "| best single",
        "| plain average",
        "| auto",
        "| greedy",
    ]
    told = json.loads((tmp_path / "wine-00.judged.json").read_text())
    assert told["plain average"]["log gain"] == [0.0, 0.0]
    assert told["members"] == 5
