"""What open pages cost a search that runs: `python benchmarks/dashboard.py --running [MINUTES]`.

A real search of tiny networks on simulated galaxies, on all cores of this machine; a server of its folder;
and ten open pages, each asking as a browser does every two seconds. Half a minute with pages and half
without take turns, so that whatever else the machine does falls on both alike.
"""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

PAGES, TICK, TURN = 10, 2.0, 30.0
SERVE = """
import sys
from rookery.dashboard import serve
serve(sys.argv[1:], port=0, announce=lambda url: print(url, flush=True))
"""
Look = Callable[[str, list[Any]], list[Any]]
"""Asks a server for what a page asks at each tick, given the versions that it has; returns those it gets."""


def begun(folder: Path) -> subprocess.Popen[bytes]:
    """Begin a search that is not over before the benchmark is."""
    rookery = [sys.executable, "-m", "rookery"]
    survey = folder / "galaxies"
    subprocess.run([*rookery, "simulate", "galaxies", survey, "--n", "400", "--size", "32"], check=True)
    subprocess.run([*rookery, "split", survey, "half", "--train-fraction", "0.5"], check=True)
    search = [*rookery, "search", "photoz_mlp", "--survey", survey, "--split", "half", "--trials", "100000"]
    fixed = ["--set=epochs=4", "--set=width=16", "--set=hidden_layers=1"]
    search += ["--study", folder / "runs" / "x", *fixed, "--pruner", "none", "--bins", "0,0.4,40"]
    search += ["--sampler", "random"]
    return subprocess.Popen(search, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def ended(study: Path) -> int:
    """Return how many trials have ended."""
    with closing(sqlite3.connect(f"file:{study / 'study.db'}?mode=ro", 30, uri=True)) as database:
        counted = database.execute("SELECT count(*) FROM trials WHERE state = 'COMPLETE'").fetchone()
    return int(counted[0])


@contextmanager
def opened(url: str, look: Look) -> Iterator[None]:
    """Keep pages open: each asks, waits and asks again."""
    closed = threading.Event()

    def page() -> None:
        versions: list[Any] = [None, None]
        while not closed.wait(TICK):
            versions = look(url, versions)

    threads = [threading.Thread(target=page) for _ in range(PAGES)]
    for number, thread in enumerate(threads):
        thread.start()
        closed.wait(TICK / PAGES * (number < PAGES - 1))
    try:
        yield
    finally:
        closed.set()
        for thread in threads:
            thread.join()


def rate(study: Path, seconds: float) -> tuple[int, float]:
    """Return how many trials end in a turn, and how long it took."""
    before, start = ended(study), time.monotonic()
    time.sleep(seconds)
    return ended(study) - before, time.monotonic() - start


def run(folder: Path, minutes: float, look: Look) -> None:
    """Search, look and do not look in turns, and print both rates and their ratio."""
    study = folder / "runs" / "x"
    study.parent.mkdir()
    search = begun(folder)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder / "runs")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url, "the server ended"
        while not (study / "study.db").is_file() or ended(study) < 4:
            assert search.poll() is None, "the search ended"
            time.sleep(1)
        sums = {"with": [0.0, 0.0], "without": [0.0, 0.0]}
        for _ in range(max(1, round(minutes * 60 / TURN / 2))):
            with opened(url, look):
                add(sums["with"], rate(study, TURN))
            add(sums["without"], rate(study, TURN))
        rates = {name: trials / seconds for name, (trials, seconds) in sums.items()}
        for name, (trials, seconds) in sums.items():
            print(f"{name} {PAGES} pages: {trials:.0f} trials in {seconds:.0f} s, {rates[name]:.3f} a second")
        print(f"ratio {rates['with'] / rates['without']:.3f}")
    finally:
        search.terminate()
        server.terminate()
        search.wait()
        server.wait()


def add(sums: list[float], found: tuple[int, float]) -> None:
    """Add a turn to the sums of trials and seconds."""
    for place, value in enumerate(found):
        sums[place] += value
