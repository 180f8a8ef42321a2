import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from rookery.inference import build_ensemble, predict_survey
from rookery.networks.family import load_family
from rookery.search.ask_tell import open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace, load_space
from rookery.search.study import Study, member_folder
from rookery.search.trial_plan import FINISHED, VALUE, TrialPlan
from rookery.search.worker import run_plan
from rookery.shift.degraded import degraded_survey
from rookery.shift.weights import effective_number, importance_weights, labelled_and_target
from rookery.surveys import Survey, open_split, simulate_supernovae, split_survey, write_survey
from rookery.surveys.properties import object_properties
from rookery.training.card import read_card
from rookery.training.job import TrainingJob
from rookery.training.member import train_member
from rookery_ensembles import BundleMember, Classes, load_bundle, read_predictions, write_bundle
from rookery_ensembles.errors import InputError
from rookery_ensembles.metrics import log_loss

MakeJob = Callable[..., TrainingJob]
WEIGHTS: dict[str, Any] = {"method": "importance_weights", "covariates": ["peak_flux"]}
DEGRADED: dict[str, Any] = {"method": "degraded"}


def quiet(*_: Any) -> None:
    """Report to nobody."""


@pytest.fixture(scope="module")
def bright_survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """400 simulated supernovae; the brightest are the likeliest to be labelled (split `bright`).

    `colour` is a covariate that tells nothing, `offset` the one that decides, `gaps` is often missing.
    """
    folder = tmp_path_factory.mktemp("shift")
    made = simulate_supernovae(folder / "plain", n=400, seed=4)
    rng = np.random.default_rng(0)
    peak = np.log(object_properties(made)["peak_flux"].to_numpy().clip(1))
    offset = peak + 0.3 * rng.normal(size=len(peak))
    arrays = made.observation_arrays()
    ids = made.objects["object_id"]
    objects = made.objects.assign(
        offset=offset,
        colour=rng.normal(size=len(peak)),
        gaps=np.where(rng.random(len(peak)) < 0.5, np.nan, offset),
        nothing=np.nan,
    )
    observations = pd.DataFrame(
        {
            "object_id": ids.to_numpy()[arrays.object_index],
            "mjd": arrays.mjd,
            "band": np.array(made.bands)[arrays.band_index],
            "flux": arrays.flux,
            "flux_err": arrays.flux_err,
        }
    )
    survey = write_survey(
        folder / "survey", name="bright", bands=made.bands, objects=objects, observations=observations
    )
    chance = 1 / (1 + np.exp(-2 * (offset - np.quantile(offset, 0.7))))
    labelled = folder / "ids.txt"
    labelled.write_text("\n".join(ids[rng.random(len(ids)) < chance]))
    split_survey(survey, "bright", train_ids=labelled, validation_fraction=0.4, seed=1)
    split_survey(survey, "folds", train_ids=labelled, folds=3, seed=1)
    split_survey(survey, "all", train_fraction=1.0, seed=1)
    return survey


@pytest.mark.parametrize("classifier", ["logistic", pytest.param("boosted_trees", marks=pytest.mark.slow)])
def test_weighted_means_of_labelled_objects_approach_those_of_the_target(
    bright_survey: Survey, classifier: str
) -> None:
    split = open_split(bright_survey, "bright")
    labelled, target = labelled_and_target(bright_survey, split)
    weights = importance_weights(bright_survey, split, ("offset",), classifier=classifier)
    offset = bright_survey.objects["offset"].to_numpy()
    plain, wanted = offset[labelled].mean(), offset[target].mean()
    weighted = np.average(offset[labelled], weights=weights.weight)
    assert abs(weighted - wanted) < 0.45 * abs(plain - wanted)
    assert weights.weight.mean() == pytest.approx(1)
    assert weights.n_target == len(target)
    assert 1 < effective_number(weights.weight) < 0.8 * len(labelled)


def test_a_covariate_without_a_shift_gives_nearly_equal_weights(bright_survey: Survey) -> None:
    weights = importance_weights(bright_survey, open_split(bright_survey, "bright"), ("colour",)).weight
    assert effective_number(weights) > 0.9 * len(weights)


