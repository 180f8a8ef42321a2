"""Train a campaign's networks in worker processes on Ray: one thread each, the survey opened once in each."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rookery.campaigns.plan import Folders, NetworkTask, is_whole
from rookery.compute.faults import storage_fault
from rookery.compute.resources import ResourcePlan
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import write_text

logger = logging.getLogger(__name__)
Done = Callable[[NetworkTask, str | None], None]
"""Called as each network ends, with its error if it has one."""
_RESTARTS = 3


class Worker:
    """What runs in a worker process."""

    def __init__(self, out: str, threads: int = 1, gpus: float = 0) -> None:
        import torch

        from rookery.compute.interruption import listen
        from rookery.compute.memory import hide_gpus

        listen()
        if gpus == 0:
            hide_gpus()
        torch.set_num_threads(threads)
        self.folders, self.gpus = Folders(Path(out)), gpus

    def run(self, plain: dict[str, Any]) -> tuple[str | None, str | None]:
        """Train one network and predict; return (its error, what lets no network go on here)."""
        from rookery.compute.interruption import InterruptedTraining, leave
        from rookery.compute.memory import NoDeviceError, prepare_device

        task = NetworkTask.model_validate(plain)
        try:
            prepare_device(self.gpus)
            finish_network(task, self.folders, self.gpus)
        except InterruptedTraining:
            leave()
        except NoDeviceError as error:
            return None, str(error)
        except Exception as error:
            logger.exception("network %s failed", task.job.member)
            if fault := storage_fault(error):
                return None, f"{self.folders.out}: cannot be written ({fault})"
            if isinstance(error, InputError):
                return str(error), None
            return f"{type(error).__name__}: {error}\n{traceback.format_exc()}", None
        return None, None


def finish_network(task: NetworkTask, folders: Folders, gpus: float) -> None:
    """Train a network unless it is finished, then predict the other surveys that it shall predict."""
    from rookery.training.data import find_device
    from rookery.training.member import train_member

    folder = folders.members / task.job.member
    if folder.exists() and not is_whole(folder):  # no member at all: someone took files away
        shutil.rmtree(folder)
    if not folder.exists():
        checkpoint = folders.running / f"{task.job.member}.safetensors"
        train_member(task.job, folder, checkpoint, lambda metrics, progress: None, gpus=gpus)
    for out, survey in task.surveys.items():
        if not Path(out).is_file():
            predict_elsewhere(folder, Path(survey), Path(out), str(find_device(gpus=gpus)))


def predict_elsewhere(member: Path, survey: Path, out: Path, device: str) -> None:
    """Predict every object of another survey with one member, by the path that ensembles take."""
    from tempfile import TemporaryDirectory

    from rookery.inference import predict_survey
    from rookery.training.member import read_card
    from rookery_ensembles import BundleMember, write_bundle

    card = read_card(member)
    with TemporaryDirectory(prefix="rookery-") as scratch:
        bundle = write_bundle(
            Path(scratch) / card.member,
            members=[BundleMember(card.member, member, 1.0)],
            target=card.target,
            scores={},
            provenance={"survey": card.survey},
        )
        # The campaign's file asks for this very survey.
        predict_survey(bundle.path, survey, out, device=device, allow_missing_bands=True)


def train_networks(
    tasks: Sequence[NetworkTask], folders: Folders, plan: ResourcePlan, on_end: Done
) -> dict[str, str]:
    """Finish every task, as many at once as the plan says.

    A network that fails is recorded under ``failed/`` and the others go on. A worker process that
    dies is started again and resumes its network from the checkpoint.

    Returns
    -------
    Errors by member.

    Raises
    ------
    InputError
        When the disk fails under a worker, or it has no GPU where one was asked for: no network could
        go on.
    """
    import ray

    out = str(folders.out.absolute())
    remote = ray.remote(Worker).options(
        num_cpus=plan.cpus,
        num_gpus=plan.gpus or None,
        max_restarts=_RESTARTS,
        max_task_retries=_RESTARTS,
    )
    waiting = list(tasks)
    running: dict[Any, tuple[Any, NetworkTask]] = {}
    errors: dict[str, str] = {}

    def start(worker: Any) -> None:
        if waiting:
            task = waiting.pop(0)
            running[worker.run.remote(task.model_dump(mode="json"))] = (worker, task)

    for _ in range(min(plan.concurrent, len(waiting))):
        start(remote.remote(out, max(1, int(plan.cpus)), plan.gpus))
    while running:
        (ready,), _ = ray.wait(list(running), num_returns=1)
        worker, task = running.pop(ready)
        try:
            error, fault = ray.get(ready)
        except ray.exceptions.RayError as death:
            error, fault = f"its worker process died {_RESTARTS + 1} times ({death})", None
            worker = remote.remote(out, max(1, int(plan.cpus)), plan.gpus)
        if fault is not None:
            raise InputError(f"{fault}; the campaign stopped, and the same command continues it")
        if error is not None:
            errors[task.job.member] = error
            write_text(folders.failed / f"{task.job.member}.txt", error + "\n")
        else:
            (folders.failed / f"{task.job.member}.txt").unlink(missing_ok=True)
        on_end(task, error)
        start(worker)
    return errors
