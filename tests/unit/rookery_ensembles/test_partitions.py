"""A folder of predictions is read like a file, or refused with one line."""

import gc
import json
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    open_predictions,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.exchange import export, parts
from rookery_ensembles.foreign import apply, combine
from rookery_ensembles.known_truth import KnownTruth
from rookery_ensembles.partitions import MANIFEST, Partitions, open_partitions, partition_name, write_manifest
from rookery_ensembles.predictions import read_info

N, K = 100, 12


def predicted(seed: int = 0, maker: str = "a") -> Predictions:
    rng = np.random.default_rng(seed)
    z = np.random.default_rng(99).uniform(0.02, 0.38, N)
    target = RedshiftBins.equal(0.0, 0.4, K)
    centre = (np.asarray(target.edges)[1:] + np.asarray(target.edges)[:-1]) / 2
    mass = np.exp(-0.5 * ((centre - z[:, None] - rng.normal(0, 0.03, (N, 1))) / 0.05) ** 2)
    pdf = mass / mass.sum(1, keepdims=True) / np.diff(target.edges)
    z[70:] = np.nan
    ids = np.array([f"g{i}" for i in range(N)])
    return Predictions(PredictionInfo(target, member=maker), ids, z, pdf.astype(np.float32))


def in_parts(whole: Predictions, folder: Path, rows: int = 30) -> Path:
    folder.mkdir(parents=True)
    sizes = []
    for number, start in enumerate(range(0, N, rows)):
        at = slice(start, start + rows)
        truth = None if whole.truth is None else whole.truth[at]
        part = replace(
            whole,
            object_id=whole.object_id[at],
            truth=truth,
            values=whole.values[at],
            out_of_domain=None if whole.out_of_domain is None else whole.out_of_domain[at],
            columns={name: values[at] for name, values in whole.columns.items()},
        )
        write_predictions(part, folder / partition_name(number))
        sizes.append(len(part.object_id))
    write_manifest(folder, whole.info, sizes, {"rows": rows})
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return in_parts(predicted(), tmp_path / "parts")


def test_it_is_read_as_the_file_is(folder: Path, tmp_path: Path) -> None:
    write_predictions(predicted(), tmp_path / "whole.parquet")
    found, whole = read_predictions(folder), read_predictions(tmp_path / "whole.parquet")
    assert found.info == whole.info == read_info(folder)
    for name in ("object_id", "truth", "values"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_values_are_read_across_the_ends_of_its_files(folder: Path) -> None:
    stored, whole = open_predictions(folder), predicted()
    np.testing.assert_array_equal(stored.object_id, whole.object_id)
    np.testing.assert_array_equal(stored.truth, whole.truth)
    reader = stored.reader()
    for start, stop in ((0, 10), (10, 65), (65, N), (20, 40), (95, N)):
        np.testing.assert_allclose(reader.read(start, stop), whole.values[start:stop], rtol=1e-6)
    rows = np.array([99, 0, 31, 29, 30, 60])
    np.testing.assert_allclose(stored.reader().take(rows), whole.values[rows], rtol=1e-6)
    np.testing.assert_allclose(stored.values, whole.values, rtol=1e-6)


def columns_of(path: Path) -> dict[str, np.ndarray]:
    """The columns of an exported table, whatever its format."""
    if path.suffix == ".fits":
        table = Table.read(path)
        return {name: np.asarray(table[name]) for name in table.colnames}
    if path.suffix == ".hdf5":
        with h5py.File(path) as file:
            found = {name: file["ancil"][name][()] for name in sorted(file["ancil"])}
            return found | {"pdfs": file["data/pdfs"][()]}
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    return {name: frame[name].to_numpy() for name in frame}


def of_classes(numbered: bool) -> Predictions:
    """Objects whose names are longer and whose truths are known in later parts alone."""
    rng = np.random.default_rng(3)
    target = Classes(("Ia", "II", "Ibc"))
    ids = np.array([f"{10 ** (i // 30)}{i:03d}" for i in range(N)])
    truth = np.array([None] * 40 + ["Ia", "Ibc"] * 30, dtype=object)
    beside = {"flags": np.arange(N, dtype=np.int32), "conformal_set_68": np.arange(N, dtype=np.int32) % 8}
    values = rng.dirichlet(np.ones(3), N).astype(np.float32)
    if not numbered:
        ids[99] = "SN 2026é"
    return Predictions(PredictionInfo(target, bundle="b"), ids, truth, values, rng.random(N) < 0.5, beside)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        *(("redshifts", suffix) for suffix in (".csv", ".fits", ".parquet", ".hdf5")),
        *(("numbered classes", suffix) for suffix in (".csv", ".fits", ".parquet")),
        ("classes", ".csv"),
        ("classes", ".fits"),
    ],
)
def test_it_is_exported_as_the_file_is(kind: str, suffix: str, tmp_path: Path) -> None:
    whole = predicted() if kind == "redshifts" else of_classes(kind.startswith("numbered"))
    write_predictions(whole, tmp_path / "whole.parquet")
    folder = in_parts(whole, tmp_path / "parts")
    ids = np.random.default_rng(1).permutation(whole.object_id)
    catalogue = {"objid": ids, "ra": np.arange(N) / 7, "note": np.array([None] * 60 + ["seen"] * 40, object)}
    for more in ({}, {"catalogue": catalogue}):
        made = [
            export(given, tmp_path / f"{name}{suffix}", **more)
            for given, name in ((folder, "a"), (tmp_path / "whole.parquet", "b"))
        ]
        assert made[0] == made[1]
        one, other = (columns_of(tmp_path / f"{name}{suffix}") for name in "ab")
        assert list(one) == list(other)
        for name, values in other.items():
            assert one[name].dtype == values.dtype
            if values.dtype.kind == "f":  # a product of matrices depends on their rows in its last bit
                np.testing.assert_allclose(one[name], values, rtol=1e-12, err_msg=name)
            else:
                assert one[name].astype(str).tolist() == values.astype(str).tolist()


