"""A split's file: written whole, and verified against its survey when opened."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys._tables import no_nulls, read_table, require_columns
from rookery.surveys.store import Survey
from rookery_ensembles.errors import did_you_mean, fail
from rookery_ensembles.files import atomic_file, check_name
from rookery_ensembles.plain_text import parse_json
from rookery_ensembles.shown import short_repr

ROLES = ("train", "validation", "test", "unlabelled")
_COLUMNS = {"object_id": pa.string(), "role": pa.string(), "fold": pa.int16()}
_GROUP = "group"
_METADATA = b"rookery"


@short_repr
@dataclass(frozen=True, eq=False)
class Split:
    """An opened split."""

    name: str
    """Its name."""
    object_id: NDArray[np.object_]
    role: NDArray[np.object_]
    fold: NDArray[np.int16]
    """(N,) one entry per object of the survey, in the survey's order; `fold` is -1 where there is none."""
    group: NDArray[np.int64] | None = None
    """(N,) which objects belong together (of one template, host, field), None for a split without
    groups: no group trains, validates and tests, nor lies in two folds, and whoever parts the
    training objects further shall keep groups whole too."""

    @property
    def n_folds(self) -> int:
        """Number of folds; 0 for a hold-out split."""
        return int(self.fold.max(initial=-1)) + 1

    @property
    def labelled(self) -> NDArray[np.int64]:
        """Rows of the survey's object table that train or validate, in ascending order."""
        return np.flatnonzero(np.isin(self.role.astype(str), ("train", "validation")))

    @property
    def to_classify(self) -> NDArray[np.int64]:
        """Rows of the survey's object table that test or are unlabelled, in ascending order."""
        return np.flatnonzero(np.isin(self.role.astype(str), ("test", "unlabelled")))

    def indices(self, role: str, fold: int | None = None) -> NDArray[np.int64]:
        """Return the rows of the survey's object table that have a role, in ascending order.

        Parameters
        ----------
        role
            One of `ROLES`.
        fold
            Only the objects dealt to this fold. For fold `f`, a trainer validates on
            ``indices("train", f)`` and trains on the rest of ``indices("train")``.

        Raises
        ------
        InputError
            For an unknown role, or a fold that the split does not have.
        """
        if role not in ROLES:
            raise fail(f"split {self.name}", f"role must be one of {', '.join(ROLES)}, but is {role!r}")
        if fold is None:
            return np.flatnonzero(self.role == role)
        if not 0 <= fold < self.n_folds:
            has = f"folds 0 to {self.n_folds - 1}" if self.n_folds else "no folds"
            raise fail(f"split {self.name}", f"has {has}, but fold {fold} was asked for")
        return np.flatnonzero((self.role == role) & (self.fold == fold))


def open_split(survey: Survey, name: str) -> Split:
    """Open a survey's split.

    Raises
    ------
    InputError
        When it is missing (those that exist are listed), was made for another survey, or names
        an unknown, missing or repeated id, role or fold.
    """
    path = split_path(survey, name)
    if not path.is_file():
        existing = ", ".join(sorted(file.stem for file in path.parent.glob("*.parquet"))) or "none"
        names = [file.stem for file in path.parent.glob("*.parquet")]
        rule = f"no such split; the survey's splits are: {existing}"
        raise fail(path, f"{rule}{did_you_mean(name, names)}")
    table = read_table(path)
    columns = _COLUMNS | ({_GROUP: pa.int64()} if _GROUP in table.column_names else {})
    require_columns(table, columns, path)
    no_nulls(table, columns, path)
    _check_survey(table, survey, path)
    frame = table.to_pandas()
    role = frame["role"].to_numpy(dtype=object)
    unknown_role = ~np.isin(role.astype(str), ROLES)
    if unknown_role.any():
        row = int(unknown_role.argmax())
        raise fail(path, f"row {row}: role must be one of {', '.join(ROLES)}, but is {role[row]!r}")
    order = _rows_in_survey_order(frame["object_id"].to_numpy(dtype=object), survey, path)
    split = Split(
        name,
        survey.objects["object_id"].to_numpy(dtype=object),
        role[order],
        frame["fold"].to_numpy()[order],
        frame[_GROUP].to_numpy()[order] if _GROUP in columns else None,
    )
    stray = ((split.fold >= 0) & (split.role != "train")) | (split.fold < -1)
    if stray.any():
        row = int(stray.argmax())
        found = f"its role is {split.role[row]!r} and its fold {split.fold[row]}"
        raise fail(
            path, f"object {split.object_id[row]!r}: only 'train' objects may have a fold, but {found}"
        )
    torn = None if split.group is None else first_torn(split.group, split.role, split.fold)
    if torn is not None:
        rule = "no group may lie on two sides, but another object of its group has another role or fold"
        raise fail(path, f"object {split.object_id[torn]!r}: {rule}")
    return split


