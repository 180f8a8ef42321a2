import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery import api, cli
from rookery.surveys import Survey, open_split, split_survey, write_survey
from rookery.surveys._split_file import first_torn
from rookery.surveys._stratify import partition
from rookery.surveys.readers.light_curves._snana_columns import truth_frame
from rookery_ensembles.errors import InputError

TYPES = ["Ia"] * 60 + ["II"] * 90 + ["Ib"] * 30 + [None] * 5


def make_survey(path: Path, types: list[str | None], **truth: object) -> Survey:
    ids = [f"SN{row}" for row in range(len(types))]
    row = np.arange(len(types))
    return write_survey(
        path,
        name="tiny",
        bands=["g"],
        objects=pd.DataFrame(
            {
                "object_id": ids,
                "type": np.array(types, object),
                "source_file": [f"{name}.DAT" for name in ids],
                "ra": row * 2.0,
                "dec": np.where(row % 2, 10.0, -40.0),
            }
        ),
        observations=pd.DataFrame(
            {"object_id": ids, "mjd": 56000.0, "band": "g", "flux": 9.0, "flux_err": 1.0}
        ),
        truth=pd.DataFrame({"object_id": ids, **truth}),
    )


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    number = np.arange(len(TYPES), dtype=float)
    template = np.where(number < 60, np.nan, 1 + number % 12 // 2 + 10 * (number >= 150))
    return make_survey(
        tmp_path_factory.mktemp("groups") / "survey",
        TYPES,
        template=template,
        field=np.where(number % 3 == 0, "X3", "C1"),
        bright=(number % 5 == 0) * 1.0,
    )


def sides(split):
    return set(zip(split.group.tolist(), split.role.tolist(), split.fold.tolist(), strict=True))


ASKED = [
    {"train_fraction": 0.5},
    {"train_fraction": 0.5, "validation_fraction": 0.3, "max_train": 60},
    {"folds": 4},
    {"train_fraction": 0.6, "folds": 3, "max_train": 80},
    {"train_fraction": 0.4, "train_where": ["bright=1"]},
]


@pytest.mark.parametrize("arguments", ASKED)
def test_objects_of_one_template_are_never_on_two_sides(survey, arguments):
    split_survey(survey, "s", groups="template", seed=3, overwrite=True, **arguments)
    split = open_split(survey, "s")
    template = survey.truth()["template"].to_numpy()
    for one in np.unique(template[~np.isnan(template)]):
        found = [
            (split.role[row], split.fold[row])
            for row in np.flatnonzero(template == one)
            if split.role[row] != "unlabelled"
        ]
        assert len(set(found)) <= 1
    alone = split.group[np.isnan(template)]
    assert len(set(alone)) == len(alone), "an object without a template is a group of its own"


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from(["Ia", "II", "Ib"]), st.integers(0, 9)), min_size=2, max_size=80
    ),
    shares=st.lists(st.floats(0.05, 1), min_size=2, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_no_group_is_ever_dealt_to_two_sides(kinds, shares, seed):
    types, group = [kind for kind, _ in kinds], np.array([code for _, code in kinds])
    part = np.array(shares) / sum(shares)
    side = partition(types, group, part, np.random.default_rng(seed))
    assert ((side >= 0) & (side < len(part))).all()
    for code in set(group.tolist()):
        assert len(set(side[group == code].tolist())) == 1
    largest = np.bincount(np.unique(group, return_inverse=True)[1]).max()
    over = np.bincount(side, minlength=len(part)) - part * len(types)
    assert (over <= largest + 3).all(), (
        "no side holds more than its share and one group, and one of each type"
    )


@settings(max_examples=40, deadline=None)
@given(
    types=st.lists(st.sampled_from(["Ia", "II", "Ib"]), min_size=1, max_size=80),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_groups_of_one_object_give_each_type_its_share_to_within_one(types, share, seed):
    side = partition(types, np.arange(len(types)), [share, 1 - share], np.random.default_rng(seed))
    for kind in set(types):
        of_kind = np.array(types) == kind
        assert abs((side[of_kind] == 0).sum() - share * of_kind.sum()) <= 1


def test_fractions_come_as_near_as_groups_allow_and_misses_are_told(survey, caplog):
    with caplog.at_level(logging.WARNING):
        split_survey(survey, "near", groups="template", train_fraction=0.5, seed=1)
        split_survey(survey, "far", groups="field", train_fraction=0.5, validation_fraction=0, seed=1)
    split = open_split(survey, "near")
    part = len(split.indices("train")) + len(split.indices("validation"))
    assert abs(part / 180 - 0.5) < 0.1
    far = [text for text in caplog.messages if text.startswith("split far")]
    assert len(far) == 1
    assert "whole groups of 'field' make the training part 0." in far[0]
    assert far[0].endswith("where 0.500 was asked for")


def test_type_that_cannot_train_is_told(tmp_path, caplog):
    made = make_survey(tmp_path / "s", ["Ia", "II"] * 20 + ["IIn"] * 10, template=[np.nan] * 40 + [7.0] * 10)
    for seed in range(9):
        split_survey(made, f"s{seed}", groups="template", train_fraction=0.3, seed=seed)
        if not len(set(made.objects["type"][open_split(made, f"s{seed}").indices("train")]) & {"IIn"}):
            assert f"split s{seed}: of the types IIn no object trains" in caplog.messages
            return
    pytest.fail("the large group always trained")


def test_objects_that_share_a_group_with_named_training_objects_do_not_test(survey, tmp_path):
    path = tmp_path / "ids"
    path.write_text("SN60\nSN62\nSN0\nSN150\n")
    split_survey(survey, "named", train_ids=path, validation_fraction=0, groups="template")
    split = open_split(survey, "named")
    template = survey.truth()["template"].to_numpy()
    trained = template[split.indices("train")]
    assert not set(template[split.indices("test")]) & set(trained[~np.isnan(trained)])
    assert (split.role[template == template[60]] != "test").all()
    assert (split.role[:60] == "test").sum() == 59, "objects without a template still test"


def test_groups_of_the_object_table_and_of_the_sky(survey):
    split_survey(survey, "field", folds=2, groups="field", overwrite=True)
    split_survey(survey, "sky", folds=4, groups="sky:30", overwrite=True)
    split = open_split(survey, "sky")
    cell = {}
    for row, (ra, dec) in enumerate(zip(survey.objects["ra"], survey.objects["dec"], strict=True)):
        if ra < 20 and split.role[row] == "train":
            cell.setdefault(dec, set()).add(int(split.fold[row]))
    assert all(len(folds) == 1 for folds in cell.values())
    assert len(set(open_split(survey, "field").group)) == 2


def test_seeds_give_other_groups_and_one_seed_the_same(survey):
    for name, seed in (("a", 1), ("b", 1), ("c", 2), ("d", 3)):
        split_survey(survey, name, groups="template", train_fraction=0.5, seed=seed)
    a, b, c, d = (open_split(survey, name) for name in "abcd")
    assert (a.role == b.role).all()
    large = ~np.isnan(survey.truth()["template"].to_numpy())
    assert (a.role != c.role)[large].any() or (a.role != d.role)[large].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": "host", "folds": 2}, "groups 'host': there is no column 'host'; the columns are: obj"),
        ({"groups": "sky:0", "folds": 2}, "groups 'sky:0': must be sky:SIZE with cells of SIZE degrees"),
        ({"groups": "sky:x", "folds": 2}, "groups 'sky:x': must be sky:SIZE"),
        ({"groups": "field", "folds": 3}, "folds must not exceed .* groups of 'field', but 3 > 2"),
        (
            {"groups": "field", "train_where": ["bright=1"], "validation_fraction": 0},
            "'field' must leave test objects .*, but all 144 share a group with one",
        ),
        (
            {"groups": "field", "train_fraction": 0.1, "validation_fraction": 0},
            "whole groups of 'field' leave no object to train: they are too large",
        ),
        (
            {"groups": "field", "train_fraction": 0.5},
            "must hold groups of 'field' to train and to validate, but its .* objects make 1",
        ),
    ],
)
def test_groups_that_cannot_be_kept_whole_are_one_error(survey, arguments, message):
    with pytest.raises(InputError, match=message):
        split_survey(survey, "bad", **arguments)
    assert not (survey.path / "splits" / "bad.parquet").exists()


