"""Ensembles of many pools, each judged on objects that nothing saw, beside those of other packages.

Run as ``OMP_NUM_THREADS=1 python benchmarks/zoo.py [--folder FOLDER] [--data ../shared/data]
[--deephyper PYTHON] [--autogluon PYTHON] [--only NAME...] [--processes 2]``. 88 tasks: sub-samples of SPCC,
SDSS MGS, BOSS, DES x VVDS, a deep catalogue (see zoo_tasks.py) and scikit-learn's digits, breast_cancer and
wine; pools of 5 to 50 of its models (zoo_pools.py), and in 12 tasks (`--only mgs_mlp boss_mlp des_vvds_mlp
deep_mlp`) of 5 to 20 networks of this platform (zoo_networks.py). A pool trains on one part, every ensemble
is chosen on a second, all are judged on a third. FOLDER keeps the members' predictions for another run, and
what was found. The two PYTHONs are interpreters of environments that have `deephyper`, or `autogluon.core`,
`autogluon.common` and `autogluon.features` (of the last three, `--no-deps` and what they import suffice); a
peer that is not there is left out.
"""

import argparse
import json
import subprocess
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from zoo_pools import train_pool
from zoo_tasks import Objects, Task, all_tasks, load

from rookery_ensembles import CandidateMember, Covariates, PredictionInfo, Predictions, average, choose
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.files import write_text
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.target import Target

PEERS = {"deephyper": "with_deephyper.py", "autogluon": "with_autogluon.py"}
Rows = np.ndarray
OURS = ("auto", "greedy")
AVERAGE, SINGLE = "plain average", "best single"
ROUNDING = 1e-7
"""Scores that differ by less are the same: where `auto` serves the plain average, say."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for peer in PEERS:
        parser.add_argument(f"--{peer}", type=Path, metavar="PYTHON")
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of the tasks' names")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [task for task in all_tasks() if not given.only or task.name.startswith(tuple(given.only))]
        run(tasks, folder, given)


def run(tasks: list[Task], folder: Path, given: argparse.Namespace) -> None:
    start = time.perf_counter()
    if any(task.of == "spcc" for task in tasks):
        load("spcc", given.data, folder)
    with ProcessPoolExecutor(given.processes) as pool:
        list(pool.map(make, tasks, [given.data] * len(tasks), [folder] * len(tasks)))
    print(f"pools: {time.perf_counter() - start:.0f} s", flush=True)
    for peer, script in PEERS.items():
        python = getattr(given, peer)
        if python is None or not python.is_file():
            print(f"{peer}: left out, as --{peer} names no interpreter that has it", flush=True)
            continue
        own = Path(__file__).parent / "zoo_peers" / script
        subprocess.run([str(python), str(own), str(folder)], check=True)
        print(f"{peer}: {time.perf_counter() - start:.0f} s", flush=True)
    with ProcessPoolExecutor(given.processes) as pool:
        found = list(pool.map(judge, tasks, [given.data] * len(tasks), [folder] * len(tasks)))
    print(f"all: {time.perf_counter() - start:.0f} s\n", flush=True)
    tell(found)


def make(task: Task, data: Path, folder: Path) -> None:
    """Train a task's pool, and keep what it says of the objects that choose and of those that judge."""
    files = [folder / f"{task.name}.{part}.npz" for part in ("validation", "test")]
    if all(file.is_file() for file in files):
        return
    objects = load(task.of, data, folder)
    train, *others = task.rows(objects)
    values = (
        _networks(task, objects, train, others, folder)
        if task.networks
        else _models(task, objects, train, others)
    )
    widths = objects.target.widths
    for file, rows, held in zip(files, others, values, strict=True):
        masses, column = held * widths.astype(np.float32), objects.target.index(objects.truth[rows])
        partial = file.with_suffix(".partial.npz")
        np.savez(
            partial,
            values=masses,
            column=column,
            truth=objects.truth[rows].astype(float if objects.target.has_pdfs else str),
        )
        partial.rename(file)


