"""Predictions in files are combined block by block, with the same result as in memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    CandidateMember,
    InputError,
    MemberValues,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    open_predictions,
    out_of_fold,
    read_predictions,
    split_uncertainty,
    write_predictions,
)
from rookery_ensembles import configurations as reading
from rookery_ensembles import member_values as in_blocks
from rookery_ensembles.candidates import tabulate_candidates
from rookery_ensembles.member_table import tabulate_members
from rookery_ensembles.redshift_pdf import gaussian_pdf

BINS = RedshiftBins.equal(0.0, 1.0, 20)
N = 120


@pytest.fixture
def from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no file's values in memory, and read seven objects at a time."""
    monkeypatch.setattr(reading, "MOST_IN_MEMORY", 0)
    monkeypatch.setattr(in_blocks.blocks, "__defaults__", (7 * 3 * 20,))


def predicted(seed: int, noise: float, rows: np.ndarray, **info: object) -> Predictions:
    """PDFs of some of N objects about noisy redshifts."""
    z = np.random.default_rng(0).uniform(0.2, 0.8, N)
    mean = z + noise * np.random.default_rng(seed).normal(size=N)
    values = gaussian_pdf(mean, np.full(N, 0.05), BINS.edges).astype(np.float32)[rows]
    ids = np.array([f"g{number:03d}" for number in range(N)])[rows]
    return Predictions(PredictionInfo(BINS, **info), ids, z[rows], values)


def stored(folder: Path, found: Predictions, group: str, **options: object) -> tuple[CandidateMember, ...]:
    """Return a candidate in memory and the same from a file of several row groups."""
    path = folder / f"{found.info.member}.parquet"
    write_predictions(found, path)
    table = pq.read_table(path)
    pq.write_table(table, path, **{"row_group_size": 23, **options})
    name = str(found.info.member)
    pair = read_predictions(path), open_predictions(path)
    return tuple(CandidateMember(name, folder, group, each) for each in pair)  # type: ignore[arg-type]


@pytest.fixture
def folded(tmp_path: Path) -> tuple[list[CandidateMember], list[CandidateMember]]:
    """Three configurations on two folds, two starts each, some with their objects in another order."""
    rng, pairs = np.random.default_rng(3), []
    for number, noise in enumerate((0.04, 0.05, 0.1)):
        for fold in range(2):
            for start in range(2):
                rows = np.arange(fold, N, 2)
                rows = rng.permutation(rows) if (number, start) == (1, 1) else rows
                name = f"c{number}-f{fold}-s{start}"
                seed = 100 * number + 10 * start + 1
                info = {"member": name, "fold": fold, "configuration": f"c{number}"}
                pairs.append(stored(tmp_path, predicted(seed, noise, rows, **info), f"c{number}"))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


@pytest.mark.parametrize("by", ["greedy", "crps", "auto", "mean"])
@pytest.mark.slow
def test_an_ensemble_of_files_is_that_of_their_values(folded, from_files: None, by: str) -> None:
    memory, files = folded
    expected, found = choose(memory, by=by), choose(files, by=by)
    assert found.weights == pytest.approx(expected.weights, abs=1e-9)
    assert found.recipe == expected.recipe
    for name, scores in expected.scores.items():
        assert found.scores[name] == pytest.approx(scores, rel=1e-6)
    unseen = [out_of_fold(each, made) for each, made in ((memory, expected), (files, found))]
    np.testing.assert_array_equal(unseen[1].object_id, unseen[0].object_id)
    np.testing.assert_allclose(unseen[1].values, unseen[0].values, rtol=1e-5, atol=1e-6)


def test_blocks_hold_the_means_over_starts_of_each_fold(folded, from_files: None) -> None:
    memory, files = folded
    table = tabulate_candidates(files)
    assert isinstance(table.values, MemberValues)
    assert table.values.shape == (3, N, 20)
    values = np.concatenate([np.stack(table.values.block(i, i + 1)) for i in range(N)], axis=1)
    expected = np.zeros((N, 20))
    for member in memory:
        if member.group == "c1":
            place = np.searchsorted(table.object_id, member.validation.object_id)
            expected[place] += member.validation.values / 2
    np.testing.assert_allclose(values[1][table.order], expected, atol=1e-5)


