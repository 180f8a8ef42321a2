"""Surveys that grow: nothing that was known is lost or changed unasked, and old predictions still fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery.reports.assess.judged import hold
from rookery.search.starting import _seen
from rookery.surveys import (
    Survey,
    append_to_survey,
    ingest_catalogue,
    ingest_cutouts,
    ingest_table,
    merge_surveys,
    open_split,
    open_survey,
    split_survey,
    update_survey,
    write_survey,
)
from rookery.training.card import Card
from rookery_ensembles import Classes, PredictionInfo, Predictions
from rookery_ensembles.errors import InputError

COLUMNS = {"object_id": "name", "mjd": "time", "flux": "f", "flux_err": "df", "type": "class"}


def rows(ids: list[str], days: range, band: str = "r", **known: object) -> pd.DataFrame:
    made = pd.DataFrame([(one, 56000.0 + day, band) for one in ids for day in days])
    made.columns = pd.Index(["name", "time", "band"])
    return made.assign(f=10.0 + np.arange(len(made)), df=1.0, **known)


def table(path: Path, *parts: pd.DataFrame) -> Path:
    pd.concat(parts).to_csv(path, index=False, sep=";")
    return path


@pytest.fixture
def survey(tmp_path: Path) -> Survey:
    """Four objects, five observations each, in DES-r (an alias), of zero point 25; two of known type."""
    known = [
        rows([one], range(5), "DES-r", **{"class": kind}) for one, kind in zip("abcd", "12", strict=False)
    ]
    known += [rows([one], range(5), "DES-r", **{"class": 0}) for one in "cd"]
    file = table(tmp_path / "first.csv", *known)
    made = ingest_table(
        file, tmp_path / "s", columns=COLUMNS, zero_point=25.0, type_map={1: "Ia", 2: "II"}
    ).survey
    split_survey(made, "half", train_fraction=1.0, validation_fraction=0.0)
    return made


def predictions(survey: Survey) -> Predictions:
    ids = survey.objects["object_id"].to_numpy().astype(str)
    info = PredictionInfo(target=Classes(("Ia", "II")), bundle="b", survey=survey.checksum)
    return Predictions(info, ids, np.full(len(ids), None), np.full((len(ids), 2), 0.5, np.float32))


def test_tonights_data_extend_known_objects_and_add_new_ones_as_the_survey_was_read(survey, tmp_path):
    before = survey.observation_arrays()
    night = table(tmp_path / "night.csv", rows(["b"], range(3, 8), "DES-r"), rows(["e"], range(2), "DES-r"))
    grown = append_to_survey(survey.path, night)
    assert (grown.added, grown.extended, grown.observations, grown.splits) == (1, 1, 7, ("half",))
    now = open_survey(survey.path)
    assert now.objects["object_id"].tolist() == list("abcde")
    assert now.objects["type"].tolist()[:2] == ["Ia", "II"]
    assert pd.isna(now.objects["type"][4])
    assert now.bands == ("r",)
    after = now.observation_arrays()
    assert np.diff(after.offsets).tolist() == [5, 10, 5, 5, 2]
    for index in (0, 2, 3):
        np.testing.assert_array_equal(after.flux[after.rows(index)], before.flux[before.rows(index)])
    np.testing.assert_allclose(
        after.flux[after.rows(4)], [10 ** (0.4 * 2.5) * f for f in (10, 11)], rtol=1e-5
    )
    assert now.info.was(survey.checksum)
    assert not now.info.was("0" * 64)


def test_a_broken_row_of_tonight_may_be_left_out(survey, tmp_path):
    some = rows(["e", "f"], range(3))
    some.loc[1, "df"] = 0.0
    night = table(tmp_path / "night.csv", some)
    with pytest.raises(InputError, match="--on-error skip leaves it out, skip-row its broken rows alone"):
        append_to_survey(survey.path, night)
    grown = append_to_survey(survey.path, night, on_error="skip-row")
    assert (grown.added, grown.observations, grown.skipped) == (2, 5, 1)


def test_splits_keep_every_role_and_new_objects_are_unlabelled(survey, tmp_path):
    before = open_split(survey, "half")
    night = table(tmp_path / "night.csv", rows(["e"], range(2), **{"class": 1}))
    now = append_to_survey(survey.path, night).survey
    after = open_split(now, "half")
    assert after.role.tolist() == [*before.role.tolist(), "unlabelled"]
    assert after.fold.tolist() == [*before.fold.tolist(), -1]
    assert now.objects["type"][4] == "Ia"


def test_what_the_survey_has_already_changes_nothing(survey, tmp_path):
    grown = append_to_survey(survey.path, tmp_path / "first.csv")
    assert (grown.added, grown.extended, grown.observations, grown.repeated) == (0, 0, 0, 20)
    assert grown.survey.checksum == survey.checksum
    assert grown.survey.info == survey.info


@pytest.mark.parametrize(
    ("night", "rule"),
    [
        (
            rows(["a"], range(9, 11), **{"class": 2}),
            r"'a': 'type' is 'Ia' in the survey, but 'II' here.*overwrite",
        ),
        (rows(["e"], range(2), "DES-i"), r"bands must be among those of .*, r, but one is 'i'"),
        (rows(["e"], range(2), **{"class": 7}), r"must be one of 1 \(Ia\), 2 \(II\), but is 7"),
        (rows(["e"], range(2)).drop(columns="df"), r"must have a column 'df' for flux_err"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(survey, tmp_path, night, rule):
    with pytest.raises(InputError, match=rule):
        append_to_survey(survey.path, table(tmp_path / "night.csv", night))
    assert open_survey(survey.path).checksum == survey.checksum
    assert [one.name for one in survey.path.iterdir() if one.name.startswith(".")] == []
    assert open_split(open_survey(survey.path), "half").role.shape == (4,)


def test_what_a_file_says_otherwise_is_taken_when_asked(survey, tmp_path):
    night = table(tmp_path / "night.csv", rows(["a"], range(9, 11), **{"class": 2}))
    grown = append_to_survey(survey.path, night, overwrite=True)
    assert grown.truths == 1
    assert grown.survey.objects["type"][0] == "II"


def test_an_object_table_beside_the_observations_may_be_absent_tonight(tmp_path):
    objects = pd.DataFrame(
        {"name": ["a", "b"], "class": ["Ia", "II"], "z_host": [0.1, 0.2], "peak": [1.0, 2.0]}
    )
    objects.to_csv(tmp_path / "objects.csv", index=False)
    first = table(tmp_path / "first.csv", rows(["a", "b"], range(3)))
    columns = {**COLUMNS, "host_photo_z": "z_host"}
    made = ingest_table(first, tmp_path / "s", objects=tmp_path / "objects.csv", columns=columns).survey
    night = table(tmp_path / "night.csv", rows(["b", "c"], range(3, 6)))
    now = append_to_survey(made.path, night).survey
    np.testing.assert_array_equal(now.objects["host_photo_z"], [0.1, 0.2, np.nan])
    np.testing.assert_array_equal(now.truth()["peak"], [1.0, 2.0, np.nan])
    objects.assign(name=["c", "b"], **{"class": ["Ia", "II"]}).to_csv(tmp_path / "more.csv", index=False)
    again = append_to_survey(made.path, night, objects=tmp_path / "more.csv")
    np.testing.assert_array_equal(again.survey.objects["host_photo_z"], [0.1, 0.2, 0.1])
    assert again.survey.objects["type"].tolist() == ["Ia", "II", "Ia"]


def test_predictions_and_members_of_the_survey_as_it_was_are_still_of_this_survey(survey, tmp_path):
    old = predictions(survey)
    night = table(tmp_path / "night.csv", rows(["b"], range(3, 8)), rows(["e"], range(2)))
    append_to_survey(survey.path, night)
    truth = tmp_path / "types.csv"
    truth.write_text("name;class\nc;1\nx;2\ne;2\na;1\nd;\n")
    grown = update_survey(survey.path, truth)
    assert (grown.truths, grown.strangers) == (2, 1)
    now = open_survey(survey.path)
    assert now.objects["type"].tolist()[:3] == ["Ia", "II", "Ia"]
    assert pd.isna(now.objects["type"][3])
    used, truths, _ = hold(old, now, "old", name="old", source=None, split=None, role=None, truth="agree")
    assert used.tolist() == [0, 1, 2]
    assert truths.tolist() == ["Ia", "II", "Ia"]
    card = Card.model_construct(survey=survey.checksum)
    assert _seen(tmp_path, card, now) == frozenset(range(4))
    other = write_survey(
        tmp_path / "o",
        name="o",
        bands=["r"],
        objects=pd.DataFrame({"object_id": ["o1"], "type": ["Ia"]}),
        observations=rows(["o1"], range(2)).rename(
            columns={"name": "object_id", "time": "mjd", "f": "flux", "df": "flux_err"}
        ),
    )
    both = merge_surveys([other.path, now.path], tmp_path / "both")
    assert _seen(tmp_path, card, both) == frozenset(range(1, 5))


@pytest.mark.parametrize(
    ("text", "columns", "rule"),
    [
        ("id,z\nq,0.1\n", {}, r"none of its 1 objects is in .*look like 'a'.*'q'"),
        ("id,redshift\na,0.1\na,0.2\n", {}, r"row 2: object ids must be unique, but 'a' is repeated"),
        ("id,redshift\na,-3\n", {}, r"row 1: 'redshift' must be a redshift of at least -0.02"),
        ("id,class\na,II\n", {}, r"'a': 'type' is 'Ia' in the survey, but 'II' here"),
        ("id,class\na,SN Ia\n", {}, r"must be one of 1 \(Ia\), 2 \(II\), but is SN Ia"),
        ("id,mass\na,3\n", {}, r"must have a column of redshifts or types; its columns are id, mass"),
        ("id,zed\na,3\n", {"redshift": "zedd"}, r"must have a column 'zedd'.*did you mean 'zed'"),
        ("id,zed\na,3\n", {"z": "zed"}, r"must be one of object_id, redshift, type, but is 'z'"),
    ],
)
def test_a_table_of_truth_that_does_not_fit_is_refused(survey, tmp_path, text, columns, rule):
    (tmp_path / "truth.csv").write_text(text)
    with pytest.raises(InputError, match=rule):
        update_survey(survey.path, tmp_path / "truth.csv", columns=columns)
    assert open_survey(survey.path).checksum == survey.checksum


def test_a_type_in_another_spelling_is_told_from_a_new_one(tmp_path):
    file = table(tmp_path / "first.csv", rows(["a", "b"], range(3), **{"class": "SN Ia"}))
    made = ingest_table(file, tmp_path / "s", columns=COLUMNS).survey
    (tmp_path / "truth.csv").write_text("name,class\na,Ia\n")
    with pytest.raises(InputError, match="has the type 'Ia', which the survey calls 'SN Ia'"):
        update_survey(made.path, tmp_path / "truth.csv", overwrite=True)


def test_a_survey_that_no_reader_made_is_merged_instead(tmp_path):
    frame = rows(["a"], range(2)).rename(
        columns={"name": "object_id", "time": "mjd", "f": "flux", "df": "flux_err"}
    )
    objects = pd.DataFrame({"object_id": ["a"], "type": ["Ia"]})
    made = write_survey(tmp_path / "s", name="s", bands=["r"], objects=objects, observations=frame)
    with pytest.raises(InputError, match=r"made by no reader.*rookery merge"):
        append_to_survey(made.path, tmp_path)


def catalogue(path: Path, ids: range, **columns: object) -> Path:
    pd.DataFrame({"id": list(ids), "MAG_G": 18.0 + np.array(ids), **columns}).to_csv(path, index=False)
    return path


def test_galaxies_come_with_rows_of_their_own_and_known_ones_are_replaced_when_asked(tmp_path):
    first = catalogue(tmp_path / "first.csv", range(3))
    made = ingest_catalogue(first, tmp_path / "s", columns={"mag_g": "MAG_G"}, offsets={"g": 0.5}).survey
    second = catalogue(tmp_path / "second.csv", range(2, 5), z_spec=0.3)
    with pytest.raises(InputError, match="1 of its objects are in the survey already, such as '2'"):
        append_to_survey(made.path, second)
    grown = append_to_survey(made.path, second, overwrite=True)
    assert (grown.added, grown.extended, grown.truths) == (2, 1, 1)
    np.testing.assert_allclose(grown.survey.magnitudes()[:, 0], 18.5 + np.arange(5))
    np.testing.assert_array_equal(grown.survey.objects["redshift"], [np.nan, np.nan, 0.3, 0.3, 0.3])
    (tmp_path / "z.csv").write_text("id,z_spec\n0,0.7\n")
    assert update_survey(made.path, tmp_path / "z.csv").survey.info.counts["with_redshift"] == 4


def test_cutouts_come_behind_those_that_are_there(tmp_path):
    for folder, ids in (("one", (1, 2)), ("two", (2, 3))):
        (tmp_path / folder).mkdir()
        for one in ids:
            np.save(
                tmp_path / folder / f"{one}.npy",
                np.full((2, 8, 8), one if folder == "one" else 10 * one, "f4"),
            )
    made = ingest_cutouts(tmp_path / "one", tmp_path / "s", bands=("g", "r"), size=8).survey
    now = append_to_survey(made.path, tmp_path / "two", overwrite=True).survey
    assert now.objects["object_id"].tolist() == ["1", "2", "3"]
    np.testing.assert_array_equal(now.image_array()[:, 0, 0, 0], [1, 20, 30])
    (tmp_path / "z.csv").write_text("id,z_spec\n3,0.7\n")
    update_survey(made.path, tmp_path / "z.csv")
    np.testing.assert_array_equal(open_survey(made.path).image_array()[:, 1, 7, 7], [1, 20, 30])
