"""Weights and calibrations look at the survey's covariates, in choosing and in predicting."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery.inference import build_ensemble, predict_survey
from rookery.inference.covariates import bundle_covariates, usual_covariates
from rookery.search.ask_tell import open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.study import Study
from rookery.search.trial_plan import FINISHED, TrialPlan
from rookery.search.worker import run_plan
from rookery.surveys import Survey, open_survey
from rookery.training.member import open_member
from rookery_ensembles import BundleMember, InputError, RedshiftBins, write_bundle
from rookery_ensembles.gate import Gate

TARGET = RedshiftBins.equal(0.0, 0.4, 8)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    folder = tmp_path_factory.mktemp("catalogue")
    rng = np.random.default_rng(0)
    z = rng.uniform(0.02, 0.38, 400)
    frame = pd.DataFrame({"object_id": np.arange(400), "redshift": z, "mwebv": np.nan, "size": 1 + z})
    for band, slope in (("u", 5.0), ("g", 3.0), ("r", 1.0)):
        frame[f"mag_{band}"] = 17 + slope * z + rng.normal(0, 0.03, 400)
        frame[f"mag_err_{band}"] = 0.03
    frame.to_csv(folder / "galaxies.csv", index=False)
    columns = {"mwebv": "mwebv", "size": "size"}
    found = api.ingest_catalogue(folder / "galaxies.csv", folder / "survey", columns=columns).survey
    api.split(found.path, "half", train_fraction=0.5, seed=1)
    return open_survey(found.path)


@pytest.fixture(scope="module")
def study(survey: Survey, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two networks of different widths, each trained for two epochs."""
    space = SearchSpace.model_validate(
        {
            "family": "photoz_mlp",
            "objective": {"metric": "validation_crps", "direction": "minimize"},
            "parameters": {
                "epochs": {"value": 2},
                "hidden_layers": {"value": 1},
                "width": {"type": "categorical", "choices": [8, 16]},
            },
        }
    )
    path = tmp_path_factory.mktemp("study") / "study"
    study = create_or_open_study(path, space, survey, "half", target=TARGET)
    ask_tell = open_ask_tell(study, n_trials=2)
    for name in ("a", "b"):
        plan = ask_tell.suggest(name)
        sent: list[dict] = []
        whole = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
        run_plan(TrialPlan.model_validate({**plan, **whole}), sent.append)
        ask_tell.finish(name, value=sent[-1][FINISHED])
    return study


def test_what_is_usual_is_known_of_some_object(survey: Survey) -> None:
    assert usual_covariates(survey) == ("mag_r",)  # nobody's `mwebv` is


def test_a_studys_gate_and_local_calibration_get_the_surveys_covariates(
    study: Study, survey: Survey, tmp_path: Path
) -> None:
    made = build_ensemble(study, tmp_path / "bundle", by="gate", calibration="local")
    assert made.choice.covariates.values.names == ("mag_r",)
    assert made.choice.recipe.calibration == "local"
    known = made.choice.known(survey.objects["object_id"].to_numpy()[:3])
    np.testing.assert_allclose(known.values[:, 0], survey.objects["mag_r"].to_numpy()[:3])
    assert build_ensemble(study, tmp_path / "found", by="auto").choice.covariates.values.names == ("mag_r",)
    named = build_ensemble(study, tmp_path / "named", by="gate", covariates=["size", "mag_g"])
    assert named.choice.covariates.values.names == ("size", "mag_g")
    found = predict_survey(tmp_path / "bundle", survey.path, tmp_path / "out.parquet")
    assert np.isfinite(found.values).all()


def test_a_gated_bundle_predicts_each_object_by_its_own_weights(
    study: Study, survey: Survey, tmp_path: Path
) -> None:
    made = build_ensemble(study, tmp_path / "plain", by="mean").bundle
    folders = made.member_folders()
    names = [member.id for member in made.members]
    members = [BundleMember(name, folder, 0.5) for name, folder in zip(names, folders, strict=True)]
    knots = (tuple(np.quantile(survey.objects["mag_r"], [0, 0.5, 1]).tolist()),)
    gate = Gate(("mag_r",), knots, {names[0]: (30.0, 0.0, 0.0), names[1]: (0.0, 0.0, 0.0)})
    write_bundle(
        tmp_path / "gated", members=members, target=TARGET, bands=["u", "g", "r"], scores={}, provenance={},
        gate=gate,
    )  # fmt: skip
    found = predict_survey(tmp_path / "gated", survey.path, tmp_path / "out.parquet")
    first, second = (open_member(folder).values(survey) for folder in folders)
    bright = survey.objects["mag_r"].to_numpy() < knots[0][1] - 0.1
    faint = survey.objects["mag_r"].to_numpy() > knots[0][1] + 0.1
    np.testing.assert_allclose(found.values[bright], second[bright], atol=0.05 * second.max())
    np.testing.assert_allclose(found.values[faint], first[faint], atol=0.05 * first.max())


def test_covariates_that_are_not_there_or_not_looked_at_are_refused(study: Study, tmp_path: Path) -> None:
    for options, told in (
        ({"by": "gate", "covariates": ["colour"]}, "lacks colour; it has .*mag_r"),
        ({"by": "em", "covariates": ["mag_r"]}, "mag_r were given without"),
        ({"by": "em", "calibration": "isotonic"}, "must be one of none, .*, but found 'isotonic'"),
    ):
        with pytest.raises(InputError, match=told):
            build_ensemble(study, tmp_path / "no", **options)
    assert not (tmp_path / "no").exists()


def test_thirds_of_a_covariate_have_limits_of_their_own(study: Study, survey: Survey, tmp_path: Path) -> None:
    made = build_ensemble(study, tmp_path / "bundle", by="mean", groups="mag_r").bundle
    assert made.groups.column == "mag_r"
    assert len(made.conformal.limits) == 4  # three, and all
    found = predict_survey(made.path, survey.path, tmp_path / "out.parquet")
    known = bundle_covariates(made, survey)
    expected = made.conformal_columns(found.values, known)
    np.testing.assert_array_equal(found.columns["conformal_low_68"], expected["conformal_low_68"])
    alike = made.conformal_columns(found.values)
    assert not np.array_equal(found.columns["conformal_low_68"], alike["conformal_low_68"])
    with pytest.raises(InputError, match="must have the covariates colour, but lacks colour"):
        build_ensemble(study, tmp_path / "no", by="mean", groups="colour")
