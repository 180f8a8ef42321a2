"""From candidate members and their validation predictions to an ensemble, and how it compares."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bundle import BundleMember
from rookery_ensembles.calibrate import TemperatureCalibration
from rookery_ensembles.combine import average
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import classification_metrics, log_loss
from rookery_ensembles.probabilities import LOG_FLOOR, check_sample_weight, class_indices
from rookery_ensembles.schema import Predictions
from rookery_ensembles.select import bagged_selection, likelihoods, select_by_likelihood
from rookery_ensembles.stack import Stack, pool_folds, stack_members


@dataclass(frozen=True, eq=False)
class CandidateMember:
    """A trained network that may join an ensemble.

    Parameters
    ----------
    id
        The member's name; becomes its folder's name in a bundle.
    folder
        Where its files are.
    group
        Hash of its configuration. Members of one group were validated on different folds.
    validation
        Its predictions for objects that it was not trained on.
    """

    id: str
    folder: Path
    group: str
    validation: Predictions


@dataclass(frozen=True)
class EnsembleChoice:
    """The members chosen for an ensemble, their calibration, and what they were chosen by.

    Parameters
    ----------
    class_names
        What the ensemble predicts.
    members
        The chosen members with their weights, as `write_bundle` takes them.
    calibration
        Fitted to the chosen members' weighted average.
    scores
        `classification_metrics` on the validation objects of ``best_member`` (the best
        configuration alone), ``average`` (all configurations with equal weights), ``selected``
        and ``selected_calibrated``. The last two were chosen and fitted on these very objects,
        so their scores flatter; only a test set compares the four fairly. Where objects were
        weighted, each has ``weighted_log_loss`` too.
    best_group
        Configuration of the least log-loss.
    best_member
        Its member; with folds, its first.
    losses
        Log-loss of each configuration alone, on the validation objects, weighted where they were.
    class_fractions
        Fraction of the validation objects in each class, unweighted: what the probabilities
        presume of new data, as long as validation and training objects have the same.
    """

    class_names: tuple[str, ...]
    members: tuple[BundleMember, ...]
    calibration: TemperatureCalibration
    scores: Mapping[str, Mapping[str, float]]
    best_group: str
    best_member: str
    losses: Mapping[str, float]
    class_fractions: Mapping[str, float]

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the chosen members by id; they sum to 1."""
        return {member.id: member.weight for member in self.members}