def test_weights_are_a_function_of_the_seed_and_clipped(bright_survey: Survey) -> None:
    split = open_split(bright_survey, "bright")
    first, again, other = (
        importance_weights(bright_survey, split, ("offset", "gaps"), seed=s).weight for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    clipped = importance_weights(bright_survey, split, ("offset",), clip=1.5).weight
    assert clipped.max() / clipped.min() < first.max() / first.min()
    assert clipped.mean() == pytest.approx(1)


def test_weights_do_not_depend_on_types(bright_survey: Survey) -> None:
    split = open_split(bright_survey, "bright")
    objects = bright_survey.objects.assign(type=bright_survey.objects["type"].to_numpy()[::-1])
    turned = Survey(bright_survey.path, bright_survey.info, objects)
    a, b = (importance_weights(s, split, ("offset", "peak_flux")).weight for s in (bright_survey, turned))
    assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("split", "covariates", "message"),
    [
        ("bright", ("redshift",), "`redshift` is identity or truth, not a covariate; those .* are n_obs"),
        ("bright", ("host_mass",), "no covariate `host_mass`; those that it has are .*offset, colour"),
        ("bright", ("nothing",), "covariate `nothing` must be known for some labelled object"),
        ("all", ("offset",), "at least 2 target objects .* but there are 0"),
    ],
)
def test_weights_that_cannot_be_are_refused(
    bright_survey: Survey, split: str, covariates: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        importance_weights(bright_survey, open_split(bright_survey, split), covariates)


def test_degraded_objects_look_like_the_target(bright_survey: Survey) -> None:
    split = open_split(bright_survey, "bright")
    labelled, target = labelled_and_target(bright_survey, split)
    before = object_properties(bright_survey)
    after = object_properties(degraded_survey(bright_survey, split, labelled))
    snr = [
        np.median(x) for x in (before["peak_snr"][labelled], after["peak_snr"], before["peak_snr"][target])
    ]
    assert snr[1] < 0.8 * snr[0]
    assert abs(np.log(snr[1] / snr[2])) < abs(np.log(snr[0] / snr[2])) / 2
    assert (after["n_observations"].to_numpy() <= before["n_observations"][labelled].to_numpy()).all()
    assert (after["n_observations"] >= 1).all()


def test_degraded_copies_are_seeded_and_do_not_depend_on_the_others_asked_for(bright_survey: Survey) -> None:
    split = open_split(bright_survey, "bright")
    labelled, _ = labelled_and_target(bright_survey, split)
    whole = degraded_survey(bright_survey, split, labelled).observation_arrays()
    some = degraded_survey(bright_survey, split, labelled[[5, 2]]).observation_arrays()
    assert np.array_equal(some.flux[some.rows(0)], whole.flux[whole.rows(5)])
    assert np.array_equal(some.mjd[some.rows(1)], whole.mjd[whole.rows(2)])
    other = degraded_survey(bright_survey, split, labelled, seed=1).observation_arrays()
    assert len(other) != len(whole) or not np.array_equal(other.flux, whole.flux)


def test_nothing_is_made_brighter_or_less_noisy(bright_survey: Survey) -> None:
    split = open_split(bright_survey, "bright")
    _, target = labelled_and_target(bright_survey, split)
    survey = Survey(bright_survey.path, bright_survey.info, bright_survey.objects)
    turned = open_split(bright_survey, "bright")
    role = np.where(np.isin(np.arange(len(survey)), target), "train", "test").astype(object)
    faint = type(turned)(turned.name, turned.object_id, role, turned.fold)
    own, copy = survey.observation_arrays(), degraded_survey(survey, faint, target).observation_arrays()
    for number, row in enumerate(target[:30]):
        kept = np.isin(own.mjd[own.rows(row)], copy.mjd[copy.rows(number)])
        assert (
            np.median(copy.flux_err[copy.rows(number)]) >= 0.99 * np.median(own.flux_err[own.rows(row)][kept])
            or copy.rows(number).stop - copy.rows(number).start < kept.sum()
        )


@pytest.fixture
def shifted_job(bright_survey: Survey, make_job: MakeJob) -> Callable[..., TrainingJob]:
    def make(shift: dict[str, Any] | None, split: str = "bright", **changes: Any) -> TrainingJob:
        place = {"survey": str(bright_survey.path), "survey_checksum": bright_survey.checksum}
        return make_job(split=split, shift=shift, **place, **changes)

    return make


@pytest.mark.parametrize("shift", [WEIGHTS, DEGRADED, DEGRADED | {"redshifting": True}])
def test_a_member_keeps_both_metrics_and_its_best_epoch_is_the_shifted_ones(
    shifted_job: Callable[..., TrainingJob], bright_survey: Survey, tmp_path: Path, shift: dict[str, Any]
) -> None:
    job = shifted_job(shift)
    sent: list[dict[str, float]] = []
    card = train_member(job, tmp_path / "m", tmp_path / "c", lambda row, _: sent.append(row))
    history = pd.read_parquet(tmp_path / "m" / "history.parquet")
    best = history.loc[history["validation_log_loss_shift"].idxmin()]
    assert (card.metric, card.value) == ("validation_log_loss_shift", best["validation_log_loss_shift"])
    assert best["validation_log_loss"] != best["validation_log_loss_shift"]
    plain = read_predictions(tmp_path / "m" / "predictions-validation.parquet")
    index = (plain.truth != "Ia").astype(int)
    assert log_loss(plain.values, index) == pytest.approx(best["validation_log_loss"], rel=1e-5)
    file = tmp_path / "m" / "predictions-validation-degraded.parquet"
    assert file.exists() == (shift["method"] == "degraded")
    if file.exists():
        degraded = read_predictions(file)
        assert log_loss(degraded.values, index) == pytest.approx(card.value, rel=1e-5)
        assert card.effective_validation_objects is None
    else:
        rows = open_split(bright_survey, "bright").indices("validation")
        split = open_split(bright_survey, "bright")
        weight = importance_weights(bright_survey, split, ("peak_flux",)).of(rows)
        assert log_loss(plain.values, index, weight) == pytest.approx(card.value, rel=1e-5)
        assert card.effective_validation_objects == pytest.approx(effective_number(weight))


def test_a_shift_changes_the_jobs_digest_and_none_is_as_if_there_were_no_such_field(
    shifted_job: Callable[..., TrainingJob],
) -> None:
    digests = {shifted_job(shift).digest() for shift in (None, WEIGHTS, DEGRADED, {**DEGRADED, "seed": 1})}
    assert len(digests) == 4
    old = shifted_job(None).model_dump(mode="json")
    del old["shift"]
    assert TrainingJob.model_validate(old).digest() == shifted_job(None).digest()


def space(shift: object) -> dict[str, Any]:
    objective = {"metric": "validation_log_loss", "direction": "minimize"}
    if shift is not None:
        objective["shift"] = shift  # type: ignore[assignment]
    parameters: dict[str, Any] = {
        name: {"value": value}
        for name, value in {
            "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8,
            "merged_blocks": 1, "merged_filters": 2, "features": 8, "epochs": 2, "batch_size": 32,
        }.items()
    }  # fmt: skip
    parameters["learning_rate"] = {"type": "float", "low": 0.005, "high": 0.02}
    return {"family": "pelican", "objective": objective, "parameters": parameters}


@pytest.mark.parametrize(
    ("shift", "message"),
    [
        ("{method: guess}", r"space.yaml, line 2: `objective.shift`.*importance_weights.*guess"),
        ("{covariates: [a]}", r"space.yaml, line 2: `objective.shift`"),
        ("{method: importance_weights}", r"line 2: `objective.shift`: `covariates` is required"),
        ("{method: importance_weights, covariates: []}", r"line 2: `objective.shift.covariates`.*at least 1"),
        ("{method: importance_weights, covariates: [a, a]}", "covariates must differ, but are a, a"),
        ("{method: importance_weights, covariates: [a], clip: 1}", "`objective.shift.clip`.*greater than 1"),
        ("{method: degraded, covariates: [a]}", r"`objective.shift.covariates`: is not a known key"),
    ],
)
def test_a_wrong_shift_is_refused_with_file_line_and_key(tmp_path: Path, shift: str, message: str) -> None:
    text = f"family: pelican\nobjective: {{metric: validation_log_loss, direction: minimize, shift: {shift}}}"
    (tmp_path / "space.yaml").write_text(text + "\nparameters: {epochs: 3}\n")
    with pytest.raises(InputError, match=message):
        load_space(tmp_path / "space.yaml")


def make_study(path: Path, survey: Survey, shift: object, split: str = "bright") -> Study:
    wanted = SearchSpace.model_validate(space(shift))
    return create_or_open_study(path, wanted, survey, split, target=Classes(("Ia", "non-Ia")))


def test_a_study_whose_survey_lacks_a_covariate_is_not_made(tmp_path: Path, bright_survey: Survey) -> None:
    shift = {**WEIGHTS, "covariates": ["host_mass"]}
    with pytest.raises(InputError, match=r"`objective.shift.covariates`: the survey has no covariate"):
        make_study(tmp_path / "study", bright_survey, shift)
    assert not (tmp_path / "study").exists()
    with pytest.raises(InputError, match="at least 2 target objects"):
        make_study(tmp_path / "study", bright_survey, DEGRADED, split="all")


def test_a_study_made_before_there_were_shifts_goes_on(tmp_path: Path, bright_survey: Survey) -> None:
    make_study(tmp_path / "study", bright_survey, None)
    document = yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())
    del document["space"]["objective"]["shift"]
    (tmp_path / "study" / "study.yaml").write_text(yaml.safe_dump(document))
    make_study(tmp_path / "study", bright_survey, None)
    with pytest.raises(InputError, match=r"another search space \(changed: objective\)"):
        make_study(tmp_path / "study", bright_survey, DEGRADED)


