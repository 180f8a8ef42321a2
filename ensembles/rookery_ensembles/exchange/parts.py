"""Predictions part by part: a folder's files one after the other, a single file whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rookery_ensembles.exchange.ids import are_numbers
from rookery_ensembles.exchange.summary import Columns, summary_columns
from rookery_ensembles.partitions import Partitions, open_partitions
from rookery_ensembles.predictions import opened_predictions, read_partition, read_predictions
from rookery_ensembles.progress import tracked
from rookery_ensembles.schema import PredictionInfo, Predictions


@dataclass(frozen=True)
class Parts:
    """Predictions of which one part is in memory at a time."""

    source: Predictions | Partitions
    """In memory, or in files."""

    @classmethod
    def of(cls, predictions: str | Path | Predictions | Partitions) -> "Parts":
        """Open a prediction file, a finished folder of them, or what was read from either.

        Raises
        ------
        InputError
            As `read_predictions` does; the files of a folder are checked when they are read.
        """
        if isinstance(predictions, Predictions | Partitions):
            return cls(predictions)
        found = open_partitions(predictions) if Path(predictions).is_dir() else read_predictions(predictions)
        return cls(found)

    @property
    def info(self) -> PredictionInfo:
        """What all of them say about themselves."""
        return self.source.info

    @property
    def objects(self) -> int:
        """Number of objects; of a folder its document tells it."""
        return self.source.objects if isinstance(self.source, Partitions) else len(self.source.object_id)

    def __iter__(self) -> Iterator[Predictions]:
        """Yield the parts in the order of the objects."""
        if isinstance(self.source, Predictions):
            yield self.source
            return
        rows = self.source.rows
        for number in tracked(range(len(rows)), "objects", sum(rows), size=lambda number: rows[number]):
            yield read_partition(self.source, number)

    def tables(self) -> Iterator[tuple[Predictions, Columns]]:
        """Yield each part with its columns of a table, which have the same names and kinds in all."""
        if isinstance(self.source, Predictions):
            yield self.source, summary_columns(self.source)
            return
        numbers, known = self._numbers_and_truth
        for part in self:
            yield part, summary_columns(part, numbers=numbers, with_truth=known)

    @cached_property
    def _numbers_and_truth(self) -> tuple[bool, bool]:
        """Whether all names are whole numbers, and whether any truth is known."""
        assert isinstance(self.source, Partitions)
        numbers, known = True, False
        for file in self.source.files:
            with opened_predictions(file) as (opened, _):
                table = opened.read(columns=["object_id", "truth"])
            numbers = numbers and are_numbers(table["object_id"].to_pylist())
            known = known or table["truth"].null_count < len(table)
        return numbers, known
