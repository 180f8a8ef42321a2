"""Correct an ensemble's probabilities for class fractions other than those it was calibrated at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.surveys import Survey, open_split, open_survey
from rookery_ensembles import Bundle, Predictions, PriorCorrection, correct_probabilities, estimate_fractions
from rookery_ensembles.errors import fail


def training_fractions(bundle: Bundle) -> list[float]:
    """Return the class fractions at which a bundle is calibrated; raises InputError when it has none."""
    if not bundle.target.names:
        found = f"class fractions need class probabilities, but found {bundle.target.spoken}"
        raise fail(bundle.path / "ensemble.yaml", found)
    if bundle.class_fractions is None:
        rule = "`class_fractions` is missing: a bundle made before they were kept cannot correct priors"
        raise fail(bundle.path / "ensemble.yaml", f"{rule}; `rookery ensemble --overwrite` makes a new one")
    return [bundle.class_fractions[name] for name in bundle.target.names]


def objects_to_classify(survey: Survey | str | Path, split: str) -> NDArray[np.str_]:
    """Return the ids of a split's test and unlabelled objects; raises InputError when there is none."""
    known = survey if isinstance(survey, Survey) else open_survey(survey, verify=False)
    opened = open_split(known, split)
    rows = np.flatnonzero(np.isin(opened.role.astype(str), ("test", "unlabelled")))
    if len(rows) == 0:
        raise fail(f"split {split} of {known.path}", "has no test or unlabelled objects to estimate from")
    return known.objects["object_id"].to_numpy()[rows].astype(str)


def correct_priors(
    predictions: Predictions, training: Sequence[float], estimate_on: NDArray[np.str_] | None = None
) -> Predictions:
    """Return predictions corrected for the class fractions found in them.

    Parameters
    ----------
    training
        (K,) class fractions at which the probabilities are calibrated.
    estimate_on
        Ids of the objects on which the fractions are estimated; by default all.
    """
    values = predictions.values.astype(np.float64)
    seen = values if estimate_on is None else values[np.isin(predictions.object_id, estimate_on)]
    return corrected(predictions, find_fractions(seen, training))


def find_fractions(values_nk: NDArray[np.float64], training: Sequence[float]) -> PriorCorrection:
    """Return the class fractions that (N, K) probabilities, calibrated at those of training, tell."""
    found = estimate_fractions(values_nk, training)
    return PriorCorrection(
        training=tuple(float(x) for x in training),
        estimated=tuple(found.fractions.tolist()),
        low=tuple(found.low.tolist()),
        high=tuple(found.high.tolist()),
        n_objects=found.n_objects,
    )


def corrected(predictions: Predictions, record: PriorCorrection) -> Predictions:
    """Return predictions corrected for class fractions that were found."""
    values = predictions.values.astype(np.float64)
    at = correct_probabilities(values, record.training, record.estimated).astype(np.float32)
    info = replace(predictions.info, prior_correction=record)
    return replace(predictions, info=info, values=at)