def test_few_effective_objects_are_warned_of(
    tmp_path: Path, bright_survey: Survey, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        make_study(tmp_path / "study", bright_survey, WEIGHTS)
    assert "effective objects of" in caplog.text


@pytest.mark.parametrize("split", ["bright", pytest.param("folds", marks=pytest.mark.slow)])
@pytest.mark.parametrize("shift", [WEIGHTS, DEGRADED])
def test_a_study_with_a_shift_is_searched_combined_and_corrected(
    tmp_path: Path, bright_survey: Survey, one_thread: None, shift: dict[str, Any], split: str
) -> None:
    study = make_study(tmp_path / "study", bright_survey, shift, split)
    ask_tell = open_ask_tell(study, n_trials=2)
    for key in ("a", "b"):
        plan = ask_tell.suggest(key)
        assert plan is not None
        sent: list[dict[str, Any]] = []
        whole = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
        run_plan(TrialPlan.model_validate({**plan, **whole}), sent.append)
        assert all(VALUE in row for row in sent[:-1])
        ask_tell.finish(key, value=sent[-1][FINISHED])
    built = build_ensemble(study, tmp_path / "bundle")
    card = read_card(member_folder(study.path, study.member_name(0, *study.trainings()[0])))
    assert card.metric == "validation_log_loss_shift"
    assert ("weighted_log_loss" in built.choice.scores["selected"]) == (shift is WEIGHTS)
    if split == "bright":
        values = [trial.value for trial in ask_tell.optuna.get_trials()]
        assert min(built.choice.losses.values()) == pytest.approx(min(values), rel=1e-4)
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.provenance["objective"]["shift"]["method"] == shift["method"]
    plain = predict_survey(bundle.path, bright_survey.path, tmp_path / "plain.parquet")
    fixed = predict_survey(
        bundle.path, bright_survey.path, tmp_path / "fixed.parquet", correct_priors=True, split=split
    )
    record = read_predictions(tmp_path / "fixed.parquet").info.prior_correction
    assert record is not None
    assert record.n_objects == len(labelled_and_target(bright_survey, open_split(bright_survey, split))[1])
    assert record.training == pytest.approx(list(bundle.class_fractions.values()))
    assert plain.info.prior_correction is None
    odds = [x.values[:, 0].astype(float) / x.values[:, 1] for x in (plain, fixed)]
    factor = (record.estimated[0] / record.training[0]) / (record.estimated[1] / record.training[1])
    assert np.median(odds[1] / odds[0]) == pytest.approx(factor, rel=1e-3)


def test_a_bundle_that_knows_no_class_fractions_says_what_is_missing(
    tmp_path: Path, shifted_job: Callable[..., TrainingJob], bright_survey: Survey
) -> None:
    train_member(shifted_job(None, configuration={"epochs": 1}), tmp_path / "m", tmp_path / "c", quiet)
    member = BundleMember("m", tmp_path / "m", 1.0)
    old = write_bundle(
        tmp_path / "old", members=[member], scores={}, provenance={}, target=Classes(("Ia", "non-Ia"))
    )
    out = tmp_path / "p.parquet"
    with pytest.raises(InputError, match=r"ensemble.yaml: `class_fractions` is missing"):
        predict_survey(old.path, bright_survey.path, out, correct_priors=True)
    with pytest.raises(InputError, match="split: is for correcting priors only"):
        predict_survey(old.path, bright_survey.path, out, split="bright")
    assert not out.exists()
    assert predict_survey(old.path, bright_survey.path, out).info.prior_correction is None


def test_lost_weights_are_written_again(tmp_path: Path, bright_survey: Survey) -> None:
    study = make_study(tmp_path / "study", bright_survey, WEIGHTS)
    before = study.importance_weights()
    study.weights_file.unlink()
    with pytest.raises(InputError, match=r"importance weights of the study .*writes them again"):
        study.importance_weights()
    assert make_study(tmp_path / "study", bright_survey, WEIGHTS).importance_weights() == before


def test_a_shift_must_be_named_whole(shifted_job: Callable[..., TrainingJob]) -> None:
    with pytest.raises(ValidationError, match="covariates"):
        shifted_job({"method": "importance_weights"})
    assert load_family("pelican").name == "pelican"