def test_it_is_exported_into_one_compact_file(folder: Path, tmp_path: Path) -> None:
    write_predictions(predicted(), tmp_path / "whole.parquet")
    found = []
    for given in (folder, tmp_path / "whole.parquet"):
        export(given, tmp_path / "small.parquet", to="compact")
        found.append(read_predictions(tmp_path / "small.parquet"))
    assert found[0].info.compact == "quantiles"
    np.testing.assert_array_equal(found[0].values, found[1].values)
    np.testing.assert_array_equal(found[0].object_id, found[1].object_id)


def test_no_more_than_a_part_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, alive = in_parts(predicted(), tmp_path / "parts", rows=10), []
    read = parts.read_partition

    def counted(found: Partitions, number: int) -> Predictions:
        part = read(found, number)
        alive.append(weakref.ref(part.values))
        if held() > 2:  # more than the one before and this one: are they in use, or just not collected?
            gc.collect()
        assert held() <= 2
        return part

    def held() -> int:
        return sum(each() is not None for each in alive)

    monkeypatch.setattr(parts, "read_partition", counted)
    for name in ("a.csv", "a.fits", "a.parquet", "a.hdf5"):
        export(folder, tmp_path / name)
    assert len(alive) == 4 * 10


def test_foreign_networks_may_come_in_folders(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        write_predictions(predicted(seed, name), tmp_path / "files" / f"{name}.parquet")
        in_parts(predicted(seed, name), tmp_path / "folders" / name)
    truth = KnownTruth("truth", predicted().object_id, {"redshift": predicted().truth})
    found = []
    for kind, ending in (("files", ".parquet"), ("folders", "")):
        given = [tmp_path / kind / f"{name}{ending}" for name in ("a", "b")]
        made = combine(given, truth, tmp_path / f"bundle-{kind}", by="mean")
        found.append(apply(made.bundle, given).values)
    np.testing.assert_array_equal(found[0], found[1])


def _swap(folder: Path) -> None:
    other = in_parts(predicted(maker="b"), folder.with_name("other"))
    (other / partition_name(1)).replace(folder / partition_name(1))


def _cut(folder: Path) -> None:
    file = folder / partition_name(2)
    file.write_bytes(file.read_bytes()[:-9])


def _fewer(folder: Path) -> None:
    document = json.loads((folder / MANIFEST).read_text())
    document["partitions"].pop()
    (folder / MANIFEST).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / MANIFEST).unlink(),
            "is no finished folder of predictions",
        ),
        (lambda f: (f / partition_name(1)).unlink(), r"part-000001\.parquet: is missing"),
        (_cut, r"part-000002\.parquet: must have .* bytes by _predictions\.json, but has"),
        (_swap, r"part-000001\.parquet: must be .* as .*_predictions\.json tells them, but holds 30 of b"),
        (_fewer, "the partitions must hold 100 objects, but hold 90"),
        (lambda f: (f / MANIFEST).write_text("[1"), r"_predictions\.json"),
        (
            lambda f: (f / MANIFEST).write_text('{"format_version": 2}'),
            "`format_version`: must be 1, but",
        ),
    ],
)
def test_damage_is_one_error(damage: Callable[[Path], object], message: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(InputError, match=message):
        read_predictions(folder)


def test_other_programs_read_it_as_one_table(folder: Path) -> None:
    table = pd.read_parquet(folder)
    assert table["object_id"].tolist() == predicted().object_id.tolist()
    assert repr(open_partitions(folder)).startswith("Partitions(")
