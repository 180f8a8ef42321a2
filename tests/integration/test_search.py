"""Searches on a real Ray, from the survey to the report."""

import json

import optuna
import pandas as pd
import pytest
from safetensors.torch import load_file

from rookery import api
from rookery.inference.ensemble import study_candidates
from rookery.search.attributes import ENSEMBLE, GAIN, PACK_GAIN
from rookery.search.costs import trial_costs
from rookery.search.pack_choice import WORTH
from rookery.search.study import open_study
from rookery.surveys import split_survey
from rookery.surveys.simulators.random_numbers import random_survey
from rookery_ensembles import InputError, read_predictions

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]

TINY = {
    "epochs": 2,
    "days_per_column": 8,
    "temporal_blocks": 1,
    "temporal_filters": 4,
    "band_filters": 32,
    "merged_filters": 12,
    "features": 32,
    "merged_blocks": 2,
}


@pytest.fixture(scope="module")
def study(survey, ray_session, tmp_path_factory):
    """A finished study of three trials."""
    path = tmp_path_factory.mktemp("runs") / "study"
    search(survey, path, trials=3)
    return path


def search(survey, path, *, split="half", **options):
    options = {"trials": 3, "pruner": "none", "fixed": TINY, **options}
    return api.search("pelican", survey=survey.path, split=split, study=path, **options)


def trials(path):
    return open_study(path).optuna_study().trials


def test_every_trial_ends_complete_with_its_value_from_its_card(study):
    for trial in trials(study):
        card = json.loads((study / "members" / f"{trial.number:04d}" / "card.json").read_text())
        assert trial.state is optuna.trial.TrialState.COMPLETE
        assert trial.value == pytest.approx(card["value"])
        assert sorted(trial.intermediate_values) == [1, 2]
        assert card["device_seconds"] > 0


def test_what_every_trial_took_is_in_the_table_of_costs(study):
    table = trial_costs(open_study(study))
    assert (table["device_seconds"] > 0).all()
    for trial in trials(study):
        assert trial.user_attrs["device_seconds"] == pytest.approx(
            json.loads((study / "members" / f"{trial.number:04d}" / "card.json").read_text())[
                "device_seconds"
            ]
        )


def test_members_hold_history_and_out_of_sample_predictions(study, survey):
    member = study / "members" / "0001"
    history = pd.read_parquet(member / "history.parquet")
    assert history["epoch"].tolist() == [1, 2]
    validation = read_predictions(member / "predictions-validation.parquet")
    test = read_predictions(member / "predictions-test.parquet")
    assert validation.info.survey == survey.checksum
    assert not set(validation.object_id) & set(test.object_id)
    assert list((study / "running").iterdir()) == []


def test_continuing_adds_trials_and_repeats_none(survey, ray_session, tmp_path):
    search(survey, tmp_path / "study", trials=1)
    before = trials(tmp_path / "study")
    told = f"sh -c 'cat > {tmp_path / 'told'}' --"
    result = search(survey, tmp_path / "study", trials=2, notify=told)
    after = trials(tmp_path / "study")
    facts = json.loads((tmp_path / "told").read_text())
    assert (facts["event"], facts["ended"], facts["best"]) == ("finished", 1, result.counts.best)
    assert api.status(tmp_path / "study")["wanted"] == 2
    assert result.counts.complete == 2
    assert after[0].datetime_complete == before[0].datetime_complete
    assert after[0].params != after[1].params


def test_a_study_with_all_its_trials_starts_nothing(study, survey):
    result = search(survey, study, trials=3)
    assert result.plan is None
    assert result.counts.complete == 3


def test_a_search_for_the_ensemble_ends_with_its_device_time_and_goes_on(survey, ray_session, tmp_path):
    path = tmp_path / "study"
    options = {"search_for": "ensemble", "split": "folds", "concurrent": 1}
    assert search(survey, path, trials=2, **options).counts.complete == 2
    took = api.status(path)["device_hours"]
    stopped = search(survey, path, trials=9, device_hours=1.5 * took, **options)
    assert 3 <= stopped.counts.complete < 9
    found = api.status(path)["ensemble"]
    assert [point["trial"] for point in found["curve"]] == list(range(stopped.counts.complete))
    complete = [t for t in trials(path) if t.state is optuna.trial.TrialState.COMPLETE]
    assert [point["score"] for point in found["curve"]] == [t.user_attrs[ENSEMBLE] for t in complete]
    assert all(GAIN in trial.user_attrs for trial in complete[1:])


