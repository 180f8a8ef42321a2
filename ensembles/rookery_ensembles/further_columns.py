"""Columns that stand beside predictions: how uncertain an object is and why, and what to be wary of.

``aleatoric``, ``epistemic``
    Parts of the uncertainty of the members' linear pool before calibration: entropies in nats of classes,
    variances of redshifts; see `rookery_ensembles.uncertainty.Uncertainty`.
``disagreement``
    Mean total variation distance of the members from their pool, from 0 to 1.
``domain_score``
    How far an object lies out of the range of the training objects, in widths of the range of the feature
    that is farthest out; 0 inside, 1 for a feature that is missing and was not in training.
``conformal_low_68``, ``conformal_high_68``, ``conformal_low_95``, ``conformal_high_95``
    Ends of conformal intervals of a redshift: infinite where the objects of known truth did not suffice.
``conformal_set_68``, ``conformal_set_95``
    Conformal sets of classes: bit i is set where class i, counted from 0, is in it.
``flags``
    Bits of `FLAGS`; 0 where nothing is to be said.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.target import Target
from rookery_ensembles.uncertainty import Uncertainty

OUT_OF_DOMAIN = 1
"""A feature lies out of the range of the training objects."""
MISSING = 2
"""A feature is missing that less than 1 % of the training objects lacked."""
DISAGREEMENT = 4
"""The members differ by more than each is uncertain: the epistemic part is the larger one."""
EDGE = 8
"""More than 5 % of the redshift PDF lie in the first or in the last bin: the truth may be beyond."""
FLAGS = {"out_of_domain": OUT_OF_DOMAIN, "missing": MISSING, "disagreement": DISAGREEMENT, "edge": EDGE}
"""All of them by name."""
COLUMNS: Mapping[str, type[np.generic]] = {
    "aleatoric": np.float32,
    "epistemic": np.float32,
    "disagreement": np.float32,
    "domain_score": np.float32,
    **{f"conformal_{end}_{level}": np.float64 for level in (68, 95) for end in ("low", "high")},
    "conformal_set_68": np.int64,
    "conformal_set_95": np.int64,
    "flags": np.int32,
}
"""The columns and their types."""
_AT_EDGE = 0.05


def check_columns(columns: Mapping[str, Any], n: int, where: str) -> dict[str, NDArray[Any]]:
    """Return columns in their types and order.

    Raises
    ------
    InputError
        When a name is none of `COLUMNS`, there is not one value for each of `n` objects, a number is not
        finite or negative, or flags are not whole.
    """
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise fail(
            where, f"columns beside predictions must be of {', '.join(COLUMNS)}, but found {unknown[0]!r}"
        )
    found = {}
    for name, kind in COLUMNS.items():
        if name not in columns:
            continue
        given = np.asarray(columns[name])
        numbers = given.dtype.kind in ("iu" if issubclass(kind, np.integer) else "iuf")
        if not numbers:
            allowed = np.zeros(1, dtype=bool)
        elif kind is np.float64:  # the end of an interval
            allowed = ~np.isnan(given)
        else:
            allowed = np.isfinite(given) & (given >= 0)
        if given.shape != (n,) or not allowed.all():
            told = "whole numbers" if name == "flags" else "finite numbers"
            rule = f"`{name}` must hold {told} of 0 or more for each of {n} objects"
            raise fail(where, f"{rule}, but has the shape {given.shape} and the type {given.dtype}")
        found[name] = given.astype(kind)
    return found


def uncertainty_columns(
    target: Target, found: Uncertainty, values_nk: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the columns that members and pooled, calibrated (N, K) values tell."""
    flags = np.where(found.epistemic > found.aleatoric, DISAGREEMENT, 0)
    flags |= np.where(target.at_end(values_nk) > _AT_EDGE, EDGE, 0)
    names = ("aleatoric", "epistemic", "disagreement")
    numbers = {name: getattr(found, name).astype(np.float32) for name in names}
    return {**numbers, "flags": flags.astype(np.int32)}