def test_split_file_with_a_torn_group_is_refused(survey):
    path = split_survey(survey, "torn", groups="template", train_fraction=0.5)
    table = pq.read_table(path)
    role = table.column("role").to_pylist()
    row = 60
    role[row] = "test" if role[row] != "test" else "train"
    pq.write_table(table.set_column(1, table.schema.field("role"), [role]), path)
    with pytest.raises(InputError, match="no group may lie on two sides"):
        open_split(survey, "torn")


def test_split_without_groups_is_written_as_it_always_was(survey):
    path = split_survey(survey, "plain", train_fraction=0.5)
    assert pq.read_schema(path).names == ["object_id", "role", "fold"]
    assert "groups" not in json.loads(pq.read_schema(path).metadata[b"rookery"])["arguments"]
    assert open_split(survey, "plain").group is None


def test_first_torn_group_ignores_what_has_no_label():
    role = np.array(["train", "unlabelled", "train", "test"], dtype=object)
    fold = np.full(4, -1, np.int16)
    assert first_torn(np.array([1, 1, 2, 3]), role, fold) is None
    assert first_torn(np.array([1, 1, 2, 2]), role, fold) == 3


def test_the_command_line_keeps_groups_whole(survey, capsys, monkeypatch):
    arguments = ["split", str(survey.path), "cli", "--folds", "3", "--groups", "template"]
    monkeypatch.setattr("sys.argv", ["rookery", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code in (0, None)
    assert "groups, none on two sides" in capsys.readouterr().out
    api.split(survey.path, "api", folds=3, groups="template")
    assert (open_split(survey, "cli").fold == open_split(survey, "api").fold).all()


@pytest.mark.parametrize("key", ["SIM_TEMPLATE_INDEX", "SIM_NON1a", "SIM_NON1A"])
def test_snana_s_template_number_goes_to_the_truth_table_and_zero_means_none(key):
    truth = truth_frame(pd.DataFrame({"SNID": [1, 2, 3], key: [0, 31, -9]}), ["1", "2", "3"])
    np.testing.assert_array_equal(truth["template"], [np.nan, 31, np.nan])
