"""From blocks of a long table to a survey's rows: who owns a row, what its flux is in FLUXCAL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._document import ZERO_POINT
from rookery.surveys.ingest import Faults
from rookery.surveys.readers._blocks import Block
from rookery.surveys.readers.light_curves._stream import Rows
from rookery_ensembles.errors import fail


class ObjectIndex:
    """Numbers objects by their ids: those of an object table, or all in the order of appearance."""

    def __init__(self, known: list[str] | None, faults: Faults) -> None:
        self.ids = list(known or [])
        self._number = {name: number for number, name in reversed(list(enumerate(self.ids)))}
        self._open = known is None
        self._faults = faults

    def numbers(self, block: Block, column: str) -> NDArray[np.int32]:
        """Return the number of each row's object, -1 for rows that are left out with an error noted."""
        codes, ids = block.text[column]
        used = np.unique(codes)
        number_of = np.full(len(ids) + 1, -1, np.int32)
        for code in used[used >= 0]:
            number = self._number.get(ids[code], -1)
            if number < 0 and self._open:
                number = self._number[ids[code]] = len(self.ids)
                self.ids.append(ids[code])
            elif number < 0:
                rule = "every object must be in the object table"
                found = f"{rule}, but {ids[code]!r} is not"
                self._leave_out(block, codes == code, rule, found, ("no such object", ids[code]))
            number_of[code] = number
        if used[0] < 0:
            rule = "the object's id must not be missing"
            found = f"{column!r} (the object's id) must not be missing"
            self._leave_out(block, codes < 0, rule, found, ("no id", block.path))
        return number_of[codes]

    def _leave_out(self, block: Block, rows: NDArray[np.bool_], rule: str, found: str, key: object) -> None:
        error = fail(block.place(int(rows.argmax())), found)
        if self._faults.drops_rows:
            self._faults.drop_rows(rule, int(rows.sum()), error)
        else:
            self._faults.add(key, error)


@dataclass
class Fluxes:
    """How the rows of a survey tell their flux."""

    columns: Mapping[str, str]
    """Role -> column: `mjd`, `band`, `flux` and `flux_err`, or `mag` and `mag_err`; `zero_point`
    for one per row."""
    zero_point: float = ZERO_POINT
    """AB magnitude of flux 1."""
    witness: str | None = None
    """A column that tells zero points, though nobody asked for it: it must agree."""
    unmeasured: int = 0
    """Rows without a flux so far."""
    _seen: dict[str, float] = field(default_factory=dict)

    def number_columns(self) -> list[str]:
        """Return the columns that must be read as numbers."""
        roles = ("mjd", "flux", "flux_err", "mag", "mag_err", "zero_point")
        return [self.columns[role] for role in roles if role in self.columns] + [
            name for name in [self.witness] if name
        ]

    def rows(self, block: Block, numbers: NDArray[np.int32], ids: list[str]) -> Rows:
        """Return a block's rows in FLUXCAL; rows without owner, or without flux and error, are left out."""
        self._ask_witness(block)
        flux, flux_err = self._fluxes(block)
        bands, names = block.text[self.columns["band"]]
        rows = Rows(
            numbers, block.numbers[self.columns["mjd"]], bands, names, flux, flux_err,
            lambda row: f"{block.place(row)} (object {ids[numbers[row]]!r})",
        )  # fmt: skip
        unmeasured = np.isnan(flux) & np.isnan(flux_err)
        self.unmeasured += int(((numbers >= 0) & unmeasured).sum())
        return rows.take((numbers >= 0) & ~unmeasured)

    def _fluxes(self, block: Block) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with np.errstate(all="ignore"):  # what overflows is refused later, with its row
            if "mag" in self.columns:
                flux = 10 ** (0.4 * (ZERO_POINT - block.numbers[self.columns["mag"]]))
                return flux, block.numbers[self.columns["mag_err"]] * flux * 0.4 * np.log(10)
            zero_point: float | NDArray[np.float64] = self.zero_point
            if "zero_point" in self.columns:
                zero_point = block.numbers[self.columns["zero_point"]]
            factor = 10 ** (0.4 * (ZERO_POINT - zero_point))
            flux, flux_err = (block.numbers[self.columns[role]] for role in ("flux", "flux_err"))
            # NaN times a factor would hide which of the two is missing.
            return flux * factor, flux_err * factor

    def _ask_witness(self, block: Block) -> None:
        if self.witness is None:
            return
        values = block.numbers[self.witness]
        for value in np.unique(values[np.isfinite(values)]).tolist():
            row = int((values == value).argmax())
            self._seen.setdefault(block.place(row), value)
            first_place, first = next(iter(self._seen.items()))
            hint = f"map it with --column zero_point={self.witness} to convert each row"
            if value != first:
                rule = f"fluxes must have one zero point, but {self.witness!r} is {value}, and {first}"
                raise fail(block.place(row), f"{rule} in {first_place} (mixed zero points): {hint}")
            if abs(value - self.zero_point) > 1e-6:
                rule = f"{self.witness!r} says that the zero point is {value}"
                found = f"but fluxes are taken to have {self.zero_point:g}"
                raise fail(block.place(row), f"{rule}, {found}: give --zero-point {value:g}, or {hint}")


