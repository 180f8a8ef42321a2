"""A folder of predictions is read like a file, or refused with one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery_ensembles import (
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    open_predictions,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.exchange import export
from rookery_ensembles.foreign import apply, combine
from rookery_ensembles.known_truth import KnownTruth
from rookery_ensembles.partitions import MANIFEST, open_partitions, partition_name, write_manifest
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
        part = replace(whole, object_id=whole.object_id[at], truth=truth, values=whole.values[at])
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


def test_it_is_exported_as_the_file_is(folder: Path, tmp_path: Path) -> None:
    write_predictions(predicted(), tmp_path / "whole.parquet")
    export(folder, tmp_path / "parts.csv")
    export(tmp_path / "whole.parquet", tmp_path / "whole.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


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
