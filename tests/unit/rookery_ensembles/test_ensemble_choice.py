import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from rookery.api import _types as arguments
from rookery_ensembles import (
    CandidateMember,
    InputError,
    choose,
    cross_fit,
    greedy_selection,
    load_bundle,
    out_of_fold,
)
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.recipe import PLAIN, Combining, Recipe, named_recipe, ways

N = 200


@pytest.fixture
def holdout(make_predictions, tmp_path: Path, make_member) -> list[CandidateMember]:
    """Five networks, each a noisy look at the same truth, and each overconfident by a factor of two."""
    rng = np.random.default_rng(5)
    is_ia = rng.random(N) < 0.5
    truth = np.where(is_ia, "Ia", "non-Ia").tolist()
    candidates = []
    for i, noise in enumerate((1.0, 1.2, 1.2, 1.5, 3.0)):
        logit = 2 * (np.where(is_ia, 1, -1) + noise * rng.normal(size=N))
        validation = make_predictions(1 / (1 + np.exp(-logit)), truth, member=f"m{i}", role="validation")
        candidates.append(CandidateMember(f"m{i}", make_member(tmp_path, f"m{i}"), f"c{i}", validation))
    return candidates


def in_folds(candidates: list[CandidateMember], folds: int) -> list[CandidateMember]:
    """Split every candidate into fold members that predict disjoint parts of the same objects."""
    members = []
    for candidate in candidates:
        whole = candidate.validation
        for fold in range(folds):
            rows = slice(fold, None, folds)
            info = replace(
                whole.info, member=f"{candidate.id}-f{fold}", fold=fold, configuration=candidate.group
            )
            part = replace(
                whole,
                info=info,
                object_id=whole.object_id[rows],
                truth=whole.truth[rows],
                values=whole.values[rows],
            )
            members.append(
                CandidateMember(f"{candidate.id}-f{fold}", candidate.folder, candidate.group, part)
            )
    return members


def test_the_scores_fall_as_more_is_done(holdout) -> None:
    choice = choose(holdout, by="greedy")
    loss = {name: row["log_loss"] for name, row in choice.scores.items()}
    assert list(loss) == ["best_member", "average", "selected", "selected_calibrated"]
    assert loss["selected"] < loss["best_member"]
    assert loss["selected_calibrated"] < loss["selected"]
    assert min(choice.losses, key=choice.losses.get) == choice.best_group
    assert choice.losses[choice.best_group] == pytest.approx(loss["best_member"])
    assert sum(choice.weights.values()) == pytest.approx(1)


def test_no_bags_is_one_greedy_selection(holdout) -> None:
    values = np.array([candidate.validation.values for candidate in holdout])
    truth = np.where(holdout[0].validation.truth == "Ia", 0, 1)
    expected = greedy_selection(values, truth).weights_m
    chosen = choose(holdout, bags=0, by="greedy").weights
    assert [chosen.get(c.id, 0.0) for c in holdout] == pytest.approx(expected.tolist(), abs=1e-12)


def test_the_best_member_is_the_one_of_least_log_loss(holdout) -> None:
    def loss(candidate: CandidateMember) -> float:
        p_ia = candidate.validation.values[:, 0].astype(float)
        p_true = np.where(candidate.validation.truth == "Ia", p_ia, 1 - p_ia)
        return float(-np.log(p_true.clip(LOG_FLOOR)).mean())

    best = min(holdout, key=loss)
    choice = choose(holdout)
    assert (choice.best_member, choice.best_group) == (best.id, best.group)
    assert choice.scores["best_member"]["log_loss"] == pytest.approx(loss(best), rel=1e-5)


@pytest.mark.slow
def test_the_choice_does_not_depend_on_the_candidates_order(holdout) -> None:
    assert choose(holdout[::-1]) == choose(holdout)


def test_one_candidate_is_chosen_whole(holdout) -> None:
    choice = choose(holdout[:1])
    assert choice.weights == {"m0": 1.0}
    assert choice.scores["best_member"] == choice.scores["average"] == choice.scores["selected"]


@pytest.mark.slow
def test_folds_divide_their_configurations_weight_evenly(holdout) -> None:
    whole, folded = choose(holdout), choose(in_folds(holdout, 4))
    assert folded.losses == pytest.approx(whole.losses)
    assert folded.calibration.temperature == pytest.approx(whole.calibration.temperature, rel=1e-4)
    assert folded.best_member == f"{whole.best_member}-f0"
    assert folded.weights == pytest.approx(
        {f"{name}-f{fold}": weight / 4 for name, weight in whole.weights.items() for fold in range(4)}
    )
    for name, row in whole.scores.items():
        assert folded.scores[name] == pytest.approx(row, rel=1e-4)