def _networks(
    task: Task, objects: Objects, train: Rows, others: list[Rows], folder: Path
) -> list[np.ndarray]:
    from zoo_networks import train_networks  # torch

    scratch = folder / f"{task.name}.networks"
    return train_networks(objects, train, others, task.members, task.seed, scratch)


def _models(task: Task, objects: Objects, train: Rows, others: list[Rows]) -> list[np.ndarray]:
    x, truth = objects.features, objects.truth
    judged = [x[rows] for rows in others]
    return train_pool(objects.target, x[train], truth[train], judged, task.members, task.seed)


def judge(task: Task, data: Path, folder: Path) -> dict[str, Any]:
    """Choose by the validation objects in every way, and score each on the test objects."""
    kept = folder / f"{task.name}.judged.json"
    objects = load(task.of, data, folder)
    target = objects.target
    parts = [_read(folder / f"{task.name}.{part}.npz", target) for part in ("validation", "test")]
    (seen, seen_truth), (unseen, truth) = parts
    values: dict[str, np.ndarray] = {}
    values[SINGLE] = unseen[int(np.argmin([_losses(target, each, seen_truth)[0].mean() for each in seen]))]
    values[AVERAGE] = average(list(unseen))
    told: dict[str, Any] = {"task": task.name, "members": len(seen), "validation": len(seen_truth)}
    for by in OURS:
        begun = time.process_time()
        choice = _choose(target, seen, seen_truth, by)
        told[f"{by} seconds"] = time.process_time() - begun
        order = [int(member.id[1:]) for member in choice.members]
        values[by] = choice.calibrate(choice.pool(unseen[order]))
        if choice.report is not None:
            told |= {
                "recipe": str(choice.recipe),
                "gain": choice.report.gain,
                "gain_error": choice.report.error,
            }
    for peer in PEERS:
        file = folder / f"{task.name}.{peer}.json"
        for name, found in json.loads(file.read_text()).items() if file.is_file() else ():
            values[name] = average(list(unseen), np.array(found["weights"]))
            told[f"{name} seconds"] = found["seconds"]
    gated = _by_magnitude(task, objects, parts)
    losses = {name: _losses(target, each, truth) for name, each in values.items()}
    plain = losses[AVERAGE]
    for name, (log_n, square_n) in losses.items():
        told[name] = {
            "log": float(log_n.mean()),
            "square": float(square_n.mean()),
            **{
                f"{what} gain": _mean(before - after)
                for what, before, after in (("log", plain[0], log_n), ("square", plain[1], square_n))
            },
        }
    if gated is not None:
        told["magnitude"] = [gated[0], *_mean(losses["auto"][0] - _losses(target, gated[1], truth)[0])]
    write_text(kept, json.dumps(told, indent=1))
    return told


def _read(file: Path, target: Target) -> tuple[np.ndarray, np.ndarray]:
    with np.load(file) as given:
        truth = given["truth"] if target.has_pdfs else given["truth"].astype(object)
        return given["values"] / target.widths.astype(np.float32), truth


