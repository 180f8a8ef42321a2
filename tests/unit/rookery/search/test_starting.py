"""Searches whose networks start from members of a study, a bundle, or one member."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rookery.inference import build_ensemble
from rookery.networks.family import load_family
from rookery.search.ask_tell import open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.starting import find_sources, kept_sources, starting_space
from rookery.search.study import Study, open_study
from rookery.search.trial_plan import FINISHED, TrialPlan
from rookery.search.worker import run_plan
from rookery.surveys import Survey, merge_surveys, split_survey, write_survey
from rookery.training.card import read_card
from rookery_ensembles import Classes, InputError

FAMILY = load_family("pelican")
IA = Classes(("Ia", "non-Ia"))
FIXED = {
    "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8, "merged_blocks": 1,
    "merged_filters": 2, "epochs": 1, "batch_size": 32,
}  # fmt: skip
SEARCHED: dict[str, Any] = {
    "features": {"type": "int", "low": 4, "high": 9},
    "dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True},
}
Run = Callable[..., Study]


def space(**parameters: Any) -> SearchSpace:
    objective = {"metric": "validation_log_loss", "direction": "minimize"}
    fixed = {name: {"value": value} for name, value in FIXED.items()}
    document = {
        "family": "pelican",
        "objective": objective,
        "parameters": {**fixed, **SEARCHED, **parameters},
    }
    return SearchSpace.model_validate(document)


def run(
    folder: Path, wanted: SearchSpace, survey: Survey, split: str, trials: int = 1, **terms: Any
) -> Study:
    """Make a study and train its trials in this process."""
    study = create_or_open_study(folder, wanted, survey, split, target=IA, sampler="random", **terms)
    ask_tell = open_ask_tell(study, n_trials=trials)
    place = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
    while (plan := ask_tell.suggest("key")) is not None:
        sent: list[dict[str, Any]] = []
        run_plan(TrialPlan.model_validate({**plan, **place}), sent.append)
        ask_tell.finish("key", value=sent[-1][FINISHED])
    return study


@pytest.fixture(scope="module")
def source(one_thread: None, tiny_survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two trials of three folds."""
    return run(tmp_path_factory.mktemp("source") / "study", space(), tiny_survey, "folds", trials=2).path


def starting(folder: Path, given: Path, survey: Survey, split: str, **parameters: Any) -> Study:
    sources = kept_sources(folder, given, FAMILY) or find_sources(given, FAMILY)
    wanted = starting_space(space(**parameters), sources, FAMILY, [])
    return run(folder, wanted, survey, split, start_from=sources)


def test_each_fold_starts_from_its_own_member_of_the_best_trial(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    trials = open_study(source).complete_trials()
    best = min(trials, key=lambda trial: sum(card.value for card in trials[trial]))
    freeze = {"type": "categorical", "choices": ["encoder.temporal", "encoder"]}
    ratio = {"type": "float", "low": 0.01, "high": 0.1}
    study = starting(tmp_path / "s", source, tiny_survey, "folds", freeze=freeze, rate_ratio=ratio)
    names = ["features", "dropout", "learning_rate", "freeze", "rate_ratio"]
    assert [name for name in names if name in study.optuna_study().trials[0].params] == names[1:]
    for fold in range(3):
        card = read_card(study.members_folder / f"0000-f{fold}")
        assert card.start is not None
        assert card.start.member == f"{best:04d}-f{fold}"
        config = (study.members_folder / card.member / "config.yaml").read_text()
        assert features(config) == features(
            (source / "members" / card.start.member / "config.yaml").read_text()
        )


def features(config: str) -> str:
    return next(line for line in config.splitlines() if line.startswith("features:"))


def test_a_study_that_is_continued_keeps_the_members_that_it_began_with(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    first = starting(tmp_path / "s", source, tiny_survey, "folds").document.start_from
    assert starting(tmp_path / "s", source, tiny_survey, "folds").document.start_from == first
    wanted = starting_space(space(), find_sources(source, FAMILY), FAMILY, [])
    with pytest.raises(InputError, match=r"`start_from`: the study was made with .*study, not with None"):
        run(tmp_path / "s", wanted, tiny_survey, "folds")


def test_a_fold_never_starts_from_a_network_that_may_have_seen_what_judges_it(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    match = r"has no member that did not see fold 0 of split folds: \d+ of \d+ objects that validate or test"
    with pytest.raises(InputError, match=match):
        starting(tmp_path / "a", source / "members" / "0000-f1", tiny_survey, "folds")


@pytest.mark.slow
def test_nor_does_it_by_way_of_a_bundle_or_of_a_merged_survey(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    bundle = build_ensemble(open_study(source), tmp_path / "bundle").bundle.path
    with pytest.raises(InputError, match="bundle: has no member that did not see"):
        starting(tmp_path / "b", bundle, tiny_survey, "folds")
    other = merge_surveys([tiny_survey.path, renamed(tiny_survey, tmp_path / "like").path], tmp_path / "both")
    split_survey(other, "half", train_fraction=0.5, seed=2)
    with pytest.raises(InputError, match="did not see the validation objects of split half"):
        starting(tmp_path / "c", source, other, "half")


def renamed(survey: Survey, path: Path) -> Survey:
    """Return the same light curves as another survey, of objects with other ids."""
    ids = ("x" + survey.objects["object_id"]).to_numpy()
    arrays = survey.observation_arrays()
    columns = {name: getattr(arrays, name) for name in ("mjd", "flux", "flux_err")}
    bands = [survey.bands[band] for band in arrays.band_index]
    return write_survey(
        path,
        name=path.name,
        bands=survey.bands,
        objects=survey.objects.assign(object_id=ids),
        observations=pd.DataFrame({"object_id": ids[arrays.object_index], "band": bands, **columns}),
    )


@pytest.mark.slow
def test_another_survey_may_start_from_a_bundle_and_from_a_member(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    other = renamed(tiny_survey, tmp_path / "other")
    split_survey(other, "half", train_fraction=0.5, seed=1)
    bundle = build_ensemble(open_study(source), tmp_path / "bundle").bundle.path
    for given in (bundle, source / "members" / "0001-f2"):
        study = starting(tmp_path / f"from-{given.name}", given, other, "half")
        card = read_card(study.members_folder / "0000")
        assert card.start is not None
        assert card.start.survey == read_card(source / "members" / "0000-f0").survey


def test_what_is_no_source_is_one_error(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no member \(card.json\), study \(study.yaml\) or bundle"):
        find_sources(tmp_path, FAMILY)
    with pytest.raises(InputError, match="a network of `photoz_mlp` cannot start from one of `pelican`"):
        find_sources(source, load_family("photoz_mlp"))
    with pytest.raises(InputError, match="must be a folder that every node sees"):
        find_sources("s3://bucket/study", FAMILY)


def test_a_study_without_a_complete_trial_gives_no_start(tiny_survey: Survey, tmp_path: Path) -> None:
    study = create_or_open_study(tmp_path / "s", space(), tiny_survey, "half", target=IA)
    study.optuna_study()
    with pytest.raises(InputError, match="has no complete trial"):
        find_sources(study.path, FAMILY)


def test_parts_to_freeze_are_checked_before_anything_trains(
    source: Path, tiny_survey: Survey, tmp_path: Path
) -> None:
    freeze = {"type": "categorical", "choices": ["encoder", "stem"]}
    with pytest.raises(InputError, match="`freeze`: `stem` is no part of the network; those are encoder"):
        starting(tmp_path / "s", source, tiny_survey, "folds", freeze=freeze)
    assert not (tmp_path / "s").exists()
