"""Predict a whole survey: speed against a bare loop, memory, bytes read, kills, and several raylets.

python benchmarks/prediction.py [--scratch FOLDER] [--objects N] [speed memory bytes kills raylets]

Galaxies and their magnitudes are simulated in one line, six networks of `photoz_mlp` (three layers of 256,
180 bins) are trained for an epoch: how long they take does not depend on what they learned. Each figure is
printed as a row of a table; those of time are ratios within one run.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MEMBERS, BINS = 6, 180
CONFIGURATION = {"epochs": 1, "hidden_layers": 3, "width": 256}
BANDS = "ugriz"
Z_MOST = 0.4


def simulate(folder: Path, n: int) -> Path:
    """Write a catalogue of `n` galaxies whose colours tell their redshift."""
    from rookery.surveys import new_galaxy_survey

    if folder.is_dir():
        return folder
    rng = np.random.default_rng(n)
    z = rng.uniform(0.01, 0.39, n)
    objects = pd.DataFrame({"object_id": [f"g{i:09d}" for i in range(n)], "redshift": z})
    for number, band in enumerate(BANDS):
        objects[f"mag_{band}"] = rng.normal(18, 1, n) + (5 - 2 * number) * z
        objects[f"mag_err_{band}"] = 0.02
    with new_galaxy_survey(folder, name=f"{n} galaxies", bands=tuple(BANDS)) as writer:
        writer.finish(objects=objects)
    return folder


def bundles(folder: Path) -> dict[int, Path]:
    """Make bundles of 1, 3 and 6 networks, as `rookery ensemble` makes them."""
    from rookery.inference.write_ensemble import write_ensemble
    from rookery.shift.domain import training_domain
    from rookery.surveys import open_split, open_survey, split_survey
    from rookery.surveys.equal_bins import EqualBins
    from rookery.training.candidate import open_candidate
    from rookery.training.job import TrainingJob
    from rookery.training.member import train_member

    wanted = {m: folder / f"bundle-{m}" for m in (1, 3, MEMBERS)}
    if all(path.is_dir() for path in wanted.values()):
        return wanted
    survey = open_survey(simulate(folder / "training", 2000))
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    candidates = []
    for seed in range(MEMBERS):
        job = TrainingJob(
            member=f"{seed:04d}", family="photoz_mlp", survey=str(survey.path),
            survey_checksum=survey.checksum, split="half", seed=seed,
            redshift_bins=EqualBins(low=0, high=Z_MOST, number=BINS), configuration=CONFIGURATION,
        )  # fmt: skip
        train_member(job, folder / job.member, folder / "running", lambda *_: None)
        candidates.append(open_candidate(folder / job.member, job.member))
    domain = training_domain(survey, open_split(survey, "half"))
    for m, path in wanted.items():
        write_ensemble(candidates[:m], path, domain=domain, provenance={}, by="mean")
    return wanted


def child(*words: str, env: dict[str, str] | None = None) -> str:
    """Run a part of this benchmark in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", *words], check=True, stdout=subprocess.PIPE, text=True, env=env
    )
    return done.stdout.strip()


def predict(bundle: str, survey: str, out: str, *options: str) -> dict[str, float]:
    """Predict a folder; return seconds, seconds of CPU, peak memory in MB and bytes read."""
    from rookery.inference import predict_whole_survey

    given = dict(option.split("=") for option in options)
    workers = int(given["workers"]) if "workers" in given else None
    if "warm" in given:  # libraries are read at their first use
        predict_whole_survey(bundle, given["warm"], f"{out}-warm")
    before, start, cpu = bytes_read(), time.perf_counter(), time.process_time()
    predict_whole_survey(
        bundle,
        survey,
        out,
        rows=int(given.get("rows", 50_000)),
        workers=workers,
        address=given.get("address"),
    )
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "memory": peak_memory() / 1e6,
        "bytes": bytes_read() - before,
    }


def peak_memory() -> int:
    """Return the most bytes that this program held; `getrusage` counts those of the one that began it too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def bytes_read() -> int:
    """Return the bytes that this process has asked the system for, from the disk or from its cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def bare_loop(bundle: Path, survey: Path) -> dict[str, float]:
    """Time each network over arrays that lie in memory, and the mean of their densities; nothing else."""
    import torch

    from rookery.surveys import open_survey
    from rookery.training.data import predict_rows
    from rookery.training.member import open_member
    from rookery_ensembles import load_bundle

    members = [open_member(folder) for folder in load_bundle(bundle).member_folders()]
    known = open_survey(survey)
    inputs = members[0].family.encode(known, members[0].configuration, members[0].card.bands)
    rows = torch.arange(len(known))
    start, cpu = time.perf_counter(), time.process_time()
    total = np.zeros((len(known), BINS), np.float32)
    for member in members:
        total += predict_rows(member.network, member.family, inputs, rows)
    total *= BINS / Z_MOST / len(members)
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}


def speed(scratch: Path, n: int) -> None:
    """Compare with the bare loop, turn about."""
    bundle, survey = bundles(scratch)[MEMBERS], simulate(scratch / f"survey-{n}", n)
    found: dict[str, list[dict[str, float]]] = {"bare": [], "predict": []}
    for turn in range(3):
        found["bare"].append(json.loads(child("bare", str(bundle), str(survey))))
        found["predict"].append(
            json.loads(child("predict", str(bundle), str(survey), str(scratch / f"out-{turn}")))
        )
    bare, ours = (statistics.median(one["seconds"] for one in found[name]) for name in ("bare", "predict"))
    cpus = [statistics.median(one["cpu"] for one in found[name]) for name in ("bare", "predict")]
    row(
        f"{n:,} galaxies, {MEMBERS} networks, {BINS} bins: a bare loop over arrays in memory; `predict`",
        f"{bare:.1f} s, {ours:.1f} s ({ours / bare:.2f} times; of CPU {cpus[1] / cpus[0]:.2f} times); "
        f"{n / ours:,.0f} objects/s, {n / cpus[1]:,.0f} a second of CPU",
    )


