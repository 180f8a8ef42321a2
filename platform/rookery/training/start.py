"""A training that starts from a finished member: which one, what of it is taken, what is fresh.

A network starts from one of its own family and shape. Where bands, classes or bins are other ones, the
tensors that :meth:`rookery.networks.family.Family.fresh_for` names keep their fresh weights, and so do those
that the other network lacks (a decoder that it had not). Scales of inputs come with the weights.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family
from rookery.training.card import CARD, CONFIG, WEIGHTS, Card, Started, read_card
from rookery.training.job import TrainingJob
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import sha256

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beginning:
    """What a network in training began with."""

    started: frozenset[str] = frozenset()
    """Tensors that another network gave."""
    frozen: frozenset[str] = frozenset()
    """Parameters that stay as they were given."""


def check_source(folder: Path, family: str, weights: str | None = None) -> Card:
    """Return the card of a member to start from.

    Raises
    ------
    InputError
        When there is none, it is of another family, or its weights are not those of its card, or not those
        (`weights`, a SHA-256) that were chosen.
    """
    if not (folder / CARD).is_file():
        raise fail(folder, f"is no member to start from: it has no {CARD}")
    card = read_card(folder)
    if card.family != family:
        raise fail(folder / CARD, f"a network of `{family}` cannot start from one of `{card.family}`")
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise fail(folder / name, "is missing: nothing can start from this member")
    found = sha256(folder / WEIGHTS)
    for wanted, whose in ((card.weights, CARD), (weights, "the study that starts from it")):
        if wanted is not None and found != wanted:
            rule = f"must have the SHA-256 that {whose} names, {wanted[:12]}..., but has {found[:12]}..."
            raise fail(folder / WEIGHTS, f"{rule}: it was altered")
    return card


def fresh_of(
    card: Card, family: Family[Any], c: TrainingConfiguration, bands: tuple[str, ...], job_target: Any
) -> frozenset[str]:
    """Return the tensors that a network for these bands and this target cannot take from a member."""
    outputs = card.target != job_target
    return family.fresh_for(
        c, len(bands), job_target.n_columns, bands=tuple(card.bands) != tuple(bands), outputs=outputs
    )


def begin_with(
    network: "nn.Module",
    job: TrainingJob,
    family: Family[Any],
    c: TrainingConfiguration,
    bands: tuple[str, ...],
) -> Beginning:
    """Give a fresh network the weights that its job starts from.

    Raises
    ------
    InputError
        As :func:`check_source`; when a tensor has another shape there; when something shall stay frozen that
        is fresh.
    """
    from safetensors.torch import load_file

    from rookery.networks.start import frozen_parameters

    if job.start is None:
        if c.frozen:
            raise InputError(
                f"`freeze`: {', '.join(c.frozen)} cannot stay frozen: this network starts afresh"
            )
        return Beginning()
    folder = Path(job.start.folder)
    card = check_source(folder, family.name, job.start.weights)
    fresh = fresh_of(card, family, c, bands, job.target)
    given, own = load_file(folder / WEIGHTS), network.state_dict()
    taken = {name: given[name] for name in own if name in given and name not in fresh}
    for name, value in taken.items():
        if value.shape != own[name].shape:
            shapes = f"{tuple(own[name].shape)}, but has {tuple(value.shape)}"
            rule = f"`{name}` must have the shape {shapes}: the configurations differ"
            raise fail(folder / CONFIG, f"{rule}; only hyperparameters of training may")
    network.load_state_dict({**own, **taken})
    new = set(own) - set(taken)
    if new:
        logger.info("%s: fresh weights for %s", job.member, ", ".join(sorted(new)))
    return Beginning(frozenset(taken), frozenset(frozen_parameters(network, c.frozen, new)))


def started(job: TrainingJob, family: Family[Any], network: "nn.Module", bands: Any) -> Started | None:
    """Return what the card of a network tells of its start."""
    if job.start is None:
        return None
    card = read_card(Path(job.start.folder))
    c = family.configure(job.configuration)
    fresh = fresh_of(card, family, c, tuple(bands), job.target) & set(network.state_dict())
    return Started(
        member=card.member,
        weights=job.start.weights,
        survey=card.survey,
        configuration=card.configuration,
        fresh=tuple(sorted(fresh)),
    )


def inherited(values: Mapping[str, Any], family: Family[Any]) -> dict[str, Any]:
    """Return the hyperparameters that a network must share with the one it starts from."""
    free = {*TrainingConfiguration.model_fields, *family.training_only}
    return {name: value for name, value in values.items() if name not in free}