def test_a_failing_trial_records_its_error_and_stops_nothing(survey, ray_session, tmp_path):
    # Three halvings of 176 / 44 = 4 columns cannot be: the configuration of each such trial is refused.
    space = tmp_path / "space.yaml"
    space.write_text(
        "family: pelican\n"
        "objective: {metric: validation_log_loss, direction: minimize}\n"
        "parameters:\n"
        "  merged_blocks: {type: categorical, choices: [3, 1]}\n"
        "  days_per_column: 44\n"
        "  epochs: 1\n"
        "  learning_rate: {type: float, low: 0.001, high: 0.002}\n"
        "published:\n"
        "  - {merged_blocks: 3}\n"
        "  - {merged_blocks: 1}\n"
    )
    result = api.search(space, survey=survey.path, split="half", study=tmp_path / "study", trials=2)
    assert (result.counts.failed, result.counts.complete) == (1, 1)
    failed = next(t for t in trials(tmp_path / "study") if t.state is optuna.trial.TrialState.FAIL)
    assert "halves time 3 times" in failed.user_attrs["error"]


def test_a_pruned_trial_keeps_its_intermediate_values(survey, ray_session, tmp_path):
    # The smallest accuracy is sought, so that networks which learn lose to the first, which cannot.
    space = tmp_path / "space.yaml"
    space.write_text(
        "family: pelican\n"
        "objective: {metric: validation_accuracy, direction: minimize}\n"
        "parameters: {epochs: 8, days_per_column: 8, merged_blocks: 2,\n"
        "  learning_rate: {type: float, low: 1.0e-7, high: 0.01, log: true}}\n"
        "published: [{learning_rate: 1.0e-7}, {learning_rate: 0.008}, {learning_rate: 0.009}]\n"
    )
    options = {"survey": survey.path, "split": "half", "study": tmp_path / "study", "pruner": "asha"}
    result = api.search(space, trials=3, concurrent=1, **options)
    pruned = [t for t in trials(tmp_path / "study") if t.state is optuna.trial.TrialState.PRUNED]
    assert result.counts.pruned == len(pruned) >= 1
    assert all(0 < len(t.intermediate_values) < 8 for t in pruned)
    assert not (tmp_path / "study" / "members" / f"{pruned[0].number:04d}").exists()


def test_folds_give_each_development_object_one_out_of_fold_prediction(survey, ray_session, tmp_path):
    search(survey, tmp_path / "study", split="folds", trials=1)
    candidates = study_candidates(open_study(tmp_path / "study"))
    assert [c.id for c in candidates] == ["0000-f0", "0000-f1", "0000-f2"]
    ids = [i for c in candidates for i in c.validation.object_id]
    assert len(ids) == len(set(ids)) > 0
    ensemble = api.ensemble(tmp_path / "study")
    assert [m.weight for m in ensemble.bundle.members] == pytest.approx([1 / 3] * 3)


def test_from_members_to_a_report(study, survey, tmp_path):
    ensemble = api.ensemble(study, out=tmp_path / "bundle")
    predictions = api.predict(tmp_path / "bundle", survey.path, tmp_path / "all.parquet")
    assert len(predictions.object_id) == len(survey)
    metrics = api.evaluate(tmp_path / "all.parquet", survey.path, report=tmp_path / "report", split="half")
    # The bundle, run anew over the survey, is the ensemble that was scored from prediction files.
    assert metrics["log_loss"] == pytest.approx(
        ensemble.test_scores["selected_calibrated"]["log_loss"], rel=1e-4
    )
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert (tmp_path / "report" / "index.html").is_file()


def test_a_study_of_another_survey_is_refused_and_nothing_is_lost(study, other_survey):
    before = (study / "study.yaml").read_bytes()
    with pytest.raises(InputError, match=r"study\.yaml: `survey\.checksum`: .* another survey"):
        search(other_survey, study, trials=9)
    assert (study / "study.yaml").read_bytes() == before
    assert len(trials(study)) == 3


def test_a_dry_run_says_the_plan_and_leaves_nothing(survey, ray_session, tmp_path, capfd, study):
    search(survey, tmp_path / "planned", trials=7, dry_run=True)
    told = f"{tmp_path / 'planned'}: 2 trials at once of 1 CPU in reused Tune actors, on 1 node"
    assert told in capfd.readouterr().err
    assert not (tmp_path / "planned").exists()
    before = len(trials(study))
    assert search(survey, study, trials=9, dry_run=True).plan.concurrent == 2
    assert "6 trials in about 3 rounds" in capfd.readouterr().err
    assert len(trials(study)) == before


def test_more_trials_at_once_than_fit_are_refused(survey, ray_session, tmp_path):
    with pytest.raises(InputError, match="only 2 fit"):
        search(survey, tmp_path / "study", concurrent=5)


def processes(path):
    """Return what the cards of a study tell of the processes that trained, those of one at the same place."""
    found = {}
    for card in sorted((path / "members").glob("*/card.json")):
        told = json.loads(card.read_text())["process"]
        found.setdefault(told["name"], []).append((told["networks"], told["survey_loads"]))
    return [sorted(some) for some in found.values()]


