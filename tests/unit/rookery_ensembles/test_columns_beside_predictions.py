"""Columns beside predictions: the domain's score, bits of flags, and that files keep them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    read_predictions,
    split_uncertainty,
    write_predictions,
)
from rookery_ensembles.domain import Domain
from rookery_ensembles.further_columns import (
    COLUMNS,
    DISAGREEMENT,
    EDGE,
    FLAGS,
    check_columns,
    uncertainty_columns,
)


def domain() -> Domain:
    rng = np.random.default_rng(0)
    features = {
        "mag_r": rng.uniform(18, 22, 5000),
        "flux": np.exp(rng.uniform(0, 5, 5000)),
        "mag_u": np.where(rng.uniform(size=5000) < 0.3, np.nan, 20.0 + rng.uniform(size=5000)),
    }
    return Domain.of(features, {"r": np.zeros(5000, bool)})


def test_a_catalogue_four_magnitudes_fainter_scores_far_out_and_that_of_training_does_not() -> None:
    known, rng = domain(), np.random.default_rng(1)
    magnitude = rng.uniform(18, 22, 1000)
    assert (known.score({"mag_r": magnitude}) > 0).mean() < 0.005
    # The range is 4 wide and has a margin of a fifth: 4 fainter, all but the brightest fifth are out.
    fainter = known.score({"mag_r": magnitude + 4})
    assert (fainter > 0).mean() == pytest.approx(0.8, abs=0.04)
    low, high = known.ranges["mag_r"]
    np.testing.assert_allclose(
        known.score({"mag_r": np.array([high, high + (high - low), low - 2 * (high - low)])}), [0, 1, 2]
    )


def test_the_score_is_that_of_the_farthest_feature_and_of_fluxes_in_their_logarithm() -> None:
    known = domain()
    (low, high), (r_low, r_high) = known.ranges["flux"], known.ranges["mag_r"]
    features = {"flux": np.array([high * (high / low), 0.0]), "mag_r": np.array([r_high, r_low])}
    found = known.score(features)
    assert found[0] == pytest.approx(1)
    assert found[1] > 10
    np.testing.assert_array_equal(known.score({"colour": np.array([1.0, 2.0])}), [0, 0])


def test_a_feature_that_training_objects_had_counts_when_it_is_missing() -> None:
    known = domain()
    np.testing.assert_array_equal(known.score({"mag_r": np.array([np.nan, 20.0])}), [1, 0])
    np.testing.assert_array_equal(known.score({"mag_u": np.array([np.nan])}), [0])
    assert set(known.lacking({"mag_r": np.zeros(1), "mag_u": np.zeros(1), "colour": np.zeros(1)})) == {
        "mag_r"
    }


def test_flags_tell_members_that_disagree_and_pdfs_at_the_edge() -> None:
    bins = RedshiftBins((0.0, 0.1, 0.2, 0.3, 0.4, 0.5))
    one, other = np.eye(5)[[1, 2, 0]], np.eye(5)[[3, 2, 0]]
    values = [bins.from_probabilities(each) for each in (one, other)]
    columns = uncertainty_columns(bins, split_uncertainty(bins, values), sum(values) / 2)
    np.testing.assert_array_equal(columns["flags"], [DISAGREEMENT, 0, EDGE])
    classes = Classes(("a", "b"))
    certain = np.array([np.eye(2)[[0, 0]], np.eye(2)[[1, 0]]])
    found = uncertainty_columns(classes, split_uncertainty(classes, certain), certain.mean(axis=0))
    np.testing.assert_array_equal(found["flags"], [DISAGREEMENT, 0])


def test_each_flag_is_a_bit_of_its_own() -> None:
    assert sorted(FLAGS.values()) == [2**i for i in range(len(FLAGS))]


def test_a_file_keeps_the_columns(make_predictions, tmp_path: Path) -> None:
    columns = {name: np.arange(3).astype(kind) for name, kind in COLUMNS.items()}
    made = dataclasses.replace(make_predictions(), columns=columns)
    write_predictions(made, tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet").columns
    assert list(read) == list(COLUMNS)
    for name, kind in COLUMNS.items():
        assert read[name].dtype == kind
        np.testing.assert_array_equal(read[name], columns[name])
    write_predictions(make_predictions(), tmp_path / "q.parquet")
    assert read_predictions(tmp_path / "q.parquet").columns == {}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"colour": np.zeros(2)}, "must be of aleatoric, .*, but found 'colour'"),
        ({"flags": np.zeros(2)}, "`flags` must hold whole numbers of 0 or more for each of 2"),
        ({"flags": np.array([0, -1])}, "`flags` must hold whole numbers"),
        ({"epistemic": np.array([0.0, np.nan])}, "`epistemic` must hold finite numbers"),
        ({"epistemic": np.zeros(3)}, "has the shape"),
        ({"epistemic": ["a", "b"]}, "`epistemic` must hold finite numbers"),
    ],
)
def test_columns_that_break_a_rule_are_refused(columns: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_columns(columns, 2, "p")


def test_some_objects_are_taken_with_all_that_is_said_of_them_in_the_order_asked_for() -> None:
    info = PredictionInfo(target=Classes(("Ia", "non-Ia")), member="a")
    values = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    whole = Predictions(
        info,
        np.array(["a", "b", "c"]),
        np.array(["Ia", None, "non-Ia"], object),
        values,
        np.array([True, False, False]),
        {DISAGREEMENT: np.array([0.1, 0.2, 0.3])},
    )
    some = whole.take(np.array([2, 0]))
    assert some.info is info
    assert some.object_id.tolist() == ["c", "a"]
    assert some.truth is not None
    assert some.truth.tolist() == ["non-Ia", "Ia"]
    np.testing.assert_array_equal(some.values, values[[2, 0]])
    assert some.out_of_domain is not None
    assert some.out_of_domain.tolist() == [False, True]
    assert some.columns[DISAGREEMENT].tolist() == [0.3, 0.1]
    assert dataclasses.replace(whole, truth=None, out_of_domain=None).take(np.array([1])).truth is None
