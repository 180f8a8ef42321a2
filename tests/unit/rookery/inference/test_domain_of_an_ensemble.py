"""An ensemble knows what it was trained on: what is outside is flagged, what lacks its bands refused."""

import dataclasses
import json
import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from rookery import cli
from rookery.inference import build_ensemble, predict_survey
from rookery.search.ask_tell import open_ask_tell
from rookery.search.creation import create_or_open_study
from rookery.search.space import SearchSpace
from rookery.search.trial_plan import FINISHED, TrialPlan
from rookery.search.worker import run_plan
from rookery.shift.domain import object_features, training_domain
from rookery.surveys import Survey, new_galaxy_survey, open_split, open_survey, split_survey, write_survey
from rookery.surveys.view import SurveyView
from rookery_ensembles import Bundle, Classes, InputError, load_bundle, read_predictions, write_bundle
from rookery_ensembles.domain import Domain
from rookery_ensembles.files import sha256
from rookery_ensembles.further_columns import COLUMNS, MISSING, OUT_OF_DOMAIN

FAINTER = 10 ** (-0.4 * 4)


def catalogue(path: Path, n: int = 1500, *, fainter: float = 0.0, without_u: int = 0) -> Survey:
    """Galaxies in ugr whose colours redden with redshift; some have no u."""
    rng = np.random.default_rng(3)
    z = rng.uniform(0.01, 0.39, n)
    frame = pd.DataFrame({"object_id": [f"g{i}" for i in range(n)], "redshift": z})
    r = 17.5 - rng.exponential(0.7, n) + fainter
    for band, colour in (("u", 1.5 + 3 * z), ("g", 0.4 + 2 * z), ("r", 0 * z)):
        frame[f"mag_{band}"] = r + colour + rng.normal(0, 0.05, n)
        frame[f"mag_err_{band}"] = 0.05
    frame["mwebv"] = rng.uniform(0, 0.1, n)
    frame.loc[: without_u - 1, ["mag_u", "mag_err_u"]] = np.nan
    with new_galaxy_survey(path, name="ugr", bands=("u", "g", "r")) as writer:
        writer.finish(objects=frame)
    split_survey(open_survey(path), "half", train_fraction=0.5, seed=1)
    return open_survey(path)


def outside(domain: Domain, survey: Survey) -> np.ndarray:
    return np.any(list(domain.outside(object_features(survey)).values()), axis=0)


def in_half(survey: Survey, role: str) -> np.ndarray:
    return open_split(survey, "half").role.astype(str) == role


def domain_of(survey: Survey) -> Domain:
    return training_domain(survey, open_split(survey, "half"))


def faint_copy(
    survey: Survey, path: Path, bands: tuple[str, ...] | None = None, factor: float = 1.0
) -> Survey:
    """Write a light-curve survey again, its fluxes multiplied and its noise as it was."""
    arrays = survey.observation_arrays()
    noise = np.random.default_rng(0).normal(size=len(arrays)) * np.sqrt(1 - factor**2)
    frame = pd.DataFrame(
        {
            "object_id": survey.objects["object_id"].to_numpy()[arrays.object_index],
            "mjd": arrays.mjd,
            "band": np.array(survey.bands)[arrays.band_index],
            "flux": factor * arrays.flux + noise * arrays.flux_err,
            "flux_err": arrays.flux_err,
        }
    )
    frame = frame[frame["band"].isin(bands or survey.bands)]
    made = {"name": "copy", "bands": bands or survey.bands, "objects": survey.objects, "observations": frame}
    return write_survey(path, **made)


@pytest.fixture(scope="module")
def bundle(
    one_thread: None,
    tiny_survey: Survey,
    smallest: dict,
    tmp_path_factory: pytest.TempPathFactory,
) -> Bundle:
    """The ensemble of a study of one network that trained for an epoch."""
    space = SearchSpace.model_validate(
        {
            "family": "pelican",
            "objective": {"metric": "validation_log_loss", "direction": "minimize"},
            "parameters": {name: {"value": value} for name, value in smallest.items()},
        }
    )
    folder = tmp_path_factory.mktemp("study")
    study = create_or_open_study(
        folder / "study", space, tiny_survey, "half", target=Classes(("Ia", "non-Ia"))
    )
    ask_tell = open_ask_tell(study, n_trials=1)
    plan = ask_tell.suggest("a")
    sent: list[dict] = []
    whole = {"study": str(study.path), "in_worker_group": False, "cpus": 1, "gpus": 0}
    run_plan(TrialPlan.model_validate({**plan, **whole}), sent.append)
    ask_tell.finish("a", value=sent[-1][FINISHED])
    return build_ensemble(study, folder / "bundle").bundle


