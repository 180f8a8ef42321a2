"""The worker's side of :mod:`rookery.training.epochs_file`: a line as each epoch ends."""

import json
import logging
import math
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from rookery.compute.energy import IdleWatch, Utilisation
from rookery.training.epochs_file import MEMORY, TIME, UTILISATION, Head, epochs_file, read_epochs
from rookery.training.job import TrainingJob
from rookery.training.progress import Metrics
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import write_text

logger = logging.getLogger(__name__)


class EpochsWriter:
    """Appends a network's epochs to its file; what cannot be written costs the line, not the training.

    Parameters
    ----------
    history
        Epochs of earlier runs, from the checkpoint: what the file tells of later ones is forgotten, for they
        are trained again.
    """

    def __init__(
        self,
        checkpoint: Path,
        job: TrainingJob,
        epochs: int,
        device: torch.device,
        history: Iterable[Metrics],
    ) -> None:
        self._path, self._device, self._told = epochs_file(checkpoint), device, False
        self._utilisation, self._idle = Utilisation(device), IdleWatch()
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        head = Head(
            member=job.member,
            family=job.family,
            fold=job.fold,
            seed=job.seed,
            metric=job.objective,
            direction="minimize" if job.direction == "minimize" else "maximize",
            epochs=epochs,
            device=name,
            host=socket.gethostname(),
            process=os.getpid(),
            began=time.time(),
        )
        earlier = read_epochs(self._path)
        known = {row["epoch"]: row for row in earlier.rows} if earlier else {}
        rows = [{**known.get(row["epoch"], {}), **row} for row in history]
        text = "".join(_line(row) for row in [head.model_dump(), *rows])
        try:
            write_text(self._path, text)
        except InputError as error:
            self._say(error)

    def add(self, row: Metrics) -> None:
        """Append an epoch, unless the network was stopped and its file has gone."""
        told = {**row, TIME: round(time.time(), 3)}
        if self._device.type == "cuda":
            told[MEMORY] = torch.cuda.max_memory_allocated(self._device)
        if (percent := self._utilisation.percent()) is not None:
            told[UTILISATION] = round(percent, 1)
            if self._device.type == "cuda" and (advice := self._idle.see(percent)):
                logger.warning("%s: %s", self._path.stem, advice)
        try:
            stream = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(stream, _line(told).encode())  # one write: no line stands within another
            finally:
                os.close(stream)
        except FileNotFoundError:
            return
        except OSError as error:
            self._say(error)

    def remove(self) -> None:
        """Remove the file: the member's history tells the same."""
        self._path.unlink(missing_ok=True)

    def _say(self, error: Exception) -> None:
        if not self._told:
            logger.warning("%s: the epochs of a running network are not shown (%s)", self._path, error)
        self._told = True


def _line(row: Mapping[str, object]) -> str:
    """Return a line of JSON, which knows no NaN."""
    plain = {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items()}
    return json.dumps(plain, separators=(",", ":")) + "\n"
