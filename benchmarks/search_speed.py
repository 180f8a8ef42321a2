"""Trials that do nothing: what a search itself costs, ours against Ray Tune with Optuna and Optuna alone.

    python benchmarks/search_speed.py --trials 200
    python benchmarks/search_speed.py --trials 10000 --only rookery --sampler random

Every way proposes two parameters at random, reports one value and ends; two trials at once. Each runs in a
process of its own. `trials/s` is from the first trial's start to the last one's end; `first` is the time from
the process's start to the first trial's; `CPU s` is that of all processes, divided by the trials; `files` are
those that the study leaves, divided by the trials. `growth` is the cost of a trial among the last tenth over
that among the first (after a tenth to warm up), `memory` the growth of the driver's resident memory between.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TUNE = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}


class Times:
    """When trials ended, and the memory of this process then."""

    def __init__(self) -> None:
        self.began = time.time()
        self.ends: list[float] = []
        self.memory: list[float] = []

    def end(self) -> None:
        self.ends.append(time.time())
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def objective(trial) -> float:
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


def rookery(folder: Path, trials: int, sampler: str, times: Times) -> None:
    """Our own search: Ray Tune, SQLite, the coordinator; the trial itself replaced."""
    import numpy as np
    import pandas as pd

    import rookery.search.trial as trial_module
    from rookery.search import coordinator as coordinator_module
    from rookery.search.run import run_search
    from rookery.search.space import SearchSpace
    from rookery.search.study import create_or_open_study
    from rookery.surveys import new_galaxy_survey, open_survey, split_survey

    generator = np.random.default_rng(1)
    table = pd.DataFrame(
        {"object_id": [f"g{n}" for n in range(40)], "redshift": generator.uniform(0, 0.4, 40)}
    )
    table["mag_r"], table["mag_err_r"] = generator.normal(17, 1, 40), 0.1
    with new_galaxy_survey(folder / "survey", name="tiny", bands=("r",)) as writer:
        writer.finish(objects=table)
    survey = open_survey(folder / "survey")
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    number = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
    space = SearchSpace.model_validate(
        {
            "family": "photoz_mlp",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {"learning_rate": number, "weight_decay": number},
        }
    )
    from rookery.surveys.redshift_bins import redshift_bins

    study = create_or_open_study(
        folder / "study", space, survey, "half", redshift_bins=redshift_bins((0, 0.5, 20)),
        sampler=sampler, pruner="none",
    )  # fmt: skip
    trial_module.run_trial = _nothing
    finish = coordinator_module.Coordinator.finish

    def timed(self, *args, **options):
        finish(self, *args, **options)
        times.end()

    coordinator_module.Coordinator.finish = timed
    run_search(study, n_trials=trials, concurrent=2)


def _nothing(config) -> None:
    import ray.tune

    from rookery.search.trial import FINISHED, STEP, VALUE

    value = config["plan"]["jobs"][0]["configuration"]["learning_rate"]
    ray.tune.report({STEP: 1, VALUE: value})
    ray.tune.report({FINISHED: value})


def tune(folder: Path, trials: int, times: Times, *, reuse: bool) -> None:
    """Ray Tune with its own OptunaSearch on the same kind of database."""
    import optuna
    from ray import tune as ray_tune
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config):
        ray_tune.report({"loss": config["x"] + config["y"]})

    class Ends(ray_tune.Callback):
        def on_trial_complete(self, iteration, trials, trial, **info):
            times.end()

    search = OptunaSearch(
        space={n: optuna.distributions.FloatDistribution(0, 1) for n in "xy"},
        metric="loss",
        mode="min",
        sampler=optuna.samplers.RandomSampler(seed=0),
        storage=optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db"),
        study_name="plain",
    )
    ray_tune.Tuner(
        trainable,
        tune_config=ray_tune.TuneConfig(
            search_alg=search, num_samples=trials, max_concurrent_trials=2, reuse_actors=reuse
        ),
        run_config=ray_tune.RunConfig(name="run", storage_path=str(folder), verbose=0, callbacks=[Ends()]),
    ).fit()


def optuna_alone(folder: Path, trials: int, times: Times) -> None:
    """Plain Optuna, two processes on one SQLite file."""
    import multiprocessing

    import optuna

    url = f"sqlite:///{folder}/study.db"
    optuna.create_study(storage=url, study_name="plain")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_optimize, args=(url, trials // 2, seed)) for seed in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    study = optuna.load_study(storage=url, study_name="plain")
    times.ends = sorted(t.datetime_complete.timestamp() for t in study.trials if t.datetime_complete)


def _optimize(url: str, trials: int, seed: int) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(
        storage=url, study_name="plain", sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    study.optimize(objective, n_trials=trials)


WAYS = ("rookery", "tune, actors reused", "tune", "optuna, 2 processes")


def measure(way: str, trials: int, sampler: str) -> dict[str, float]:
    """Run one way in this process and return what it cost."""
    times = Times()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        folder = Path(scratch)
        if way == "rookery":
            rookery(folder, trials, sampler, times)
        elif way.startswith("tune"):
            tune(folder, trials, times, reuse="reused" in way)
        else:
            optuna_alone(folder, trials, times)
        import ray

        ray.shutdown()
        files = sum(path.is_file() for path in folder.rglob("*") if "survey" not in path.parts)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    ends, tenth = times.ends, max(1, len(times.ends) // 10)
    spans = [ends[2 * tenth] - ends[tenth], ends[-1] - ends[-1 - tenth]] if len(ends) > 30 else [1, 1]
    return {
        "trials": len(ends),
        "trials/s": (len(ends) - 1) / (ends[-1] - ends[0]),
        "CPU s": sum(u.ru_utime + u.ru_stime for u in used) / len(ends),
        "files": files / len(ends),
        "first": ends[0] - times.began,
        "growth": spans[1] / spans[0],
        "memory": times.memory[-1] - times.memory[tenth] if times.memory else float("nan"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--only", choices=WAYS)
    parser.add_argument("--inside", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        print(json.dumps(measure(asked.inside, asked.trials, asked.sampler)))
        return
    print("| way | trials | trials/s | CPU s a trial | files a trial | first, s | growth | memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for way in WAYS if asked.only is None else (asked.only,):
        # Tune's own loggers are what a user gets unless he knows better; reused actors come without.
        extra = {} if way == "tune" else TUNE
        words = [sys.executable, __file__, "--inside", way, "--trials", str(asked.trials)]
        done = subprocess.run(
            [*words, "--sampler", asked.sampler], env={**os.environ, **extra}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        found = json.loads(done.stdout.splitlines()[-1])
        numbers = [f"{found['trials']}", f"{found['trials/s']:.1f}", f"{found['CPU s']:.3f}"]
        numbers += [f"{found[key]:.2f}" for key in ("files", "first", "growth")] + [f"{found['memory']:.0f}"]
        print(f"| {way} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main()
