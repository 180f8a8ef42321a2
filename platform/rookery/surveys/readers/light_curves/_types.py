"""Labels as sources write them (codes or names) -> types of objects."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TypeMap = Mapping[int, str] | Mapping[str, str]
# What releases write where nobody knows the type; so do codes of 0 and below.
_UNKNOWN = {"", "unknown", "none", "null", "nan", "na", "n/a", "-"}


def text_map(type_map: TypeMap | None) -> dict[str, str]:
    """Return a map from codes or names to types with text for every key."""
    return {str(label).strip(): name for label, name in (type_map or {}).items()}


def types_of(
    labels: pd.Series, type_map: Mapping[str, str], *, closed: bool = False
) -> tuple[NDArray[np.object_], dict[int, str]]:
    """Return every object's type (None where unknown), and what is wrong with the labels that have none.

    Parameters
    ----------
    labels
        Codes (numbers, or text that is one) or names.
    type_map
        Label -> type. A code must be in it; a name that is not is a type as it stands.
    closed
        Whether a name must be in the map too (as label or as type).

    Returns
    -------
    (N,) types, and for each row whose label breaks the rule, the rule with the label found.
    """
    codes, found = pd.factorize(np.asarray(labels, dtype=object))
    types = np.full(len(found) + 1, None, dtype=object)
    problems: dict[int, str] = {}
    for number, label in enumerate(found):
        types[number], problem = type_of(label, type_map, closed=closed)
        if problem is not None:
            problems[number] = problem
    bad = np.flatnonzero(np.isin(codes, list(problems)))
    return types[codes], {int(row): problems[int(codes[row])] for row in bad}


def type_of(
    label: Any, type_map: Mapping[str, str], *, closed: bool = False
) -> tuple[str | None, str | None]:
    """Return the type of one label, and the rule that it breaks (None for none)."""
    text = str(label).strip()
    is_code = _is_number(text)
    if text.lower() in _UNKNOWN or (is_code and float(text) <= 0):
        return None, None
    if is_code and float(text).is_integer():
        text = str(int(float(text)))
    if text in type_map:
        return type_map[text], None
    if is_code or (closed and text not in type_map.values()):
        known = ", ".join(f"{code} ({name})" for code, name in type_map.items()) or "those of a type map"
        return None, f"must be one of {known}, but is {text}; extend the type map (--type)"
    return text, None


def _is_number(text: str) -> bool:
    try:
        return not np.isnan(float(text))
    except ValueError:
        return False
