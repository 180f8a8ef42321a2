"""Members that may join an ensemble, and their out-of-sample predictions brought together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations import Covariates
from rookery_ensembles.configurations import ConfigurationReader, Configurations, FoldReader, readers
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.errors import fail
from rookery_ensembles.member_values import MemberValues, gather
from rookery_ensembles.pools import find_pool
from rookery_ensembles.pools.base import combine_all
from rookery_ensembles.schema import Predictions, require_predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.stack import Labels, align_members, join_folds
from rookery_ensembles.stored import StoredPredictions
from rookery_ensembles.target import Target


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
    validation: Predictions | StoredPredictions
    """Its predictions for objects that it was not trained on, or what `open_predictions` says of their
    file; ``validation.info.fold`` tells which fold they are, None that there is but one."""


@short_repr
@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Out-of-sample predictions of all configurations for the same objects, in the order of their ids."""

    groups: Mapping[str, Sequence[CandidateMember]]
    """Candidates by configuration, both sorted."""
    target: Target
    """What is predicted; the same for all."""
    object_id: NDArray[np.str_]
    truth: NDArray[Any] | None
    """(N,) as in `Predictions`."""
    values: MemberValues
    """Of the M configurations: each object's from the fold members that did not see it, averaged over
    their random starts. In the order in which files are read best, not that of the ids."""
    order: NDArray[np.intp]
    """(N,) places of the objects in the order of `values`."""
    folds: NDArray[np.int32]
    """(M, N) the fold in which each configuration predicted an object; -1 where it is not told."""
    covariates: Covariates | None = None
    """Of the N objects, where any are known."""

    @property
    def names(self) -> tuple[str, ...]:
        """M configurations."""
        return tuple(self.groups)

    def pooled(self, tasks: Sequence[tuple[str, NDArray[np.float64] | None]]) -> list[NDArray[np.float64]]:
        """Return (N, K) pools of the configurations, each by a pool's name and weights, or equal ones.

        Weights are (M,), or (N, M) of each object its own.
        """
        ways = [(find_pool(name, self.target), self._in_place(weights)) for name, weights in tasks]
        return [found[self.order] for found in combine_all(self.target, self.values, ways)]

    def _in_place(self, weights: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if weights is None or weights.ndim == 1:
            return weights
        found = np.empty_like(weights)
        found[self.order] = weights
        return found

    def gather(self, rows: NDArray[np.intp]) -> list[NDArray[Any]]:
        """Return M arrays of values of some objects."""
        return gather(self.values, self.order[rows])

    def group_of(self, members: Iterable[str]) -> dict[str, str]:
        """Return the configuration of each of these members."""
        wanted = set(members)
        return {m.id: name for name, group in self.groups.items() for m in group if m.id in wanted}

    def member_weights(self, weights_m: NDArray[np.float64]) -> dict[str, float]:
        """Return the chosen members' weights: a configuration's divided over folds, then over starts."""
        found: dict[str, float] = {}
        for weight, members in zip(weights_m.tolist(), self.groups.values(), strict=True):
            by_fold = _by_fold(members)
            for starts in by_fold.values() if weight > 0 else ():
                found |= {member.id: weight / len(by_fold) / len(starts) for member in starts}
        return found


def tabulate_candidates(
    candidates: Sequence[CandidateMember], covariates: ObjectCovariates | None = None
) -> CandidateTable:
    """Bring the configurations together; their values are read when they are needed.

    The result does not depend on the candidates' order, nor on that of their objects. Of an object that
    `covariates` lack they are unknown.

    Raises
    ------
    InputError
        When there is no candidate, two have the same id, or their predictions do not fit together
        (see `average_starts`, `pool_folds` and `stack_members`).
    """
    groups = _grouped(candidates)
    ordered = [member for members in groups.values() for member in members]
    reader = dict(zip((m.id for m in ordered), readers([m.validation for m in ordered]), strict=True))
    joined: list[Labels] = []
    parts: list[tuple[FoldReader, ...]] = []
    folds: list[NDArray[np.int32]] = []
    known: dict[tuple[int, ...], NDArray[np.str_]] = {}
    for name, members in groups.items():
        labels = [align_members([m.validation for m in starts]) for starts in _by_fold(members).values()]
        key = tuple(id(part.object_id) for part in labels)
        whole = join_folds(labels, known.get(key))
        known[key] = whole.object_id
        joined.append(replace(whole, info=replace(whole.info, member=name, bundle=None)))
        parts.append(
            tuple(
                FoldReader(tuple(reader[m.id] for m in starts), part.rows, len(part.object_id))
                for starts, part in zip(_by_fold(members).values(), labels, strict=True)
            )
        )
        folds.append(
            np.concatenate(
                [
                    np.full(len(p.object_id), -1 if p.info.fold is None else p.info.fold, np.int32)
                    for p in labels
                ]
            )
        )
    found = align_members(joined)
    order = np.argsort(found.object_id, kind="stable")
    each = [ConfigurationReader(part, rows) for part, rows in zip(parts, found.rows, strict=True)]
    return CandidateTable(
        groups,
        found.info.target,
        found.object_id[order],
        None if found.truth is None else found.truth[order],
        Configurations(each, len(order), found.info.target.n_columns),
        order,
        np.stack([fold[rows][order] for fold, rows in zip(folds, found.rows, strict=True)]),
        None if covariates is None else covariates.of(found.object_id[order]),
    )


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
        if not isinstance(candidate.validation, StoredPredictions):
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
