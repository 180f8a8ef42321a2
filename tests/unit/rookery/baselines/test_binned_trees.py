from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery import api, baselines
from rookery.baselines._trees import make_task
from rookery.baselines.binned_trees import N_BINS, binned_features
from rookery.shift.copies import copied_view, redshifted_copies
from rookery.surveys.splits import open_split, split_survey
from rookery.surveys.store import Survey, write_survey
from rookery.surveys.train_on import TrainOn, training_rows
from rookery_ensembles.errors import InputError
from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.object_types import class_of_types
from rookery_ensembles.predictions import read_predictions


def survey_of(
    folder: Path, types: list[str | None], rows: list[tuple[str, float, str, float, float]]
) -> Survey:
    """A survey in g and r; `rows` are object, mjd, band, flux, error."""
    objects = pd.DataFrame({"object_id": [f"o{i}" for i in range(len(types))], "type": types})
    observations = pd.DataFrame(rows, columns=["object_id", "mjd", "band", "flux", "flux_err"])
    return write_survey(folder, name="tiny", bands=["g", "r"], objects=objects, observations=observations)


def bumps(folder: Path, n: int = 120) -> Survey:
    """Type Ia rises for 15 days and falls in 10, II stays bright for 60: told apart by shape alone."""
    rng = np.random.default_rng(0)
    types = ["Ia" if i % 3 == 0 else "II" for i in range(n)]
    rows = []
    for i, kind in enumerate(types):
        peak, height = rng.uniform(30, 60), rng.uniform(20, 200)
        for mjd in np.arange(1.0, 120.0, 6.0):
            after = np.exp(-max(mjd - peak, 0) / (10 if kind == "Ia" else 60))
            flux = height * after * np.exp(-max(peak - mjd, 0) / 8) + rng.normal(0, 2)
            rows.append((f"o{i}", 56000 + mjd, "gr"[len(rows) % 2], flux, 2.0))
    return survey_of(folder, types, rows)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    survey = bumps(tmp_path_factory.mktemp("surveys") / "bumps")
    split_survey(survey, "half", train_fraction=0.5, seed=1)
    return survey


def test_bins_hold_the_weighted_mean_and_its_error_scaled_to_the_brightest(tmp_path: Path) -> None:
    # The g fluxes of the first 12 days weigh 1 and 1/4: mean (10 + 5 * 0.25) / 1.25 = 9, error 1.25 ** -0.5.
    rows = [("o0", 100.0, "g", 10.0, 1.0), ("o0", 105.0, "g", 5.0, 2.0), ("o0", 113.0, "r", 18.0, 3.0)]
    features = binned_features(survey_of(tmp_path / "s", ["Ia"], rows))[0]
    flux, error = features[: 2 * N_BINS].reshape(2, N_BINS), features[2 * N_BINS : -1].reshape(2, N_BINS)
    assert flux[0, 0] == pytest.approx(9 / 18)
    assert error[0, 0] == pytest.approx(1.25**-0.5 / 18)
    assert flux[1, 1] == pytest.approx(1.0)
    assert error[1, 1] == pytest.approx(3 / 18)
    assert np.isfinite(flux).sum() == np.isfinite(error).sum() == 2
    assert features[-1] == pytest.approx(np.log10(18))


def test_light_curve_without_positive_flux_is_left_unscaled(tmp_path: Path) -> None:
    features = binned_features(survey_of(tmp_path / "s", ["Ia"], [("o0", 100.0, "g", -4.0, 1.0)]))[0]
    assert features[0] == -4.0
    assert features[-1] == 0.0


def test_bins_of_a_long_light_curve_cover_its_peak(tmp_path: Path) -> None:
    rows = [("o0", float(mjd), "g", 100.0 if mjd == 1000 else 1.0, 1.0) for mjd in range(100, 2000, 10)]
    features = binned_features(survey_of(tmp_path / "s", ["Ia"], rows))[0]
    assert features[-1] > np.log10(40)
    assert int(np.nanargmax(features[:N_BINS])) == 5  # 60 days after the first bin begins


def test_baseline_tells_classes_of_different_shape_apart(labelled: Survey, tmp_path: Path) -> None:
    out = tmp_path / "baseline.parquet"
    split = open_split(labelled, "half")
    predictions = baselines.load("binned-trees")(labelled, split, out)
    written = read_predictions(out)
    assert written.info.member == "baseline-binned-trees"
    assert written.info.role == "test"
    assert written.info.survey == labelled.checksum
    assert list(written.object_id) == list(labelled.objects["object_id"][split.indices("test")])
    np.testing.assert_array_equal(written.values, predictions.values)
    assert set(written.truth) == {"Ia", "non-Ia"}
    assert classification_metrics(written.info.target.names, written.truth, written.values)["auc"] > 0.9


def test_baseline_is_the_same_with_the_same_seed(labelled: Survey, tmp_path: Path) -> None:
    run, split = baselines.load("binned-trees"), open_split(labelled, "half")
    first, second = (run(labelled, split, tmp_path / f"{i}.parquet", seed=3).values for i in range(2))
    np.testing.assert_array_equal(first, second)


def test_baseline_gives_no_probability_to_a_class_that_it_never_saw(labelled: Survey, tmp_path: Path) -> None:
    split = open_split(labelled, "half")
    run = baselines.load("binned-trees")
    predictions = run(labelled, split, tmp_path / "p.parquet", classes=("Ib", "Ia", "II"))
    assert (predictions.values[:, 0] == 0).all()


