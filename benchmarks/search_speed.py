"""Trials a second of searches whose trials do nothing: search_speed.py [WHO] [TRIALS] [SAMPLER] [SECONDS].

WHO is `ours` (the real path: coordinator, Tune, SQLite), `tune` (Ray Tune with OptunaSearch as they come),
`tune-reused` (the same with `reuse_actors` and no loggers) or `optuna` (two processes on SQLite).
SAMPLER is `random` or `tpe`. With SECONDS each trial of `ours` sleeps so long, and the share of time in which
the two workers were busy is printed too. CPU is that of the driver, which for `optuna` is both processes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
from rich.console import Console
from tabulated import SPACE

WORKERS = 2


def sampler(name: str, seed: int = 0) -> optuna.samplers.BaseSampler:
    """Return Optuna's sampler."""
    made = optuna.samplers.TPESampler if name == "tpe" else optuna.samplers.RandomSampler
    return made(seed=seed)


class Watch(threading.Thread):
    """Notes the driver's processor time and memory twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[tuple[float, float, float]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until told to end."""
        me = psutil.Process()
        while not self.ended.wait(0.5):
            self.samples.append((time.time(), time.process_time(), me.memory_info().rss / 2**20))


def ours(folder: Path, n: int, name: str, seconds: float) -> list[tuple[float, float]]:
    """Run `run_search` on a study whose trials only report a value."""
    from rookery.search.run import run_search
    from rookery.search.study import SplitReference, Study, StudyDocument, SurveyReference
    from rookery.search.trial import FINISHED
    from rookery.surveys.redshift_bins import RedshiftBins

    document = StudyDocument(
        family=SPACE.family,
        survey=SurveyReference(path="none", checksum=""),
        split=SplitReference(name="none", digest="", folds=0),
        redshift_bins=RedshiftBins(),
        sampler="tpe" if name == "tpe" else "random",
        pruner="none",
        seed=0,
        execution="actor",
        space=SPACE,
    )
    study = Study(folder, document)

    def do_nothing(config: dict[str, Any]) -> None:
        from ray import tune

        time.sleep(seconds)
        tune.report({FINISHED: float(config["plan"]["jobs"][0]["configuration"]["learning_rate"])})

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        run_search(study, n_trials=n, concurrent=WORKERS, console=Console(file=nowhere), run=do_nothing)
    return times(study.optuna_study())


def with_tune(folder: Path, n: int, name: str, *, reused: bool) -> list[tuple[float, float]]:
    """Run Ray Tune with its own OptunaSearch."""
    if reused:
        os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ray.init(include_dashboard=False, log_to_driver=False)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / 'study.db'}")
    searcher = OptunaSearch(
        SPACE.suggest, metric="value", mode="min", sampler=sampler(name), storage=storage, study_name="tune"
    )

    def do_nothing(config: dict[str, Any]) -> None:
        tune.report({"value": config["learning_rate"]})

    settings = tune.TuneConfig(
        num_samples=n, search_alg=searcher, max_concurrent_trials=WORKERS, reuse_actors=reused
    )
    run = tune.RunConfig(storage_path=str(folder), verbose=0)
    tune.Tuner(do_nothing, tune_config=settings, run_config=run).fit()
    ray.shutdown()
    return times(optuna.load_study(study_name="tune", storage=storage))


def with_optuna(folder: Path, n: int, name: str) -> list[tuple[float, float]]:
    """Run two processes of Optuna on one SQLite file."""
    url = f"sqlite:///{folder / 'study.db'}"
    study = optuna.create_study(study_name="plain", storage=url)
    parts = [n // WORKERS + (i < n % WORKERS) for i in range(WORKERS)]
    here = [sys.executable, __file__, "optuna-worker"]
    started = [subprocess.Popen([*here, str(part), name, url, str(i)]) for i, part in enumerate(parts)]
    for process in started:
        process.wait()
    return times(study)


def optuna_worker(n: int, name: str, url: str, seed: int) -> None:
    """Be one of these processes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="plain", storage=url, sampler=sampler(name, seed))
    study.optimize(lambda trial: float(SPACE.suggest(trial)["learning_rate"]), n_trials=n)


def times(study: optuna.Study) -> list[tuple[float, float]]:
    """Return when each complete trial began and ended, in the order of their ends."""
    trials = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    ends = [(t.datetime_start, t.datetime_complete) for t in trials]
    return sorted(((a.timestamp(), b.timestamp()) for a, b in ends if a and b), key=lambda pair: pair[1])


def main(who: str = "ours", n: int = 200, name: str = "random", seconds: float = 0.0) -> None:
    """Run one search and print its figures."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    watch, start = Watch(), time.time()
    watch.start()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if who == "ours":
            found = ours(folder, n, name, seconds)
        elif who == "optuna":
            found = with_optuna(folder, n, name)
        else:
            found = with_tune(folder, n, name, reused=who == "tune-reused")
        files = sum(path.is_file() for path in folder.rglob("*"))
    watch.ended.set()
    begun, ended = np.array(found).T
    span = ended[-1] - begun[0]
    clock, cpu, _ = np.array(watch.samples).T
    processor = float(cpu[-1] - np.interp(begun[0], clock, cpu))
    if who == "optuna":
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = used.ru_utime + used.ru_stime
    print(
        f"{who}, {name}: {len(found)} of {n} trials, {len(found) / span:.1f} trials/s, "
        f"{1e3 * processor / len(found):.1f} ms of CPU and {files / len(found):.2f} files a trial, "
        f"first trial ended after {ended[0] - start:.1f} s"
    )
    if seconds:
        print(f"workers busy: {100 * seconds * len(found) / (WORKERS * span):.1f} % of {span:.0f} s")
    if who == "ours" and n >= 1000:
        growth(np.array(watch.samples), ended)


def growth(samples: np.ndarray, ended: np.ndarray) -> None:
    """Print processor time a trial and memory by tenths of the trials."""
    edges = np.linspace(0, len(ended) - 1, 11).astype(int)
    cpu, memory = (np.interp(ended[edges], samples[:, 0], samples[:, column]) for column in (1, 2))
    for a, b, used, held in zip(edges[:-1], edges[1:], np.diff(cpu), memory[1:], strict=True):
        print(f"trials {a}-{b}: {1e3 * used / (b - a):.1f} ms of CPU a trial, {held:.0f} MB at the end")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["optuna-worker"]:
        optuna_worker(int(given[1]), given[2], given[3], int(given[4]))
    else:
        kinds = (str, int, str, float)
        main(*[kind(value) for kind, value in zip(kinds, given, strict=False)])
