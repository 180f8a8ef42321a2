"""An ensemble as its page shows it: what its members predict where truth is known, and what pooling gains."""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.dashboard.trials import stamp_of
from rookery_ensembles import (
    Bundle,
    PredictionInfo,
    Predictions,
    load_bundle,
    prediction_metrics,
    read_predictions,
)
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.pools import find_pool
from rookery_ensembles.stack import Stack, pool_folds, stack_members
from rookery_ensembles.uncertainty import (
    Gain,
    ScoreByNumber,
    effective_members,
    error_correlation,
    leave_one_out,
    member_errors,
    score_by_number,
)

ROLES = ("test", "validation")
_MOST_VALUES = 12_000_000
"""Members times objects times columns that are looked at; of more objects an even part."""


@dataclass(frozen=True, eq=False)
class EnsembleView:
    """What a bundle's members predict for the objects of a role whose truth is known."""

    bundle: Bundle
    role: str
    info: PredictionInfo
    """Of the first member."""
    stack: Stack
    """M members, N objects, K columns."""
    names: list[str]
    weights: NDArray[np.float64]
    """Of the M members; of a split with folds these are the networks of all folds together."""
    objects: int
    """How many there are, of which N are looked at."""

    @cached_property
    def pooled(self) -> NDArray[np.float64]:
        """(N, K) the members' pool before calibration."""
        target, where = self.bundle.target, str(self.bundle.path)
        pool = find_pool(self.bundle.pooling, target)
        values = list(self.stack.values)
        return np.asarray(target.normalised(pool.combine(target, values, list(self.weights), where), where))

    @cached_property
    def calibrated(self) -> NDArray[np.float64]:
        """(N, K) the ensemble's answer."""
        return np.asarray(self.bundle.target.calibrate(self.bundle.calibration, self.pooled, None))

    @cached_property
    def average(self) -> NDArray[np.float64]:
        """(N, K) the plain average of the members."""
        return np.asarray(self.stack.values).mean(axis=0, dtype=np.float64)

    @cached_property
    def likelihoods(self) -> NDArray[np.float64]:
        """(M, n) probabilities that the members give to the truth, of objects whose truth has a column."""
        target = self.bundle.target
        index = target.index(self.truth)
        return np.array([target.likelihood(one, index)[index >= 0] for one in self.stack.values])

    @property
    def truth(self) -> NDArray[Any]:
        """(N,) the truth."""
        assert self.stack.truth is not None
        return self.stack.truth

    @cached_property
    def errors(self) -> NDArray[np.float64]:
        """(M, n) errors of the members; see :func:`rookery_ensembles.uncertainty.member_errors`."""
        return np.asarray(member_errors(self.bundle.target, list(self.stack.values), self.truth))

    @cached_property
    def correlation(self) -> NDArray[np.float64]:
        """(M, M) correlation of the members' errors."""
        return np.asarray(error_correlation(self.errors))

    @cached_property
    def effective(self) -> float:
        """How many members with unrelated errors would average as well."""
        return effective_members(self.errors, self.weights)

    @cached_property
    def gains(self) -> list[Gain]:
        """What the pool gains by each member; empty where there is but one."""
        return leave_one_out(self.likelihoods, self.weights) if len(self.weights) > 1 else []

    @cached_property
    def by_number(self) -> ScoreByNumber:
        """Log score of equally weighted pools against their number of members."""
        return score_by_number(self.likelihoods, orders=20)

    @cached_property
    def scores(self) -> dict[str, dict[str, float]]:
        """Metrics of the ensemble, of its parts and of every member."""
        info = replace(self.info, member=None, bundle="ensemble")
        found = {
            "ensemble": self.calibrated,
            "before calibration": self.pooled,
            "plain average": self.average,
            **dict(zip(self.names, self.stack.values, strict=True)),
        }
        ids, truth = self.stack.object_id, self.truth
        return {
            name: prediction_metrics(Predictions(info, ids, truth, np.asarray(values, np.float32)))
            for name, values in found.items()
        }


