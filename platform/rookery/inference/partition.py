"""One partition of a survey's predictions: read block by block, predicted, written whole."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rookery.inference.flow import OpenEnsemble
from rookery.surveys.blocks import SurveyBlocks, blocks_of
from rookery.training.data import find_device
from rookery_ensembles import Predictions, load_bundle
from rookery_ensembles.errors import fail
from rookery_ensembles.partitions import join, partition_name
from rookery_ensembles.predictions import write_predictions
from rookery_ensembles.schema import PredictionInfo

_BLOCK_VALUES = 8_000_000
"""Values of all members together that a block may hold: 32 MB in single precision."""
_SMALLEST, _LARGEST = 256, 8192
"""Objects of a block."""


@dataclass(frozen=True)
class Partitioning:
    """All that a process must know to make any partition, in plain values that can be sent to it."""

    bundle: str
    survey: str
    """Folder of the survey store."""
    called: str
    """What messages call the survey."""
    folder: str
    """Where partitions are written."""
    objects: int
    rows: int
    """Objects of the survey, and of each partition but the last."""
    info: PredictionInfo
    """What every partition says about itself."""
    with_truth: bool
    """Whether truths that the survey knows are those of the target."""
    device: str | None = None

    @property
    def count(self) -> int:
        """Number of partitions."""
        return -(-self.objects // self.rows)

    def ends(self, number: int) -> tuple[int, int]:
        """Return the first row of a partition, and that of the next."""
        return number * self.rows, min((number + 1) * self.rows, self.objects)

    def size(self, number: int) -> int:
        """Return the objects of a partition."""
        start, stop = self.ends(number)
        return stop - start

    def file(self, number: int) -> Path:
        """Return the file of a partition."""
        return Path(self.folder) / partition_name(number)


class PartitionMaker:
    """What makes partitions, in rising order best: the bundle is opened once, the survey read once."""

    def __init__(self, asked: Partitioning, ensemble: OpenEnsemble, survey: SurveyBlocks) -> None:
        self._asked, self._ensemble, self._survey = asked, ensemble, survey
        values = len(ensemble.members) * asked.info.target.n_columns
        self._size = int(np.clip(_BLOCK_VALUES // values // _SMALLEST * _SMALLEST, _SMALLEST, _LARGEST))

    @classmethod
    def open(cls, asked: Partitioning) -> "PartitionMaker":
        """Open bundle and survey, whose digests another process has compared.

        Raises
        ------
        InputError
            When this machine does not see them, or the folder of the partitions.
        """
        for path in (asked.bundle, asked.survey, asked.folder):
            if not Path(path).is_dir():
                rule = "must be a folder that every node of the cluster sees under this name"
                raise fail(path, f"{rule}, but {socket.gethostname()} does not")
        ensemble = OpenEnsemble.of(load_bundle(asked.bundle), find_device(asked.device))
        return cls(asked, ensemble, SurveyBlocks(asked.survey, verify=False, called=asked.called))

    def __call__(self, number: int) -> int:
        """Predict and write a partition; return its number of objects."""
        start, stop = self._asked.ends(number)
        made = join(self._blocks(start, stop), self._asked.info, stop - start)
        write_predictions(made, self._asked.file(number))
        return stop - start

    def _blocks(self, start: int, stop: int) -> Iterator[Predictions]:
        for first, end in blocks_of(start, stop, self._size):
            block = self._survey.read(first, end)
            yield self._ensemble.predict_marked(block, with_truth=self._asked.with_truth)
