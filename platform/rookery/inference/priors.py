"""Correct an ensemble's probabilities for class fractions other than those it was calibrated at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.judged import check_survey
from rookery.surveys import Survey, open_split, open_survey
from rookery_ensembles import (
    Bundle,
    Predictions,
    PriorCorrection,
    Target,
    correct_probabilities,
    estimate_fractions,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import check_predictions_path


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
    rows = opened.to_classify
    if len(rows) == 0:
        raise fail(f"split {split} of {known.path}", "has no test or unlabelled objects to estimate from")
    return known.objects["object_id"].to_numpy()[rows].astype(str)


def labelled_fractions(survey: Survey, rows: NDArray[np.integer], target: Target, where: str) -> list[float]:
    """Return the class fractions of some labelled objects, by their rows in the survey's object table.

    Raises
    ------
    InputError
        Beginning with `where`: when the predictions are of redshift, a type is of no class, or a class has no
        object.
    """
    if not target.names:
        raise fail(where, f"class fractions need class probabilities, but found {target.spoken}")
    index = target.index(target.truth_of(survey.objects[target.truth_column].iloc[rows], where), where)
    target.check_training(index[index >= 0], where)
    found = target.fractions(index[index >= 0]) or {}
    return [found[name] for name in target.names]


def correct_file(file: str | Path, out: str | Path, survey: str | Path, split: str) -> Predictions:
    """Write class probabilities again, corrected for the class fractions of the objects to classify.

    The probabilities are taken as true at the class fractions of the split's labelled objects; those of its
    test and unlabelled objects are estimated on their probabilities. No label of theirs is used.

    Parameters
    ----------
    file
        Predictions of a baseline, a network or an average, for objects of the survey.
    out
        Prediction file (Parquet) to write.

    Raises
    ------
    InputError
        When the probabilities were corrected before or are of another survey, a class has no labelled object,
        or the file has no object to classify.
    """
    check_predictions_path(out)
    predictions, known = read_predictions(file), open_survey(survey)
    if predictions.info.prior_correction is not None:
        raise fail(file, "must not be corrected for class fractions yet, but was when it was made")
    check_survey(predictions.info, known, str(file))
    rows, where = open_split(known, split).labelled, f"split {split} of {known.path}"
    training = labelled_fractions(known, rows, predictions.info.target, where)
    wanted = objects_to_classify(known, split)
    if not np.isin(predictions.object_id, wanted).any():
        rule = f"must have objects to classify of the split {split}, but has none"
        raise fail(file, f"{rule} among its {len(predictions.object_id)}")
    made = correct_priors(predictions, training, wanted)
    write_predictions(made, out)
    return made


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
