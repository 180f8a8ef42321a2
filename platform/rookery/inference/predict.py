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
from rookery.surveys import Survey, open_survey
from rookery.surveys.labels import class_indices
from rookery.training.data import find_device, predict_rows
from rookery.training.member import Member, open_member
from rookery_ensembles import Bundle, PredictionInfo, Predictions, load_bundle, write_predictions
from rookery_ensembles.errors import InputError, fail

logger = logging.getLogger(__name__)


def predict_survey(
    bundle: str | Path, survey: str | Path, out: str | Path, *, device: str | None = None
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

    Raises
    ------
    InputError
        When bundle or survey is broken, or the survey has none of the ensemble's bands.
    """
    loaded = load_bundle(bundle)
    opened = open_survey(survey)
    place = find_device(device)
    members = [open_member(folder, place) for folder in loaded.member_folders()]
    if loaded.bands is None:  # written before bundles told
        bands = dict.fromkeys(band for member in members for band in member.card.bands)
        loaded = replace(loaded, bands=tuple(bands))
    _check_bands(opened, loaded.bands or (), loaded.lacking_bands(opened.bands))
    values_mnk = [_member_values(member, opened, place) for member in members]
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
    write_predictions(predictions, out)
    return predictions


def _member_values(member: Member, survey: Survey, device: torch.device) -> NDArray[np.float32]:
    if survey.info.kind != member.family.survey_kind:
        needed = f"`{member.card.family}` needs a survey of {member.family.survey_kind}"
        raise fail(survey.path, f"{needed}, but this one holds {survey.info.kind}")
    inputs = member.family.encode(survey, member.configuration, member.card.bands)
    inputs = {name: values.to(device) for name, values in inputs.items()}
    return predict_rows(member.network, member.family, inputs, torch.arange(len(survey), device=device))


def _check_bands(survey: Survey, wanted: Sequence[str], missing: Sequence[str]) -> None:
    """Refuse a survey without any of the ensemble's bands; name those that it lacks, or has beside them."""
    unused = [band for band in survey.bands if band not in wanted]
    if wanted and len(missing) == len(wanted):
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
