"""A trained network as it is written: the files of its member folder, see :mod:`rookery.training.member`."""

import json
import platform
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save
from torch import nn

import rookery
from rookery.documents import dump
from rookery.networks.configuration import TrainingConfiguration, configuration_hash
from rookery.networks.family import Family
from rookery.training.arithmetic import arithmetic_now
from rookery.training.card import (
    CARD,
    CONFIG,
    DEGRADED,
    HISTORY,
    WEIGHTS,
    Card,
)
from rookery.training.data import TrainingData, predict_rows
from rookery.training.job import TrainingJob
from rookery.training.progress import Progress
from rookery.training.resident import RESIDENT
from rookery.training.start import started
from rookery.training.target import target_fields
from rookery.training.trainee import why_ended
from rookery.training.validation import prepare_validation
from rookery_ensembles.files import sha256
from rookery_ensembles.predictions import PredictionInfo, Predictions, write_predictions


@dataclass(frozen=True)
class Trained:
    """A network at the end of its training, on its way to a member folder."""

    job: TrainingJob
    """What was asked."""
    family: Family[Any]
    configuration: TrainingConfiguration
    data: TrainingData
    network: nn.Module
    """With the weights that are kept."""
    progress: Progress
    """Its history."""
    workers: int = 1
    pack: int = 1
    """Processes that trained it together, and networks that trained with it as one program."""

    def write(self, folder: Path) -> Card:
        """Write every file of the member; the card last."""
        weights = {name: value.cpu().contiguous() for name, value in self.network.state_dict().items()}
        (folder / WEIGHTS).write_bytes(save(weights))
        what = self.job, self.family, self.configuration, self.data
        judging = prepare_validation(*what, "validation")
        choosing = judging if self.job.inner_validation is None else prepare_validation(*what)
        card = self._card(sha256(folder / WEIGHTS), choosing.effective_objects)
        (folder / CONFIG).write_text(dump(self.configuration.model_dump(mode="json")), encoding="utf-8")
        pd.DataFrame(self.progress.history).to_parquet(folder / HISTORY, index=False)
        for role in ("validation", "test"):
            if len(self.data.rows[role]):
                write_predictions(self._predictions(role, card), folder / f"predictions-{role}.parquet")
        if judging.degraded is not None:
            degraded = judging.predict_degraded(self.network)
            values = self.data.target.from_probabilities(degraded)
            found = replace(self._predictions("validation", card), values=values)
            write_predictions(found, folder / DEGRADED)
        made = sorted(folder.glob("predictions-*.parquet"))
        card = card.model_copy(update={"predictions": {file.name: sha256(file) for file in made}})
        text = json.dumps(card.model_dump(mode="json"), indent=2)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")
        return card

    def _card(self, weights: str, effective_objects: float | None) -> Card:
        job, progress, device = self.job, self.progress, self.data.target_n.device
        on_gpu = device.type == "cuda"
        return Card(
            member=job.member,
            family=self.family.name,
            configuration=configuration_hash(self.family.name, self.configuration),
            **target_fields(job.target),
            bands=self.data.survey.bands,
            survey=job.survey_checksum,
            split=job.split,
            fold=job.fold,
            train_on=job.train_on,
            seed=job.seed,
            metric=job.objective,
            keep=job.keep,
            inner_validation=job.inner_validation,
            value=progress.best_value,
            effective_validation_objects=effective_objects,
            metrics={
                name: value
                for name, value in progress.history[progress.best_epoch - 1].items()
                if name.startswith("validation_")
            },
            start=started(job, self.family, self.network, self.data.survey.bands),
            training_fractions=self._training_fractions(),
            best_epoch=progress.best_epoch,
            epochs=progress.epoch,
            ended=why_ended(job, self.configuration, progress),
            batch_size=progress.batch_size,
            steps=progress.steps,
            workers=self.workers,
            pack=self.pack,
            process=RESIDENT.process(),
            parameters=sum(p.numel() for p in self.network.parameters()),
            weights=weights,
            device=torch.cuda.get_device_name(device) if on_gpu else f"cpu ({platform.machine()})",
            device_seconds=sum(row["seconds"] for row in progress.history),
            energy_joules=_energy(progress),
            draws=progress.draws,
            arithmetic=arithmetic_now(device),
            versions={name: _version(name) for name in ("rookery", "torch", "numpy", "python")},
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _training_fractions(self) -> dict[str, float] | None:
        return self.data.target.fractions(self.data.target_n[self.data.rows["train"]].cpu().numpy())

    def _predictions(self, role: str, card: Card) -> Predictions:
        rows, target = self.data.rows[role], self.data.target
        objects = self.data.survey.objects.iloc[rows.cpu().numpy()]
        info = PredictionInfo(
            target=target,
            member=self.job.member,
            role=role,
            unseen=role == "test" or None,
            fold=self.job.fold,
            configuration=card.configuration,
            survey=card.survey,
            version=card.versions["rookery"],
        )
        return Predictions(
            info=info,
            object_id=objects["object_id"].to_numpy().astype(str),
            truth=target.truth_of(objects[target.truth_column]),
            values=target.from_probabilities(predict_rows(self.network, self.family, self.data.inputs, rows)),
        )


def _energy(progress: Progress) -> float | None:
    """Return the energy of all epochs, if each has one."""
    joules = [row["joules"] for row in progress.history if "joules" in row]
    return sum(joules) if joules and len(joules) == len(progress.history) else None


def _version(name: str) -> str:
    """Return the version of a library, of Python, or of Rookery."""
    if name == "rookery":
        return rookery.__version__
    return platform.python_version() if name == "python" else metadata.version(name)