def choose(
    candidates: Sequence[CandidateMember],
    *,
    positive: str = "Ia",
    bags: int = 20,
    sample_weight: Mapping[str, float] | None = None,
    sharpen: bool = True,
) -> EnsembleChoice:
    """Choose an ensemble by out-of-sample log-loss: bagged greedy selection, then a temperature.

    Selection runs over configurations, each with the pooled predictions of its fold members, so
    that all are compared on the same objects; a configuration's weight is divided evenly over its
    members. Hold-out validation is the case of one fold, one member per configuration. Objects
    without a known truth are left out. The result does not depend on the candidates' order.

    With folds, the temperature is fitted to predictions of one fold member per object, but
    applied to averages over all fold members, which are a little less certain: it then errs
    towards too little confidence.

    Parameters
    ----------
    candidates
        At least one.
    positive
        As in `classification_metrics`.
    bags
        As in `bagged_selection`; 0 for one greedy selection on all objects.
    sample_weight
        What each object counts in selection and calibration, by `object_id`: importance weights
        make the validation objects resemble those to be classified. By default all count the same.
    sharpen
        Whether the temperature may make probabilities more certain. Validation objects that only
        resemble those to be classified are easier than these, and would have it do so.

    Raises
    ------
    InputError
        When an object has no weight, or the weights break their rules; when there is no
        candidate, two have the same id, they predict redshift PDFs, no truth is known, or their
        predictions do not fit together (see `pool_folds` and `stack_members`).
    """
    groups = _grouped(candidates)
    stack = _stack_groups(groups)
    class_names, truth = stack.class_names, stack.truth
    if class_names is None or truth is None:
        found = stack.kind if class_names is None else "no truth"
        raise fail(
            "candidates", f"must hold class probabilities of objects with a known class, but found {found}"
        )
    index_n = class_indices(truth, class_names)
    known = index_n >= 0
    order = np.argsort(stack.object_id[known], kind="stable")  # bags must not depend on the files' order
    values_mnk, index_n = stack.values[:, known][:, order], index_n[known][order]
    weight_n = _weights(sample_weight, stack.object_id[known][order].tolist())

    def score(probability_nk: NDArray[np.float64]) -> dict[str, float]:
        metrics = classification_metrics(class_names, truth[known][order], probability_nk, positive)
        if weight_n is not None:
            metrics["weighted_log_loss"] = log_loss(probability_nk, index_n, weight_n)
        return metrics

    likelihood_mn = likelihoods(values_mnk, index_n)
    loss_mn = -np.log(np.maximum(likelihood_mn, LOG_FLOOR))
    losses_m = loss_mn.mean(axis=1) if weight_n is None else np.average(loss_mn, axis=1, weights=weight_n)
    best = int(losses_m.argmin())
    weights_m = _select(likelihood_mn, bags, weight_n)
    selected_nk = average(values_mnk, weights_m)
    calibration = TemperatureCalibration.fit(selected_nk, index_n, weight_n, sharpen=sharpen)
    fractions = np.bincount(index_n, minlength=len(class_names)) / len(index_n)
    return EnsembleChoice(
        class_names=class_names,
        members=tuple(
            BundleMember(member.id, member.folder, weight / len(groups[name]))
            for name, weight in zip(stack.members, weights_m.tolist(), strict=True)
            if weight > 0
            for member in groups[name]
        ),
        calibration=calibration,
        scores={
            "best_member": score(values_mnk[best].astype(np.float64)),
            "average": score(average(values_mnk)),
            "selected": score(selected_nk),
            "selected_calibrated": score(calibration.apply(selected_nk)),
        },
        best_group=stack.members[best],
        best_member=groups[stack.members[best]][0].id,
        losses=dict(zip(stack.members, losses_m.tolist(), strict=True)),
        class_fractions=dict(zip(class_names, fractions.tolist(), strict=True)),
    )


def _select(
    likelihood_mn: NDArray[np.float64], bags: int, weight_n: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    if bags == 0:
        return select_by_likelihood(likelihood_mn, sample_weight=weight_n).weights_m
    return bagged_selection(likelihood_mn, bags=bags, sample_weight=weight_n)


def _weights(given: Mapping[str, float] | None, object_id: Sequence[str]) -> NDArray[np.float64] | None:
    """Return the objects' weights in their order, of mean 1."""
    if given is None:
        return None
    missing = [name for name in object_id if name not in given]
    if missing:
        rule = "there must be a weight for every object"
        raise fail("sample_weight", f"{rule}, but {len(missing)} have none, the first being {missing[0]!r}")
    return check_sample_weight([given[name] for name in object_id], len(object_id))


def _grouped(candidates: Sequence[CandidateMember]) -> dict[str, list[CandidateMember]]:
    """Return the candidates by configuration; groups and members sorted, so that ties fall the same way."""
    if not candidates:
        raise fail("candidates", "there must be at least one member to choose from, but found none")
    groups: dict[str, list[CandidateMember]] = defaultdict(list)
    seen: set[str] = set()
    for candidate in candidates:
        if candidate.id in seen:
            raise fail("candidates", f"every member must occur once, but {candidate.id} occurs twice")
        seen.add(candidate.id)
        groups[candidate.group].append(candidate)
    return {name: sorted(groups[name], key=lambda member: member.id) for name in sorted(groups)}


def _stack_groups(groups: Mapping[str, Sequence[CandidateMember]]) -> Stack:
    pooled = []
    for name, members in groups.items():
        folds = pool_folds([member.validation for member in members])
        pooled.append(replace(folds, info=replace(folds.info, member=name, bundle=None)))
    return stack_members(pooled)
