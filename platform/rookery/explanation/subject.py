"""What is explained: one network and the objects of a survey as it sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rookery.networks.family import Inputs
from rookery.surveys import Survey
from rookery.training.card import CARD
from rookery.training.member import Member, open_member
from rookery.training.resident import gather
from rookery.training.target import known_truth
from rookery_ensembles import Classes, load_bundle
from rookery_ensembles.errors import did_you_mean, fail
from rookery_ensembles.redshift_pdf import bin_centres

_AT_ONCE = 512


@dataclass(frozen=True)
class Part:
    """A network to explain, as a part of what is explained."""

    id: str
    folder: Path
    share: float | None
    """Of the ensemble; None of a network that is given alone."""


@dataclass(frozen=True)
class Subject:
    """A network, a survey, and what it makes of every object; N objects, K classes or bins."""

    member: Member
    """Of a whole ensemble the one of the largest weight, whose inputs and stages are shown."""
    share: float | None
    """The member's share of the ensemble that it is of; None where it is given alone."""
    survey: Survey
    inputs: Inputs
    probability: NDArray[np.float32]
    """(N, K) what it predicts."""
    features: NDArray[np.float32]
    """(N, F) what its last layer sees."""
    parts: tuple[Part, ...] = ()
    """The members of a whole ensemble, whose mean predictions, and features side by side, these are."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.member.network.parameters()).device

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands of the network's inputs."""
        return self.member.card.bands

    @property
    def signal(self) -> str:
        """Name of the input that holds what was measured: the first."""
        return next(iter(self.inputs))

    @property
    def of_classes(self) -> bool:
        """Whether classes are predicted, and not redshifts."""
        return isinstance(self.member.card.target, Classes)

    @cached_property
    def object_id(self) -> NDArray[np.str_]:
        """(N,) names of the objects."""
        return self.survey.objects["object_id"].to_numpy().astype(str)

    @cached_property
    def truth(self) -> NDArray[np.generic]:
        """(N,) class as the network names it, None where unknown; or redshift, NaN where unknown."""
        found = known_truth(self.member.card.target, self.survey)
        nothing = np.full(len(self.survey), None if self.of_classes else np.nan)
        return nothing if found is None else np.asarray(found)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """(N,) whether the truth is known."""
        index = self.member.card.target.index(self.truth)
        return index >= 0 if self.of_classes else np.isfinite(self.truth.astype(float))

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """(K,) redshifts in the middle of the bins."""
        assert not isinstance(self.member.card.target, Classes)
        return np.asarray(bin_centres(self.member.card.target.edges), dtype=np.float64)

    @cached_property
    def answer(self) -> NDArray[np.generic]:
        """(N,) class of the largest probability, or mean redshift."""
        if isinstance(self.member.card.target, Classes):
            return np.array(self.member.card.target.names, dtype=object)[self.probability.argmax(1)]
        return self.probability.astype(np.float64) @ self.centres

    def batch(self, rows: NDArray[np.integer]) -> Inputs:
        """Return the inputs of some objects, where the network is."""
        return gather(self.inputs, torch.from_numpy(np.asarray(rows, dtype=np.int64)), self.device)

    def rows_of(self, object_ids: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of objects by their names; raises InputError for one that is not there."""
        row = {name: number for number, name in enumerate(self.object_id.tolist())}
        for name in object_ids:
            if name not in row:
                rule = f"`objects`: {name!r} is none of its {len(row):,} objects"
                raise fail(self.survey.path, f"{rule}{did_you_mean(name, row)}")
        return np.array([row[name] for name in object_ids], dtype=np.int64)


def open_one(part: Part, survey: Survey, device: torch.device) -> Subject:
    """Open a network and let it look at a survey; raises InputError where it cannot read that."""
    opened = open_member(part.folder, device)
    inputs = opened.encode(survey)
    opened.check_bands(survey)
    probability, features = look(opened, inputs)
    return Subject(opened, part.share, survey, inputs, probability, features)


def look(member: Member, inputs: Inputs) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a network predicts for objects (N, K), and their features (N, F)."""
    device = next(member.network.parameters()).device
    rows = torch.arange(len(next(iter(inputs.values()))))
    predicted: list[Tensor] = []
    features: list[Tensor] = []
    with torch.inference_mode():
        for some in torch.split(rows, _AT_ONCE):
            batch = gather(inputs, some, device)
            predicted.append(member.family.predict(member.network, batch).float().cpu())
            features.append(member.family.features(member.network, batch).float().cpu())
    return torch.cat(predicted).numpy(), torch.cat(features).numpy()


def find_parts(path: Path, name: str | None) -> list[Part]:
    """Return the networks to explain, that of the largest weight first: a member, or those of a bundle.

    Parameters
    ----------
    name
        Which of the bundle's members alone; None for all of them.

    Raises
    ------
    InputError
        When `path` is neither, or the bundle has no such member or only foreign ones.
    """
    if (path / "ensemble.yaml").is_file():
        bundle = load_bundle(path)
        folders = zip(bundle.members, bundle.member_folders(), strict=True)
        parts = {one.id: Part(one.id, folder, one.weight) for one, folder in folders}
        if name is None:
            return sorted(parts.values(), key=lambda part: -(part.share or 0.0))
        if name not in parts:
            rule = f"`member`: it has no member {name!r}; those are {', '.join(parts)}"
            raise fail(path, f"{rule}{did_you_mean(name, parts)}")
        return [parts[name]]
    if not (path / CARD).is_file():
        raise fail(path, f"is neither an ensemble bundle nor a member: it has no ensemble.yaml and no {CARD}")
    if name is not None:
        raise fail(
            path, f"`member` names one of a bundle's, but this is a member itself ({name!r} was given)"
        )
    return [Part(path.name, path, None)]