def first_torn(group: NDArray[np.int64], role: NDArray[np.object_], fold: NDArray[np.int16]) -> int | None:
    """Return the first object whose group trains, validates, tests or lies in a fold elsewhere too, or None.

    Objects without a label count for nothing here: they have nothing to give away.
    """
    labelled = np.flatnonzero(role != "unlabelled")
    rows = labelled[np.argsort(group[labelled], kind="stable")]
    same_group = group[rows[1:]] == group[rows[:-1]]
    other_side = (role[rows[1:]] != role[rows[:-1]]) | (fold[rows[1:]] != fold[rows[:-1]])
    torn = rows[1:][same_group & other_side]
    return int(torn[0]) if len(torn) else None


def split_path(survey: Survey, name: str) -> Path:
    """Return the file of a split, refusing names that would lead elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise fail(
            f"split name {name!r}", "must be letters, digits, '.', '_' and '-', the first a letter or digit"
        )
    path = survey.path / "splits" / f"{name}.parquet"
    check_name(path)
    return path


def write_split(
    path: Path,
    survey: Survey,
    role: NDArray[np.object_],
    fold: NDArray[np.int16],
    arguments: dict[str, Any],
    group: NDArray[np.int64] | None = None,
) -> None:
    """Write a split, its roles in the order of the survey's objects."""
    metadata = {_METADATA: json.dumps({"survey": survey.checksum, "arguments": arguments})}
    columns = {"object_id": survey.objects["object_id"].tolist(), "role": list(role), "fold": fold}
    types = dict(_COLUMNS)
    if group is not None:
        columns[_GROUP], types[_GROUP] = group, pa.int64()
    table = pa.table(columns, schema=pa.schema(list(types.items()), metadata=metadata))
    with atomic_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def carry_split(old: Survey, name: str, new: Survey) -> None:
    """Write a split of a survey for what it has become: first its own objects, then new ones.

    The new ones are "unlabelled" and, where groups stay together, a group of their own.
    """
    kept, path = open_split(old, name), split_path(old, name)
    more = len(new) - len(old)
    role = np.concatenate([kept.role, np.full(more, "unlabelled", dtype=object)])
    fold = np.concatenate([kept.fold, np.full(more, -1)]).astype(np.int16)
    group = kept.group
    if group is not None:
        group = np.concatenate([group, group.max(initial=-1) + 1 + np.arange(more)])
    told = parse_json((pq.read_schema(path).metadata or {})[_METADATA], path)
    write_split(split_path(new, name), new, role, fold, told.get("arguments", {}), group)


def _check_survey(table: pa.Table, survey: Survey, path: Path) -> None:
    try:
        metadata = parse_json((table.schema.metadata or {})[_METADATA], path)
        checksum = metadata["survey"]
    except (KeyError, TypeError, ValueError) as error:
        raise fail(
            path, "must carry the survey's checksum in its metadata under 'rookery', but does not"
        ) from error
    if checksum != survey.checksum:
        raise fail(
            path,
            f"belongs to another survey: made for checksum {checksum}, but the survey's is {survey.checksum}",
        )


def _rows_in_survey_order(object_id: NDArray[np.object_], survey: Survey, path: Path) -> NDArray[np.intp]:
    """Return for each object of the survey its row in the split."""
    ids = pd.Index(object_id, dtype=object)
    if (repeated := ids.duplicated()).any():
        raise fail(path, f"object ids must be unique, but {object_id[int(repeated.argmax())]!r} is repeated")
    known = pd.Index(survey.objects["object_id"], dtype=object)
    if (unknown := ~ids.isin(known)).any():
        some = ", ".join(repr(name) for name in object_id[unknown][:3])
        raise fail(path, f"names {unknown.sum()} objects that the survey does not have: {some}")
    rows = ids.get_indexer(known)
    if (absent := rows < 0).any():
        raise fail(path, f"must give every object a role, but leaves out {known[int(absent.argmax())]!r}")
    return rows