def memory(scratch: Path, n: int) -> None:
    """Compare the peak memory of 2 N and of 4 N objects; by one network, which takes the least time."""
    bundle, peak = bundles(scratch)[1], []
    for size in (2 * n, 4 * n):
        survey, out = simulate(scratch / f"survey-{size}", size), scratch / f"memory-{size}"
        peak.append(json.loads(child("predict", str(bundle), str(survey), str(out), "rows=20000"))["memory"])
    row(
        f"peak memory of {2 * n:,} and of {4 * n:,} objects, one network, 20,000 objects a file",
        f"{peak[0]:,.0f} and {peak[1]:,.0f} MB",
    )


def read_bytes(scratch: Path, n: int) -> None:
    """Compare the bytes that 1, 3 and 6 networks read, their own files left out."""
    survey = simulate(scratch / f"survey-{n}", n)
    size = sum(file.stat().st_size for file in survey.rglob("*") if file.is_file())
    found = []
    for m, bundle in bundles(scratch).items():
        own = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
        how = str(survey), str(scratch / f"bytes-{m}"), f"warm={scratch / 'training'}"
        told = json.loads(child("predict", str(bundle), *how))
        found.append(f"{m}: {(told['bytes'] - 2 * own) / size:.2f}")  # two digests, and the weights
    row(
        f"bytes read by so many networks, in sizes of the survey ({size / 1e6:.0f} MB; its digests are one)",
        ", ".join(found),
    )


def kills(scratch: Path, n: int) -> None:
    """Kill a run five times; compare what comes out with a run that lived."""
    bundle, survey = bundles(scratch)[MEMBERS], simulate(scratch / f"survey-{n}", n)
    rows = f"rows={max(1, n // 40)}"
    straight, killed = scratch / "straight", scratch / "killed"
    whole = json.loads(child("predict", str(bundle), str(survey), str(straight), rows))["seconds"]
    chance, kept = random.Random(1), []
    command = [sys.executable, __file__, "--child", "predict", str(bundle), str(survey), str(killed), rows]
    for _ in range(5):
        before = {p: p.stat().st_mtime_ns for p in scratch.glob("killed.unfinished/part-*.parquet")}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 600
        while len(list(scratch.glob("killed.unfinished/part-*.parquet"))) <= len(before) + chance.randrange(
            4
        ):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the run ended before it was killed")
            time.sleep(0.02)
        time.sleep(chance.uniform(0, whole / 40))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not killed.exists()
        assert all(p.stat().st_mtime_ns == changed for p, changed in before.items())
        kept.append(len(list(scratch.glob("killed.unfinished/part-*.parquet"))))
    child("predict", str(bundle), str(survey), str(killed), rows)
    files = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (straight, killed)]
    assert files[0] == files[1]
    row(
        "killed (SIGKILL) five times in 40 files, and started again",
        f"finished files {', '.join(map(str, kept))}, none touched again; the same bytes as a run that lived",
    )


def raylets(scratch: Path, n: int) -> None:
    """Time one worker on one raylet, and two on two, turn about."""
    from ray.cluster_utils import Cluster

    bundle, survey = bundles(scratch)[MEMBERS], simulate(scratch / f"survey-{n}", n)
    os.environ["RAY_AUTH_MODE"] = "disabled"
    seconds: dict[int, list[float]] = {1: [], 2: []}
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(2):
        for count in (1, 2):
            head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
            cluster = Cluster(initialize_head=True, head_node_args=head)
            if count == 2:
                cluster.add_node(num_cpus=1, object_store_memory=10**8)
            out = str(scratch / f"raylets-{count}-{turn}")
            how = [f"rows={max(1, n // 40)}", f"workers={count}", f"address={cluster.address}"]
            seconds[count].append(
                json.loads(child("predict", str(bundle), str(survey), out, *how))["seconds"]
            )
            cluster.shutdown()
            rates[count].append(files_a_second(Path(out), count))
    one, two = (min(seconds[count]) for count in (1, 2))
    slow, fast = (max(rates[count]) for count in (1, 2))
    row(
        f"{n:,} galaxies in 40 files by a worker of one raylet, and by two of two raylets, turn about",
        f"{one:.0f} s, {two:.0f} s: {one / two:.2f} times as fast, the start of all included; "
        f"{fast / slow:.2f} times as many files a second once each worker had made its first",
    )


def files_a_second(folder: Path, workers: int) -> float:
    """Return how fast files came, after as many as there are workers."""
    made = sorted(file.stat().st_mtime for file in folder.glob("part-*.parquet"))
    return (len(made) - workers) / (made[-1] - made[workers - 1])


def row(what: str, figure: str) -> None:
    """Print a row of the table."""
    print(f"| {what} | {figure} |", flush=True)


PARTS = {"speed": speed, "memory": memory, "bytes": read_bytes, "kills": kills, "raylets": raylets}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--objects", type=int, default=200_000)
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as made:
        scratch = asked.scratch or Path(made)
        scratch.mkdir(parents=True, exist_ok=True)
        for part in asked.parts or PARTS:
            PARTS[part](scratch, asked.objects)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        kind, *words = sys.argv[2:]
        print(json.dumps(predict(*words) if kind == "predict" else bare_loop(*map(Path, words))))
    else:
        main()
