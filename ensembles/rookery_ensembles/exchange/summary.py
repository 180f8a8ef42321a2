"""What predictions come to, as columns of a table: a row for each object."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.exchange.ids import users_ids
from rookery_ensembles.redshift_pdf import (
    bin_centres,
    bin_masses,
    cdf_of_masses,
    edges_array,
    mode_of_masses,
    quantiles_of_cdf,
)
from rookery_ensembles.schema import Predictions, check_predictions

Columns = dict[str, NDArray[Any]]

ID, FLAG = "object_id", "out_of_domain"
TRUTHS = {"redshift_pdf": "z_spec", "class_probability": "true_class"}
"""What the column of the truth is called."""
PROBABILITY = "p_"
"""Columns of class probabilities begin so."""
QUANTILES = {
    "z_median": 0.5,
    "z_low_68": 0.16,
    "z_high_68": 0.84,
    "z_low_95": 0.025,
    "z_high_95": 0.975,
}
"""Columns that are quantiles of a PDF; the intervals are central, with equal tails."""
_BLOCK = 10_000


def summary_columns(
    predictions: Predictions, *, numbers: bool | None = None, with_truth: bool = False
) -> Columns:
    """Return a table's columns, of N values each.

    ``object_id`` (int64 where all are canonical whole numbers, else text). Of redshift PDFs: ``z_mean``,
    ``z_median``, ``z_mode`` (centre of the bin of the greatest density), the ends of the central intervals
    of 68 % and 95 % (``z_low_68`` ...), interpolated within their bins, and ``z_spec`` (NaN where
    unknown). Of classes: ``class`` (the most probable; of equal ones the first), a column
    ``p_NAME`` for each, and ``true_class`` (None where unknown). A truth is there only where one is known.
    ``out_of_domain`` and the columns of `rookery_ensembles.further_columns` where the predictions tell.

    Parameters
    ----------
    predictions
        What is summarised.
    numbers
        Whether names are whole numbers, where these are some of more objects; by default they tell.
    with_truth
        Whether the truth has its column though none is known of these objects.

    Raises
    ------
    InputError
        When the predictions break a rule of their schema.
    """
    checked = check_predictions(predictions, f"predictions of {predictions.info.maker}")
    target = checked.info.target
    columns: Columns = {ID: users_ids(checked.object_id, numbers)}
    columns |= _SUMMARIES[target.kind](checked)
    if checked.truth is not None:
        columns[TRUTHS[target.kind]] = checked.truth
    elif with_truth:
        columns[TRUTHS[target.kind]] = target.unknown_truth(len(checked.object_id))
    if checked.out_of_domain is not None:
        columns[FLAG] = checked.out_of_domain
    return columns | {name: _told(name, values, target.names) for name, values in checked.columns.items()}


def _told(name: str, values: NDArray[Any], class_names: tuple[str, ...]) -> NDArray[Any]:
    """Return a column as a table tells it: sets of classes by their names."""
    if not name.startswith("conformal_set_"):
        return values
    sets = {
        bits: ";".join(each for number, each in enumerate(class_names) if bits >> number & 1)
        for bits in np.unique(values).tolist()
    }
    return np.array([sets[bits] for bits in values.tolist()], dtype=np.str_)


def _redshifts(predictions: Predictions) -> Columns:
    edges = edges_array(predictions.info.target.edges)
    wanted = np.array(list(QUANTILES.values()))
    found = np.empty((len(predictions.values), 2 + len(wanted)))
    for start in range(0, len(found), _BLOCK):
        block = slice(start, start + _BLOCK)
        masses = bin_masses(predictions.values[block], edges)
        found[block, 0] = masses @ bin_centres(edges)
        found[block, 1] = mode_of_masses(masses, edges)
        found[block, 2:] = quantiles_of_cdf(cdf_of_masses(masses), edges, wanted)
    named = dict(zip(QUANTILES, found[:, 2:].T, strict=True))
    return {"z_mean": found[:, 0], "z_median": named.pop("z_median"), "z_mode": found[:, 1], **named}


def _classes(predictions: Predictions) -> Columns:
    names = predictions.info.target.names
    best = np.array(names, dtype=np.str_)[predictions.values.argmax(axis=1)]
    probabilities = {
        f"{PROBABILITY}{name}": predictions.values[:, i].astype(np.float64) for i, name in enumerate(names)
    }
    return {"class": best, **probabilities}


_SUMMARIES = {"redshift_pdf": _redshifts, "class_probability": _classes}
