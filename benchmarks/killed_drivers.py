"""What is left of a search that is killed by SIGKILL: killed_drivers.py [TRIALS] [DEEPHYPER-PYTHON].

The ways of `search_speed.py`, trials of 0.2 s, two at once. Driver and workers are killed when about half of
TRIALS (by default 60) have ended, and the search is started again as its documentation says. A trial writes
a line to a file of the benchmark's own when it ends: `ended` counts them at the kill, `known` those that the
way itself knows of afterwards, `runs` all lines once it has ended again; those above TRIALS were lost or
repeated. Tune's OptunaSearch keeps its study in memory here, with Tune's own snapshots: with a database it
cannot be restored.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import search_speed

PAUSE = "0.2"


def known(way: str, folder: Path) -> int:
    """Return how many complete trials a way knows of."""
    if way == "rookery":
        from rookery.search.study import open_study

        return len(open_study(folder / "study").complete_optuna_trials())
    if way == "deephyper":
        return max(0, len((folder / "results.csv").read_text().splitlines()) - 1)
    if way.startswith("tune"):
        from ray import tune

        if not tune.Tuner.can_restore(str(folder / "run")):
            return 0
        logging.getLogger("ray.tune").setLevel(logging.ERROR)  # no metrics without its loggers: not asked for
        results = tune.ExperimentAnalysis(str(folder / "run")).trials
        return sum(trial.status == "TERMINATED" for trial in results)
    import optuna

    study = optuna.load_study(study_name="plain", storage=f"sqlite:///{folder}/study.db")
    return len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))


def lines(log: Path) -> int:
    """Return how many trials have ended."""
    return len(log.read_text().splitlines()) if log.exists() else 0


def measure(way: str, trials: int, deephyper: str | None, folder: Path) -> tuple[int, int, int, int]:
    """Kill a way's driver half-way and go on; return ended, known, runs and complete."""
    log = folder / "ended.log"
    environment = search_speed.environment(way) | {"BENCH_LOG": str(log), "BENCH_PAUSE": PAUSE}
    state = folder / "state"
    state.mkdir()
    words = [*search_speed.command(way, deephyper), "--trials", str(trials), "--folder", str(state)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen(words, env=environment, start_new_session=True, **quiet)
    while lines(log) < trials // 2:
        if driver.poll() is not None:
            sys.exit(f"{way}: ended before it was killed ({driver.returncode})")
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    time.sleep(1)
    ended = lines(log)
    found = known(way, state)
    subprocess.run(words, env=environment, check=True, **quiet)
    return ended, found, lines(log), known(way, state)


def main(trials: int = 60, deephyper: str | None = None) -> None:
    """Print the table."""
    print("| way | ended before the kill | known afterwards | runs in all | complete at the end |")
    print("| --- | --- | --- | --- | --- |")
    for way in search_speed.WAYS:
        if way == "tune" or (way == "deephyper" and deephyper is None):
            continue  # Tune with its default loggers keeps what Tune without them keeps
        with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
            found = measure(way, trials, deephyper, Path(scratch))
        print(f"| {way} | " + " | ".join(map(str, found)) + f" (of {trials}) |", flush=True)


if __name__ == "__main__":
    main(*[int(a) for a in sys.argv[1:2]], *sys.argv[2:3])