class Ensembles:
    """Views of bundles, the last few kept until their files change."""

    def __init__(self, most: int = 3) -> None:
        self._kept: OrderedDict[tuple[Path, str], tuple[object, EnsembleView]] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def view(self, bundle: Path, role: str) -> EnsembleView:
        """Return the view of a bundle's objects of a role.

        Raises
        ------
        InputError
            When the bundle or a file of predictions is damaged, or none is at hand.
        """
        stamp = stamp_of(bundle / "ensemble.yaml")
        with self._lock:
            kept = self._kept.get((bundle, role))
            if kept is None or kept[0] != stamp:
                kept = stamp, read_view(bundle, role)
                self._kept[bundle, role] = kept
            self._kept.move_to_end((bundle, role))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return kept[1]


def roles_at_hand(bundle: Path, members: list[str]) -> list[str]:
    """Return the roles for whose objects every member's predictions lie where the bundle was made."""
    home = members_home(bundle, members)
    if home is None:
        return []
    return [
        role
        for role in ROLES
        if all((home / name / f"predictions-{role}.parquet").is_file() for name in members)
    ]


def members_home(bundle: Path, members: list[str]) -> Path | None:
    """Return the ``members/`` folder of the study or campaign that a bundle lies in."""
    for parent in list(bundle.resolve().parents)[:4]:
        folder = parent / "members"
        if folder.is_dir() and all((folder / name / "card.json").is_file() for name in members):
            return folder
    return None


def read_view(path: Path, role: str) -> EnsembleView:
    """Read what a bundle's members predict for the objects of a role."""
    bundle = load_bundle(path)
    members = [member.id for member in bundle.members]
    home = members_home(path, members)
    if home is None:
        raise fail(
            path, "its members' predictions are not at hand: it does not lie in their study or campaign"
        )
    found = [read_predictions(home / name / f"predictions-{role}.parquet") for name in members]
    weights = {member.id: member.weight for member in bundle.members}
    if role == "validation" and any(one.info.fold is not None for one in found):
        found, weights = _over_folds(found, weights)
    names = list(weights)
    try:
        stack = stack_members(found)
    except InputError as error:
        raise InputError(f"{path}: of its {role} objects, {error}") from error
    if stack.truth is None:
        raise fail(path, f"no {role} object's truth is known")
    known = np.flatnonzero(bundle.target.index(stack.truth) >= 0)
    m, _, k = np.shape(stack.values)
    most = max(100, _MOST_VALUES // (m * k))
    rows = known if len(known) <= most else known[np.linspace(0, len(known) - 1, most).astype(int)]
    chosen = replace(
        stack,
        object_id=stack.object_id[rows],
        truth=stack.truth[rows],
        values=np.asarray(stack.values)[:, rows],
    )
    return EnsembleView(
        bundle, role, found[0].info, chosen, names, np.array(list(weights.values())), len(known)
    )


def _over_folds(
    found: list[Predictions], weights: dict[str, float]
) -> tuple[list[Predictions], dict[str, float]]:
    """Return what the networks of all folds say together, each of the objects that it did not train on."""
    together: dict[str, list[Predictions]] = {}
    summed: dict[str, float] = {}
    for one, (name, weight) in zip(found, weights.items(), strict=True):
        start = re.sub(r"-f\d+", "", name)
        together.setdefault(start, []).append(one)
        summed[start] = summed.get(start, 0.0) + weight
    number = max(len(folds) for folds in together.values())
    whole = {name: folds for name, folds in together.items() if len(folds) == number}
    total = sum(summed[name] for name in whole)
    pooled = [
        replace(one, info=replace(one.info, member=name, fold=None))
        for name, one in ((name, pool_folds(folds)) for name, folds in whole.items())
    ]
    return pooled, {name: summed[name] / total for name in whole}
