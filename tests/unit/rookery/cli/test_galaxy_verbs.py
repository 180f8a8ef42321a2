"""The verbs of `rookery ingest` for galaxies: every option reaches its reader."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from rookery.cli import app
from rookery.surveys import open_survey
from rookery_ensembles.errors import InputError


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["ingest", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("verb", ["catalogue", "mlz", "annz", "cubes", "cutouts", "frames"])
def test_every_verb_has_help_with_its_options(verb):
    text = run(verb, "--help")
    assert "--columns" in text
    assert "ROLE=COLUMN, such as" in text
    assert "--deredden" in text
    assert ("--spike-ratio" in text) == (verb in ("cubes", "cutouts", "frames"))


def test_options_of_a_catalogue_reach_the_reader(tmp_path):
    frame = pd.DataFrame(
        {
            "name": ["a", "b", "c"],
            "zz": [0.1, -1, 0.3],
            "U": [18.0, 19, 20],
            "E": [0.1, 0.1, 0.1],
            "W": [17.0, 18, 19],
        }
    )
    for part, rows in (("one", frame[:2]), ("two", frame[2:])):
        rows.assign(ebv=0.1).to_csv(tmp_path / f"{part}.csv", index=False)
    (tmp_path / "map.yaml").write_text("mag_u: U\nmag_err_u: E\nmag_w: W\n")
    output = run(
        "catalogue", tmp_path / "one.csv", tmp_path / "two.csv", tmp_path / "out",
        "--columns", tmp_path / "map.yaml",
        "--column", "redshift=zz", "--column", "object_id=name", "--missing", "-1", "--deredden",
        "--extinction", "w=1", "--offset", "u=-0.04", "--name", "mine",
    )  # fmt: skip
    assert "3 galaxies read, 0 skipped" in output
    assert "redshift=zz" in output
    survey = open_survey(tmp_path / "out")
    assert (survey.info.name, survey.bands) == ("mine", ("u", "w"))
    assert survey.objects["object_id"].tolist() == ["a", "b", "c"]
    assert survey.info.counts["with_redshift"] == 2
    np.testing.assert_allclose(survey.magnitudes()[0], [18 - 0.04 - 0.4239, 16.9])


def test_options_of_images_reach_the_reader(tmp_path):
    images = np.random.default_rng(0).normal(1, 0.1, (4, 6, 6, 2)).astype(np.float32)
    images[1, 2, 2, 0] = 30
    table = np.zeros(4, dtype=[("id", "i8"), ("z_spec", "f4")])
    table["id"] = range(4)
    np.savez(tmp_path / "x.npz", stamps=images, known=table)
    pd.DataFrame({"id": [3, 2, 1, 0], "mag_r": [13.0, 12, 11, 10]}).to_csv(tmp_path / "c.csv", index=False)
    output = run(
        "cubes", tmp_path / "x.npz", tmp_path / "out", "--cube", "stamps", "--labels", "known", "--size", 6,
        "--bands", "gr", "--catalogue", tmp_path / "c.csv", "--dtype", "float32", "--pixel-scale", 0.2,
        "--zero-point", 22.5, "--spike-ratio", 0, "--saturation", 20,
    )  # fmt: skip
    assert "flagged: 1 spike" in output
    survey = open_survey(tmp_path / "out")
    assert (survey.bands, survey.info.image.size, survey.info.image.pixel_scale) == (("g", "r"), 6, 0.2)
    assert survey.image_array()[1, 0, 2, 2] == 20
    assert survey.objects["mag_r"].tolist() == [10, 11, 12, 13]


def test_units_per_band_and_numbers_are_read(tmp_path):
    pd.DataFrame({"mag_r": [100.0], "mag_g": [18.0]}).to_csv(tmp_path / "x.csv", index=False)
    run("catalogue", tmp_path / "x.csv", tmp_path / "out", "--unit", "r=nanomaggy")
    assert json.loads((tmp_path / "out" / "survey.json").read_text())["provenance"]["units"] == {
        "g": "ab",
        "r": "nanomaggy",
    }
    with pytest.raises(InputError, match="--offset r must be numbers"):
        run("catalogue", tmp_path / "x.csv", tmp_path / "other", "--offset", "r=much")
    with pytest.raises(InputError, match="--column must be NAME=VALUE, but is 'redshift'"):
        run("catalogue", tmp_path / "x.csv", tmp_path / "other", "--column", "redshift")
