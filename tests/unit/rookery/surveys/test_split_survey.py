import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.surveys import ROLES, Survey, open_split, split_survey, write_survey
from rookery.surveys._stratify import deal, draw
from rookery_ensembles.errors import InputError

TYPES = ["Ia"] * 40 + ["II"] * 55 + ["Ibc"] * 4 + ["IIn"] + [None] * 10


def make_survey(path: Path, types: list[str | None]) -> Survey:
    ids = [f"SN{row}" for row in range(len(types))]
    files = [f"DES_{name}.DAT" for name in ids]
    return write_survey(
        path,
        name="tiny",
        bands=["g"],
        objects=pd.DataFrame({"object_id": ids, "type": np.array(types, object), "source_file": files}),
        observations=pd.DataFrame(
            {"object_id": ids, "mjd": 56000.0, "band": "g", "flux": 9.0, "flux_err": 1.0}
        ),
    )


@pytest.fixture
def survey(tmp_path):
    return make_survey(tmp_path / "survey", TYPES)


@pytest.fixture
def id_file(tmp_path):
    def write(*lines: str) -> Path:
        path = tmp_path / "ids.txt"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_fractions_are_exact_and_stratified(survey):
    split_survey(survey, "half", train_fraction=0.5, validation_fraction=0.2, seed=3)
    split = open_split(survey, "half")
    counts = {role: len(split.indices(role)) for role in ROLES}
    assert counts == {"train": 40, "validation": 10, "test": 50, "unlabelled": 10}
    types = survey.objects["type"].to_numpy()
    for kind, total in (("Ia", 40), ("II", 55), ("Ibc", 4), ("IIn", 1)):
        tested = int((types[split.indices("test")] == kind).sum())
        assert abs(tested - total / 2) < 1
    assert set(types[split.indices("unlabelled")]) == {None}
    assert split.n_folds == 0


def test_folds_partition_the_training_part(survey):
    split_survey(survey, "cv", train_fraction=0.5, folds=4, seed=1)
    split = open_split(survey, "cv")
    train = split.indices("train")
    assert len(train) == 50
    assert len(split.indices("validation")) == 0
    folds = [split.indices("train", fold) for fold in range(split.n_folds)]
    assert sorted(len(fold) for fold in folds) == [12, 12, 13, 13]
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), train)
    assert (split.fold[split.indices("test")] == -1).all()


def test_folds_alone_train_on_every_typed_object(survey):
    split_survey(survey, "cv", folds=2)
    split = open_split(survey, "cv")
    assert len(split.indices("train")) == 100
    assert len(split.indices("test")) == 0


def test_training_ids_may_be_ids_or_file_names(survey, id_file):
    path = id_file("# spectroscopic sample", "SN0", "DES_SN1.DAT", "", "SN41", "SN41", "DES_SN42.DAT")
    split_survey(survey, "spectro", train_ids=path, validation_fraction=0)
    split = open_split(survey, "spectro")
    assert split.object_id[split.indices("train")].tolist() == ["SN0", "SN1", "SN41", "SN42"]
    assert len(split.indices("test")) == 96
    assert len(split.indices("unlabelled")) == 10


def test_max_train_keeps_the_test_objects(survey):
    split_survey(survey, "all", train_fraction=0.5, seed=5)
    split_survey(survey, "few", train_fraction=0.5, seed=5, max_train=10)
    every, few = open_split(survey, "all"), open_split(survey, "few")
    np.testing.assert_array_equal(few.indices("test"), every.indices("test"))
    assert len(few.indices("train")) == 8
    assert len(few.indices("validation")) == 2
    assert len(few.indices("unlabelled")) == 50


def test_max_test_draws_the_same_test_objects_whoever_trains(survey):
    for name, more in (("all", {}), ("some", {"max_test": 20}), ("few", {"max_test": 20, "max_train": 10})):
        split_survey(survey, name, train_fraction=0.5, seed=5, **more)
    every, some, few = (open_split(survey, name) for name in ("all", "some", "few"))
    assert len(some.indices("test")) == 20
    assert set(some.indices("test")) < set(every.indices("test"))
    np.testing.assert_array_equal(few.indices("test"), some.indices("test"))
    np.testing.assert_array_equal(some.indices("train"), every.indices("train"))
    assert len(some.indices("unlabelled")) == len(every.indices("unlabelled")) + 30
    types = survey.objects["type"].to_numpy()
    share = [(types[split.indices("test")] == "Ia").mean() for split in (every, some)]
    assert share[0] == pytest.approx(share[1], abs=0.05)