def test_a_file_that_is_being_read_is_not_held_in_memory(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(
        (12_000, 180), dtype=np.float32
    )  # 8.6 MB that no packing shrinks
    bins = RedshiftBins.equal(0.0, 1.0, 180)
    ids = np.array([f"g{number}" for number in range(len(values))])
    info = PredictionInfo(bins, member="m")
    values /= values.mean(axis=1, keepdims=True)
    write_predictions(Predictions(info, ids, np.full(len(ids), 0.5), values), tmp_path / "m.parquet")
    reader = open_predictions(tmp_path / "m.parquet").reader()
    before = pa.total_allocated_bytes()
    for start in range(0, 2_000, 500):
        np.testing.assert_allclose(reader.read(start, start + 500), values[start : start + 500], rtol=1e-5)
    assert pa.total_allocated_bytes() - before < 0.5 * values.nbytes


def test_members_of_the_same_objects_share_their_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_predictions(predicted(1, 0.1, np.arange(N), member=name), tmp_path / f"{name}.parquet")
    one, other = (open_predictions(tmp_path / f"{name}.parquet") for name in ("a", "b"))
    assert one.object_id is other.object_id
    assert len(repr(one)) < 500


def test_uncertainties_of_files_are_those_of_their_values(tmp_path: Path, from_files: None) -> None:
    made = [predicted(seed, 0.1, np.arange(N), member=f"m{seed}") for seed in range(3)]
    for each in made:
        write_predictions(each, tmp_path / f"{each.info.member}.parquet")
    table = tabulate_members([open_predictions(tmp_path / f"m{seed}.parquet") for seed in range(3)])
    weights = [0.5, 0.0, 0.5]
    found = split_uncertainty(BINS, table.values, weights)
    expected = split_uncertainty(BINS, [each.values for each in made], weights)
    np.testing.assert_allclose(found.epistemic, expected.epistemic, rtol=1e-6)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_rows_are_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("reads") / "m.parquet"
    rows = np.arange(N)
    member, _ = stored(
        path.parent, predicted(1, 0.1, rows, member="m"), "c", row_group_size=data.draw(st.integers(1, N))
    )
    reader = open_predictions(path).reader()
    for _ in range(4):
        start = data.draw(st.integers(0, N - 1))
        stop = data.draw(st.integers(start + 1, N))
        np.testing.assert_array_equal(reader.read(start, stop), member.validation.values[start:stop])
    some = np.array(data.draw(st.lists(st.integers(0, N - 1), max_size=9)), dtype=np.intp)
    np.testing.assert_array_equal(reader.take(some), member.validation.values[some])


Damage = Callable[[pa.Table], pa.Table]


def spoiled(row: int, value: float | None) -> Damage:
    def damage(table: pa.Table) -> pa.Table:
        lists = table["pdf"].to_pylist()
        lists[row] = None if value is None else [value, *lists[row][1:]]
        kind = table.schema.field("pdf").type
        return table.set_column(2, "pdf", pa.array(lists, type=kind)).replace_schema_metadata(
            table.schema.metadata
        )

    return damage


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (spoiled(60, -3.0), r"bad.parquet, row 60 \(object g060\): values must not be negative"),
        (spoiled(61, float("nan")), r"bad.parquet, row 61 \(object g061\): values must be finite"),
        (spoiled(62, 9.0), r"bad.parquet, row 62 \(object g062\): the PDF must integrate to 1"),
        (spoiled(63, None), r"bad.parquet: column `pdf` must not hold nulls"),
        (lambda table: table.slice(0, N - 1), "the objects must be those of bad, but g119 is not among"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(
    tmp_path: Path, from_files: None, damage: Damage, rule: str
) -> None:
    for name in ("good", "bad"):
        write_predictions(predicted(1, 0.1, np.arange(N), member=name), tmp_path / f"{name}.parquet")
    bad = tmp_path / "bad.parquet"
    pq.write_table(damage(pq.read_table(bad)), bad)
    with pytest.raises(InputError, match=rule):
        choose(
            [
                CandidateMember(n, tmp_path, n, open_predictions(tmp_path / f"{n}.parquet"))
                for n in ("good", "bad")
            ]
        )


def test_a_file_cut_short_or_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    write_predictions(predicted(1, 0.1, np.arange(N), member="m"), path)
    found = open_predictions(path)
    write_predictions(predicted(1, 0.1, np.arange(N - 1), member="m"), path)
    with pytest.raises(InputError, match="must not change while it is read"):
        found.reader().read(0, N)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="undamaged Parquet file"):
        open_predictions(path)


def test_values_are_read_anew_with_their_names_and_truth(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    made = predicted(1, 0.1, np.arange(N), member="m")
    made = replace(made, values=made.values * np.float32(1.0005))  # rounded elsewhere: read as normalised
    write_predictions(made, path)
    found, whole = open_predictions(path), read_predictions(path)
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.reader().read(3, 50), whole.values[3:50])
    np.testing.assert_array_equal(found.truth, whole.truth)
