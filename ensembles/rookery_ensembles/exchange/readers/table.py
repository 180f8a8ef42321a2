"""Tables, in CSV, FITS or plain Parquet: wide (a column for each bin or class) or long (a row for each).

Wide: columns of classes are called ``p_NAME`` (or ``prob_NAME``, ``probability_NAME``); those of bins end in
two edges (``pdf_0.1_0.2``) or in the centre (``z0.15``, ``0.15``), from which edges lie half way to the next.
Long: an object's name, a class or a redshift (the centre of its bin), and ``value``.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.classes import Classes
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.found import Found
from rookery_ensembles.exchange.qp_layout import is_qp_fits
from rookery_ensembles.exchange.readers.prediction_file import is_ours
from rookery_ensembles.exchange.tables import find_ids, read_columns, usual_name
from rookery_ensembles.redshift_bins import RedshiftBins

Columns = dict[str, NDArray[Any]]
TRUTHS = ("truth", "z_spec", "zspec", "true_class", "redshift", "type")
VALUES = ("value", "pdf", "probability", "density", "p")
LONG_CLASSES, LONG_REDSHIFTS = ("class", "class_name", "label"), ("z", "redshift", "z_mid", "zgrid")
_PREFIX = re.compile(r"(?:p|prob|probability)_(.+)")
_NUMBER = r"-?[0-9]+(?:\.[0-9]*)?(?:e-?[0-9]+)?"
_BIN = re.compile(rf"(?P<prefix>[A-Za-z]*_?)(?P<low>{_NUMBER})(?:[_:](?P<high>{_NUMBER}))?")


def recognises(path: Path, magic: bytes) -> bool:
    """Return whether a file is a table that is none of qp's or of our own."""
    if magic[:4] == b"PAR1":
        return not is_ours(path)
    if magic[:6] == b"SIMPLE":
        return not is_qp_fits(path)
    return bool(magic) and b"\x00" not in magic and magic[:2] != b"PK"


def read(path: Path) -> Found:
    """Return a table's predictions."""
    where, columns = str(path), read_columns(path)
    key, value = usual_name(columns, LONG_CLASSES + LONG_REDSHIFTS), usual_name(columns, VALUES)
    name, ids = find_ids(columns, where)
    if key is not None and value is not None:
        return _long(columns, ids, key, value, where)
    others = {column: values for column, values in columns.items() if column != name}
    own = usual_name(others, TRUTHS)
    truth = None if own is None else np.asarray(others.pop(own))
    classes = {found[1]: column for column in others if (found := _PREFIX.fullmatch(column))}
    if len(classes) >= 2 and not all(re.fullmatch(_NUMBER, name) for name in classes):
        target = Classes(tuple(classes))
        return Found(where, ids, target, _stacked(others, list(classes.values()), where), truth=truth)
    bins, names = _bins(others, where)
    values = bins.of_foreign(_stacked(others, names, where))
    return Found(where, ids, bins, values, truth=truth)


def _bins(columns: Columns, where: str) -> tuple[RedshiftBins, list[str]]:
    """Return the bins that columns' names tell, and the columns in their order."""
    by_prefix: dict[tuple[str, bool], list[tuple[float, float, str]]] = {}
    for column in columns:
        if found := _BIN.fullmatch(column):
            low, high = found["low"], found["high"]
            entry = (float(low), float(low if high is None else high), column)
            by_prefix.setdefault((found["prefix"], high is not None), []).append(entry)
    if not by_prefix:
        rule = "must have columns `p_NAME` of classes, or of bins, such as `pdf_0.1_0.2` or `0.15`"
        raise fail(where, f"{rule}; its columns are {', '.join(columns)}")
    (_, has_edges), entries = max(by_prefix.items(), key=lambda item: len(item[1]))
    entries.sort()
    if has_edges:
        edges = [low for low, _, _ in entries] + [entries[-1][1]]
        if any(abs(high - after) > 1e-9 for (_, high, _), after in zip(entries, edges[1:], strict=True)):
            raise fail(where, "bins must follow each other, but the edges in the columns' names do not")
    else:
        edges = edges_about([low for low, _, _ in entries], where)
    target = RedshiftBins(tuple(edges))
    target.check(where)
    return target, [column for _, _, column in entries]


def edges_about(centres: list[float], where: str) -> list[float]:
    """Return the edges half way between centres of bins, the outer ones as far out as the next are in."""
    found = np.asarray(centres, dtype=np.float64)
    if len(found) < 2 or not (np.diff(found) > 0).all():
        raise fail(where, "there must be two or more different centres of bins")
    half = (found[:-1] + found[1:]) / 2
    return [2 * found[0] - half[0], *half.tolist(), 2 * found[-1] - half[-1]]


def _long(columns: Columns, ids: NDArray[Any], key: str, value: str, where: str) -> Found:
    keys, values = np.asarray(columns[key]), _numbers(columns[value], value, where)
    objects, first, row = np.unique(ids, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    is_class = key.lower() in LONG_CLASSES
    names, column = np.unique(
        keys.astype(str) if is_class else _numbers(keys, key, where), return_inverse=True
    )
    table = np.full((len(objects), len(names)), np.nan)
    cell = rank[row] * len(names) + column
    if len(np.unique(cell)) < len(cell):
        twice = int(np.flatnonzero(np.bincount(cell, minlength=table.size) > 1)[0])
        what = f"{objects[order][twice // len(names)]}, {names[twice % len(names)]}"
        raise fail(where, f"every object must have one row for each `{key}`, but {what} is there twice")
    if len(cell) < table.size:
        lacking = int(np.flatnonzero(np.bincount(cell, minlength=table.size) == 0)[0])
        what = f"{objects[order][lacking // len(names)]}, {names[lacking % len(names)]}"
        raise fail(where, f"every object must have one row for each `{key}`, but {what} is missing")
    table.ravel()[cell] = values
    if is_class:
        return Found(where, objects[order], Classes(tuple(names.tolist())), table)
    target = RedshiftBins(tuple(edges_about(names.tolist(), where)))
    return Found(where, objects[order], target, target.of_foreign(table))


def _stacked(columns: Columns, names: list[str], where: str) -> NDArray[np.float64]:
    return np.stack([_numbers(columns[name], name, where) for name in names], axis=1)


def _numbers(values: NDArray[Any], name: str, where: str) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu":
        raise fail(f"{where}, column `{name}`", f"must hold numbers, but holds {values.dtype}")
    return values.astype(np.float64)