def test_ten_networks_of_one_worker_take_one_start_and_one_load_in_an_actor_and_in_a_group(
    survey, ray_session, tmp_path
):
    results = {}
    for execution in ("actor", "train"):
        path = tmp_path / execution
        results[execution] = search(survey, path, trials=10, execution=execution, concurrent=1)
        assert processes(path) == [[(number, 1) for number in range(1, 11)]]
    assert results["train"].plan.in_worker_group
    actor, group = (trials(tmp_path / name) for name in ("actor", "train"))
    assert [t.value for t in actor] == pytest.approx([t.value for t in group], rel=1e-5)
    assert all(sorted(t.intermediate_values) == [1, 2] for t in group)


def test_a_worker_group_goes_on_after_a_network_was_pruned(survey, ray_session, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text(
        "family: pelican\n"
        "objective: {metric: validation_accuracy, direction: minimize}\n"
        "parameters: {epochs: 100, days_per_column: 8, merged_blocks: 2, patience: 100,\n"
        "  learning_rate: {type: float, low: 1.0e-7, high: 0.01, log: true}}\n"
        "published: [{learning_rate: 1.0e-7}, {learning_rate: 0.008}, {learning_rate: 0.009}]\n"
    )
    options = {"survey": survey.path, "split": "half", "study": tmp_path / "study", "pruner": "asha"}
    result = api.search(space, trials=3, concurrent=1, execution="train", **options)
    assert result.counts.finished == 3
    assert result.counts.pruned >= 1
    assert result.counts.failed == 0
    assert len(processes(tmp_path / "study")) == 1, "the group goes on with the next network"


def test_in_a_worker_group_networks_start_from_a_study_and_look_at_another_survey(
    study, survey, other_survey, tmp_path
):
    fixed = {**TINY, "epochs": 1, "freeze": "encoder.temporal"}
    terms = {"start_from": study, "target": other_survey.path, "execution": "train", "concurrent": 1}
    result = search(survey, tmp_path / "tuned", trials=1, fixed=fixed, **terms)
    assert (result.plan.in_worker_group, result.counts.finished) == (True, 1)
    tuned = result.study.members_folder / "0000"
    start = json.loads((tuned / "card.json").read_text())["start"]
    before = load_file(study / "members" / start["member"] / "weights.safetensors")
    after = load_file(tuned / "weights.safetensors")
    for part, kept in (("encoder.temporal", True), ("classifier", False)):
        names = [name for name in after if name.startswith(part) and after[name].dtype.is_floating_point]
        assert all((before[name] == after[name]).all() for name in names) is kept, part
    judged = read_predictions(tuned / "predictions-test.parquet").object_id
    assert set(judged) == {f"target:{name}" for name in other_survey.objects["object_id"]}


def test_auto_takes_packs_where_they_were_timed_to_pay(ray_session, tmp_path):
    galaxies = random_survey(tmp_path / "galaxies", "catalogue", 256)
    split_survey(galaxies, "half", train_fraction=0.5, validation_fraction=0.25, seed=1)
    space = tmp_path / "space.yaml"
    space.write_text(
        "family: photoz_mlp\n"
        "objective: {metric: validation_log_loss, direction: minimize}\n"
        "parameters: {hidden_layers: 2, width: 16, batch_size: 16, epochs: 2,\n"
        "  learning_rate: {type: float, low: 0.001, high: 0.01, log: true}}\n"
    )
    path = tmp_path / "study"
    options = {"survey": galaxies.path, "split": "half", "study": path, "concurrent": 1, "pack": 4}
    result = api.search(space, trials=8, **options)
    gain = open_study(path).optuna_study().user_attrs[PACK_GAIN]
    packed = gain >= WORTH
    assert result.plan.pack == (4 if packed else 1)
    cards = [json.loads(card.read_text()) for card in (path / "members").glob("*/card.json")]
    assert all(card["pack"] == (4 if packed else 1) for card in cards)
    api.search(space, trials=9, **options)
    assert open_study(path).optuna_study().user_attrs[PACK_GAIN] == gain, "what was timed is kept"


def test_trials_that_train_as_packs_end_as_others_do(survey, ray_session, tmp_path):
    result = search(
        survey, tmp_path / "packs", trials=5, execution="pack", pack=3, pruner="median", concurrent=1
    )
    assert (result.plan.pack, result.counts.failed) == (3, 0)
    found = trials(tmp_path / "packs")
    assert len(found) == 5
    ended = [t for t in found if t.state is optuna.trial.TrialState.COMPLETE]
    assert ended
    for trial in found:
        assert trial.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
        assert 1 in trial.intermediate_values
    for trial in ended:
        card = json.loads((tmp_path / "packs" / "members" / f"{trial.number:04d}" / "card.json").read_text())
        assert trial.value == pytest.approx(card["value"])
    assert len(study_candidates(open_study(tmp_path / "packs"))) == len(ended)
