"""What a GPU must show of this project, in one script of some minutes, without Ray: gpu.py [cuda|cpu].

Correctness first, for each family a line a check: loss and gradient in single precision, without TF32, within
1e-4 of the CPU's; the steps of an epoch, in which the host may wait for the device nowhere
(`torch.cuda.set_sync_debug_mode`); a pack that is its members, as one program and by CUDA graphs, compiled
steps that are plain ones, and a training that is resumed, within 1e-3 after three epochs; half of the batch
where memory does not suffice. Then what `rookery bench` measures, compiled steps and packs by CUDA graphs
included, and training with weights laid out (`rookery.networks.layout`) beside training with them as they
are. What fails has its error in its line, and the rest goes on. Exit status 1 where a check fails. With `cpu`
what needs no GPU: a test runs that.
"""

import copy
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rookery.compute.memory import OutOfMemory
from rookery.networks.draws import Draws
from rookery.networks.layout import asking_for
from rookery.training.alone import AloneNetwork
from rookery.training.arithmetic import arithmetic
from rookery.training.checkpoint import load_checkpoint, save_checkpoint
from rookery.training.loop import train, train_pack
from rookery.training.speed import Bench, Case, turns
from rookery.training.team import ALONE
from rookery.training.trainee import Trainee
from rookery.training.ways import Strategy
from rookery_ensembles.errors import InputError

CPU = torch.device("cpu")
SMALL_CNN = {"image_size": 16, "width": 0.1, "units": 32, "blocks": 2, "batch_size": 32}
SMALL_PELICAN = {
    "days_per_column": 8,
    "temporal_filters": 2,
    "features": 8,
    "merged_blocks": 1,
    "batch_size": 32,
}
LOSSES = {"autoencoder": True, "contrastive": True, "kl": True, "feature_activation": "sigmoid"}
CASES = [
    Case("photoz_mlp", "photoz_mlp", {"width": 32, "batch_size": 32}, 192),
    Case("photoz_cnn", "photoz_cnn", SMALL_CNN, 192, 16),
    Case("pelican", "pelican", {**SMALL_PELICAN, "autoencoder": True, "contrastive": True}, 192),
]
NEAR, FAR = 1e-4, 1e-3


