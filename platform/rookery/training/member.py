"""A member: one trained network as a folder that a person can open and any program can load.

``weights.safetensors``, ``config.yaml``, ``history.parquet``, ``predictions-validation.parquet``,
``predictions-test.parquet`` (when the split has test objects), ``predictions-validation-degraded.parquet``
(when the objective looks at degraded copies of the validation objects) and ``card.json``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

import rookery
from rookery.compute.interruption import training
from rookery.documents import Source
from rookery.networks.configuration import TrainingConfiguration, configuration_hash
from rookery.networks.cost import blueprint
from rookery.networks.family import Family, Inputs, family_names, load_family
from rookery.shift.domain import observed_bands
from rookery.surveys import Survey
from rookery.training.arithmetic import arithmetic
from rookery.training.card import (
    CARD,
    CONFIG,
    WEIGHTS,
    Card,
    finished_card,
    read_card,
    verify_file,
)
from rookery.training.checkpoint import load_checkpoint
from rookery.training.data import find_device, load_data, predict_rows
from rookery.training.epochs_writer import EpochsWriter
from rookery.training.job import TrainingJob
from rookery.training.keeper import Keeper
from rookery.training.loop import train
from rookery.training.progress import Metrics, Progress, Report
from rookery.training.resident import RESIDENT
from rookery.training.target import known_truth
from rookery.training.team import ALONE, Team
from rookery.training.trained import Trained
from rookery.training.trainee import StoppedTrainingError
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_folder
from rookery_ensembles.predictions import PredictionInfo, Predictions


@dataclass(frozen=True)
class Member:
    """An opened member: its card, its family and configuration, and the network ready to predict."""

    card: Card
    family: Family[Any]
    configuration: TrainingConfiguration
    network: nn.Module
    """With its weights."""

    def check_kind(self, survey: Survey) -> None:
        """Raise InputError when the family does not learn from surveys of this kind."""
        if survey.info.kind not in self.family.survey_kinds:
            needed = f"`{self.card.family}` needs a survey of {' or '.join(self.family.survey_kinds)}"
            raise fail(survey.path, f"{needed}, but this one holds {survey.info.kind}")

    def encode(self, survey: Survey) -> Inputs:
        """Return a survey as the network's inputs; raises InputError where the family cannot read it."""
        self.check_kind(survey)
        return self.family.encode(survey, self.configuration, self.card.bands)

    def check_bands(self, survey: Survey) -> None:
        """Raise InputError when a survey was observed in none of the network's bands."""
        wanted, bands = self.card.bands, observed_bands(survey)
        if not set(wanted) & set(bands):
            rule = f"has none of the bands that the network was trained on ({', '.join(wanted)})"
            raise fail(survey.path, f"{rule}; its bands are {', '.join(bands)}")

    def values(self, survey: Survey, done: Callable[[int], None] = lambda _: None) -> NDArray[np.float32]:
        """Return the (N, K) probabilities or densities of every object of a survey.

        `done` is told how many objects are, block by block.

        Raises
        ------
        InputError
            When the family cannot read surveys of this kind.
        """
        inputs = self.encode(survey)
        rows = torch.arange(len(survey))  # each is seen once: nothing is gained by moving them all first
        with arithmetic(self.configuration.precision, next(self.network.parameters()).device):
            found = predict_rows(self.network, self.family, inputs, rows, done=done)
        return self.card.target.from_probabilities(found)

    def predict(self, survey: Survey) -> Predictions:
        """Predict every object of a survey; bands that it lacks count as unobserved.

        Raises
        ------
        InputError
            When the survey has none of the bands, or is of a kind that the family cannot read.
        """
        card = self.card
        self.check_bands(survey)
        info = PredictionInfo(
            target=card.target,
            member=card.member,
            fold=card.fold,
            configuration=card.configuration,
            survey=survey.checksum,
            version=rookery.__version__,
            unseen=not survey.info.was(card.survey) or None,
        )
        object_id = survey.objects["object_id"].to_numpy().astype(str)
        return Predictions(info, object_id, known_truth(card.target, survey), self.values(survey))


