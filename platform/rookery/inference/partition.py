"""One partition of a survey's predictions: read block by block, predicted, written whole."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from rookery.inference.catalogue_blocks import open_blocks
from rookery.inference.flow import OpenEnsemble
from rookery.surveys.blocks import SurveyBlocks, blocks_of
from rookery.surveys.partial import Since, truncate
from rookery.training.data import find_device
from rookery_ensembles import Bundle, Predictions, load_bundle
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import write_text
from rookery_ensembles.partitions import join, partition_name
from rookery_ensembles.predictions import write_predictions
from rookery_ensembles.schema import PredictionInfo

_BLOCK_VALUES = 8_000_000
"""Values of all members together that a block may hold: 32 MB in single precision."""
NOTHING = ".nothing"
"""Ending of what stands for a partition without objects while a folder is made."""
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
    """Where networks run; None for the usual one."""

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

    def nothing(self, number: int) -> Path:
        """Return the empty file that stands for a partition of which nothing was observed yet."""
        return self.file(number).with_suffix(NOTHING)

    def is_made(self, number: int) -> bool:
        """Return whether a partition is there, or known to have no object."""
        return self.file(number).is_file() or self.nothing(number).is_file()

    def with_objects(self) -> list[int]:
        """Return the partitions that have objects, once all are made."""
        return [number for number in range(self.count) if not self.nothing(number).is_file()]

    def may_have(self, number: int, rows: int) -> bool:
        """Return whether a partition may have so many rows: of partial light curves some may have none."""
        return rows == self.size(number) or (self.info.days is not None and 0 < rows < self.size(number))

    def marks(self, bundle: Bundle) -> bool:
        """Return whether objects out of the domain are marked: the domain is that of whole light curves."""
        return bundle.domain is not None and self.info.days is None


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
        bundle = load_bundle(asked.bundle)
        survey = open_blocks(
            asked.survey, bundle, verify=False, called=asked.called, allow_missing_bands=True
        )  # the other process has looked at digests and bands
        return cls(asked, OpenEnsemble.of(bundle, find_device(asked.device)), survey)

    def __call__(self, number: int) -> int:
        """Predict and write a partition; return its number of objects."""
        asked = self._asked
        start, stop = asked.ends(number)
        made = join(self._blocks(start, stop), asked.info, stop - start)
        if made is None:
            write_text(asked.nothing(number), "")
        else:
            write_predictions(made, asked.file(number))
        return stop - start

    def _blocks(self, start: int, stop: int) -> Iterator[Predictions]:
        asked, known = self._asked, self._asked.with_truth
        for first, end in blocks_of(start, stop, self._size):
            block = self._survey.read(first, end)
            if asked.info.days is None:
                yield self._ensemble.predict_marked(block, with_truth=known)
            elif len(view := truncate(block, asked.info.days, cast(Since, asked.info.since))):
                yield self._ensemble.predict(view, with_truth=known)


def none_observed(survey: str | Path, info: PredictionInfo) -> InputError:
    """Return the error for a survey of which no object has an observation by the day of its predictions."""
    return fail(survey, f"no object has an observation up to {info.days:g} days since {info.since}")