class Gathered:
    """Columns that say the same of an object in each of its rows, gathered while rows pass by.

    The role `type` is text, all others are numbers.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self.values: dict[str, NDArray[np.object_]] = {
            role: np.full(0, None, dtype=object) for role in columns
        }
        self._known = np.zeros(0, dtype=bool)
        self.text_columns = [column for role, column in columns.items() if role == "type"]
        self.number_columns = [column for role, column in columns.items() if role != "type"]

    def table(self, ids: list[str]) -> pd.DataFrame:
        """Return what was gathered of objects, under the names of the roles."""
        columns: dict[str, Any] = {"object_id": np.array(ids, dtype=object)}
        for role, values in self.values.items():
            columns[role] = values[: len(ids)] if role == "type" else values[: len(ids)].astype(np.float64)
        return pd.DataFrame(columns)

    def take(self, block: Block, numbers: NDArray[np.int32], n_objects: int) -> dict[int, tuple[int, str]]:
        """Note a block's values; return for objects that contradict themselves a row and the rule."""
        self._grow(n_objects)
        wrong: dict[int, tuple[int, str]] = {}
        chosen = np.flatnonzero(numbers >= 0)
        owner = numbers[chosen]
        _, first = np.unique(owner, return_index=True)
        new = first[~self._known[owner[first]]]
        for role, column in self._columns.items():
            values = self._column(block, column, role)[chosen]
            stored = self.values[role]
            stored[owner[new]] = values[new]
            for row in np.flatnonzero(stored[owner] != values):
                rule = f"{column!r} must be the same in all rows of an object"
                found = f"but is {values[row]!r}, and {stored[owner[row]]!r} before"
                wrong.setdefault(int(owner[row]), (int(chosen[row]), f"{rule}, {found}"))
        self._known[owner] = True
        return wrong

    def _column(self, block: Block, column: str, role: str) -> NDArray[np.object_]:
        if role == "type":
            codes, names = block.text[column]
            return np.array([*names, None], dtype=object)[codes]
        values = block.numbers[column]
        boxed = values.astype(object)
        boxed[np.isnan(values)] = None
        return boxed

    def _grow(self, n_objects: int) -> None:
        if n_objects <= len(self._known):
            return
        more = max(n_objects, 2 * len(self._known)) - len(self._known)
        self._known = np.concatenate([self._known, np.zeros(more, dtype=bool)])
        for role, values in self.values.items():
            self.values[role] = np.concatenate([values, np.full(more, None, dtype=object)])


def checked_zero_point(zero_point: float, where: Path) -> float:
    """Return a zero point that can be one; raises `InputError` otherwise."""
    if not -100 < zero_point < 100:
        raise fail(where, f"the zero point must be an AB magnitude, but is {zero_point}")
    return float(zero_point)
