"""Is a survey like what an ensemble was trained on? Its bands, and the ranges of its objects' features."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.shift.domain import object_features, observed_bands
from rookery.surveys import Survey
from rookery.training.member import Member
from rookery_ensembles import Bundle, Predictions
from rookery_ensembles.errors import fail
from rookery_ensembles.further_columns import MISSING, OUT_OF_DOMAIN

logger = logging.getLogger(__name__)
_SHOWN = 8


def check_bands(
    bundle: Bundle,
    members: Sequence[Member],
    survey: Survey,
    allow_missing: bool,
    observed: Sequence[str] | None = None,
) -> None:
    """Refuse a survey without bands that the ensemble needs; name those that it has beside them.

    A band without any observation counts as lacking. The ensemble can do without one if at least 1 %
    of its training objects were not observed in it, or a member's training hid bands.

    Parameters
    ----------
    observed
        The bands in which some object was observed, where `survey` is a block of a larger one.

    Raises
    ------
    InputError
        When a member's family needs another kind of survey, or the survey has none of the ensemble's bands;
        or, unless `allow_missing`, when it lacks one that no member saw missing.
    """
    for member in members:
        member.check_kind(survey)
    wanted = bundle.bands or ()
    observed = observed_bands(survey) if observed is None else observed
    missing = bundle.lacking_bands(observed)
    if wanted and len(missing) == len(wanted):
        rule = f"has none of the bands that the ensemble was trained on ({', '.join(wanted)})"
        raise fail(survey.path, f"{rule}; its bands are {', '.join(observed)}")
    hidden = any(member.family.hides_bands(member.configuration) for member in members)
    domain = bundle.domain
    unseen = [band for band in missing if not (hidden or (domain is not None and domain.saw_without(band)))]
    if unseen and not allow_missing:
        told = "no network of the ensemble saw missing in training"
        if domain is None:
            told = "the ensemble needs, as far as its bundle tells"
        rule = f"lacks the bands {', '.join(unseen)}, which {told}"
        hint = "its predictions would be worse than their PDFs or probabilities say"
        raise fail(survey.path, f"{rule}: {hint}; --allow-missing-bands predicts all the same")
    if missing:
        logger.warning("%s: lacks bands %s; they count as unobserved", survey.path, ", ".join(missing))
    unused = [band for band in survey.bands if band not in wanted]
    if unused:
        logger.warning(
            "%s: bands %s are unknown to the ensemble and not used", survey.path, ", ".join(unused)
        )


def mark_domain(bundle: Bundle, survey: Survey, predictions: Predictions) -> Predictions:
    """Return predictions as `marked` does, and log a summary."""
    if bundle.domain is None:
        tell_no_domain(bundle)
        return predictions
    predictions, reasons = marked(bundle, survey, predictions)
    outside = predictions.out_of_domain
    if outside is not None and outside.any():
        counts = sorted(((int(flag.sum()), name) for name, flag in reasons.items()), reverse=True)
        listed = ", ".join(f"{name} {count:,}" for count, name in counts[:_SHOWN])
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        tell_outside(survey.path, int(outside.sum()), len(survey), f": {listed}{more}")
    return predictions


def marked(
    bundle: Bundle, survey: Survey, predictions: Predictions
) -> tuple[Predictions, dict[str, NDArray[np.bool_]]]:
    """Return predictions of all objects of a survey with the flag `out_of_domain`, and features outside.

    The columns `domain_score` and `flags` say more; see `rookery_ensembles.further_columns`.

    An object is out of the domain when a feature of it is out of the training objects' range, or is
    missing although fewer than 1 % of these lacked it. Without a domain the predictions stay as they are.
    """
    if bundle.domain is None:
        return predictions, {}
    features = object_features(survey)
    nothing = np.full(len(survey), np.nan)
    bands = bundle.lacking_bands(survey.bands)
    ends = tuple(f"_{band}" for band in bands)
    features |= {name: nothing for name in bundle.domain.ranges if bands and name.endswith(ends)}
    reasons = {name: flag for name, flag in bundle.domain.outside(features).items() if flag.any()}
    outside = np.any([np.zeros(len(survey), dtype=bool), *reasons.values()], axis=0)
    lacking = np.any([np.zeros(len(survey), dtype=bool), *bundle.domain.lacking(features).values()], axis=0)
    bits = np.where(outside, OUT_OF_DOMAIN, 0) | np.where(lacking, MISSING, 0)
    columns = {
        **predictions.columns,
        "domain_score": bundle.domain.score(features).astype(np.float32),
        "flags": (predictions.columns.get("flags", 0) | bits).astype(np.int32),
    }
    return replace(predictions, out_of_domain=outside, columns=columns), reasons


def tell_no_domain(bundle: Bundle) -> None:
    """Log that a bundle does not tell where its training objects lie."""
    told = "%s: does not tell the ranges of its training objects, so that none outside is flagged"
    logger.warning(told, bundle.path)


def tell_outside(survey: Path, outside: int, objects: int, why: str = "") -> None:
    """Log how many objects of a survey lie out of the domain."""
    text = "%s: %s of %s objects lie outside of what the networks were trained on (out_of_domain)%s"
    logger.warning(text, survey, f"{outside:,}", f"{objects:,}", why)