@pytest.fixture(scope="module")
def smallest() -> dict:
    return {
        "window_days": 128, "days_per_column": 8, "temporal_filters": 2, "band_filters": 8,
        "merged_blocks": 1, "merged_filters": 2, "features": 8, "epochs": 1, "batch_size": 32,
        "learning_rate": 0.01,
    }  # fmt: skip


def test_test_objects_are_inside_and_a_fainter_catalogue_is_outside(
    tmp_path: Path,
) -> None:
    survey = catalogue(tmp_path / "same")
    domain = domain_of(survey)
    assert outside(domain, survey)[in_half(survey, "test")].mean() <= 0.01
    assert outside(domain, catalogue(tmp_path / "faint", fainter=4.0)).mean() > 0.9


def test_light_curves_of_the_same_survey_are_inside_and_fainter_ones_outside(tiny_survey: Survey) -> None:
    domain = domain_of(tiny_survey)
    assert outside(domain, tiny_survey)[in_half(tiny_survey, "test")].mean() <= 0.02
    arrays = tiny_survey.observation_arrays()
    faint = dataclasses.replace(arrays, flux=(arrays.flux * FAINTER).astype(np.float32))
    assert outside(domain, SurveyView.of(tiny_survey, np.arange(len(tiny_survey)), faint)).mean() > 0.9


def test_cutouts_are_looked_at_too(tiny_galaxies: Survey, tmp_path: Path) -> None:
    domain = domain_of(tiny_galaxies)
    assert {f"flux_{band}" for band in "ugriz"} <= set(domain.ranges)
    assert outside(domain, tiny_galaxies)[in_half(tiny_galaxies, "test")].mean() <= 0.1  # of 60
    with new_galaxy_survey(tmp_path / "faint", name="faint", bands=tiny_galaxies.bands) as writer:
        writer.open_images(size=20, pixel_scale=0.396)
        writer.add_images(tiny_galaxies.image_array().astype(np.float32) * np.float32(FAINTER))
        writer.finish(objects=tiny_galaxies.objects[["object_id", "redshift"]])
    assert outside(domain, open_survey(tmp_path / "faint")).mean() > 0.9


def test_an_object_without_what_training_objects_always_had_is_outside(tmp_path: Path) -> None:
    whole, holes = catalogue(tmp_path / "whole"), catalogue(tmp_path / "holes", without_u=300)
    assert outside(domain_of(whole), holes)[:300].all()
    assert not domain_of(whole).saw_without("u")
    assert domain_of(holes).saw_without("u")
    assert outside(domain_of(holes), holes).mean() < 0.01


def test_a_domain_comes_back_from_a_bundle_as_it_was_written(bundle: Bundle, tiny_survey: Survey) -> None:
    read = load_bundle(bundle.path).domain
    assert read is not None
    expected = domain_of(tiny_survey)
    assert read.objects == expected.objects == 100
    assert read.ranges["peak_snr"] == pytest.approx(expected.ranges["peak_snr"], rel=1e-6)
    assert read.unobserved == dict.fromkeys(tiny_survey.bands, 0.0)
    document = yaml.safe_load((bundle.path / "ensemble.yaml").read_text())
    for broken in ({"peak_snr": [2, 1]}, {"peak_snr": 3}, {"peak_snr": ["a", "b"]}):
        with pytest.raises(InputError, match=r"x, key `ranges`, key `peak_snr`|x, key `ranges`"):
            Domain.read({**document["domain"], "ranges": broken}, "x")