def test_same_seed_gives_the_same_split_and_another_seed_another(survey):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        split_survey(survey, name, train_fraction=0.5, seed=seed)
    a, b, c = (open_split(survey, name).role for name in "abc")
    assert (a == b).all()
    assert (a != c).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs one of train_ids, train_fraction, train_where or folds"),
        ({"train_fraction": 0.0}, "0 < train_fraction <= 1 must hold, but it is 0.0"),
        ({"train_fraction": 1.5}, "0 < train_fraction <= 1 must hold, but it is 1.5"),
        ({"train_fraction": float("nan")}, "0 < train_fraction <= 1 must hold, but it is nan"),
        (
            {"train_fraction": 0.5, "validation_fraction": 1.0},
            "0 <= validation_fraction < 1 must hold, but it is 1.0",
        ),
        ({"train_fraction": 0.5, "folds": 1}, "folds must be 0 .none. or at least 2, but is 1"),
        ({"folds": 3, "validation_fraction": 0.2}, "with folds validation_fraction must be 0, but is 0.2"),
        ({"folds": 101}, "folds must not exceed the training objects, but 101 > 100"),
        ({"train_fraction": 0.5, "max_train": 1}, "max_train must be at least 2, but is 1"),
        ({"train_fraction": 0.5, "max_test": 0}, "max_test must be at least 1, but is 0"),
        ({"train_fraction": 0.5, "seed": -1}, "seed must be at least 0, but is -1"),
        ({"train_fraction": 0.04, "validation_fraction": 0.1}, "of 4 training objects leaves none"),
        ({"train_fraction": 0.5, "train_ids": "x"}, "train_ids and train_fraction exclude each other"),
    ],
)
def test_arguments_out_of_range_are_refused(survey, arguments, message):
    with pytest.raises(InputError, match=f"split bad: .*{message}"):
        split_survey(survey, "bad", **arguments)
    assert not (survey.path / "splits").exists()


@pytest.mark.parametrize("name", ["", "a/b", "../up", ".hidden", "a b"])
def test_names_that_lead_elsewhere_are_refused(survey, name):
    with pytest.raises(InputError, match="split name"):
        split_survey(survey, name, train_fraction=0.5)


def test_unknown_ids_are_named(survey, id_file):
    path = id_file("SN0", "SN999", "SN41", "nova", "x", "y")
    with pytest.raises(InputError, match=r"ids\.txt, line 2: .* but 4 do not: 'SN999', 'nova', 'x'$"):
        split_survey(survey, "bad", train_ids=path)


def test_untyped_training_ids_are_refused(survey, id_file):
    with pytest.raises(
        InputError, match="training objects must have a type, but 1 have none, the first being 'SN105'"
    ):
        split_survey(survey, "bad", train_ids=id_file("SN0", "SN41", "SN105"))


def test_missing_id_file_is_named(survey, tmp_path):
    with pytest.raises(InputError, match="absent: cannot be read as a list of ids"):
        split_survey(survey, "bad", train_ids=tmp_path / "absent")


def test_one_class_in_training_is_refused(survey, id_file):
    with pytest.raises(InputError, match="needs at least two types to train on, but has only Ia"):
        split_survey(survey, "bad", train_ids=id_file("SN0", "SN1", "SN2"), validation_fraction=0)


def test_fold_whose_rest_has_one_class_is_refused(tmp_path):
    survey = make_survey(tmp_path / "s", ["Ia"] * 9 + ["II"])
    with pytest.raises(InputError, match=r"two types to train on when fold \d is left out, but has only Ia"):
        split_survey(survey, "bad", folds=2)


def test_survey_without_types_is_refused(tmp_path):
    survey = make_survey(tmp_path / "s", [None] * 4)
    with pytest.raises(InputError, match="none of the 4 has one: the survey is unlabelled"):
        split_survey(survey, "bad", train_fraction=0.5, validation_fraction=0)


