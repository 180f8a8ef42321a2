"""Trials that do nothing: what a search itself costs, ours against Ray Tune with Optuna and Optuna alone.

    python benchmarks/search_speed.py --trials 200
    python benchmarks/search_speed.py --trials 200 --deephyper ENVIRONMENT/bin/python
    python benchmarks/search_speed.py --trials 10000 --only rookery --sampler random

DeepHyper is measured where a Python is named that has it (in its own environment: `pip install deephyper`).
Every way proposes two parameters at random, reports one value and ends; two trials at once. Each runs in a
process of its own. `trials/s` is from the first trial's start to the last one's end; `first` is the time from
the process's start to the first trial's; `CPU s` is that of all processes, divided by the trials; `files` are
those that the study leaves, divided by the trials. `growth` is the cost of a trial among the last tenth over
that among the first (after a tenth to warm up), `memory` the growth of the driver's resident memory between.
"""

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


def work() -> None:
    """What a trial does: nothing, or what `killed_drivers.py` asks for."""
    time.sleep(float(os.environ.get("BENCH_PAUSE", "0")))
    if log := os.environ.get("BENCH_LOG"):
        with Path(log).open("a") as stream:
            stream.write("done\n")


def objective(trial) -> float:
    work()
    return trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)


def rookery(folder: Path, trials: int, sampler: str, times: Times) -> None:
    """Our own search: Ray Tune, SQLite, asking and telling; the trial itself replaced."""
    import numpy as np
    import pandas as pd

    import rookery.search.worker as trial_module
    from rookery.compute.resources import Resources
    from rookery.search.ask_tell import AskTell
    from rookery.search.creation import create_or_open_study
    from rookery.search.driver import run_search
    from rookery.search.space import SearchSpace
    from rookery.surveys import new_galaxy_survey, open_survey, split_survey

    generator = np.random.default_rng(1)
    table = pd.DataFrame(
        {"object_id": [f"g{n}" for n in range(40)], "redshift": generator.uniform(0, 0.4, 40)}
    )
    table["mag_r"], table["mag_err_r"] = generator.normal(17, 1, 40), 0.1
    if not (folder / "survey").exists():
        with new_galaxy_survey(folder / "survey", name="tiny", bands=("r",)) as writer:
            writer.finish(objects=table)
        split_survey(open_survey(folder / "survey"), "half", train_fraction=0.5, seed=1)
    survey = open_survey(folder / "survey")
    number = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
    space = SearchSpace.model_validate(
        {
            "family": "photoz_mlp",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {"learning_rate": number, "weight_decay": number},
        }
    )
    from rookery.surveys.equal_bins import equal_bins

    study = create_or_open_study(
        folder / "study", space, survey, "half", target=equal_bins((0, 0.5, 20)),
        sampler=sampler, pruner="none",
    )  # fmt: skip
    trial_module.run_trial = _nothing
    finish = AskTell.finish

    def timed(self, *args, **options):
        finish(self, *args, **options)
        times.end()

    AskTell.finish = timed
    run_search(study, n_trials=trials, resources=Resources(concurrent=2))


def _nothing(config) -> None:
    import ray.tune

    from rookery.search.trial_plan import FINISHED, STEP, VALUE

    work()
    value = config["plan"]["jobs"][0]["configuration"]["learning_rate"]
    ray.tune.report({STEP: 1, VALUE: value})
    ray.tune.report({FINISHED: value})