def test_a_configuration_that_lacks_a_fold_is_named(holdout) -> None:
    with pytest.raises(
        InputError, match=r"predictions of c4: the objects must be those of c0, but .* is missing"
    ):
        choose(in_folds(holdout, 3)[:-1])


def test_objects_without_a_truth_are_left_out(holdout) -> None:
    blinded = []
    for candidate in holdout:
        truth = candidate.validation.truth.copy()
        truth[: N // 2] = None
        blinded.append(replace(candidate, validation=replace(candidate.validation, truth=truth)))
    assert choose(blinded).scores["average"]["n"] == N // 2


def test_a_choice_becomes_a_bundle(holdout, tmp_path: Path) -> None:
    choice = choose(holdout)
    choice.write(tmp_path / "bundle", provenance={"losses": dict(choice.losses)})
    bundle = load_bundle(tmp_path / "bundle")
    assert {member.id: member.weight for member in bundle.members} == choice.weights
    assert bundle.scores == choice.scores
    values = {candidate.id: candidate.validation.values for candidate in holdout}
    p_true = np.take_along_axis(
        bundle.combine([values[member.id] for member in bundle.members]),
        (holdout[0].validation.truth != "Ia").astype(int)[:, None],
        axis=1,
    )
    assert -np.log(p_true).mean() == pytest.approx(choice.scores["selected_calibrated"]["log_loss"])


def test_candidates_that_cannot_be_chosen_from_are_refused(holdout) -> None:
    with pytest.raises(InputError, match="at least one member"):
        choose([])
    with pytest.raises(InputError, match="m0 occurs twice"):
        choose([holdout[0], holdout[0]])
    second = replace(holdout[1].validation.info, fold=1)
    with pytest.raises(InputError, match="folds must not share objects"):
        choose(
            [
                holdout[0],
                replace(holdout[1], group="c0", validation=replace(holdout[1].validation, info=second)),
            ]
        )
    blind = replace(holdout[0], validation=replace(holdout[0].validation, truth=None))
    with pytest.raises(InputError, match="with a known class, but found no truth"):
        choose([blind])


def test_mean_is_the_plain_average_without_a_calibration(holdout) -> None:
    choice = choose(holdout, by="mean")
    assert set(choice.weights.values()) == {0.2}
    assert choice.scores["selected_calibrated"] == pytest.approx(choice.scores["average"])
    assert str(choice.calibration) == "no calibration"


@pytest.mark.parametrize("by", ["em", "crps", "top_k"])
def test_other_weights_are_asked_for_by_name(holdout, by: str) -> None:
    choice = choose(holdout, by=by)
    assert choice.recipe == Recipe(weights=by, calibration=None)
    assert sum(choice.weights.values()) == pytest.approx(1)
    assert choice.scores["selected_calibrated"]["log_loss"] < choice.scores["average"]["log_loss"]


def test_an_unknown_way_is_refused(holdout) -> None:
    with pytest.raises(InputError, match=r"by: must be one of auto, mean, .*greedy.*, but found 'best'"):
        choose(holdout, by="best")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_auto_tells_why_and_serves_what_it_tells(holdout) -> None:
    choice = choose(holdout, by="auto")
    report = choice.report
    assert report is not None
    assert choice.recipe == report.recipe
    assert report.recipe == PLAIN or report.gain > 0
    assert abs(report.null_gain) <= 3 * report.null_error + 1e-9
    assert json.dumps(report.to_dict(), allow_nan=False)
    values = {candidate.id: candidate.validation.values for candidate in holdout}
    pooled = choice.pool([values[name] for name in choice.weights])
    loss = choice.target.log_loss(choice.calibrate(pooled), choice.target.index(holdout[0].validation.truth))
    assert loss == pytest.approx(choice.scores["selected_calibrated"]["log_loss"], rel=1e-6)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("by", [pytest.param("auto", marks=pytest.mark.slow), "mean", "em"])
def test_out_of_fold_each_way_is_found_anew_by_the_other_folds(holdout, by: str) -> None:
    members = in_folds(holdout, 2)
    choice = choose(members, by="mean")
    choice = replace(choice, by=by, recipe=named_recipe(by) or choice.recipe)
    parts = cross_fit(members, choice)
    assert len(parts) == 2
    unseen = out_of_fold(members, choice, parts=parts)
    index = choice.target.index(unseen.truth)
    average_loss = choice.scores["average"]["log_loss"]
    assert choice.target.log_loss(unseen.values, index) <= average_loss + 0.02
    if by == "mean":
        assert choice.target.log_loss(unseen.values, index) == pytest.approx(average_loss, rel=1e-5)


def test_the_ways_to_ask_for_an_ensemble_are_the_same_everywhere() -> None:
    # The command line names them itself: it loads no numbers before it has parsed.
    assert set(ways()) == set(get_args(Combining)) == set(get_args(arguments.Combining))
