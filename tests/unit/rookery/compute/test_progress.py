"""How far long work is: in a terminal, in a log file, not at all; one bar at a time."""

import io
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rookery import api
from rookery.compute import progress as progress_of
from rookery.compute.console import QUIET
from rookery.compute.progress import Progress, tracked
from rookery.surveys import Survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions


def lines_of(wanted: int | None, steps: int, seconds: float = 0.0) -> list[str]:
    file = io.StringIO()
    with Progress(wanted, Console(file=file, width=200), name="rows", after=seconds / 2) as progress:
        for _ in range(steps):
            time.sleep(seconds)
            progress.add(1000)
    return file.getvalue().splitlines()


def test_a_log_file_gets_a_last_line_with_the_rate_and_none_of_what_was_quick() -> None:
    (line,) = lines_of(2000, 2)
    assert line.startswith("rows 2,000/2,000  0 s, ")
    assert line.endswith(" rows/s")
    file = io.StringIO()
    with Progress(1, Console(file=file), after=60) as progress:
        progress.add(1)
    assert file.getvalue() == ""


def test_where_nobody_knows_how_many_there_are_the_rate_is_told() -> None:
    progress = Progress(None, Console(file=io.StringIO()), name="rows")
    progress.add(1234)
    assert str(progress._lines()).startswith("rows 1,234  0 s, ")


def test_work_within_shown_work_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress_of, "_AFTER", 0.0)
    monkeypatch.setattr(progress_of, "progress_console", lambda: Console(file=file, width=200))
    assert list(tracked([list(tracked(range(3), "inner"))], "outer")) == [[0, 1, 2]]
    assert [line.split()[0] for line in file.getvalue().splitlines()] == ["inner", "outer"]
    file.truncate(0)
    for _ in tracked(range(2), "outer"):
        list(tracked(range(3), "inner"))
    assert "inner" not in file.getvalue()
    assert not progress_of._open


def test_an_error_ends_what_is_drawn() -> None:
    def work() -> None:
        for _ in tracked(range(2), "rows"):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    progress_of.stop_all()
    assert not progress_of._open


def in_a_terminal(code: str, tmp_path: Path, **environment: str) -> str:
    """Run Python code whose standard error is a terminal of 80 columns; return what is written there."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment}
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=variables, cwd=tmp_path)
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    assert child.wait(timeout=60) == 0
    os.close(ours)
    return seen.decode()


SLOW = """
import time
from rookery.compute.progress import tracked
for row in tracked(range(30), "rows"):
    time.sleep(0.1)
"""


def test_a_terminal_shows_a_bar_with_rate_and_time_left_unless_it_is_to_be_quiet(tmp_path: Path) -> None:
    seen = in_a_terminal(SLOW, tmp_path)
    assert "━" in seen
    assert "rows/s" in seen
    assert "left" in seen
    assert in_a_terminal(SLOW, tmp_path, **{QUIET: "1"}) == ""


@pytest.fixture(scope="module")
def redshifts(tiny_galaxies: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of redshift PDFs of the galaxies."""
    target, objects = RedshiftBins.equal(0.0, 0.4, 20), tiny_galaxies.objects
    pdf = np.random.default_rng(1).dirichlet(np.ones(20), len(objects)) / target.widths
    file = tmp_path_factory.mktemp("redshifts") / "z.parquet"
    ids, truth = objects["object_id"].to_numpy().astype(str), objects["redshift"].to_numpy()
    info = PredictionInfo(target, member="m")
    write_predictions(Predictions(info, ids, truth, pdf.astype(np.float32)), file)
    return file


def _table(folder: Path) -> Path:
    ids, dates = np.repeat(np.arange(100), 100), np.tile(np.arange(1, 101), 100)
    rows = {"object_id": ids, "mjd": dates, "band": "r", "flux": 1.0, "flux_err": 0.1}
    pd.DataFrame(rows).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


VERBS: dict[str, tuple[str, Callable[[Path, Survey, Survey, Path], object]]] = {
    "ingest": ("kB", lambda here, sne, galaxies, z: api.ingest_table(_table(here), here / "s")),
    "simulate": ("supernovae", lambda here, sne, galaxies, z: api.simulate_supernovae(here / "s", n=5)),
    "evaluate": ("draws", lambda here, sne, galaxies, z: api.evaluate(z, galaxies.path, report=here / "r")),
    "compare": ("draws", lambda here, sne, galaxies, z: api.compare(z, z)),
    "baseline": (
        "fits",
        lambda here, sne, galaxies, z: api.baseline(
            "binned-trees", here / "b.parquet", survey=sne.path, split="half"
        ),
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_long_verb_tells_how_far_it_is(
    verb: str,
    tmp_path: Path,
    tiny_survey: Survey,
    tiny_galaxies: Survey,
    redshifts: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress_of, "_AFTER", 0.0)
    monkeypatch.setattr(progress_of, "progress_console", lambda: Console(file=file, width=200))
    monkeypatch.setattr("rookery.reports.draw.paper.save_chart", lambda *_: None)  # takes seconds
    unit, work = VERBS[verb]
    work(tmp_path, tiny_survey, tiny_galaxies, redshifts)
    assert f" {unit}/s" in file.getvalue()