def near(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Return the largest difference over the largest wanted value."""
    wanted = wanted.cpu()
    return float((found.cpu() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-12))


def as_on_the_cpu(bench: Bench, folder: Path) -> str:
    """Compare a batch's loss and gradient."""
    family, c = bench.family, bench.configuration
    torch.manual_seed(0)
    network = family.build(c, len(bench.data.survey.bands), bench.data.target.n_columns)
    host = Bench(bench.case, folder, CPU).data
    family.fit_scale(network, host.inputs, host.rows["train"])
    found = []
    for data, own in ((host, network), (bench.data, copy.deepcopy(network).to(bench.device))):
        rows = data.rows["train"][: c.batch_size]
        draws = Draws.of(1, 0, rows)
        varied = family.augment(data.batch(rows), c, draws)
        terms = family.loss_terms(own.train(), varied, data.target_n[rows], c, draws)
        loss = torch.stack([term.mean() for term in terms.values()]).sum()
        gradient = torch.autograd.grad(loss, [p for p in own.parameters() if p.requires_grad])
        found.append((loss.detach(), torch.cat([part.flatten() for part in gradient])))
    (loss, gradient), (other, others) = found
    worst = max(near(other, loss), near(others, gradient))
    return "" if worst <= NEAR else f"differs by {worst:.2g}"


@contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Let torch raise where the host waits for a GPU."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def steps_without_waiting(bench: Bench, folder: Path) -> str:
    """Run the steps of two epochs, of which the second must not wait."""
    trainee = Trainee.begin(bench.job, bench.family, bench.configuration, bench.data, lambda *_: None)
    alone = AloneNetwork(bench.family, trainee, ALONE)
    epoch = trainee.next_epoch(2)
    batches = [epoch.batch(step) for step in range(len(epoch.sizes))]

    def steps() -> None:
        for step, (rows, key) in enumerate(batches):
            alone.step([0], rows[None], key[None], [trainee.rate(epoch, step)], [0.0])

    steps()
    try:
        with no_waiting(bench.device):
            steps()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""


def trainees(bench: Bench, numbers: range, epochs: int = 3) -> list[Trainee]:
    """Return networks of other seeds, rates and decays."""
    found = []
    for n in numbers:
        own = {"epochs": epochs, "learning_rate": 1e-3 * (1 + n), "weight_decay": 0.01 * n}
        job = bench.job.model_copy(update={"seed": n, "member": f"{n:04d}"})
        c = bench.configuration.model_copy(update=own)
        found.append(Trainee.begin(job, bench.family, c, bench.data, lambda *_: None))
    return found


def losses(trainee: Trainee) -> torch.Tensor:
    """Return a training's losses by epoch."""
    return torch.tensor([row["train_loss"] for row in trainee.progress.history])


def pack_is_its_members(bench: Bench, folder: Path, strategy: Strategy = "fused") -> str:
    """Compare a pack of four with four trainings."""
    pack, alone = trainees(bench, range(4)), trainees(bench, range(4))
    train_pack(bench.family, pack, strategy=strategy)
    for one in alone:
        train_pack(bench.family, [one])
    worst = max(near(losses(a), losses(b)) for a, b in zip(pack, alone, strict=True))
    return "" if worst <= FAR else f"losses differ by {worst:.2g}"


def graphs_are_the_members(bench: Bench, folder: Path) -> str:
    """Compare a pack of four, each of which is a CUDA graph, with four trainings."""
    return pack_is_its_members(bench, folder, "graphs") if bench.device.type == "cuda" else ""


def compiled_is_plain(bench: Bench, folder: Path) -> str:
    """Compare a training of compiled steps with one of plain steps."""
    if bench.device.type != "cuda":
        return ""
    c, rows = trainees(bench, range(1))[0].configuration, []
    for asked in ("always", "never"):
        job = bench.job.model_copy(update={"compile": asked})
        _, progress = train(job, bench.family, c, bench.data, lambda *_: None)
        rows.append(torch.tensor([row["train_loss"] for row in progress.history]))
    worst = near(*rows)
    return "" if worst <= FAR else f"losses differ by {worst:.2g}"


def resumed_is_whole(bench: Bench, folder: Path) -> str:
    """Compare a training with one that went on from its checkpoint after an epoch."""
    (whole,) = trainees(bench, range(1))
    place, saved = folder / "checkpoint", []

    def keep(_: Any, progress: Any) -> None:
        if progress.epoch == 1:
            save_checkpoint(place, whole.job, progress)
            saved.append(place)

    c = whole.configuration
    _, wanted = train(whole.job, bench.family, c, bench.data, keep)
    resume = load_checkpoint(place, whole.job)
    _, found = train(whole.job, bench.family, c, bench.data, lambda *_: None, resume)
    rows = [torch.tensor([row["train_loss"] for row in p.history]) for p in (found, wanted)]
    worst = near(*rows)
    return "" if saved and worst <= FAR else f"losses differ by {worst:.2g}"


def half_without_memory(bench: Bench, folder: Path) -> str:
    """Train with three quarters of the memory that a step takes."""
    if bench.device.type != "cuda":
        return ""
    size = 32 * bench.configuration.batch_size
    case = Case(
        bench.case.name,
        bench.case.family,
        {**bench.case.values, "batch_size": size},
        2 * size,
        bench.case.size,
    )
    large = Bench(case, folder, bench.device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    train_pack(large.family, trainees(large, range(1), 1))
    peak = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(0.75 * peak / total)
    try:
        (one,) = trainees(large, range(1), 1)
        train_pack(large.family, [one])
        return "" if one.progress.batch_size == size // 2 else f"batches of {one.batch_size} of {size}"
    except OutOfMemory as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


CHECKS: dict[str, Callable[[Bench, Path], str]] = {
    "as on the CPU": as_on_the_cpu,
    "steps without waiting": steps_without_waiting,
    "a pack is its members": pack_is_its_members,
    "graphs of a pack are its members": graphs_are_the_members,
    "compiled is plain": compiled_is_plain,
    "resumed is whole": resumed_is_whole,
    "half of the batch without memory": half_without_memory,
}
OF_GPUS = (
    *("steps without waiting", "half of the batch without memory"),
    *("graphs of a pack are its members", "compiled is plain"),
)
"""Checks that tell nothing on a CPU."""


def checked(device: torch.device) -> bool:
    """Print a line for each family and check; return whether all passed."""
    good = True
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="rookery-gpu-") as scratch, arithmetic("float32", device):
            bench = Bench(case, Path(scratch), device)
            for name, check in CHECKS.items():
                try:
                    fault = check(bench, Path(scratch))
                except (RuntimeError, InputError) as error:  # torch's own errors are the first kind
                    fault = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                good &= not fault
                word = "FAIL" if fault else "SKIP" if device == CPU and name in OF_GPUS else "PASS"
                print(f"{word} {case.name}: {name} {fault}".rstrip(), flush=True)
    return good


LAID_OUT = [
    Case("photoz_cnn as published", "photoz_cnn", {"batch_size": 128}, 4096),
    Case("pelican with all its losses", "pelican", {**LOSSES, "batch_size": 64}, 4096),
]


def laid_out(device: torch.device, cases: list[Case]) -> None:
    """Print for each network and precision how fast it trains with weights laid out, and as they are."""
    for case in cases:
        for precision in ("float32", "bf16"):
            own = replace(case, values={**case.values, "precision": precision})
            with tempfile.TemporaryDirectory(prefix="rookery-gpu-") as scratch:
                bench = Bench(own, Path(scratch), device)
                found = turns({"laid out": bench.loop, "as they are": lambda b=bench: as_they_are(b)})
            rates = [f"{case.objects / seconds:.0f} objects/s {way}" for way, seconds in found.items()]
            print(f"{case.name}, {precision}: {', '.join(rates)}", flush=True)


def as_they_are(bench: Bench) -> float:
    """Train one network without laying out its weights; return the seconds of an epoch."""
    with asking_for(None):
        return bench.loop()


def main(device: str = "cuda") -> None:
    """Check, then measure."""
    good = checked(torch.device(device))
    if device == "cuda":
        from rookery import api
        from rookery.cli import say

        say.bench(api.bench(device="cuda"), {"json": False})
        laid_out(torch.device(device), LAID_OUT)
    sys.exit(not good)


if __name__ == "__main__":
    main(*sys.argv[1:])