def test_training_objects_of_one_class_are_refused(labelled: Survey, tmp_path: Path) -> None:
    split = open_split(labelled, "half")
    with pytest.raises(
        InputError, match=r"split half: must have two classes or more to train on, but has non-IIn"
    ):
        baselines.load("binned-trees")(labelled, split, tmp_path / "p.parquet", classes=("IIn", "non-IIn"))
    assert not (tmp_path / "p.parquet").exists()


def test_split_without_test_objects_is_refused(labelled: Survey, tmp_path: Path) -> None:
    split_survey(labelled, "all", train_fraction=1.0, overwrite=True)
    with pytest.raises(InputError, match="must have objects of the role 'test'"):
        baselines.load("binned-trees")(labelled, open_split(labelled, "all"), tmp_path / "p.parquet")


def test_every_object_of_folds_is_predicted_from_the_others(labelled: Survey, tmp_path: Path) -> None:
    split_survey(labelled, "cv", folds=3, overwrite=True)
    split = open_split(labelled, "cv")
    run = baselines.load("binned-trees")
    found = run(labelled, split, tmp_path / "p.parquet")
    assert (found.info.role, len(found.object_id)) == ("validation", 120)
    assert classification_metrics(found.info.target.names, found.truth, found.values)["auc"] > 0.9
    held = split.indices("train", 1)
    role = split.role.copy()
    role[held] = "test"
    alone = replace(split, role=role, fold=np.full(120, -1, np.int16))
    expected = run(labelled, alone, tmp_path / "alone.parquet")
    np.testing.assert_array_equal(found.values[held], expected.values)


def test_only_those_train_whom_a_network_would_train_on(labelled: Survey, tmp_path: Path) -> None:
    split = open_split(labelled, "half")
    wanted = TrainOn(part=0.5)
    task = make_task(labelled, split, ("Ia", "non-Ia"), "test", wanted)
    networks = training_rows(labelled, split.indices("train"), wanted, None)
    assert set(task.rounds[0].train) == set(networks) | set(split.indices("validation"))
    part, whole = (
        api.baseline(
            "binned-trees", tmp_path / f"{number}.parquet", survey=labelled.path, split="half", train_on=only
        )
        for number, only in enumerate(({"where": ["type=II"]}, None))
    )
    assert (part.values != whole.values).any()
    with pytest.raises(InputError, match="train_on: `part`"):
        api.baseline(
            "binned-trees", tmp_path / "x.parquet", survey=labelled.path, split="half", train_on={"part": 2}
        )


def test_trees_train_on_the_very_copies_of_the_networks(labelled: Survey, tmp_path: Path) -> None:
    split = open_split(labelled, "half")
    train = make_task(labelled, split, ("Ia", "non-Ia"), "test").rounds[0].train
    wanted = {"copies": 4, "redshifting": False, "seed": 3}
    made = redshifted_copies(labelled, train, split.indices("test"), dimming=0.0, **wanted)
    view, source = copied_view(labelled, train, split.indices("test"), dimming=0.0, **wanted)
    np.testing.assert_array_equal(source, made.source)
    np.testing.assert_array_equal(view.observation_arrays().flux, made.observations.flux)
    assert list(view.objects["type"]) == list(labelled.objects["type"][made.source])
    plain, copied = (
        api.baseline(
            "binned-trees",
            tmp_path / f"{number}.parquet",
            survey=labelled.path,
            split="half",
            seed=3,
            **options,
        )
        for number, options in enumerate(({}, {"copies": 4, "redshifting": False}))
    )
    assert (plain.values != copied.values).any()
    assert classification_metrics(copied.info.target.names, copied.truth, copied.values)["auc"] > 0.9
    with pytest.raises(InputError, match="'salt2-trees': takes no `copies`"):
        api.baseline("salt2-trees", tmp_path / "x.parquet", survey=labelled.path, split="half", copies=4)
    with pytest.raises(InputError, match="copies and copy_dimming must be at least 0, but are -1 and 0"):
        api.baseline("binned-trees", tmp_path / "x.parquet", survey=labelled.path, split="half", copies=-1)


def test_unknown_baseline_lists_those_that_exist() -> None:
    with pytest.raises(InputError, match=r"'random-forest': is unknown; the baselines are: .*binned-trees"):
        baselines.load("random-forest")


def test_types_without_a_class_of_their_own_belong_to_the_rest() -> None:
    found = class_of_types(["II", "Ia", None, "Ibc", np.nan], ("Ia", "non-Ia"))
    assert found.tolist() == [1, 0, -1, 1, -1]
    assert class_of_types(pd.Series(["Ia", None]), ("non-Ia", "Ia")).tolist() == [1, -1]


def test_own_class_goes_before_the_rest() -> None:
    assert class_of_types(["II", "Ia", "Ibc"], ("Ia", "II", "non-Ia")).tolist() == [1, 0, 2]


def test_type_that_fits_no_class_is_refused_with_both_lists() -> None:
    with pytest.raises(InputError, match=r"one of the classes Ia, II, .*but found Ib, Ic"):
        class_of_types(["Ic", "Ia", "Ib"], ("Ia", "II"))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("Ia", "non-Ia", "non-II"), "at most one class may be 'non-X'"),
        (("II", "non-Ia"), "'non-Ia' needs a class 'Ia' beside it"),
    ],
)
def test_ambiguous_classes_are_refused(classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_of_types(["Ia"], classes)


@given(st.lists(st.sampled_from(["Ia", "II", "Ibc", None])))
def test_every_known_type_has_exactly_one_class(types: list[str | None]) -> None:
    found = class_of_types(types, ("Ia", "non-Ia"))
    assert found.dtype == np.int64
    assert found.tolist() == [-1 if kind is None else int(kind != "Ia") for kind in types]
