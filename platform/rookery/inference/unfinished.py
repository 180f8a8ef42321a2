"""The folder of a run that may die at any time: finished partitions stay, and it never looks complete.

Partitions are written into ``OUT.unfinished``, which takes the name ``OUT`` when all are there. What they are
of stands in ``_plan.json``; a run of something else is refused.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rookery.inference.partition import NOTHING
from rookery_ensembles._documents import Fields
from rookery_ensembles._replace import flush, locked, remove, take_name
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import check_name, refuse_existing, sweep, write_text
from rookery_ensembles.partitions import MANIFEST, UNFINISHED, Partitions, open_partitions
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.schema import PriorCorrection

PLAN, PRIORS = "_plan.json", "_priors.json"


def finished(out: Path, plan: Mapping[str, object], *, overwrite: bool = False) -> Partitions | None:
    """Return the folder that an earlier run of the same finished, or None where there is none.

    With `overwrite` it is made anew, and what a run of something else left unfinished is removed.

    Raises
    ------
    InputError
        When the folder holds something else.
    """
    if overwrite:
        refuse_existing(out, overwrite=True, document=MANIFEST)
        _forget_other(out, plan)
        return None
    check_name(out)
    if not out.exists():
        return None
    if not out.is_dir():
        raise fail(out, "must be a folder of predictions to make, but is a file")
    if not any(out.iterdir()):
        return None
    found = open_partitions(out)
    _compare(out / MANIFEST, found.made_by, plan)
    return found


def _forget_other(out: Path, plan: Mapping[str, object]) -> None:
    """Remove the unfinished folder of a run of something else, unless a process works in it."""
    path = out.with_name(f"{out.name}{UNFINISHED}")
    if not (path / PLAN).is_file():
        return
    with locked(path) as free:
        try:
            _compare(path / PLAN, parse_json((path / PLAN).read_bytes(), path / PLAN), plan)
        except InputError:
            if free:
                remove(path)


@dataclass(frozen=True)
class Unfinished:
    """The folder of a run, held by this process."""

    path: Path
    out: Path
    """The folder, and what it becomes when it is whole."""

    def priors(self) -> PriorCorrection | None:
        """Return the class fractions that an earlier run found, or None."""
        file = self.path / PRIORS
        if not file.is_file():
            return None
        names = [field.name for field in fields(PriorCorrection)]
        return PriorCorrection.read(Fields(parse_json(file.read_bytes(), file), str(file), names))

    def keep_priors(self, found: PriorCorrection) -> None:
        """Keep them: probabilities that are corrected already tell them no more."""
        write_text(self.path / PRIORS, json.dumps(asdict(found)) + "\n")

    def publish(self) -> Partitions:
        """Give the folder, whose document is written, its name."""
        for file in (self.path / PLAN, self.path / PRIORS, *self.path.glob(f"*{NOTHING}")):
            file.unlink(missing_ok=True)
        sweep(self.path, alone=True)
        flush(self.path)
        take_name(self.path, self.out, replace=True)  # an empty folder, or what may be overwritten
        remove(self.path)
        flush(self.out.parent)
        return open_partitions(self.out)


@contextmanager
def unfinished(out: Path, plan: Mapping[str, object]) -> Iterator[Unfinished]:
    """Make or take up the folder of a run.

    Raises
    ------
    InputError
        When it is of something else, or another process works in it.
    """
    path = out.with_name(f"{out.name}{UNFINISHED}")
    check_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail(path, f"cannot be written ({error.strerror or error})") from error
    with locked(path) as free:
        if not free:
            raise fail(path, "another process is writing there: wait for it, or choose another name")
        known = path / PLAN
        if (path / MANIFEST).is_file():
            _compare(path / MANIFEST, open_partitions(path).made_by, plan)
        elif known.is_file():
            told = parse_json(known.read_bytes(), known)
            _compare(known, told, plan)
        elif any(entry.suffix == ".parquet" for entry in path.iterdir()):
            raise fail(path, f"holds files but no {PLAN}, which tells what they are of: move it away")
        else:
            write_text(known, json.dumps(plan, indent=1) + "\n")
            flush(path.parent)
        yield Unfinished(path, out)


def _compare(where: Path, found: object, plan: Mapping[str, object]) -> None:
    """Refuse predictions that are not those of a plan."""
    told = found if isinstance(found, Mapping) else {}
    for key, wanted in plan.items():
        if told.get(key) != wanted:
            rule = f"its partitions are of the {key.replace('_', ' ')} {told.get(key)!r}, not {wanted!r}"
            hint = "--overwrite replaces it, or give another name"
            raise fail(where, f"{rule}: {hint}")
