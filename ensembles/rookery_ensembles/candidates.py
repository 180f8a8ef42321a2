"""Members that may join an ensemble, and their out-of-sample predictions brought together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.schema import Predictions, require_predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.stack import Stack, average_starts, pool_folds, stack_members


@short_repr
@dataclass(frozen=True, eq=False)
class CandidateMember:
    """A trained network that may join an ensemble."""

    id: str
    """The member's name; becomes its folder's name in a bundle."""
    folder: Path
    """Where its files are."""
    group: str
    """Hash of its configuration. Members of one group were validated on different folds, or on
    the same one from different random starts."""
    validation: Predictions
    """Its predictions for objects that it was not trained on; ``validation.info.fold`` tells
    which fold they are, None that there is but one."""


@short_repr
@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Out-of-sample predictions of all configurations for the same objects, in the order of their ids."""

    groups: Mapping[str, Sequence[CandidateMember]]
    """Candidates by configuration, both sorted."""
    stack: Stack
    """A row of values per configuration: each object's from the fold members that did not see it,
    averaged over their random starts."""
    folds: NDArray[np.intp]
    """(M, N) the fold in which each configuration predicted an object; -1 where it is not told."""

    def member_weights(self, weights_m: NDArray[np.float64]) -> dict[str, float]:
        """Return the chosen members' weights: a configuration's divided over folds, then over starts."""
        found: dict[str, float] = {}
        for weight, members in zip(weights_m.tolist(), self.groups.values(), strict=True):
            by_fold = _by_fold(members)
            for starts in by_fold.values() if weight > 0 else ():
                found |= {member.id: weight / len(by_fold) / len(starts) for member in starts}
        return found


def tabulate_candidates(candidates: Sequence[CandidateMember]) -> CandidateTable:
    """Average over random starts, join the folds, and stack the configurations.

    The result does not depend on the candidates' order, nor on that of their objects.

    Raises
    ------
    InputError
        When there is no candidate, two have the same id, or their predictions do not fit together
        (see `average_starts`, `pool_folds` and `stack_members`).
    """
    groups = _grouped(candidates)
    pooled: list[Predictions] = []
    folds: list[NDArray[np.intp]] = []
    for name, members in groups.items():
        parts = [average_starts([m.validation for m in starts]) for starts in _by_fold(members).values()]
        whole = pool_folds(parts)
        fold = np.concatenate(
            [np.full(len(p.object_id), -1 if p.info.fold is None else p.info.fold, np.intp) for p in parts]
        )
        order = np.argsort(whole.object_id, kind="stable")
        folds.append(fold[order])
        info = replace(whole.info, member=name, bundle=None)
        if not pooled:  # the stack takes the order of its first
            truth = None if whole.truth is None else whole.truth[order]
            whole = Predictions(info, whole.object_id[order], truth, whole.values[order])
        pooled.append(replace(whole, info=info))
    return CandidateTable(groups, stack_members(pooled), np.stack(folds))


def _grouped(candidates: Sequence[CandidateMember]) -> dict[str, list[CandidateMember]]:
    """Return the candidates by configuration; groups and members sorted, so that ties fall the same way."""
    rule = "must be a list of CandidateMember"
    if not isinstance(candidates, Iterable):
        raise fail("candidates", f"{rule}, but is {type(candidates).__name__}")
    candidates = list(candidates)
    if not candidates:
        raise fail("candidates", "there must be at least one member to choose from, but found none")
    for number, candidate in enumerate(candidates):
        if not isinstance(candidate, CandidateMember):
            raise fail("candidates", f"{rule}, but item {number} is {type(candidate).__name__}")
        require_predictions(candidate.validation, f"candidate {candidate.id}, `validation`")
    groups: dict[str, list[CandidateMember]] = defaultdict(list)
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.id in seen:
            raise fail("candidates", f"every member must occur once, but {candidate.id} occurs twice")
        seen.add(candidate.id)
        groups[candidate.group].append(candidate)
    return {name: sorted(groups[name], key=lambda member: member.id) for name in sorted(groups)}


def _by_fold(members: Sequence[CandidateMember]) -> dict[int | None, list[CandidateMember]]:
    folds: dict[int | None, list[CandidateMember]] = defaultdict(list)
    for member in members:
        folds[member.validation.info.fold].append(member)
    return folds
