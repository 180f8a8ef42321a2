from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from rookery_ensembles import (
    CandidateMember,
    EnsembleChoice,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    load_bundle,
    out_of_fold,
    photoz_metrics,
    prediction_metrics,
    read_predictions,
    write_bundle,
    write_predictions,
)
from rookery_ensembles.redshift_pdf import bin_indices, bin_masses, gaussian_pdf, pit

EDGES = tuple(np.linspace(0.0, 0.4, 61).tolist())
N, FOLDS = 300, 3


def network(seed: int, noise: float, n: int = N) -> Predictions:
    """Gaussian PDFs about noisy looks at the same redshifts."""
    z = np.random.default_rng(0).uniform(0.1, 0.3, n)
    mean = z + noise * np.random.default_rng(seed).normal(size=n)
    pdf = gaussian_pdf(mean, np.full(n, noise), np.array(EDGES))
    info = PredictionInfo(RedshiftBins(EDGES), member="m", role="validation", survey="s")
    return Predictions(info, np.array([f"g{i:04d}" for i in range(n)]), z, pdf.astype(np.float32))


def part(whole: Predictions, rows: np.ndarray | slice, **info: object) -> Predictions:
    truth = None if whole.truth is None else whole.truth[rows]
    return Predictions(replace(whole.info, **info), whole.object_id[rows], truth, whole.values[rows])


@pytest.fixture(scope="module")
def candidates(tmp_path_factory: pytest.TempPathFactory, make_member) -> list[CandidateMember]:
    """Two configurations and a poor one, each of three folds and two random starts."""
    found, folder = [], tmp_path_factory.mktemp("members")
    for i, noise in enumerate((0.02, 0.022, 0.06)):
        for start in range(2):
            whole = network(10 * i + start, noise)
            for fold in range(FOLDS):
                name = f"c{i}-f{fold}-s{start}"
                seen = part(whole, slice(fold, None, FOLDS), member=name, fold=fold)
                found.append(CandidateMember(name, make_member(folder, name), f"c{i}", seen))
    return found


@pytest.fixture(scope="module")
def choice(candidates) -> EnsembleChoice:
    return choose(candidates, by="greedy")


@pytest.fixture(scope="module")
def honest(candidates, choice) -> Predictions:
    return out_of_fold(candidates, choice)


def test_redshift_pdfs_are_chosen_by_the_likelihood_of_their_bins(choice) -> None:
    assert (choice.target, choice.class_fractions) == (RedshiftBins(EDGES), None)
    assert min(choice.losses, key=choice.losses.get) == choice.best_group == "c0"
    loss = {name: row["log_loss"] for name, row in choice.scores.items()}
    assert loss["selected"] < loss["best_member"] == pytest.approx(choice.losses["c0"])
    assert loss["selected_calibrated"] < loss["selected"]
    assert choice.scores["selected_calibrated"]["pit_ks"] < 0.5 * choice.scores["selected"]["pit_ks"]
    assert {"bias", "sigma_mad", "crps", "coverage_68"} < set(choice.scores["average"])


@pytest.mark.slow
def test_random_starts_are_averaged_and_share_the_weight_of_their_fold(candidates) -> None:
    choice = choose(candidates, bags=0)
    starts = [candidate for candidate in candidates if candidate.group == "c0"]
    pool = np.zeros((N, len(EDGES) - 1))
    for candidate in starts:
        pool[candidate.validation.info.fold :: FOLDS] += candidate.validation.values / 2
    index = bin_indices(network(0, 0.02).truth, EDGES)
    p_true = bin_masses(pool, EDGES)[np.arange(N), index]
    assert choice.losses["c0"] == pytest.approx(-np.log(p_true).mean(), rel=1e-5)
    weights = [choice.weights[candidate.id] for candidate in starts]
    assert weights == pytest.approx([weights[0]] * 6)
    # One start less in a fold leaves the fold its share.
    uneven = choose([candidate for candidate in candidates if candidate.id != "c0-f0-s1"], bags=0).weights
    assert uneven["c0-f0-s0"] == pytest.approx(uneven["c0-f1-s0"] + uneven["c0-f1-s1"])


