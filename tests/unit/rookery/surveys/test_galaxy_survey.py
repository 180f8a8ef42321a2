"""Galaxy surveys: catalogues and cutouts, written as a stream, whole or not at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.surveys import Survey, new_galaxy_survey, open_split, open_survey, split_survey

BANDS = ("u", "g", "r", "i", "z")


def galaxies(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"object_id": [f"g{i}" for i in range(n)], "redshift": rng.uniform(0.02, 0.3, n)})
    for band in BANDS:
        frame[f"mag_{band}"] = rng.uniform(16, 20, n)
        frame[f"mag_err_{band}"] = 0.02
    return frame


def cutouts(n: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (n, len(BANDS), size, size)).astype(np.float32)


def write(
    path: Path, frame: pd.DataFrame, blocks: list[np.ndarray] | None = None, **options: object
) -> Survey:
    with new_galaxy_survey(path, name="tiny", bands=BANDS) as writer:
        if blocks is not None:
            writer.open_images(size=8, pixel_scale=0.396, **options)
            for block in blocks:
                writer.add_images(block)
        writer.finish(objects=frame)
    return open_survey(path)


def test_catalogue_comes_back_as_it_was_written(tmp_path):
    frame = galaxies()
    survey = write(tmp_path / "s", frame)
    assert (survey.info.kind, survey.bands, len(survey)) == ("catalogue", BANDS, 40)
    assert survey.info.counts == {"objects": 40, "with_redshift": 40}
    np.testing.assert_array_equal(survey.magnitudes()[:, 2], frame["mag_r"])
    np.testing.assert_array_equal(survey.magnitude_errors(), np.full((40, 5), 0.02))
    with pytest.raises(ValueError, match="has no images: it holds catalogue"):
        survey.image_array()


def test_cutouts_written_in_blocks_are_one_memory_mapped_array(tmp_path):
    images = cutouts(40)
    survey = write(tmp_path / "s", galaxies(), [images[:7], images[7:]], dtype="float32")
    assert survey.info.kind == "images"
    assert survey.info.image is not None
    assert survey.info.image.size == 8
    found = survey.image_array()
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, images)


def test_half_precision_keeps_a_flux_to_one_in_two_thousand_and_clips_what_it_cannot_hold(tmp_path):
    images = cutouts(40)
    images[3, 0, 0, 0] = 1e6
    found = write(tmp_path / "s", galaxies(), [images]).image_array()
    assert found.dtype == np.float16
    assert found[3, 0, 0, 0] == np.finfo(np.float16).max
    images[3, 0, 0, 0] = found[3, 0, 0, 0]
    np.testing.assert_allclose(found, images, rtol=2**-11, atol=1e-7)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([cutouts(39)], r"images.npy: there must be one cutout for each of 40 objects, but there are 39"),
        ([cutouts(40, 9)], r"bands x rows x columns = 5 x 8 x 8, but has 5 x 9 x 9"),
        ([np.full((40, 5, 8, 8), np.nan, np.float32)], r"images.npy, row 0: every pixel must be finite"),
    ],
)
def test_wrong_cutouts_leave_no_survey_behind(tmp_path, blocks, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "s", galaxies(), blocks)
    assert list(tmp_path.iterdir()) == []


def test_error_of_a_magnitude_must_be_positive(tmp_path):
    frame = galaxies()
    frame.loc[4, "mag_err_g"] = 0.0
    with pytest.raises(
        ValueError, match=r"row 4 \(object 'g4'\): 'mag_err_g' must be greater than 0, but is 0"
    ):
        write(tmp_path / "s", frame)


def test_altered_cutouts_are_noticed(tmp_path):
    write(tmp_path / "s", galaxies(), [cutouts(40)])
    with (tmp_path / "s" / "images.npy").open("r+b") as stream:
        stream.seek(-2, 2)
        stream.write(b"\x00\x01")
    with pytest.raises(ValueError, match=r"images.npy: was altered"):
        open_survey(tmp_path / "s")


def test_folds_share_out_the_redshifts_evenly_and_leave_unknown_ones_unlabelled(tmp_path):
    frame = galaxies(200)
    frame.loc[:19, "redshift"] = np.nan
    survey = write(tmp_path / "s", frame)
    split_survey(survey, "cv", folds=3, seed=1)
    split = open_split(survey, "cv")
    assert set(split.indices("unlabelled")) == set(range(20))
    means = [frame["redshift"][split.indices("train", fold)].mean() for fold in range(3)]
    assert [len(split.indices("train", fold)) for fold in range(3)] == [60, 60, 60]
    assert max(means) - min(means) < 0.01


def test_galaxies_without_redshifts_cannot_be_split(tmp_path):
    survey = write(tmp_path / "s", galaxies().assign(redshift=np.nan))
    with pytest.raises(ValueError, match="needs objects of known redshift to train on, but none of the 40"):
        split_survey(survey, "cv", folds=3)
