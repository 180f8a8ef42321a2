"""What is known of objects, by which foreign predictions are weighed, calibrated and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations.base import Covariates
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.tables import find_ids, read_columns, usual_name
from rookery_ensembles.schema import PredictionInfo, Predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target

COLUMNS = {
    "redshift_pdf": ("redshift", "z_spec", "zspec", "truth", "z"),
    "class_probability": ("type", "class", "true_class", "truth", "label"),
}
"""Usual names of the column of the truth, whatever the case."""
_SHOWN = 3


@dataclass(frozen=True)
class MatchedTruth:
    """How many objects were predicted, are in the table of truth too, and have a known truth."""

    objects: int
    """Predicted ones."""
    matched: int
    """Those of them in the table."""
    known: int
    """Those of them of known truth."""

    def __str__(self) -> str:
        """Return the numbers in words."""
        objects = f"{self.objects:,} object{'' if self.objects == 1 else 's'}"
        return f"{objects}, {self.matched:,} of them in the truth, {self.known:,} of known truth"


@short_repr
@dataclass(frozen=True, eq=False)
class KnownTruth:
    """A table of truth."""

    where: str
    """Where it is from, for messages."""
    object_id: NDArray[Any]
    """(T,) text, all different."""
    columns: Mapping[str, NDArray[Any]]
    """Its columns of T values."""
    checksum: str | None = None
    """Of a survey: predictions that name another are refused."""
    earlier: tuple[str, ...] = ()
    """Checksums of its earlier states, whose predictions are taken too."""
    complete: bool = False
    """Whether every predicted object must be in it, as in a survey."""
    beside: Mapping[str, NDArray[Any]] | None = None
    """Columns of T values that covariates are taken from; by default `columns`."""
    column: str | None = None
    """Which of `columns` holds the truth; by default the first of usual names (`COLUMNS`) that is there."""

    def __post_init__(self) -> None:
        """Raise InputError when the column that is named is not there."""
        if self.column is not None and self.column not in self.columns:
            rule = f"must have the column `{self.column}` of true values"
            raise fail(self.where, f"{rule}; its columns are {', '.join(self.columns)}")

    @classmethod
    def of_file(
        cls, path: str | Path, id_column: str | None = None, truth_column: str | None = None
    ) -> "KnownTruth":
        """Read a table (CSV, FITS, Parquet): a column of objects' names, and one of redshifts or classes.

        Parameters
        ----------
        path
            The table.
        id_column, truth_column
            Its columns of names and of truth; by default those of usual names.

        Raises
        ------
        InputError
            When one is not there, an object occurs twice, or the table is damaged.
        """
        columns = read_columns(path, id_column)
        _, ids = find_ids(columns, str(path), id_column)
        values, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            name = str(values[counts > 1][0])
            raise fail(path, f"every object must occur once, but {name!r} occurs {counts.max()} times")
        return cls(str(path), ids, columns, column=truth_column)

    @classmethod
    def of_predictions(cls, members: Sequence[Predictions]) -> "KnownTruth":
        """Return what predictions of the same objects tell of their truth, the first that knows an object's.

        Raises
        ------
        InputError
            When none tells any.
        """
        told: dict[str, Any] = {}
        for each in members:
            if each.truth is not None:
                known = _known(each.truth)
                both = zip(each.object_id[known].tolist(), each.truth[known].tolist(), strict=True)
                told = dict(both) | told
        if told:
            target = members[0].info.target
            truth: NDArray[Any] = np.array(list(told.values()), dtype=target.truth_dtype)
            return cls("the files", np.array(list(told)), {COLUMNS[target.kind][0]: truth})
        names = ", ".join(member.info.maker for member in members)
        rule = f"must come from a survey or table (--truth), for {names} tell none of their own"
        raise fail("truth", f"{rule}; `--by mean` needs none")

    def of(self, target: Target) -> NDArray[Any]:
        """Return (T,) truths as predictions of a target hold them.

        Raises
        ------
        InputError
            When no column has a usual name and none was named, or it holds something else.
        """
        name = self._column(target)
        if name is None:
            rule = f"must have a column {' or '.join(COLUMNS[target.kind])} of true values"
            found = f"its columns are {', '.join(self.columns)}"
            raise fail(self.where, f"{rule}, or one that --truth-column names; {found}")
        values = np.asarray(self.columns[name])
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        return np.asarray(target.read_truth(values, self.where, name))

    def _column(self, target: Target) -> str | None:
        return self.column or usual_name(self.columns, COLUMNS[target.kind])

    def covariates(self, names: Sequence[str], target: Target | None = None) -> ObjectCovariates:
        """Return covariates of its objects, which hold numbers; with a target not the truth itself.

        Raises
        ------
        InputError
            When one is not there, holds something else, or is the truth.
        """
        given = self.columns if self.beside is None else self.beside
        able = {name: values for name, values in given.items() if np.asarray(values).dtype.kind in "fiu"}
        if target is not None and (told := self._column(target)) in able:
            if told in names:
                rule = "covariates must be known of objects whose truth is not"
                raise fail(self.where, f"{rule}, but {told} is the {target.truth_name}")
            able = {name: values for name, values in able.items() if name != told}
        missing = [name for name in names if name not in able]
        if missing:
            rule = f"must have columns of numbers {', '.join(names)}, but lacks {', '.join(missing)}"
            raise fail(self.where, f"{rule}; it has {', '.join(able) or 'none'}")
        values = [np.asarray(able[name], dtype=np.float64) for name in names]
        shape = (len(self.object_id), len(names))
        return ObjectCovariates(
            self.object_id, Covariates(tuple(names), np.stack(values, axis=1) if values else np.empty(shape))
        )

    def check_source(self, info: PredictionInfo, where: str) -> None:
        """Raise InputError when predictions say that they are of another survey."""
        own = (None, self.checksum, *self.earlier)
        if self.checksum is not None and info.survey not in own:
            rule = f"must be of the survey {self.where}, whose checksum is {self.checksum[:12]}"
            raise fail(where, f"{rule}, but were made for {str(info.survey)[:12]}")

    def match(self, predictions: Predictions, where: str) -> tuple[MatchedTruth, NDArray[Any]]:
        """Return how predicted objects fit, and (N,) their truths, None or NaN where unknown.

        Raises
        ------
        InputError
            When no object is known, one is not in a survey, or the predictions' own truth contradicts.
        """
        target = predictions.info.target
        truth_t = self.of(target)
        row = {name: i for i, name in enumerate(self.object_id.tolist())}
        rows = np.array([row.get(name, -1) for name in predictions.object_id.tolist()], dtype=np.intp)
        inside, n = rows >= 0, len(rows)
        if not inside.any() or (self.complete and not inside.all()):
            first = str(predictions.object_id[int(np.flatnonzero(~inside)[0])])
            rule = f"{'all' if self.complete else 'some'} objects must be in {self.where}"
            found = f"but {int((~inside).sum()):,} of {n:,} are not, the first being {first!r}"
            raise fail(where, f"{rule}, {found}")
        truth_n = np.concatenate([truth_t.astype(target.truth_dtype), target.unknown_truth(1)])[rows]
        known = _known(truth_n)
        if predictions.truth is not None:
            self._check(predictions, truth_n, known & _known(predictions.truth), where)
        if not known.any():
            raise fail(where, f"none of its {n:,} objects has a known {target.truth_name} in {self.where}")
        return MatchedTruth(n, int(inside.sum()), int(known.sum())), truth_n

    def _check(
        self, predictions: Predictions, truth_n: NDArray[Any], both: NDArray[np.bool_], where: str
    ) -> None:
        own = np.asarray(predictions.truth)
        rows = np.flatnonzero(both)
        wrong = rows[predictions.info.target.contradicts(own[rows], truth_n[rows])]
        if wrong.size:
            some = "; ".join(f"{predictions.object_id[i]} {own[i]} and {truth_n[i]}" for i in wrong[:_SHOWN])
            rule = f"the predictions' own truth must be that of {self.where}"
            raise fail(where, f"{rule}, but differs for {wrong.size:,} of {rows.size:,} objects: {some}")


def _known(truth_n: NDArray[Any]) -> NDArray[np.bool_]:
    return np.array([value is not None and value == value for value in truth_n.tolist()], dtype=bool)
