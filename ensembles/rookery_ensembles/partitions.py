"""A folder of prediction files, in order: predictions of more objects than one file should hold.

::

    predictions/
        _predictions.json
        part-000000.parquet
        part-000001.parquet
        ...

Each partition is a file as `write_predictions` writes it, with the whole metadata. ``_predictions.json`` is
written last: a folder without it is not finished. Programs that read a folder of Parquet files (pyarrow,
pandas, Dask, Spark) take no notice of names that begin with an underscore.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rookery_ensembles._documents import Fields
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import sha256, write_text
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.schema import PredictionInfo, Predictions
from rookery_ensembles.shown import short_repr

MANIFEST = "_predictions.json"
"""Of a finished folder: its partitions in order, and what they say about themselves."""
UNFINISHED = ".unfinished"
"""A folder that is being made, or whose maker died, has this behind its name."""
_VERSION = 1
_KEYS = ("format_version", "objects", "out_of_domain", "made_by", "info", "partitions")


@short_repr
@dataclass(frozen=True)
class Partitions:
    """A finished folder of predictions."""

    path: Path
    """The folder."""
    info: PredictionInfo
    """What every partition says about itself."""
    files: tuple[Path, ...]
    """The partitions, in the order of the survey's objects."""
    rows: tuple[int, ...]
    """Objects of each."""
    made_by: Mapping[str, object]
    """What was asked for, in plain values."""
    out_of_domain: int | None = None
    """Objects outside of what the networks were trained on; None where nobody looked."""

    @property
    def objects(self) -> int:
        """Number of objects."""
        return sum(self.rows)


def is_folder(out: str | Path) -> bool:
    """Return whether an output is a folder of partitions: its name has no ending, or ends in a slash."""
    return str(out).endswith("/") or not Path(out).suffix


def partition_name(number: int) -> str:
    """Return the name of a partition, counted from 0."""
    return f"part-{number:06d}.parquet"


def join(parts: Iterable[Predictions], info: PredictionInfo, n: int) -> Predictions | None:
    """Return predictions that come in parts, of at most `n` objects, each part's values copied once.

    None where there is no part.
    """
    target = info.target
    values = np.empty((n, target.n_columns), np.float32)
    others = []
    at = 0
    for part in parts:
        values[at : at + len(part.values)] = part.values
        at += len(part.values)
        others.append(replace(part, values=values[:0]))
    if not others:
        return None
    truths = [
        target.unknown_truth(len(part.object_id)) if part.truth is None else part.truth for part in others
    ]
    flags = [part.out_of_domain for part in others if part.out_of_domain is not None]
    return Predictions(
        info=info,
        object_id=np.concatenate([part.object_id for part in others]),
        truth=np.concatenate(truths),
        values=values[:at],
        out_of_domain=np.concatenate(flags) if flags else None,
        columns={name: np.concatenate([part.columns[name] for part in others]) for name in others[0].columns},
    )


def write_manifest(
    folder: Path,
    info: PredictionInfo,
    rows: Sequence[int],
    made_by: Mapping[str, object],
    out_of_domain: int | None = None,
) -> None:
    """Write the document of a folder that has `partition_name` of every number, with so many rows each.

    Of partitions that have none there is no file.
    """
    document = {
        "format_version": _VERSION,
        "objects": sum(rows),
        **({} if out_of_domain is None else {"out_of_domain": out_of_domain}),
        "made_by": dict(made_by),
        "info": json.loads(info.to_json()),
        "partitions": [
            {"file": (name := partition_name(number)), "rows": n, "bytes": (folder / name).stat().st_size}
            for number, n in enumerate(rows)
            if n
        ],
    }
    write_text(folder / MANIFEST, json.dumps(document, indent=1) + "\n")


def absent(path: Path) -> InputError:
    """Return the error for predictions that are not there; it says where they are being made."""
    rule = "must be predictions, but does not exist"
    begun = path.with_name(f"{path.name}{UNFINISHED}")
    if path.name and begun.is_dir():
        rule += f" yet: {begun.name} is unfinished, and the same `rookery predict` goes on with it"
    return fail(path, rule)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file of predictions; of a folder that of its partitions' digests in order."""
    if not path.is_dir():
        return sha256(path)
    digests = [sha256(file) for file in open_partitions(path).files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def open_partitions(path: str | Path) -> Partitions:
    """Read the document of a folder of predictions; each partition is checked when it is read.

    Raises
    ------
    InputError
        When the folder is not finished or is of something else, its document breaks a rule, or a partition
        is missing or of another size.
    """
    path = Path(path)
    file = path / MANIFEST
    if not path.exists():
        raise absent(path)
    if not file.is_file():
        rule = f"is no finished folder of predictions: it has no {MANIFEST}"
        raise fail(path, f"{rule}; of an unfinished one, the same `rookery predict` goes on")
    where = str(file)
    given = Fields(parse_json(file.read_bytes(), where), where, _KEYS)
    if (version := given.take("format_version", int)) != _VERSION:
        raise fail(given.place("format_version"), f"must be {_VERSION}, but is {version}")
    info = PredictionInfo.from_json(json.dumps(given.mapping("info")).encode(), given.place("info"))
    files, rows = [], []
    before = -1
    for one in given.sections("partitions", ("file", "rows", "bytes")):
        name, size = one.take("file", str), one.take("bytes", int)
        number = int(digits) if (digits := name[5:-8]).isdecimal() else -1
        if number <= before or name != partition_name(number):
            raise fail(
                one.place("file"), f"must be a name such as {partition_name(before + 1)}, but is {name!r}"
            )
        before = number
        part = path / name
        if not part.is_file():
            raise fail(part, f"is missing: {MANIFEST} lists it")
        if (found := part.stat().st_size) != size:
            raise fail(part, f"must have {size:,} bytes by {MANIFEST}, but has {found:,}")
        files.append(part)
        rows.append(one.take("rows", int))
    if not files or sum(rows) != (objects := given.take("objects", int)):
        raise fail(where, f"the partitions must hold {objects:,} objects, but hold {sum(rows):,}")
    outside = given.get("out_of_domain", int)
    return Partitions(path, info, tuple(files), tuple(rows), given.mapping("made_by"), outside)
