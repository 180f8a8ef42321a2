from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rookery import api
from rookery.inference.priors import training_fractions
from rookery.surveys import Survey, open_split, open_survey
from rookery_ensembles import (
    BundleMember,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    correct_probabilities,
    read_predictions,
    write_bundle,
    write_predictions,
)

NAMES = ("Ia", "non-Ia")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"target": RedshiftBins((0.0, 0.2, 0.4))},
            "class fractions need class probabilities, but found redshift PDFs",
        ),
        ({"target": Classes(("Ia", "non-Ia"))}, "`class_fractions` is missing"),
    ],
)
def test_a_bundle_without_class_fractions_cannot_correct_them(tmp_path: Path, columns, message: str) -> None:
    member = tmp_path / "member"
    member.mkdir()
    for name in ("weights.safetensors", "config.yaml", "card.json"):
        (member / name).write_bytes(b"x")
    members = [BundleMember("a", member, 1.0)]
    bundle = write_bundle(tmp_path / "bundle", members=members, scores={}, provenance={}, **columns)
    with pytest.raises(InputError, match=message):
        training_fractions(bundle)


@pytest.fixture
def predicted(tiny_survey: Survey, tmp_path: Path) -> tuple[Path, Predictions]:
    """What some program says of every object of a survey, and its file."""
    n = len(tiny_survey.objects)
    first = np.random.default_rng(3).beta(0.4, 0.4, n).astype(np.float32)
    values = np.stack([first, 1 - first], axis=1)
    ids = tiny_survey.objects["object_id"].to_numpy()
    made = Predictions(PredictionInfo(Classes(NAMES), member="trees"), ids, None, values)
    write_predictions(made, tmp_path / "trees.parquet")
    return tmp_path / "trees.parquet", made


def test_a_file_is_corrected_from_labelled_to_estimated_fractions(
    predicted: tuple[Path, Predictions], tiny_survey: Survey, tmp_path: Path
) -> None:
    file, before = predicted
    made = api.correct_priors(file, tmp_path / "out.parquet", survey=tiny_survey.path, split="half")
    record = made.info.prior_correction
    assert record is not None
    role = open_split(open_survey(tiny_survey.path), "half").role.astype(str)
    labelled = tiny_survey.objects["type"].to_numpy()[np.isin(role, ("train", "validation"))]
    assert record.training == pytest.approx((np.mean(labelled == "Ia"), np.mean(labelled != "Ia")))
    assert record.n_objects == np.isin(role, ("test", "unlabelled")).sum() < len(before.object_id)
    wanted = correct_probabilities(before.values, record.training, record.estimated)
    assert np.allclose(made.values, wanted, atol=1e-6)
    # A further step of the iteration moves nothing: the estimate is the mean over the objects to classify.
    rows = np.isin(role, ("test", "unlabelled"))
    assert wanted[rows].mean(axis=0) == pytest.approx(record.estimated, abs=1e-4)
    read = read_predictions(tmp_path / "out.parquet")
    assert read.info.prior_correction == record
    assert np.array_equal(read.values, made.values)


def test_what_cannot_be_corrected_is_refused_and_nothing_is_written(
    predicted: tuple[Path, Predictions], tiny_survey: Survey, tmp_path: Path
) -> None:
    file, made = predicted
    out = tmp_path / "out.parquet"
    given = {"survey": tiny_survey.path, "split": "half"}
    api.correct_priors(file, tmp_path / "once.parquet", **given)
    with pytest.raises(InputError, match=r"once.parquet: must not be corrected for class fractions yet"):
        api.correct_priors(tmp_path / "once.parquet", out, **given)
    write_predictions(
        replace(made, object_id=np.char.add("x", made.object_id.astype(str))), tmp_path / "x.parquet"
    )
    with pytest.raises(InputError, match=r"x.parquet: must have objects to classify of the split half"):
        api.correct_priors(tmp_path / "x.parquet", out, **given)
    write_predictions(
        replace(
            made,
            info=replace(made.info, target=Classes(("II", "Ia", "non-Ia", "TDE"))),
            values=np.full((len(made.object_id), 4), 0.25, np.float32),
        ),
        tmp_path / "four.parquet",
    )
    with pytest.raises(
        InputError, match=r"split half of .*every class needs training objects.*none of .*TDE"
    ):
        api.correct_priors(tmp_path / "four.parquet", out, **given)
    pdfs = replace(
        made, info=replace(made.info, target=RedshiftBins((0.0, 0.5, 1.0))), values=2 * made.values
    )
    write_predictions(pdfs, tmp_path / "z.parquet")
    with pytest.raises(InputError, match="class fractions need class probabilities, but found redshift PDFs"):
        api.correct_priors(tmp_path / "z.parquet", out, **given)
    other = replace(made, info=replace(made.info, survey="0123456789abcdef"))
    write_predictions(other, tmp_path / "other.parquet")
    with pytest.raises(
        InputError, match=r"other.parquet: must be of the survey .* the checksum 0123456789ab"
    ):
        api.correct_priors(tmp_path / "other.parquet", out, **given)
    assert not out.exists()
