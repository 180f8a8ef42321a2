"""The epochs of a network in training, as a file beside its checkpoint that anybody may read at any time.

``running/<member>.epochs.jsonl``: a line of JSON that says what the network is (`Head`), then one an epoch.
The worker that trains appends; nobody locks, and no torch or Ray is needed to read. A line that is not whole
yet counts as not written. Once the network is a member, its ``history.parquet`` tells the same and the file
is gone; that of a network which was stopped or failed goes to ``stopped/``.
"""

import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

SUFFIX = ".epochs.jsonl"
RUNNING, STOPPED = "running", "stopped"
TIME, MEMORY, UTILISATION = "time", "memory_bytes", "utilisation"
"""Keys of a line beside the columns of the history: when the epoch ended (Unix time); the most bytes of the
device that torch held by then in the process, where there is a GPU; and in percent how busy the GPU was as
the epoch ended, or how much of one core the process took in it."""
_STALLED_SECONDS, _STALLED_EPOCHS = 600.0, 5.0


class Head(BaseModel):
    """What a network is: the first line of its file."""

    member: str
    family: str
    fold: int | None = None
    seed: int
    metric: str
    """The column that chooses the epoch."""
    direction: Literal["minimize", "maximize"]
    epochs: int
    """At most so many."""
    device: str
    host: str
    process: int
    began: float
    """When this run of the training began (Unix time); one that resumes begins anew."""


@dataclass(frozen=True)
class Epochs:
    """What the file of one network tells."""

    path: Path
    head: Head
    rows: Sequence[Mapping[str, float | None]]
    """One a finished epoch, by number: the columns of :class:`rookery.training.progress.Progress`'s history,
    `time`, `utilisation`, and on a GPU `memory_bytes`; None where a value was no finite number."""
    end: int = 0
    inode: int = field(default=0, repr=False)
    """Bytes that are read, and of which file: what `read_epochs` goes on from."""

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return len(self.rows)

    @property
    def values(self) -> list[float]:
        """What the column that chooses was, epochs without a number left out."""
        return [value for row in self.rows if (value := row.get(self.head.metric)) is not None]

    @property
    def best(self) -> float | None:
        """The best of them."""
        pick = min if self.head.direction == "minimize" else max
        return pick(self.values, default=None)

    @property
    def seconds_per_epoch(self) -> float | None:
        """Median of the last epochs."""
        found = [value for row in self.rows[-9:] if (value := row.get("seconds")) is not None]
        return statistics.median(found) if found else None

    def silent(self, now: float | None = None) -> float:
        """Return the seconds since it last told of an epoch, or since it began."""
        last = self.rows[-1].get(TIME) if self.rows else None
        return max(0.0, (time.time() if now is None else now) - max(last or 0.0, self.head.began))

    def stalled(self, now: float | None = None) -> bool:
        """Whether no epoch ended for ten minutes that is late by the epochs before, too."""
        usual = self.seconds_per_epoch or 0.0
        return self.silent(now) > max(_STALLED_SECONDS, _STALLED_EPOCHS * usual)

    def summary(self, now: float | None = None) -> dict[str, Any]:
        """Return how the network stands, as plain values; docs/monitoring.md tells every key."""
        head, last = self.head, self.rows[-1] if self.rows else {}
        return {
            "member": head.member,
            "fold": head.fold,
            "epoch": self.epoch,
            "epochs": head.epochs,
            "metric": head.metric,
            "value": last.get(head.metric),
            "best": self.best,
            "seconds_per_epoch": self.seconds_per_epoch,
            "silent_seconds": self.silent(now),
            "stalled": self.stalled(now),
            "device": head.device,
            "host": head.host,
            MEMORY: last.get(MEMORY),
            UTILISATION: last.get(UTILISATION),
        }


def epochs_file(checkpoint: Path) -> Path:
    """Return where the epochs of a network with that checkpoint stand."""
    return checkpoint.with_name(checkpoint.name.removesuffix(".safetensors") + SUFFIX)


def read_epochs(path: Path, before: Epochs | None = None) -> Epochs | None:
    """Return what a file tells by now; None where there is none, or not even its first line.

    Parameters
    ----------
    before
        What it told earlier: only what was added is read, unless the file is a new one.
    """
    try:
        with path.open("rb") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            if before is not None and before.inode == inode and stream.seek(0, 2) >= before.end:
                stream.seek(before.end)
            else:
                before = None
                stream.seek(0)
            content = stream.read()
    except OSError:  # it ended meanwhile, or its folder is away
        return None
    content = content[: content.rfind(b"\n") + 1]
    lines = _lines(content)
    head = before.head if before else _head(next(lines, None))
    if head is None:
        return None
    rows = {int(row["epoch"] or 0): row for row in before.rows} if before else {}
    for line in lines:
        if line.get("epoch") == len(rows) + 1 and all(map(_is_number, line.values())):
            rows[len(rows) + 1] = line  # of another number where a worker that was given up still writes
    return Epochs(path, head, list(rows.values()), (before.end if before else 0) + len(content), inode)


def running_epochs(folder: Path, before: Mapping[str, Epochs] | None = None) -> dict[str, Epochs]:
    """Return the networks of a study's or campaign's folder that are not finished, by member.

    Also those that were interrupted, and, of a mirror of object storage, some that have ended since.

    Parameters
    ----------
    before
        What this told earlier: only what was added is read.
    """
    before = before or {}
    found = {}
    for path in sorted((folder / RUNNING).glob(f"[!.]*{SUFFIX}")):
        member = path.name.removesuffix(SUFFIX)
        if _finished(path):
            continue
        if (epochs := read_epochs(path, before.get(member))) is not None:
            found[member] = epochs
    return found


def stop_epochs(checkpoint: Path) -> None:
    """Put the file of a network that shall train no more beside those of others which were stopped.

    What a worker left that died as its member was finished is removed.
    """
    path = epochs_file(checkpoint)
    if _finished(path):
        path.unlink(missing_ok=True)
    elif path.is_file():
        target = path.parents[1] / STOPPED / path.name
        target.parent.mkdir(exist_ok=True)
        path.replace(target)


def _finished(path: Path) -> bool:
    return (path.parents[1] / "members" / path.name.removesuffix(SUFFIX) / "card.json").is_file()


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects of whole lines; one that a crash of the machine left damaged is passed over."""
    for line in content.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _is_number(value: object) -> bool:
    """Whether a value of a line is one that its writer would have written."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 63
    return value is None or isinstance(value, float)


def _head(line: Mapping[str, Any] | None) -> Head | None:
    try:
        return None if line is None else Head.model_validate(line)
    except ValidationError:
        return None