def _losses(target: Target, values_nk: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) log-losses, and CRPS less what no density can help, or Brier scores."""
    likelihood = target.likelihood(values_nk, target.index(truth))
    return -np.log(np.maximum(likelihood, LOG_FLOOR)), (target.residuals(values_nk, truth) ** 2).sum(axis=1)


def _by_magnitude(task: Task, objects: Objects, parts: list[Any]) -> tuple[str, np.ndarray] | None:
    """Return what `auto` serves where it knows a magnitude, and its values for those that judge."""
    if not np.ptp(objects.order):
        return None
    (seen, truth), (unseen, _) = parts
    _, *rows = task.rows(objects)
    known, new = (Covariates(("magnitude",), objects.order[part][:, None]) for part in rows)
    choice = _choose(objects.target, seen, truth, "auto", known)
    order = [int(member.id[1:]) for member in choice.members]
    return str(choice.recipe), choice.calibrate(choice.pool(unseen[order], new), new)


def _choose(
    target: Target, values: np.ndarray, truth: np.ndarray, by: str, known: Covariates | None = None
) -> Any:
    ids = np.array([f"o{row:05d}" for row in range(len(truth))])
    candidates = [
        CandidateMember(
            f"m{number:03d}", Path(f"m{number:03d}"), f"m{number:03d}",
            Predictions(PredictionInfo(target, member=f"m{number:03d}"), ids, truth, each),
        )
        for number, each in enumerate(values)
    ]  # fmt: skip
    return choose(candidates, by=by, covariates=None if known is None else ObjectCovariates(ids, known))


def _mean(gain_n: np.ndarray) -> tuple[float, float]:
    return float(gain_n.mean()), float(gain_n.std(ddof=1) / np.sqrt(len(gain_n)))


def tell(found: list[dict[str, Any]]) -> None:
    """Print the table, and what `auto` promised."""
    names = [name for name, told in found[0].items() if isinstance(told, dict)]
    names = [name for name in names if all(name in told for told in found)]
    ranks = {what: _ranks(found, names, what) for what in ("log", "square")}
    members = [told["members"] for told in found]
    print(f"{len(found)} tasks, {min(members)} to {max(members)} members\n")
    print("| ensemble | mean rank, log score | mean rank, CRPS or Brier | mean gain, nats | loses | CPU s |")
    print("|---|---|---|---|---|---|")
    for name in names:
        gains = np.array([told[name]["log gain"] for told in found])
        lost = 100 * np.mean(gains[:, 0] < -gains[:, 1] - ROUNDING)
        seconds = [told[f"{name} seconds"] for told in found if f"{name} seconds" in told]
        took = f"{np.mean(seconds):.2f}" if seconds else ""
        rank = [f"{ranks[what][name]:.2f}" for what in ranks]
        print(f"| {name} | {rank[0]} | {rank[1]} | {gains[:, 0].mean():+.4f} | {lost:.0f} % | {took} |")
    known = [told for told in found if told["gain_error"] > 0]
    real, noise = np.array([told["auto"]["log gain"] for told in known]).T
    excess = np.array([told["gain"] for told in known]) - real
    mean, error = _mean(excess)
    print(f"\nreported less real gain of auto: {mean:+.4f} +- {error:.4f} nats")
    share = 1 / np.hypot(noise, [told["gain_error"] for told in known]) ** 2
    print(f"weighted by their errors: {share @ excess / share.sum():+.4f} +- {share.sum() ** -0.5:.4f}")
    _tell_of_magnitude([one["magnitude"] for one in found if "magnitude" in one])


def _tell_of_magnitude(known: list[tuple[str, float, float]]) -> None:
    """Print what `auto` gains where it knows a magnitude: recipe, gain over `auto` and error of each task."""
    if not known:
        return
    gated = np.array([", gate weights" in recipe for recipe, _, _ in known])
    gains, errors = np.array([one[1:] for one in known]).T
    lost = 100 * np.mean(gains < -errors)
    print(
        f"auto by a magnitude, {len(known)} tasks: {gains.mean():+.4f} nats over auto; loses in {lost:.0f} %"
    )
    if gated.any():
        print(f"weights by the magnitude in {gated.sum()} of them: {gains[gated].mean():+.4f} nats over auto")


def _ranks(found: list[dict[str, Any]], names: list[str], what: str) -> dict[str, float]:
    """Return the mean rank of each, from 1; ties share theirs."""
    from scipy.stats import rankdata

    scores = np.array([[told[name][what] for name in names] for told in found])
    ranks = rankdata(np.round(scores / ROUNDING), axis=1)
    return dict(zip(names, ranks.mean(axis=0).tolist(), strict=True))


if __name__ == "__main__":
    main()