def tune(folder: Path, trials: int, times: Times, *, reuse: bool) -> None:
    """Ray Tune with its own OptunaSearch on the same kind of database."""
    import optuna
    from ray import tune as ray_tune
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config):
        work()
        ray_tune.report({"loss": config["x"] + config["y"]})

    class Ends(ray_tune.Callback):
        def on_trial_complete(self, iteration, trials, trial, **info):
            times.end()

    if (folder / "run").exists():
        ray_tune.Tuner.restore(str(folder / "run"), trainable, resume_unfinished=True).fit()
        return
    # A restored OptunaSearch tells its database what that knows already, and fails (Ray 2.60).
    durable = {} if "BENCH_LOG" in os.environ else {"study_name": "plain"}
    if durable:
        durable["storage"] = optuna.storages.RDBStorage(f"sqlite:///{folder}/study.db")
    search = OptunaSearch(
        space={n: optuna.distributions.FloatDistribution(0, 1) for n in "xy"},
        metric="loss",
        mode="min",
        sampler=optuna.samplers.RandomSampler(seed=0),
        **durable,
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
    begun = optuna.create_study(storage=url, study_name="plain", load_if_exists=True)
    trials -= len(begun.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_optimize, args=(url, (trials + 1) // 2, seed)) for seed in (1, 2)]
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


def summed(job) -> float:
    """A trial of DeepHyper's."""
    work()
    return job.parameters["x"] + job.parameters["y"]


def deephyper(folder: Path, trials: int, times: Times) -> None:
    """DeepHyper's search at random in two processes; its results are a CSV file."""
    from deephyper.evaluator import Evaluator
    from deephyper.evaluator.callback import Callback
    from deephyper.hpo import CBO, HpProblem

    class Ends(Callback):
        def on_done(self, job):
            times.end()

    problem = HpProblem()
    for name in "xy":
        problem.add((0.0, 1.0), name)
    evaluator = Evaluator.create(
        summed, method="process", method_kwargs={"num_workers": 2, "callbacks": [Ends()]}
    )
    restart = (folder / "results.csv").exists()
    search = CBO(
        problem, log_dir=str(folder), random_state=0, surrogate_model="DUMMY", checkpoint_restart=restart
    )
    search.search(evaluator, max_evals=trials, max_evals_strict=True)


WAYS = ("rookery", "tune, actors reused", "tune", "optuna, 2 processes", "deephyper")


def run(way: str, folder: Path, trials: int, sampler: str, times: Times) -> None:
    """Run one way in this process; go on where it was begun."""
    if way == "rookery":
        rookery(folder, trials, sampler, times)
    elif way.startswith("tune"):
        tune(folder, trials, times, reuse="reused" in way)
    elif way == "deephyper":
        deephyper(folder, trials, times)
    else:
        optuna_alone(folder, trials, times)


def measure(way: str, trials: int, sampler: str) -> dict[str, float]:
    """Run one way in this process and return what it cost."""
    times = Times()
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        folder = Path(scratch)
        run(way, folder, trials, sampler, times)
        if "ray" in sys.modules:
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


def command(way: str, deephyper: str | None) -> list[str]:
    """Return the command that runs one way."""
    return [deephyper if way == "deephyper" and deephyper else sys.executable, __file__, "--inside", way]


def environment(way: str) -> dict[str, str]:
    """Return the variables of a way: Tune's own loggers are what a user gets unless he knows better."""
    return {**os.environ, **({} if way == "tune" else TUNE)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--sampler", default="random")
    parser.add_argument("--only", choices=WAYS)
    parser.add_argument("--deephyper", help="a Python that has DeepHyper")
    parser.add_argument("--inside", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside and asked.folder:
        run(asked.inside, asked.folder, asked.trials, asked.sampler, Times())
        return
    if asked.inside:
        print(json.dumps(measure(asked.inside, asked.trials, asked.sampler)))
        return
    print("| way | trials | trials/s | CPU s a trial | files a trial | first, s | growth | memory, MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for way in WAYS if asked.only is None else (asked.only,):
        if way == "deephyper" and asked.deephyper is None:
            continue
        words = [*command(way, asked.deephyper), "--trials", str(asked.trials), "--sampler", asked.sampler]
        done = subprocess.run(
            words,
            env=environment(way),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        numbers = [f"{found['trials']}", f"{found['trials/s']:.1f}", f"{found['CPU s']:.3f}"]
        numbers += [f"{found[key]:.2f}" for key in ("files", "first", "growth")] + [f"{found['memory']:.0f}"]
        print(f"| {way} | {' | '.join(numbers)} |", flush=True)


if __name__ == "__main__":
    main()