def test_a_fainter_survey_is_predicted_with_flags_and_a_summary(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faint = faint_copy(tiny_survey, tmp_path / "faint", factor=FAINTER)
    with caplog.at_level(logging.WARNING):
        made = predict_survey(bundle.path, faint.path, tmp_path / "faint.parquet")
    assert made.out_of_domain is not None
    assert made.out_of_domain.mean() > 0.9
    n = int(made.out_of_domain.sum())
    assert f"{n} of 200 objects lie outside of what the networks were trained on" in caplog.text
    assert "peak_snr" in caplog.text
    read = read_predictions(tmp_path / "faint.parquet")
    np.testing.assert_array_equal(read.out_of_domain, made.out_of_domain)
    table = pq.read_table(tmp_path / "faint.parquet")
    # Its 20 validation objects are too few for conformal limits.
    told = [name for name in COLUMNS if not name.startswith("conformal")]
    assert table.column_names == ["object_id", "truth", "probability", "out_of_domain", *told]
    for name in told:
        np.testing.assert_array_equal(read.columns[name], made.columns[name])
    np.testing.assert_array_equal(read.columns["flags"] & OUT_OF_DOMAIN > 0, made.out_of_domain)
    np.testing.assert_array_equal(read.columns["domain_score"] > 0, made.out_of_domain)
    assert list(table.schema.metadata) == [b"rookery"]
    assert b"out_of_domain" not in table.schema.metadata[b"rookery"]  # older programs read what they know


def test_the_terminal_counts_objects_outside(
    bundle: Bundle,
    tiny_survey: Survey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["rookery", "predict", str(bundle.path), str(tiny_survey.path), str(tmp_path / "p.parquet")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    count = int(read_predictions(tmp_path / "p.parquet").out_of_domain.sum())
    assert count <= 4
    assert f"200 objects; {count} outside of what the networks were trained on" in capsys.readouterr().out


def test_a_survey_without_a_band_that_no_network_saw_missing_is_refused_unless_asked_for(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path, project_root: Path
) -> None:
    lacking = faint_copy(tiny_survey, tmp_path / "gr", bands=("g", "r"))
    out = tmp_path / "p.parquet"
    with pytest.raises(InputError, match=r"lacks the bands i, z, which no network .* --allow-missing-bands"):
        predict_survey(bundle.path, lacking.path, out)
    catalogue = project_root / "tests" / "fixtures" / "files_of_0_1" / "surveys" / "catalogue"
    with pytest.raises(InputError, match=r"`pelican` needs a survey of light_curves, .* holds catalogue"):
        predict_survey(bundle.path, catalogue, out)
    assert not out.exists()
    made = predict_survey(bundle.path, lacking.path, out, allow_missing_bands=True)
    assert made.out_of_domain is not None
    assert made.out_of_domain.all()
    assert (made.columns["flags"] & MISSING > 0).all()
    assert (made.columns["domain_score"] >= 1).all()


def test_a_band_that_training_objects_lacked_may_be_missing(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    assert bundle.domain is not None
    part = {**bundle.domain.unobserved, "i": 0.2, "z": 0.01}
    missing = {**bundle.domain.missing, "peak_flux_i": 0.2, "peak_flux_z": 0.01}
    used = write_bundle(
        tmp_path / "seen",
        members=bundle.members,
        target=bundle.target,
        bands=bundle.bands,
        domain=dataclasses.replace(bundle.domain, unobserved=part, missing=missing),
        scores={},
        provenance={},
    )
    lacking = faint_copy(tiny_survey, tmp_path / "gr", bands=("g", "r"))
    assert len(predict_survey(used.path, lacking.path, tmp_path / "p.parquet").object_id) == 200


def test_an_older_bundle_flags_nothing_and_says_so(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = write_bundle(
        tmp_path / "old",
        members=bundle.members,
        target=bundle.target,
        bands=bundle.bands,
        scores={},
        provenance={},
    )
    with caplog.at_level(logging.WARNING):
        assert predict_survey(old.path, tiny_survey.path, tmp_path / "p.parquet").out_of_domain is None
    assert "does not tell the ranges of its training objects" in caplog.text
    names = pq.read_schema(tmp_path / "p.parquet").names
    assert names == [
        "object_id",
        "truth",
        "probability",
        *(name for name in COLUMNS if name != "domain_score" and not name.startswith("conformal")),
    ]


def test_members_whose_truth_is_not_the_surveys_make_no_ensemble(
    bundle: Bundle, tiny_survey: Survey, tmp_path: Path
) -> None:
    from rookery.search.study import open_study
    from rookery_ensembles import write_predictions

    study = open_study(bundle.path.with_name("study"))
    file = next(study.members_folder.glob("*/predictions-validation.parquet"))
    card = file.with_name("card.json")
    whole = {path: path.read_bytes() for path in (file, card)}
    made = read_predictions(file)
    assert made.truth is not None
    try:
        write_predictions(dataclasses.replace(made, truth=np.roll(made.truth, 1)), file)
        card.write_text(json.dumps(json.loads(whole[card]) | {"predictions": {file.name: sha256(file)}}))
        with pytest.raises(InputError, match="own truth must be that of the survey"):
            build_ensemble(study, tmp_path / "bundle")
    finally:
        for path, content in whole.items():
            path.write_bytes(content)
