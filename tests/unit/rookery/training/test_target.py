"""What a network's outputs mean: classes, or bins of redshift."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.networks.family import load_family
from rookery.surveys import Survey, new_galaxy_survey, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins, equal_bins
from rookery.training.rows import role_rows
from rookery.training.target import chosen_target, make_target, survey_index, target_fields
from rookery_ensembles import Classes, RedshiftBins, Target

TARGET = EqualBins(low=0.0, high=0.4, number=4).target


def survey_at(path: Path, redshifts: list[float]) -> Survey:
    ids = [f"g{number}" for number in range(len(redshifts))]
    with new_galaxy_survey(path, name="s", bands=("g", "r")) as writer:
        writer.finish(objects=pd.DataFrame({"object_id": ids, "redshift": redshifts, "mag_r": 17.0}))
    return open_survey(path)


def test_redshift_has_the_bin_that_holds_it_and_none_outside_or_where_unknown(tmp_path):
    survey = survey_at(tmp_path / "s", [0.0, 0.05, 0.1, 0.35, 0.41, np.nan])
    assert survey_index(TARGET, survey).tolist() == [0, 0, 1, 3, -1, -1]


def test_probabilities_become_densities_that_integrate_to_one():
    values = TARGET.from_probabilities(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    np.testing.assert_allclose(values, [[1, 2, 3, 4]], rtol=1e-6)


def test_certain_and_right_predictions_have_no_loss_and_no_scatter():
    index = np.array([0, 1, 2, 3])
    scores = TARGET.score_epoch(np.eye(4, dtype=np.float32), index, 0.05 + 0.1 * index)
    assert set(scores) == set(TARGET.each_epoch)
    assert scores["log_loss"] == pytest.approx(0, abs=1e-6)
    assert (scores["bias"], scores["sigma_mad"], scores["eta"]) == pytest.approx((0, 0, 0), abs=1e-9)


def test_uniform_predictions_lose_the_logarithm_of_the_number_of_bins():
    scores = TARGET.score_epoch(
        np.full((3, 4), 0.25, np.float32), np.array([0, 1, 3]), np.array([0.05, 0.15, 0.35])
    )
    assert scores["log_loss"] == pytest.approx(np.log(4), rel=1e-6)


def test_training_object_outside_the_bins_is_named_with_what_to_do(tmp_path):
    survey = survey_at(tmp_path / "s", [0.05, 0.1, 0.2, 0.3, 0.55, 0.15])
    split_survey(survey, "all", folds=2)
    with pytest.raises(
        ValueError,
        match=r"needs a redshift from 0 to 0.4, but 1 have none there, the first being 'g4' at 0.55",
    ):
        role_rows(survey, "all", 0, TARGET, _Redshifts())


def test_classes_and_redshifts_are_not_confused(tmp_path):
    survey = survey_at(tmp_path / "s", [0.1, 0.2])
    with pytest.raises(ValueError, match="family `pelican`: predicts class_probability, not redshift_pdf"):
        role_rows(survey, "all", None, TARGET, load_family("pelican"))
    with pytest.raises(ValueError, match="exactly one of"):
        make_target(None, None)


@pytest.mark.parametrize(
    "target",
    [Classes(("Ia", "non-Ia")), RedshiftBins.equal(0.0, 0.4, 180), RedshiftBins.equal(-0.1, 1 / 3, 7)],
)
def test_target_of_a_document_comes_back_as_it_was(target: Target):
    assert make_target(**target_fields(target)) == target


def test_a_family_predicts_what_its_kind_needs():
    assert chosen_target("class_probability", ["a", "b"], (0.0, -1.0, 0)) == Classes(("a", "b"))
    assert chosen_target("redshift_pdf", [], (0.0, 0.4, 4)) == TARGET


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ((0.4, 0.1, 10), "low < high"),
        ((0, 1, 1), "number.*greater than or equal to 2"),
        ((0, np.inf, 9), "high"),
    ],
)
def test_impossible_bins_are_refused(bins, message):
    with pytest.raises(ValueError, match=message):
        equal_bins(bins)


class _Redshifts:
    """What `role_rows` asks a family for."""

    name, survey_kinds, prediction_kind = "redshifts", ("catalogue",), "redshift_pdf"


def test_bins_equal_in_ln_1_z_come_back_from_their_edges_and_old_documents_stay_as_they_were() -> None:
    bins = EqualBins(low=0.0, high=3.0, number=4, spacing="log")
    np.testing.assert_allclose(bins.target.edges, [0, 2**0.5 - 1, 1, 2**1.5 - 1, 3])
    assert EqualBins.of(bins.target) == bins
    assert EqualBins.of(TARGET) == EqualBins(low=0.0, high=0.4, number=4)
    assert EqualBins().model_dump() == {"low": 0.0, "high": 0.4, "number": 180}
    assert EqualBins.model_validate(bins.model_dump()) == bins
    assert chosen_target("redshift_pdf", (), bins) == bins.target
