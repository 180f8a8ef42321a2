import json
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rookery import cli
from rookery.surveys import open_split, split_survey, write_survey
from rookery_ensembles.errors import InputError

N = 40


@pytest.fixture
def survey(tmp_path):
    ids = [f"SN{row}" for row in range(N)]
    row = np.arange(N)
    types = np.where(row % 2 == 0, "Ia", "II").astype(object)
    types[-1] = None
    return write_survey(
        tmp_path / "survey",
        name="tiny",
        bands=["g"],
        objects=pd.DataFrame(
            {
                "object_id": ids,
                "type": types,
                "deep": row % 4 // 2,
                "z_host": np.where(row < 4, np.nan, row / N),
            }
        ),
        observations=pd.DataFrame(
            {"object_id": ids, "mjd": 56000.0, "band": "g", "flux": 9.0, "flux_err": 1.0}
        ),
        truth=pd.DataFrame({"object_id": ids, "sim_spectroscopic": (row < 20) * 1.0, "sim_host": "spiral"}),
    )


def members(survey, name, *roles):
    split = open_split(survey, name)
    return sorted(int(split.object_id[i][2:]) for role in roles for i in split.indices(role))


def test_training_part_is_what_fulfils_every_condition(survey):
    split_survey(survey, "s", train_where=["sim_spectroscopic=1", "deep=1"])
    assert members(survey, "s", "train", "validation") == [row for row in range(20) if row % 4 >= 2]
    assert members(survey, "s", "test") == [row for row in range(N - 1) if row >= 20 or row % 4 < 2]


def test_test_conditions_leave_the_others_unlabelled(survey):
    split_survey(survey, "s", train_where=["sim_spectroscopic=1"], test_where=["deep=0"])
    assert members(survey, "s", "train", "validation") == list(range(20))
    assert members(survey, "s", "test") == [row for row in range(20, N - 1) if row % 4 < 2]
    assert members(survey, "s", "unlabelled") == [row for row in range(20, N) if row % 4 >= 2]


def test_at_most_so_many_train_and_the_test_objects_do_not_depend_on_it(survey):
    arguments = {"train_where": ["sim_spectroscopic=1"], "test_where": ["deep=0"]}
    split_survey(survey, "all", **arguments)
    split_survey(survey, "few", **arguments, max_train=10)
    assert len(members(survey, "few", "train", "validation")) == 10
    assert members(survey, "few", "test") == members(survey, "all", "test")


def test_fraction_is_of_those_that_may_train(survey):
    split_survey(survey, "s", train_where=["deep=1"], train_fraction=0.5, test_where=["deep=1"])
    trained, tested = members(survey, "s", "train", "validation"), members(survey, "s", "test")
    assert len(trained) + len(tested) == 19
    assert abs(len(trained) - len(tested)) <= 1
    assert all(row % 4 >= 2 for row in trained + tested)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("z_host<0.5", lambda row: 4 <= row < 20),
        ("z_host <= 0.5", lambda row: 4 <= row <= 20),
        ("z_host>0.5", lambda row: row > 20),
        ("z_host>=0.5", lambda row: row >= 20),
        ("z_host!=0.5", lambda row: row >= 4 and row != 20),
        ("deep=1.0", lambda row: row % 4 >= 2),
    ],
)
def test_each_comparison_and_missing_values_fulfil_none(survey, condition, expected):
    split_survey(survey, "s", train_where=[condition])
    assert members(survey, "s", "train", "validation") == [row for row in range(N - 1) if expected(row)]


def test_text_is_compared_as_it_stands(survey):
    split_survey(survey, "s", train_where=["z_host>0"], test_where=["type=Ia"])
    with pytest.raises(InputError, match="has only Ia"):
        split_survey(survey, "ia", train_where=["type=Ia"])
    split_survey(survey, "not", train_fraction=0.5, test_where=["type!=Ia"])
    assert all(row % 2 for row in members(survey, "not", "test"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"train_where": ["brightness=1"]},
            "no column 'brightness'; the columns are: object_id, type,.*sim_",
        ),
        ({"train_where": ["deep"]}, "train_where 'deep': must be COLUMN=VALUE"),
        ({"train_where": ["deep="]}, "train_where 'deep=': must be COLUMN=VALUE"),
        ({"train_where": ["=1"]}, "must be COLUMN=VALUE"),
        ({"train_where": ["deep=yes"]}, "column 'deep' holds numbers, but 'yes' is none"),
        ({"train_where": ["deep=nan"]}, "column 'deep' holds numbers, but 'nan' is none"),
        ({"train_where": ["type<Ia"]}, "column 'type' holds text, which knows only = and !="),
        ({"train_where": ["deep=2"]}, "train_where deep=2: no object of .* fulfils it"),
        ({"train_where": ["deep=0"], "test_where": ["deep=7"]}, "test_where deep=7: no object"),
        ({"train_where": ["deep=0"], "test_where": ["deep=0"]}, "fulfils test_where already trains: deep=0"),
        ({"train_where": ["deep=0"], "train_ids": "x"}, "train_ids and train_where exclude each other"),
        ({"test_where": ["deep=0"]}, "needs one of train_ids, train_fraction, train_where or folds"),
    ],
)
def test_bad_conditions_are_one_clear_error(survey, arguments, message):
    with pytest.raises(InputError, match=message):
        split_survey(survey, "bad", **arguments)
    assert not (survey.path / "splits").exists()


def test_metadata_keep_the_conditions(survey):
    path = split_survey(survey, "s", train_where=["deep=1"], test_where=["deep=0"])
    arguments = json.loads(pq.read_schema(path).metadata[b"rookery"])["arguments"]
    assert arguments["train_where"] == ["deep=1"]
    assert arguments["test_where"] == ["deep=0"]


def test_command_line_takes_conditions(survey, monkeypatch, capsys):
    words = ["--train-where", "sim_spectroscopic=1", "--train-where", "z_host<0.4", "--test-where", "deep=0"]
    monkeypatch.setattr(sys, "argv", ["rookery", "split", str(survey.path), "s", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert "test" in capsys.readouterr().out
    assert members(survey, "s", "train", "validation") == list(range(4, 16))
