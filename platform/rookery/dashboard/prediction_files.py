"""Predictions as their page shows them: what is there, what an even part of it comes to, and rows of a table.

A folder that is still being made is read like a finished one: its finished files are whole. Of many files an
even part is summed up, a little at each look, so that no look waits long; memory holds sums and some blocks.
"""

import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.compute.lock import is_locked
from rookery.dashboard.prediction_sums import PredictionSums
from rookery.dashboard.sources import UNFINISHED
from rookery.dashboard.trials import stamp_of
from rookery_ensembles._documents import Fields
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.exchange.summary import Columns, summary_columns
from rookery_ensembles.partitions import MANIFEST, open_partitions, partition_name
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.prediction_blocks import BLOCK, read_blocks
from rookery_ensembles.predictions import opened_predictions, read_info
from rookery_ensembles.schema import PredictionInfo, Predictions

PLAN = "_plan.json"
_MOST_FILES, _KEPT_BLOCKS = 200, 8
"""So many files are summed up, evenly chosen of more; so many blocks of rows stay in memory."""
_SEARCH_SECONDS = 10.0


@dataclass(frozen=True)
class There:
    """What is there of predictions."""

    files: tuple[Path, ...]
    rows: tuple[int, ...]
    """Files, in order, and objects of each."""
    wanted: int
    """Objects that there will be."""
    state: str
    """``finished``, ``running`` or ``interrupted``."""
    out_of_domain: int | None = None
    """Objects outside of what the networks were trained on, where a document tells."""

    @property
    def objects(self) -> int:
        """Number of objects that are there."""
        return sum(self.rows)


