"""From candidate members and their validation predictions to an ensemble, and how it compares."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._bundle_document import Source
from rookery_ensembles.auto import AutoReport
from rookery_ensembles.bundle import Bundle, BundleMember, member_weights, write_bundle
from rookery_ensembles.calibrations import Calibration, Covariates, check_method
from rookery_ensembles.candidates import CandidateMember, tabulate_candidates
from rookery_ensembles.conformal_limits import Conformal, find_limits
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.domain import Domain
from rookery_ensembles.errors import fail
from rookery_ensembles.gate import Gate
from rookery_ensembles.groups import Groups
from rookery_ensembles.likelihood_table import LikelihoodTable
from rookery_ensembles.member_values import Block, MemberValues
from rookery_ensembles.pools import find_pool
from rookery_ensembles.predictions import prediction_metrics
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.recipe import AUTO, GREEDY, Recipe, named_recipe
from rookery_ensembles.schema import PredictionInfo, Predictions
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target
from rookery_ensembles.weights import find_weights

__all__ = ["CandidateMember", "EnsembleChoice", "choose"]


@short_repr
@dataclass(frozen=True)
class EnsembleChoice:
    """The members chosen for an ensemble, their calibration, and what they were chosen by."""

    target: Target
    """What the ensemble predicts."""
    members: tuple[BundleMember, ...]
    """The chosen members with their weights."""
    calibration: Calibration
    """Fitted to what the pool made of the chosen members."""
    scores: Mapping[str, Mapping[str, float]]
    """`prediction_metrics` on the validation objects of ``best_member`` (the best
    configuration alone), ``average`` (all configurations with equal weights), ``selected``
    and ``selected_calibrated``. The last two were chosen and fitted on these very objects,
    so their scores flatter; only a test set, or `out_of_fold`, compares the four fairly.
    Where objects were weighted, each has ``weighted_log_loss`` too."""
    best_group: str
    """Configuration of the least log-loss."""
    best_member: str
    """Its member; with folds, its first."""
    losses: Mapping[str, float]
    """Log-loss of each configuration alone (of redshift PDFs that of the true bin's mass), in
    nats, on the validation objects, weighted where they were."""
    class_fractions: Mapping[str, float] | None
    """Fraction of the validation objects in each class, unweighted: what the probabilities
    presume of new data, as long as validation and training objects have the same, which they have
    not where members trained on copies of which some were lost. None for redshift PDFs."""
    bags: int
    sharpen: bool
    by: str
    """How it was chosen, as in `choose`."""
    recipe: Recipe
    """Its pool, weights and calibration by their names."""
    conformal: Conformal | None = None
    """Limits of conformal intervals or sets; None where objects were weighted, may not be made more certain
    of, or are fewer than 40: their coverage would not be that of new objects."""
    report: AutoReport | None = None
    """With ``auto``, why it was chosen and what it gains; None otherwise."""
    judged: Mapping[str, Any] = field(default_factory=dict)
    """How many validation objects of known truth weights and calibration rest on, and the SHA-256 of their
    sorted names: `objects` and `sha256`."""
    gate: Gate | None = None
    """How the members' weights depend on covariates; None where they do not."""
    covariates: ObjectCovariates | None = None
    """What was known of the validation objects, and perhaps of others."""
    groups: Groups | None = None
    """Which objects have conformal limits of their own; None where all have the same."""

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the chosen members by id; they sum to 1."""
        return {member.id: member.weight for member in self.members}

    def pool(
        self, values_mnk: MemberValues | Block, covariates: Covariates | None = None
    ) -> NDArray[np.float64]:
        """Return (N, K) what the pool makes of the chosen members' predictions, in the order of `members`.

        Without covariates of the objects the weights are those for all.
        """
        weights = member_weights(self.members, self.gate, covariates)
        return find_pool(self.recipe.pool, self.target).combine(self.target, values_mnk, weights)

    def known(self, object_id: NDArray[np.str_]) -> Covariates | None:
        """Return the covariates of objects, NaN where unknown; None where the choice looked at none."""
        return None if self.covariates is None else self.covariates.of(object_id)

    def summary(self) -> dict[str, Any]:
        """Return the members' weights, and how they were chosen, as plain values for JSON."""
        return {
            "members": self.weights,
            "candidates": len(self.losses),
            "calibration": str(self.calibration),
            "by": self.by,
            "pool": self.recipe.pool,
            "auto": None if self.report is None else self.report.to_dict(),
        }

    def provenance(self) -> dict[str, Any]:
        """Return what a bundle tells of how its members were chosen."""
        return {
            "validation_log_loss": dict(self.losses),
            **({"calibrated_on": dict(self.judged)} if self.judged else {}),
            **({} if self.by == GREEDY else {"by": self.by}),
            **({} if self.report is None else {"auto": self.report.to_dict()}),
        }

    def calibrate(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> NDArray[np.float64]:
        """Return calibrated class probabilities, or densities, of the members' pool.

        `covariates` of the N objects are what a local calibration looks at.

        Raises
        ------
        InputError
            When the values break their rules.
        """
        return self.target.calibrate(self.calibration, values_nk, covariates)

    def write(
        self,
        out: str | Path,
        *,
        provenance: Mapping[str, object],
        sources: Mapping[str, Source] | None = None,
        bands: Sequence[str] | None = None,
        domain: Domain | None = None,
        class_fractions: Mapping[str, float] | None = None,
        replace_old: bool = False,
    ) -> Bundle:
        """Write the bundle of the chosen members, with all that was chosen and fitted.

        Parameters
        ----------
        out
            The bundle's folder; it must not exist yet, unless `replace_old` is true.
        provenance
            Where the members come from, in this order, which the bundle's digest follows.
        sources
            By member, where its predictions were; of networks that are known by their predictions alone.
        bands, domain
            As in `write_bundle`.
        class_fractions
            What the probabilities presume of new data; by default the validation objects' fractions.
        replace_old
            Whether a former bundle may be replaced.

        Raises
        ------
        InputError
            As `write_bundle` does.
        """
        members = self.members
        if sources is not None:
            members = tuple(replace(member, source=sources[member.id]) for member in members)
        return write_bundle(
            out,
            target=self.target,
            members=members,
            pooling=self.recipe.pool,
            calibration=self.calibration,
            scores=self.scores,
            conformal=self.conformal,
            gate=self.gate,
            groups=self.groups,
            class_fractions=self.class_fractions if class_fractions is None else class_fractions,
            bands=bands,
            domain=domain,
            provenance=provenance,
            replace=replace_old,
        )


def choose(
    candidates: Sequence[CandidateMember],
    *,
    positive: str = "Ia",
    bags: int = 20,
    sample_weight: Mapping[str, float] | None = None,
    sharpen: bool = True,
    by: str = AUTO,
    calibration: str | None = None,
    covariates: ObjectCovariates | None = None,
    groups: ObjectCovariates | None = None,
) -> EnsembleChoice:
    """Choose an ensemble by out-of-sample scores: weights and a pool, then a calibration.

    Selection runs over configurations, each with the pooled predictions of its fold members, so
    that all are compared on the same objects; members of one fold that differ by their random
    start are averaged first. A configuration's weight is divided evenly over its folds, and then
    over their starts. Hold-out validation is the case of one fold. Objects without a known truth
    are left out, and those whose redshift lies outside of all bins take part in the scores alone.
    The result does not depend on the candidates' order.

    With folds, the calibration is fitted to predictions of one fold's members per object, but
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
        Whether calibration may make probabilities more certain. Validation objects that only
        resemble those to be classified are easier than these, and would have it do so.
    by
        ``auto``: the pool, weights and calibration of the best cross-fitted log score, or the plain average
        where nothing beats it beyond its error; see `rookery_ensembles.auto.find_recipe`. ``greedy``: bagged
        greedy selection in the linear pool, then the target's usual calibration. ``mean``: the plain
        average. ``em``, ``crps``, ``top_k``: other weights (see `rookery_ensembles.weights`), shrunk toward
        equal ones, with the usual calibration. ``gate``: those of ``em``, and how they depend on
        `covariates`, where that helps.
    calibration
        The calibration instead of the recipe's own: one of the target's `calibrations`.
    covariates
        What is known of the objects, for ``gate``, for local calibrations, and for ``auto``, which tries
        both where they are given.
    groups
        A covariate of the objects, whose thirds have conformal limits of their own (Mondrian): coverage holds
        in each of them.

    Raises
    ------
    InputError
        When `by` is no such way, or one that needs covariates and there are none; there is no such
        calibration; an object has no weight, or the weights break their rules; there is no
        candidate, two have the same id, no truth is known, or their predictions do not fit
        together (see `pool_folds` and `stack_members`).
    """
    recipe, report = named_recipe(by), None
    if recipe is not None and find_weights(recipe.weights).local and covariates is None:
        raise fail("by", f"{by} needs covariates of the objects, but none are given")
    table = LikelihoodTable(tabulate_candidates(candidates, covariates), sample_weight)
    found, weight_n = table.candidates, table.weight_n

    def score(values_nk: NDArray[Any]) -> dict[str, float]:
        return _score(table, values_nk, positive)

    loss_mn = -np.log(np.maximum(table.likelihood_mn, LOG_FLOOR))
    losses_m = loss_mn.mean(axis=1) if weight_n is None else np.average(loss_mn, axis=1, weights=weight_n)
    best = int(losses_m.argmin())
    if recipe is None:
        report = table.find(sharpen=sharpen, honest=True)
        recipe = report.recipe
    if calibration is not None:
        recipe = replace(recipe, calibration=check_method(found.target.kind, calibration))
    weights = table.weigh(recipe, bags=bags)
    alone = np.eye(len(losses_m))[best]
    selected_nk, average_nk, best_nk = found.pooled(
        [(recipe.pool, table.weights_of_objects(weights)), ("linear", None), ("linear", alone)]
    )
    seen_nk = selected_nk[table.rows]
    fitted = table.fit_calibration(recipe, seen_nk, sharpen=sharpen)
    exchangeable = weight_n is None and sharpen  # the validation objects are like new ones
    apart, group_n = _grouped(groups if exchangeable else None, found.object_id[table.rows])
    shares = found.member_weights(weights.weights_m)
    return EnsembleChoice(
        target=found.target,
        members=tuple(
            BundleMember(member.id, member.folder, shares[member.id])
            for members in found.groups.values()
            for member in members
            if member.id in shares
        ),
        calibration=fitted,
        scores={
            "best_member": score(best_nk),
            "average": score(average_nk),
            "selected": score(selected_nk),
            "selected_calibrated": score(found.target.calibrate(fitted, selected_nk, found.covariates)),
        },
        best_group=found.names[best],
        best_member=found.groups[found.names[best]][0].id,
        losses=dict(zip(found.names, losses_m.tolist(), strict=True)),
        class_fractions=found.target.fractions(table.index_n),
        bags=bags,
        sharpen=sharpen,
        by=by,
        recipe=recipe,
        conformal=find_limits(table, recipe, seen_nk, group_n, bags=bags) if exchangeable else None,
        report=report,
        judged=_judged(found.object_id[table.rows]),
        gate=None if weights.gate is None else weights.gate.of(found.group_of(shares)),
        covariates=covariates,
        groups=apart,
    )


def _grouped(
    groups: ObjectCovariates | None, object_id: NDArray[np.str_]
) -> tuple[Groups | None, NDArray[np.str_] | None]:
    """Return the groups, and the name of each object's."""
    if groups is None:
        return None, None
    known = groups.of(object_id)
    found = Groups.thirds(known)
    return found, found.names(known, len(object_id))


def _judged(object_id: NDArray[np.str_]) -> dict[str, Any]:
    lines = "\n".join(sorted(object_id.tolist()))
    return {"objects": len(object_id), "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def _score(table: LikelihoodTable, values_nk: NDArray[Any], positive: str) -> dict[str, float]:
    """Return the metrics of pooled values, one row for each object of the table."""
    found = table.candidates
    info = PredictionInfo(found.target, bundle="pool")
    metrics = prediction_metrics(Predictions(info, found.object_id, found.truth, values_nk), positive)
    if table.weight_n is not None:
        loss = found.target.log_loss(values_nk[table.rows], table.index_n, table.weight_n)
        metrics["weighted_log_loss"] = loss
    return metrics