def train_member(
    job: TrainingJob,
    folder: Path,
    checkpoint: Path,
    report: Report,
    *,
    device: str | None = None,
    gpus: float | None = None,
    team: Team = ALONE,
) -> Card:
    """Train `job` and write its member folder; resumes from `checkpoint` and removes it at the end.

    Parameters
    ----------
    folder
        The member folder to make. A member that is finished there is not trained again; one of
        another configuration, seed, survey or split raises `InputError`.
    checkpoint
        Where progress is kept after every epoch, and within long ones.
    report
        See :func:`rookery.training.loop.train`; called once the checkpoint is safe, or, where it is large,
        while it is being written (:mod:`rookery.training.keeper`).
    device, gpus
        Where to train; see :func:`rookery.training.data.find_device`. Of a part of a GPU, the energy is
        that part.
    team
        The processes that train this member together. Each of them makes this call; the first one writes.
    """
    family = load_family(job.family)
    configuration = family.configure(job.configuration)
    digest = configuration_hash(family.name, configuration)
    if team.agree((folder / CARD).is_file()):
        return finished_card(folder, job, digest)
    place = find_device(device, gpus)
    data = load_data(job, family, configuration, place, resident=RESIDENT)
    shape = blueprint(family, configuration, len(data.survey.bands), data.target.n_columns)  # refuses a giant

    def keep(progress: Progress) -> None:
        if team.leads:
            keeper.keep(progress)

    def keep_and_report(metrics: Metrics, progress: Progress) -> None:
        keep(progress)
        if epochs is not None:
            epochs.add(metrics)
        report(metrics, progress)

    with training(), arithmetic(configuration.precision, place), Keeper(checkpoint, job) as keeper:
        resume = load_checkpoint(checkpoint, job, shape, n_train=len(data.rows["train"]))
        history = resume.history if resume is not None else []
        epochs = EpochsWriter(checkpoint, job, configuration.epochs, place, history) if team.leads else None
        for row in history:  # the driver may have died before it heard of the last ones
            report(row, resume or Progress())
        what = job, family, configuration, data, keep_and_report, resume
        try:
            trained = train(*what, keep=keep, team=team, part=gpus or 1.0)
        except StoppedTrainingError:
            keeper.close(discard=True)  # nobody will take it up
            raise
        keeper.close(discard=True)
        if team.leads and not (folder / CARD).is_file():  # else a worker of a driver that died was faster
            with atomic_folder(folder) as partial:
                Trained(job, family, configuration, data, *trained, team.size).write(partial)
            checkpoint.unlink(missing_ok=True)
        if epochs is not None:
            epochs.remove()
    team.agree(None)  # the others wait for the files
    return finished_card(folder, job, digest)


def open_member(folder: str | Path, device: str | torch.device = "cpu") -> Member:
    """Open a member folder (in a study or a bundle) for prediction.

    Raises
    ------
    InputError
        When a file is missing, unreadable or altered, or weights and configuration do not fit.
    """
    folder = Path(folder)
    card = read_card(folder)
    if card.family not in family_names():
        raise fail(
            folder / CARD, f"`family`: must be one of {', '.join(family_names())}, but is {card.family!r}"
        )
    family = load_family(card.family)
    configuration: TrainingConfiguration = Source.read(folder / CONFIG).validate(family.configuration)
    if (folder / WEIGHTS).is_file():
        verify_file(folder, card, WEIGHTS)
    try:
        shape = blueprint(family, configuration, len(card.bands), card.target.n_columns)
    except InputError as error:
        raise fail(folder / CONFIG, str(error)) from error
    try:
        _check_weights(folder / WEIGHTS, shape)
        # Now the network is known to be no larger than the file.
        network = family.build(configuration, len(card.bands), card.target.n_columns)
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise fail(folder / WEIGHTS, f"does not fit the network of {CONFIG} ({reason})") from error
    return Member(card, family, configuration, network.to(device).eval())


def _check_weights(path: Path, network: nn.Module) -> None:
    """Raise RuntimeError unless a file's header names the tensors of a network, in their shapes.

    Nothing of the size of the weights is read or allocated.
    """
    wanted = {name: list(value.shape) for name, value in network.state_dict().items()}
    with safe_open(path, framework="pt") as stream:
        names = set(stream.keys())
        if odd := sorted(names ^ set(wanted)):
            raise RuntimeError(f"{odd[0]!r} is {'missing' if odd[0] in wanted else 'not a part of it'}")
        for name, shape in wanted.items():
            if (found := stream.get_slice(name).get_shape()) != shape:
                raise RuntimeError(f"{name!r} must have the shape {shape}, but has {found}")