def test_random_starts_are_averaged_without_folds_too() -> None:
    starts = [network(i, 0.02) for i in range(2)]
    members = [
        CandidateMember(f"m{i}", Path("nowhere"), "c0", part(found, slice(None), member=f"m{i}"))
        for i, found in enumerate(starts)
    ]
    mean = replace(starts[0], values=(starts[0].values + starts[1].values) / 2)
    choice = choose(members)
    assert choice.weights == {"m0": 0.5, "m1": 0.5}
    assert choice.losses["c0"] == pytest.approx(prediction_metrics(mean)["log_loss"], rel=1e-5)


def test_the_choice_and_out_of_fold_do_not_depend_on_the_candidates_order(candidates, choice, honest) -> None:
    assert choose(candidates[::-1], by="greedy") == choice
    np.testing.assert_array_equal(out_of_fold(candidates[::-1], choice).values, honest.values)


@pytest.mark.slow
def test_a_redshift_outside_of_the_bins_counts_in_the_scores_alone(candidates) -> None:
    def moved(candidate: CandidateMember) -> CandidateMember:
        truth = np.where(candidate.validation.object_id == "g0000", 0.9, candidate.validation.truth)
        return replace(candidate, validation=replace(candidate.validation, truth=truth))

    def without(candidate: CandidateMember) -> CandidateMember:
        rows = candidate.validation.object_id != "g0000"
        return replace(candidate, validation=part(candidate.validation, rows))

    outside, fewer = choose([moved(c) for c in candidates]), choose([without(c) for c in candidates])
    assert outside.weights == fewer.weights
    assert outside.calibration == fewer.calibration
    assert outside.scores["average"]["n"] == N
    assert fewer.scores["average"]["n"] == N - 1
    assert outside.scores["average"]["eta"] > fewer.scores["average"]["eta"]


def test_one_member_is_chosen_whole_and_combining_it_changes_nothing(candidates, tmp_path: Path) -> None:
    whole = network(0, 0.02)
    member = replace(candidates[0], validation=whole)
    choice = choose([member])
    assert choice.weights == {member.id: 1.0}
    assert choice.scores["best_member"] == choice.scores["average"] == choice.scores["selected"]
    bundle = write_bundle(
        tmp_path / "b",
        members=choice.members,
        target=RedshiftBins(EDGES),
        scores=choice.scores,
        provenance={},
    )
    np.testing.assert_allclose(bundle.combine([whole.values]), whole.values, rtol=1e-6)


def test_a_choice_becomes_a_bundle_that_calibrates_the_same(choice, tmp_path: Path) -> None:
    choice.write(tmp_path / "bundle", provenance={}, bands=("u", "g", "r", "i", "z"))
    bundle = load_bundle(tmp_path / "bundle")
    assert (bundle.target, bundle.calibration) == (RedshiftBins(EDGES), choice.calibration)
    values = [network(i, 0.02, n=20).values for i in range(len(bundle.members))]
    pooled = sum(member.weight * v.astype(float) for member, v in zip(bundle.members, values, strict=True))
    found = bundle.combine(values)
    np.testing.assert_allclose(found, choice.calibrate(pooled), rtol=1e-6)
    np.testing.assert_allclose(found @ np.diff(EDGES), 1)


def test_objects_that_count_more_decide_more(candidates) -> None:
    first = {f"g{i:04d}": float(i < 50) for i in range(N)}
    alone = [replace(c, validation=part(c.validation, c.validation.object_id < "g0050")) for c in candidates]
    weighted = choose(candidates, bags=0, sample_weight=first)
    assert weighted.losses == pytest.approx(choose(alone, bags=0).losses)
    row = weighted.scores["average"]
    assert row["weighted_log_loss"] != pytest.approx(row["log_loss"], rel=1e-3)


