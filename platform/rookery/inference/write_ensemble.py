"""From finished members to an ensemble bundle, wherever they were trained: in a study or in a campaign."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rookery
from rookery.training.card import WEIGHTS, Card, read_card, verify_file
from rookery_ensembles import (
    Bundle,
    CandidateMember,
    EnsembleChoice,
    choose,
)
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.domain import Domain
from rookery_ensembles.recipe import AUTO


def write_ensemble(
    candidates: Sequence[CandidateMember],
    out: str | Path,
    *,
    domain: Domain | None,
    provenance: Mapping[str, Any],
    search_seconds: float | None = None,
    positive: str = "Ia",
    sample_weight: Mapping[str, float] | None = None,
    sharpen: bool = True,
    by: str = AUTO,
    calibration: str | None = None,
    covariates: ObjectCovariates | None = None,
    groups: ObjectCovariates | None = None,
    replace: bool = False,
) -> tuple[Bundle, EnsembleChoice]:
    """Select, average and calibrate members by their validation predictions; write the bundle.

    Parameters
    ----------
    domain
        Where the objects lie that they were trained on; None where it is not known.
    provenance
        Where they come from, in this order, which the bundle's digest follows; what is known of the members
        themselves is added.
    search_seconds
        Seconds of devices that the search for them took.
    positive, sample_weight, sharpen, by, calibration, covariates, groups
        See :func:`rookery_ensembles.choose`.
    replace
        Whether an existing `out` may be replaced.

    Raises
    ------
    InputError
        When `out` exists, the candidates do not fit together, or a chosen one's weights were altered.
    """
    choice = choose(
        candidates,
        positive=positive,
        sample_weight=sample_weight,
        sharpen=sharpen,
        by=by,
        calibration=calibration,
        covariates=covariates,
        groups=groups,
    )
    chosen = [read_card(member.folder) for member in choice.members]
    for member, card in zip(choice.members, chosen, strict=True):
        verify_file(member.folder, card, WEIGHTS)
    seconds = {"members": sum(card.device_seconds for card in chosen)}
    bundle = choice.write(
        out,
        class_fractions=presumed_fractions(choice),
        bands=list(dict.fromkeys(band for card in chosen for band in card.bands)),
        domain=domain,
        provenance={
            **provenance,
            **choice.provenance(),
            "networks": {card.member: network_told(card) for card in chosen},
            "device_seconds": seconds | ({} if search_seconds is None else {"search": search_seconds}),
            "version": rookery.__version__,
        },
        replace_old=replace,
    )
    return bundle, choice


def network_told(card: Card) -> dict[str, Any]:
    """Return what a bundle tells of where a network comes from; its weights' digest stands beside it.

    A study calls its networks after their trial: ``0012-f3-s0`` is of trial 12, fold 3 and start 0.
    """
    trial = card.member.partition("-")[0]
    told = {"trial": int(trial)} if trial.isdigit() else {}
    fold = {} if card.fold is None else {"fold": card.fold}
    return {
        **told,
        **fold,
        "configuration": card.configuration,
        "seed": card.seed,
        "survey": card.survey[:12],
    }


def presumed_fractions(choice: EnsembleChoice) -> Mapping[str, float] | None:
    """Return the class fractions that an ensemble's probabilities presume; None for redshift PDFs.

    The mean, by their weights, of what its members trained on, where copies that would not be detected
    are absent: more of a faint class than of a bright one. Of members made before cards told, the
    fractions of the validation objects.
    """
    found = [(member.weight, read_card(member.folder).training_fractions) for member in choice.members]
    if any(fractions is None for _, fractions in found):
        return choice.class_fractions
    total = sum(weight for weight, _ in found)
    return {
        name: sum(weight * fractions[name] for weight, fractions in found if fractions) / total
        for name in choice.target.names
    }
