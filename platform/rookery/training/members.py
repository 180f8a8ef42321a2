"""Members that train in one process: as packs, where their configurations allow it."""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from rookery.compute.interruption import training
from rookery.networks.configuration import TrainingConfiguration, configuration_hash
from rookery.networks.cost import blueprint
from rookery.networks.family import Family, load_family
from rookery.training.arithmetic import arithmetic
from rookery.training.card import CARD, Card, finished_card
from rookery.training.checkpoint import load_checkpoint
from rookery.training.data import TrainingData, find_device, load_data
from rookery.training.epochs_writer import EpochsWriter
from rookery.training.job import TrainingJob
from rookery.training.keeper import Keeper
from rookery.training.loop import train_pack
from rookery.training.progress import Metrics, Progress, Report
from rookery.training.resident import RESIDENT
from rookery.training.trained import Trained
from rookery.training.trainee import Trainee
from rookery_ensembles.files import atomic_folder

PACK_KEEP_SECONDS = 20.0
"""At the end of an epoch a member of a pack is kept when its last checkpoint is older than this: to save each
of many small networks after each of many short epochs would take longer than to train them."""


@dataclass(frozen=True)
class MemberTask:
    """A member to train."""

    job: TrainingJob
    folder: Path
    """The member folder to make."""
    checkpoint: Path
    """Where its progress is kept."""
    report: Report
    """Receives metrics and progress after each epoch."""
    on_end: Callable[[Card | Exception | None], None]
    """Receives the card, the error, or None where the training was stopped."""


def train_members(
    tasks: Sequence[MemberTask],
    *,
    device: str | None = None,
    gpus: float | None = None,
    on_round: Callable[[], Collection[str]] = tuple,
) -> None:
    """Train members of one family, survey, split and target.

    Each becomes, to rounding, what :func:`rookery.training.member.train_member` makes of it.
    Those whose configurations have one pack key train as one pack, and one pack after the other. A member
    that is finished is not trained again, and one that has a checkpoint goes on from there.

    Parameters
    ----------
    device, gpus
        See :func:`rookery.training.data.find_device`.
    on_round
        Called once all of a pack have reported an epoch; returns the members that shall train no more.

    Raises
    ------
    InputError, OutOfMemory, InterruptedTraining
        As :func:`rookery.training.member.train_member`, for all that have not ended.
    """
    family = load_family(tasks[0].job.family)
    packs: dict[str, list[tuple[MemberTask, TrainingConfiguration]]] = {}
    for task in tasks:
        try:
            configuration = family.configure(task.job.configuration)
        except ValidationError as error:
            task.on_end(error)
            continue
        if (task.folder / CARD).is_file():
            task.on_end(finished_card(task.folder, task.job, configuration_hash(family.name, configuration)))
            continue
        packs.setdefault(family.pack_key(configuration) or task.job.member, []).append((task, configuration))
    for pack in packs.values():
        _train_pack(family, pack, find_device(device, gpus), gpus or 1.0, on_round)


def _train_pack(
    family: Family[Any],
    pack: Sequence[tuple[MemberTask, TrainingConfiguration]],
    device: torch.device,
    part: float,
    on_round: Callable[[], Collection[str]],
) -> None:
    trainees: list[Trainee] = []

    def after_round() -> None:
        stopped = on_round()
        for trainee in trainees:
            trainee.stopped |= trainee.job.member in stopped

    with training(), arithmetic(pack[0][1].precision, device), ExitStack() as keepers:
        for task, configuration in pack:
            data = load_data(task.job, family, configuration, device, resident=RESIDENT)
            keeper = keepers.enter_context(Keeper(task.checkpoint, task.job))
            trainees.append(_begin(task, family, configuration, data, len(pack), keeper))
        after_round()  # of what checkpoints told
        train_pack(family, trainees, part=part, on_round=after_round)


def _begin(
    task: MemberTask,
    family: Family[Any],
    c: TrainingConfiguration,
    data: TrainingData,
    n_pack: int,
    keeper: Keeper,
) -> Trainee:
    """Return a member in training, which writes its checkpoints and at last its folder."""
    kept = time.monotonic()

    def keep(progress: Progress) -> None:
        nonlocal kept
        keeper.keep(progress)
        kept = time.monotonic()

    def keep_and_report(metrics: Metrics, progress: Progress) -> None:
        if time.monotonic() - kept > PACK_KEEP_SECONDS:
            keep(progress)
        epochs.add(metrics)
        task.report(metrics, progress)

    def end(trainee: Trainee) -> None:
        keeper.close(discard=True)
        if trainee.error is not None or trainee.stopped:
            task.on_end(trainee.error)
            return
        if not (task.folder / CARD).is_file():  # else a worker of a driver that died was faster
            with atomic_folder(task.folder) as partial:
                what = task.job, family, c, data, trainee.network, trainee.progress
                Trained(*what, pack=n_pack).write(partial)
            task.checkpoint.unlink(missing_ok=True)
        epochs.remove()
        task.on_end(finished_card(task.folder, task.job, configuration_hash(family.name, c)))

    shape = blueprint(family, c, len(data.survey.bands), data.target.n_columns)  # refuses a giant
    resume = load_checkpoint(task.checkpoint, task.job, shape, n_train=len(data.rows["train"]))
    history = resume.history if resume is not None else []
    epochs = EpochsWriter(task.checkpoint, task.job, c.epochs, data.target_n.device, history)
    for row in history:  # the driver may have died before it heard of the last ones
        task.report(row, resume or Progress())
    return Trainee.begin(task.job, family, c, data, keep_and_report, resume=resume, keep=keep, on_end=end)
