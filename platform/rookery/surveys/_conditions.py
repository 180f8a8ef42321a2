"""Conditions on the objects of a survey, as a user writes them: ``host_photo_z<0.5``, ``type!=Ia``."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail

_PATTERN = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


def matching(survey: Survey, conditions: Sequence[str], option: str) -> NDArray[np.bool_]:
    """Mark the objects that fulfil every condition.

    A condition is COLUMN=VALUE, or with !=, <, <=, > or >= instead. COLUMN belongs to the object
    table or, if not there, to the truth table. Text is compared as it stands and knows only = and
    !=; a missing value fulfils no condition.

    Parameters
    ----------
    survey
        The survey.
    conditions
        At least one.
    option
        What the conditions were given as, for messages.

    Raises
    ------
    InputError
        For bad syntax, an unknown column (those that exist are listed), a value that is no number
        where numbers stand, an order of text, or conditions that no object fulfils.
    """
    marked = np.ones(len(survey), dtype=bool)
    tables = _tables(survey)
    for condition in conditions:
        marked &= _one(tables, condition, f"{option} {condition!r}")
    if not marked.any():
        raise fail(f"{option} {' and '.join(conditions)}", f"no object of {survey.path} fulfils it")
    return marked


def object_column(survey: Survey, name: str, where: str) -> pd.Series:
    """Return a column of the object table or, if not there, of the truth table.

    Raises
    ------
    InputError
        When neither has it (the columns that exist are listed).
    """
    return _column(_tables(survey), name, where)


def _tables(survey: Survey) -> list[pd.DataFrame]:
    truth = survey.truth()
    return [survey.objects] if truth is None else [survey.objects, truth]


def _column(tables: Sequence[pd.DataFrame], name: str, where: str) -> pd.Series:
    for table in tables:
        if name in table.columns:
            return table[name]
    known = dict.fromkeys(str(column) for one in tables for column in one.columns)
    raise fail(where, f"there is no column {name!r}; the columns are: {', '.join(known)}")


def _one(tables: Sequence[pd.DataFrame], condition: str, where: str) -> NDArray[np.bool_]:
    """Mark the objects that fulfil one condition."""
    parsed = _PATTERN.fullmatch(condition)
    if parsed is None or not parsed[3]:
        raise fail(where, "must be COLUMN=VALUE, or with !=, <, <=, > or >= instead of =")
    name, sign, value = parsed.groups()
    column = _column(tables, name, where)
    present = column.notna().to_numpy(dtype=bool)
    compare = _COMPARISONS[sign]
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        try:
            number = float(value)
        except ValueError:
            number = np.nan
        if np.isnan(number):
            raise fail(where, f"column {name!r} holds numbers, but {value!r} is none")
        return np.asarray(compare(column.to_numpy(dtype=np.float64, na_value=np.nan), number)) & present
    if sign not in ("=", "!="):
        raise fail(where, f"column {name!r} holds text, which knows only = and !=, but not {sign}")
    text = np.array([str(entry) for entry in column], dtype=object)
    return np.asarray(compare(text, value)).astype(bool) & present