def test_every_object_is_predicted_by_what_never_saw_it(candidates, choice, honest) -> None:
    assert honest.info == PredictionInfo(
        RedshiftBins(EDGES), bundle="out_of_fold", role="validation", survey="s"
    )
    whole = network(0, 0.02)
    np.testing.assert_array_equal(honest.object_id, whole.object_id)
    np.testing.assert_array_equal(honest.truth, whole.truth)

    # Another truth of an object moves the predictions of other folds, never those of its own.
    def mistaken(candidate: CandidateMember) -> CandidateMember:
        truth = candidate.validation.truth.copy()
        if candidate.validation.info.fold == 0:
            truth += 0.05
        return replace(candidate, validation=replace(candidate.validation, truth=truth))

    wrong = [mistaken(candidate) for candidate in candidates]
    other = out_of_fold(wrong, choice)
    own = np.arange(N) % FOLDS == 0
    np.testing.assert_array_equal(other.values[own], honest.values[own])
    assert (other.values[~own] != honest.values[~own]).any(axis=1).all()


def test_out_of_fold_pdfs_are_calibrated_and_better_than_one_configuration(choice, honest) -> None:
    scores = photoz_metrics(honest.values, EDGES, honest.truth)
    assert kstest(pit(honest.values, EDGES, honest.truth), "uniform").pvalue > 0.01
    assert scores["crps"] < choice.scores["best_member"]["crps"]
    flattering = choice.scores["selected_calibrated"]["log_loss"]
    assert prediction_metrics(honest)["log_loss"] == pytest.approx(flattering, abs=0.05)


def test_out_of_fold_serves_class_probabilities_too(make_predictions, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    is_ia = rng.random(200) < 0.5
    ids, truth = np.array([f"s{i:03d}" for i in range(200)]), np.where(is_ia, "Ia", "non-Ia")
    members = []
    for i in range(3):
        p = 1 / (1 + np.exp(-2 * (np.where(is_ia, 1, -1) + rng.normal(size=200))))
        for fold in range(2):
            rows = slice(fold, None, 2)
            found = make_predictions(
                p[rows], truth[rows].tolist(), ids[rows].tolist(), member=f"{i}{fold}", fold=fold
            )
            members.append(CandidateMember(f"{i}{fold}", tmp_path, f"c{i}", found))
    choice = choose(members)
    honest = out_of_fold(members, choice)
    assert honest.object_id.tolist() == ids.tolist()
    assert honest.info.target == choice.target
    assert prediction_metrics(honest)["log_loss"] < choice.scores["best_member"]["log_loss"]


def test_out_of_fold_needs_the_folds_that_the_choice_was_made_from(candidates, choice) -> None:
    with pytest.raises(InputError, match="choice: the choice must have been made from the same config"):
        out_of_fold([c for c in candidates if c.group != "c2"], choice)
    held_out = [replace(c, validation=network(i, 0.02)) for i, c in enumerate(candidates[:1])]
    with pytest.raises(InputError, match="on two folds or more, but were on one"):
        out_of_fold(held_out, choose(held_out))
    renamed = [
        replace(c, validation=part(c.validation, slice(None), fold=2 - c.validation.info.fold))
        if c.group == "c1"
        else c
        for c in candidates
    ]
    with pytest.raises(
        InputError, match="predictions of c1: object g0000 must be in the same fold as in c0, 0"
    ):
        out_of_fold(renamed, choice)


def test_pdfs_without_a_redshift_in_the_bins_are_no_ground_to_choose_on(candidates) -> None:
    nowhere = [
        replace(c, validation=replace(c.validation, truth=np.full(len(c.validation.truth), 0.9)))
        for c in candidates
    ]
    with pytest.raises(InputError, match="with a known redshift in a bin, but found none of 300"):
        choose(nowhere)


def test_out_of_fold_predictions_come_back_from_their_file(honest, tmp_path: Path) -> None:
    write_predictions(honest, tmp_path / "honest.parquet")
    found = read_predictions(tmp_path / "honest.parquet")
    assert found.info == honest.info
    np.testing.assert_allclose(found.values, honest.values, rtol=1e-5)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), m=st.integers(1, 4), bags=st.sampled_from([0, 3]))
def test_weights_lie_on_the_simplex_and_pools_are_normalised(seed: int, m: int, bags: int) -> None:
    members = [
        CandidateMember(f"m{i}", Path("nowhere"), f"c{i}", network(seed + i, 0.01 + 0.01 * i, n=40))
        for i in range(m)
    ]
    choice = choose(members, bags=bags)
    weights = np.array(list(choice.weights.values()))
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)
    values = choice.calibrate(members[0].validation.values)
    np.testing.assert_allclose(values @ np.diff(EDGES), 1)