def test_existing_split_is_replaced_only_when_asked(survey):
    split_survey(survey, "half", train_fraction=0.5)
    with pytest.raises(InputError, match="must not exist yet"):
        split_survey(survey, "half", train_fraction=0.8)
    split_survey(survey, "half", train_fraction=0.8, overwrite=True)
    assert len(open_split(survey, "half").indices("test")) == 20


def test_missing_split_lists_those_that_exist(survey):
    split_survey(survey, "half", train_fraction=0.5)
    with pytest.raises(InputError, match="no such split; the survey's splits are: half"):
        open_split(survey, "haff")


def test_split_of_another_survey_is_refused(survey, tmp_path):
    path = split_survey(survey, "half", train_fraction=0.5)
    other = make_survey(tmp_path / "other", [*TYPES[:-1], "Ia"])
    (other.path / "splits").mkdir()
    (other.path / "splits" / "half.parquet").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="belongs to another survey: made for checksum"):
        open_split(other, "half")


def edited(survey: Survey, **columns: list) -> None:
    path = split_survey(survey, "half", train_fraction=0.5)
    table = pq.read_table(path)
    for name, values in columns.items():
        field = table.schema.field(name)
        table = table.set_column(table.column_names.index(name), field, pa.array(values, field.type))
    pq.write_table(table, path)


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("object_id", 1, "SN999", "names 1 objects that the survey does not have: 'SN999'"),
        ("object_id", 1, "SN0", "object ids must be unique, but 'SN0' is repeated"),
        ("role", 1, "exam", "row 1: role must be one of train, validation, test, unlabelled, but is 'exam'"),
        ("role", 1, None, "row 1: 'role' must not be null"),
        (
            "fold",
            109,
            2,
            "object 'SN109': only 'train' objects may have a fold, but its role is 'unlabelled'",
        ),
    ],
)
def test_broken_split_file_names_row_and_value(survey, column, row, value, message):
    split_survey(survey, "base", train_fraction=0.5)
    values = pq.read_table(survey.path / "splits" / "base.parquet").column(column).to_pylist()
    values[row] = value
    edited(survey, **{column: values})
    with pytest.raises(InputError, match=message):
        open_split(survey, "half")


def test_split_that_leaves_an_object_out_is_refused(survey):
    path = split_survey(survey, "half", train_fraction=0.5)
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(InputError, match="must give every object a role, but leaves out 'SN0'"):
        open_split(survey, "half")


def test_split_without_metadata_is_refused(survey):
    path = split_survey(survey, "half", train_fraction=0.5)
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(InputError, match="must carry the survey's checksum"):
        open_split(survey, "half")


def test_metadata_tell_checksum_and_arguments(survey):
    path = split_survey(survey, "half", train_fraction=0.5, seed=7)
    metadata = json.loads(pq.read_schema(path).metadata[b"rookery"])
    assert metadata["survey"] == survey.checksum
    assert metadata["arguments"]["train_fraction"] == 0.5
    assert metadata["arguments"]["seed"] == 7


def test_asking_for_an_absent_fold_or_role_lists_what_exists(survey):
    split_survey(survey, "cv", folds=3)
    split = open_split(survey, "cv")
    with pytest.raises(InputError, match="has folds 0 to 2, but fold 3 was asked for"):
        split.indices("train", 3)
    with pytest.raises(
        InputError, match="role must be one of train, validation, test, unlabelled, but is 'tset'"
    ):
        split.indices("tset")


TYPE_LISTS = st.lists(st.sampled_from(["Ia", "II", "Ib", "Ic"]), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(types=TYPE_LISTS, share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_draw_marks_the_number_asked_and_each_type_its_share_to_within_one(types, share, seed):
    number = round(share * len(types))
    marked = draw(types, number, np.random.default_rng(seed))
    assert marked.sum() == number
    for kind in set(types):
        of_kind = np.array(types) == kind
        assert abs((marked & of_kind).sum() - number * of_kind.sum() / len(types)) < 1


@settings(max_examples=60, deadline=None)
@given(types=TYPE_LISTS, folds=st.integers(2, 7), seed=st.integers(0, 2**32))
def test_deal_balances_folds_and_types(types, folds, seed):
    fold = deal(types, folds, np.random.default_rng(seed))
    for group in [np.ones(len(types), bool), *(np.array(types) == kind for kind in set(types))]:
        sizes = np.bincount(fold[group], minlength=folds)
        assert sizes.max() - sizes.min() <= 1
