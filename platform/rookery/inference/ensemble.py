"""From the members of a study to an ensemble bundle."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.inference.catalogues import how_it_was_read
from rookery.inference.covariates import named_covariates, object_covariates
from rookery.inference.write_ensemble import write_ensemble
from rookery.reports.assess.judged import check_truth
from rookery.search.attributes import SECONDS
from rookery.search.costs import trial_costs
from rookery.search.study import Study, member_folder
from rookery.shift.domain import training_domain
from rookery.shift.options import DegradedValidation
from rookery.surveys import Survey, open_split, open_survey
from rookery.training.candidate import open_candidate
from rookery.training.card import CARD, read_card, verify_file
from rookery_ensembles import (
    Bundle,
    CandidateMember,
    EnsembleChoice,
    PitTest,
    Predictions,
    cross_fit,
    crossfit_pit_test,
    open_predictions,
    out_of_fold,
    prediction_metrics,
    write_predictions,
)
from rookery_ensembles.bundle import DOCUMENT, member_weights
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import refuse_existing
from rookery_ensembles.member_table import MemberTable, likelihoods, tabulate_members
from rookery_ensembles.metric import plain_scores
from rookery_ensembles.pools import find_pool
from rookery_ensembles.pools.base import combine_all
from rookery_ensembles.probabilities import mean_loss
from rookery_ensembles.recipe import AUTO, looks_at_covariates
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)
_TOLD = 10


@short_repr
@dataclass(frozen=True)
class StudyEnsemble:
    """An ensemble and how it compares."""

    bundle: Bundle
    """The finished bundle."""
    choice: EnsembleChoice
    """How it was chosen; its `scores` are those on the validation objects."""
    test_predictions: dict[str, Predictions]
    """Predictions for the split's test objects by the same names, and those of
    ``best_member_in_hindsight``: the configuration with the least log-loss on the test objects
    themselves, which no honest choice can know. Empty when the split has no test objects."""
    test_scores: dict[str, dict[str, float]]
    """Metrics of each. Nothing was chosen by them."""
    out_of_fold: Predictions | None = None
    """Of a study with folds: every training object's prediction by the networks that did not see it,
    combined and calibrated on the other folds. None without folds."""
    pit_tests: Mapping[str, PitTest] = field(default_factory=dict)
    """Whether those are calibrated, of redshift PDFs; see
    :func:`rookery_ensembles.crossfit_pit.crossfit_pit_test`."""

    def summary(self, positive: str = "Ia") -> dict[str, Any]:
        """Return members, calibration and all scores as plain values for JSON, None where undefined."""
        scores = {"validation": self.choice.scores, "test": self.test_scores}
        if self.out_of_fold is not None:
            scores["out_of_fold"] = {"calibrated": prediction_metrics(self.out_of_fold, positive)}
        return {
            "bundle": str(self.bundle.path),
            **self.choice.summary(),
            "out_of_fold_pit_tests": {name: asdict(test) for name, test in self.pit_tests.items()},
            "scores": {objects: plain_scores(each) for objects, each in scores.items()},
        }


def out_of_fold_path(bundle: str | Path) -> Path:
    """Return where the out-of-fold predictions of an ensemble lie: beside its bundle."""
    path = Path(bundle)
    return path.with_name(f"{path.name}-out-of-fold.parquet")


def study_candidates(study: Study) -> list[CandidateMember]:
    """Return the members of every trial whose folds are all finished.

    Where the study's objective looks at degraded validation objects, so do the candidates.

    Raises
    ------
    InputError
        When there is none, a member belongs to another survey, or its predictions are not those that its
        card tells of.
    """
    complete = study.complete_trials()
    _warn_lost(study, complete)
    if not complete:
        raise fail(study.members_folder, "has no finished member yet; `rookery search` makes them")
    degraded = isinstance(study.space.objective.shift, DegradedValidation)
    candidates = []
    for trial, cards in complete.items():
        for card in cards:
            folder = study.members_folder / card.member
            if card.survey != study.document.survey.checksum:
                rule = f"`survey`: the member belongs to another survey (checksum {card.survey[:12]})"
                raise fail(folder / CARD, rule)
            candidates.append(open_candidate(folder, f"{trial:04d}", degraded=degraded))
    return candidates


def _warn_lost(study: Study, complete: Mapping[int, object]) -> None:
    """Name the members whose card is missing although their trial is complete; they cannot be taken."""
    lost = [
        name
        for trial in study.complete_optuna_trials()
        if trial.number not in complete
        for name in (study.member_name(trial.number, *each) for each in study.trainings())
        if not (member_folder(study.path, name) / CARD).is_file()
    ]
    if lost:
        told = ", ".join(lost[:_TOLD]) + (", ..." if len(lost) > _TOLD else "")
        logger.warning(
            "%s: %d members of complete trials have no %s and are left out: %s",
            study.members_folder, len(lost), CARD, told,
        )  # fmt: skip


def build_ensemble(
    study: Study,
    out: str | Path,
    *,
    positive: str = "Ia",
    by: str = AUTO,
    calibration: str | None = None,
    covariates: Sequence[str] = (),
    groups: str | None = None,
    overwrite: bool = False,
) -> StudyEnsemble:
    """Select, average and calibrate a study's members on validation objects; write the bundle.

    A shift of the study's objective holds here too: importance weights weight selection and
    calibration, and degraded validation objects take the validation objects' place. The temperature
    then never makes probabilities more certain: what only resembles the target is easier than it.

    Parameters
    ----------
    out
        Folder of the bundle; refused when it exists, unless `overwrite`.
    positive
        Class whose recall at fixed precision is reported.
    by
        See :func:`rookery_ensembles.choose`.
    calibration
        The calibration instead of the recipe's own.
    covariates
        What a gate and a local calibration look at; by default those of
        :func:`rookery.inference.covariates.usual_covariates`.
    groups
        A covariate whose thirds have conformal limits of their own.

    Raises
    ------
    InputError
        When the study has no finished member, `out` exists, there is no such way or calibration, the survey
        lacks a covariate or is not at hand although covariates are needed.
    """
    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    document = study.document
    where, kind, classes = document.survey.path, document.target.kind, document.target.names
    looks_at_covariates(by, calibration, kind, covariates)
    if classes and positive not in classes:
        names = ", ".join(classes)
        raise fail(study.path, f"the positive class must be one of {names}, but is {positive}")
    candidates = study_candidates(study)
    survey = _survey(study)
    if survey is not None:
        _check_truth(candidates, survey)
    known = object_covariates(survey, where, kind, by=by, calibration=calibration, names=covariates)
    tests = _test_table(candidates)
    bundle, choice = write_ensemble(
        candidates,
        out,
        positive=positive,
        sample_weight=study.importance_weights(),
        sharpen=study.space.objective.shift is None,
        by=by,
        calibration=calibration,
        covariates=known,
        groups=None if groups is None else named_covariates(survey, where, (groups,)),
        domain=None if survey is None else training_domain(survey, open_split(survey, document.split.name)),
        provenance={
            "study": study.path.name,
            "survey": document.survey.checksum,
            "split": document.split.name,
            "split_digest": document.split.digest,
            "candidates": len(candidates),
            "objective": document.space.objective.model_dump(mode="json"),
            **({} if survey is None else how_it_was_read(survey)),
        },
        search_seconds=float(trial_costs(study)[SECONDS].sum()),
        replace=overwrite,
    )
    test_predictions = {} if tests is None else _test_predictions(candidates, choice, tests)
    test_scores = {name: prediction_metrics(found, positive) for name, found in test_predictions.items()}
    parts = cross_fit(candidates, choice) if document.split.folds else []
    unseen = out_of_fold(candidates, choice, parts=parts) if parts else None
    if unseen is not None:
        write_predictions(unseen, out_of_fold_path(out))
    pit_tests: Mapping[str, PitTest] = {}
    if unseen is not None and unseen.truth is not None and choice.target.has_pdfs:
        pit_tests = crossfit_pit_test(parts, choice, unseen)
    return StudyEnsemble(bundle, choice, test_predictions, test_scores, unseen, pit_tests)


def _survey(study: Study) -> Survey | None:
    """Return the survey that a study learned from; None, with a warning, where it is not at hand."""
    reference = study.document.survey
    told = "the ensemble will not know where its training objects lie: %s"
    try:
        survey = open_survey(reference.path, verify=False)
    except InputError as error:
        logger.warning(told, error)
        return None
    if not survey.info.was(reference.checksum):
        logger.warning(told, f"{survey.path} is no longer the survey that it was trained on")
        return None
    return survey


def _check_truth(candidates: Sequence[CandidateMember], survey: Survey) -> None:
    """Refuse candidates whose truth is not the survey's; that it is the same in all is checked elsewhere."""
    for candidate in candidates:
        where = f"validation predictions of {candidate.folder}"
        check_truth(candidate.validation, survey, where)