def whats_there(path: Path) -> There:
    """Return what is there of a file, a folder, or a folder that is being made.

    Raises
    ------
    InputError
        When it is none of them, or its document breaks a rule.
    """
    if not path.is_dir():
        rows = _rows_of(path)
        return There((path,), (rows,), rows, "finished")
    if (path / MANIFEST).is_file():
        found = open_partitions(path)
        return There(found.files, found.rows, found.objects, "finished", found.out_of_domain)
    plan = path / PLAN
    if not plan.is_file():
        raise fail(path, f"is no folder of predictions: it has neither {MANIFEST} nor {PLAN}")
    given = Fields(parse_json(plan.read_bytes(), plan), str(plan), None)
    objects, rows = given.take("objects", int), given.take("rows", int)
    if rows < 1:
        raise fail(given.place("rows"), f"must be 1 or more, but is {rows}")
    files, sizes = [], []
    for number in range(-(-objects // rows)):
        file = path / partition_name(number)
        if file.is_file():
            files.append(file)
            whole = min(rows, objects - number * rows)
            sizes.append(whole if given.get("days", float) is None else _rows_of(file))
    return There(tuple(files), tuple(sizes), objects, "running" if is_locked(path) else "interrupted")


def _rows_of(file: Path) -> int:
    with opened_predictions(file) as (opened, _):
        return int(opened.metadata.num_rows)


class PredictionFiles:
    """Reads a file or folder of predictions for :meth:`refresh`; used by many threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = path.name.removesuffix(UNFINISHED)
        self.there: There | None = None
        self.info: PredictionInfo | None = None
        self.sums: PredictionSums | None = None
        """What was summed up so far; None while no file is there."""
        self.error: InputError | None = None
        """What is damaged in a file, of which the rest is left out."""
        self._stamps: dict[str, object] = {}
        """Of the files that are summed up, or are just being."""
        self._left: Iterator[Predictions] = iter(())
        self._blocks: OrderedDict[tuple[str, int], Columns] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """What changes whenever there is something new to show."""
        there, sums = self.there, self.sums
        if there is None:
            return ""
        return f"{there.state} {there.objects} {sums.objects if sums else 0} {self.error or ''}"

    def refresh(self, seconds: float = 1.0) -> There:
        """Look what is there, and sum up more of it for about so long.

        Raises
        ------
        InputError
            As `whats_there` does, or when the first file tells nothing of itself. What else is damaged is
            kept as `error`.
        """
        with self._lock:
            place = self._place()
            self.there = there = whats_there(place)
            if not there.files:
                return there
            if self.info is None:
                self.info = read_info(there.files[0])
            stamps = {file.name: stamp_of(file) for file in self._even_part(there)}
            if self.sums is None or any(stamps.get(name) != old for name, old in self._stamps.items()):
                self.info = read_info(there.files[0])  # made anew, or corrected for other class fractions
                self.sums, self._stamps, self._left = PredictionSums(self.info.target), {}, iter(())
                self.error = None
                self._blocks.clear()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                try:
                    block = next(self._left, None)
                except InputError as error:
                    if self._place() != place:  # finished meanwhile, and so renamed: the next look reads it
                        self._stamps.popitem()
                        break
                    self.error, block = error, None
                if block is not None:
                    self.sums.add(block)
                    continue
                new = [file for file in self._even_part(there) if file.name not in self._stamps]
                if not new:
                    break
                self._stamps[new[0].name] = stamps[new[0].name]
                self._left = (part for _, part in read_blocks(new[0]))
            return there

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """Return rows of the table of all objects that are there: plain values by column.

        Raises
        ------
        InputError
            When a file is damaged.
        """
        there, found = self._seen(), list[dict[str, Any]]()
        stop = min(stop, there.objects)
        while start + len(found) < stop:
            file, inside = self._file_of(there, start + len(found))
            begun, columns = self._block(file, inside)
            wanted = slice(inside - begun, inside - begun + stop - start - len(found))
            found += _plain_rows(columns, wanted)
        return found

    def find(self, name: str) -> tuple[int | None, int]:
        """Return the row of an object, or None, and how many objects were looked through until then."""
        import pyarrow.compute as pc

        there, before, until = self._seen(), 0, time.monotonic() + _SEARCH_SECONDS
        for file, rows in zip(there.files, there.rows, strict=True):
            with opened_predictions(file) as (opened, _):
                place = pc.index(opened.read(columns=["object_id"])["object_id"], name).as_py()
            if place >= 0:
                return before + int(place), before + int(place) + 1
            before += rows
            if time.monotonic() > until:
                break
        return None, before

    def one(self, row: int) -> tuple[dict[str, Any], NDArray[np.float32]]:
        """Return the row of the table of a single object, and its (K,) probabilities or densities.

        Raises
        ------
        InputError
            When its file is damaged.
        """
        file, inside = self._file_of(self._seen(), row)
        start, block = next(read_blocks(file, inside))
        return self.rows(row, row + 1)[0], block.values[inside - start]

    def _place(self) -> Path:
        """Return where they are by now: a folder that was being made has another name when it is whole."""
        for name in (self._name, f"{self._name}{UNFINISHED}"):
            if (place := self.path.with_name(name)).exists():
                return place
        return self.path

    def _seen(self) -> There:
        return self.there or self.refresh(0.0)

    @staticmethod
    def _file_of(there: There, row: int) -> tuple[Path, int]:
        """Return the file that holds a row of all, and the row in it."""
        ends = list(accumulate(there.rows))
        file = bisect_right(ends, row)
        return there.files[file], row - ends[file] + there.rows[file]

    def _even_part(self, there: There) -> Sequence[Path]:
        """Return the files that are summed up, the same ones however many are there yet."""
        if len(there.files) == 1:
            return there.files
        step = -(-there.wanted // max(there.rows) // _MOST_FILES) or 1
        return [file for file in there.files if int(file.stem.rpartition("-")[2]) % step == 0]

    def _block(self, file: Path, row: int) -> tuple[int, Columns]:
        """Return the first row and the columns of a table of the block of a file that a row is in."""
        key = (file.name, row // BLOCK)
        with self._lock:
            if (kept := self._blocks.get(key)) is not None:
                self._blocks.move_to_end(key)
                return row // BLOCK * BLOCK, kept
        start, block = next(read_blocks(file, row))
        columns = summary_columns(block, numbers=False)
        if start == row // BLOCK * BLOCK and len(block.object_id) == BLOCK:
            with self._lock:
                self._blocks[key] = columns
                while len(self._blocks) > _KEPT_BLOCKS:
                    self._blocks.popitem(last=False)
        return start, columns


def _plain_rows(columns: Columns, part: slice) -> list[dict[str, Any]]:
    """Return a table's rows as JSON can hold them: what is not finite is None."""
    lists = {}
    for name, values in columns.items():
        some = values[part]
        if some.dtype.kind == "f":
            unknown, some = ~np.isfinite(some), some.astype(object)
            some[unknown] = None
        lists[name] = some.tolist()
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
