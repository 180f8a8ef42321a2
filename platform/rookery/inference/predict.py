"""Run an ensemble bundle over a survey."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import rookery
from rookery.surveys import Survey, open_split, open_survey
from rookery.surveys.labels import class_indices
from rookery.training.data import find_device, predict_rows
from rookery.training.member import open_member
from rookery_ensembles import (
    Bundle,
    PredictionInfo,
    Predictions,
    PriorCorrection,
    correct_probabilities,
    estimate_fractions,
    load_bundle,
    write_predictions,
)
from rookery_ensembles.errors import InputError, fail

logger = logging.getLogger(__name__)


def predict_survey(
    bundle: str | Path,
    survey: str | Path,
    out: str | Path,
    *,
    device: str | None = None,
    correct_priors: bool = False,
    split: str | None = None,
) -> Predictions:
    """Predict every object of a survey with an ensemble and write a prediction file.

    Parameters
    ----------
    bundle
        Ensemble bundle; every digest is verified before anything is loaded.
    survey
        Survey store. Types that it knows become the predictions' truth.
    out
        Parquet file to write.
    device
        A torch device; by default a GPU where there is one.
    correct_priors
        Whether to estimate the survey's class fractions from the predictions and to correct all
        probabilities for them (see :mod:`rookery_ensembles.priors`); the file's metadata tell it.
    split
        With `correct_priors`: estimate them on this split's test and unlabelled objects alone,
        not on those that the ensemble was trained on. By default on all objects.

    Raises
    ------
    InputError
        When bundle or survey is broken, the survey has none of a member's bands, or priors are to
        be corrected and the bundle does not know its class fractions.
    """
    loaded = load_bundle(bundle)
    opened = open_survey(survey)
    if split is not None and not correct_priors:
        raise fail("split", f"is for correcting priors only, but {split!r} was given without that")
    rows = _prior_rows(opened, split)
    training = training_fractions(loaded) if correct_priors else None
    place = find_device(device)
    values_mnk = [_member_values(folder, opened, place) for folder in loaded.member_folders()]
    predictions = Predictions(
        info=PredictionInfo(
            kind=loaded.kind,
            class_names=loaded.class_names,
            bundle=loaded.path.resolve().name,
            configuration=loaded.digest[:12],
            survey=opened.checksum,
            version=rookery.__version__,
        ),
        object_id=opened.objects["object_id"].to_numpy().astype(str),
        truth=_truth(loaded, opened),
        values=loaded.combine(values_mnk).astype(np.float32),
    )
    if training is not None:
        predictions = correct(predictions, training, rows)
    write_predictions(predictions, out)
    return predictions


def training_fractions(bundle: Bundle) -> list[float]:
    """Return the class fractions at which a bundle is calibrated; raises InputError when it does not know."""
    if bundle.class_fractions is None:
        rule = "`class_fractions` is missing: a bundle made before they were kept cannot correct priors"
        raise fail(bundle.path / "ensemble.yaml", f"{rule}; `rookery ensemble --overwrite` makes a new one")
    return [bundle.class_fractions[name] for name in bundle.class_names or ()]


def correct(
    predictions: Predictions, training: Sequence[float], rows: NDArray[np.int64] | None = None
) -> Predictions:
    """Return predictions corrected for the class fractions found in them, or in some of their rows."""
    values = predictions.values.astype(np.float64)
    found = estimate_fractions(values if rows is None else values[rows], training)
    record = PriorCorrection(
        training=tuple(float(x) for x in training),
        estimated=tuple(found.fractions.tolist()),
        low=tuple(found.low.tolist()),
        high=tuple(found.high.tolist()),
        n_objects=found.n_objects,
    )
    corrected = correct_probabilities(values, training, found.fractions).astype(np.float32)
    info = replace(predictions.info, prior_correction=record)
    return replace(predictions, info=info, values=corrected)


def _prior_rows(survey: Survey, split: str | None) -> NDArray[np.int64] | None:
    if split is None:
        return None
    opened = open_split(survey, split)
    rows = np.flatnonzero(np.isin(opened.role.astype(str), ("test", "unlabelled")))
    if len(rows) == 0:
        raise fail(f"split {split} of {survey.path}", "has no test or unlabelled objects to estimate from")
    return rows.astype(np.int64)


def _member_values(folder: Path, survey: Survey, device: torch.device) -> NDArray[np.float32]:
    member = open_member(folder, device)
    if survey.info.kind != member.family.survey_kind:
        needed = f"`{member.card.family}` needs a survey of {member.family.survey_kind}"
        raise fail(survey.path, f"{needed}, but this one holds {survey.info.kind}")
    _check_bands(survey, member.card.bands)
    inputs = member.family.encode(survey, member.configuration, member.card.bands)
    inputs = {name: values.to(device) for name, values in inputs.items()}
    return predict_rows(member.network, member.family, inputs, torch.arange(len(survey), device=device))


def _check_bands(survey: Survey, wanted: tuple[str, ...]) -> None:
    missing = [band for band in wanted if band not in survey.bands]
    unused = [band for band in survey.bands if band not in wanted]
    if len(missing) == len(wanted):
        rule = f"has none of the bands that the ensemble was trained on ({', '.join(wanted)})"
        raise fail(survey.path, f"{rule}; its bands are {', '.join(survey.bands)}")
    if missing:
        logger.warning("%s: lacks bands %s; they count as unobserved", survey.path, ", ".join(missing))
    if unused:
        logger.warning(
            "%s: bands %s are unknown to the ensemble and not used", survey.path, ", ".join(unused)
        )


def _truth(bundle: Bundle, survey: Survey) -> NDArray[np.object_] | None:
    """Return the class of every object as the bundle names it, None where unknown."""
    names = bundle.class_names
    assert names is not None
    types = survey.objects["type"].tolist()
    try:
        index = class_indices(types, names)
    except InputError:
        logger.warning("%s: its types are not those of the ensemble; predictions have no truth", survey.path)
        return None
    truth = np.array([*names, None], dtype=object)[index]
    return truth if (index >= 0).any() else None