def _test_table(candidates: Sequence[CandidateMember]) -> MemberTable | None:
    """Return what the members predicted for the test objects, where all did and the truth is known."""
    files = [candidate.folder / "predictions-test.parquet" for candidate in candidates]
    if not all(file.is_file() for file in files):
        return None
    for file in files:
        verify_file(file.parent, read_card(file.parent), file.name)
    table = tabulate_members([open_predictions(file) for file in files])
    return None if table.truth is None else table


def _test_predictions(
    candidates: Sequence[CandidateMember], choice: EnsembleChoice, table: MemberTable
) -> dict[str, Predictions]:
    """Combine what the members predicted for the test objects in each of the compared ways."""
    assert table.truth is not None
    position = {name: row for row, name in enumerate(table.members)}
    shares: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(position)))
    for candidate in candidates:
        shares[candidate.group][position[candidate.id]] = 1.0
    groups = {group: share / share.sum() for group, share in shares.items()}
    column_n = choice.target.index(table.truth)
    names = [f"predictions of {name}" for name in table.members]
    likelihood_mn = likelihoods(choice.target, table.values, column_n, names)[:, column_n >= 0]
    losses = {group: mean_loss(share @ likelihood_mn, None) for group, share in groups.items()}
    weights = choice.weights
    selected_m = np.array([weights.get(name, 0.0) for name in table.members])
    known = choice.known(table.object_id)
    if choice.gate is not None and known is not None:
        places = [position[member.id] for member in choice.members]
        gated = np.zeros((len(table.object_id), len(position)))
        gated[:, places] = member_weights(choice.members, choice.gate, known)
        selected_m = gated
    linear = find_pool("linear", choice.target)
    best, hindsight, mean, selected = combine_all(
        choice.target,
        table.values,
        [
            (linear, groups[choice.best_group]),
            (linear, groups[min(losses, key=lambda group: losses[group])]),
            (linear, None),
            (find_pool(choice.recipe.pool, choice.target), selected_m),
        ],
    )
    combined = {
        "best_member": best,
        "best_member_in_hindsight": hindsight,
        "average": mean,
        "selected": selected,
        "selected_calibrated": choice.calibrate(selected, known),
    }
    info = replace(table.info, member=None, fold=None, configuration=None)
    return {
        name: Predictions(replace(info, bundle=name), table.object_id, table.truth, values.astype(np.float32))
        for name, values in combined.items()
    }
