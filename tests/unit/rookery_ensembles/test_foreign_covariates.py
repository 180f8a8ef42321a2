"""Weights, calibrations and limits of foreign networks depend on what else is known of the objects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rookery import api
from rookery_ensembles import (
    Bundle,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.partitions import partition_name, write_manifest

N, K = 300, 12
TARGET = RedshiftBins.equal(0.0, 1.0, K)
CENTRES = (np.arange(K) + 0.5) / K


def sky(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = [f"s{seed}-{i}" for i in range(N)]
    mag = rng.uniform(18, 24, N)
    return pd.DataFrame({"object_id": names, "redshift": rng.uniform(0.05, 0.95, N), "mag_r": mag})


def guesses(of: pd.DataFrame, good: np.ndarray, seed: int, maker: str) -> Predictions:
    """A network that is precise where `good`, and knows nothing elsewhere."""
    rng = np.random.default_rng(seed)
    width = np.where(good, 0.04, 0.4)
    centre = of["redshift"].to_numpy() + rng.normal(0, width)
    mass = np.exp(-0.5 * ((CENTRES - centre[:, None]) / width[:, None]) ** 2) + 1e-4
    pdf = (mass / mass.sum(1, keepdims=True) * K).astype(np.float32)
    return Predictions(
        PredictionInfo(TARGET, member=maker), of["object_id"].to_numpy().astype(str), None, pdf
    )


def write_sky(folder: Path, seed: int) -> pd.DataFrame:
    """Two networks, one for bright and one for faint objects, and the catalogue."""
    objects = sky(seed)
    bright = objects["mag_r"].to_numpy() < 21
    for number, (name, good) in enumerate((("bright", bright), ("faint", ~bright))):
        made = guesses(objects, good, seed + 10 * number, name)
        write_predictions(made, folder / f"{name}.parquet")
        in_parts(made, folder / name)
    objects.to_csv(folder / "catalogue.csv", index=False)
    return objects


def in_parts(whole: Predictions, folder: Path, rows: int = 120) -> None:
    folder.mkdir(parents=True)
    sizes = []
    for number, start in enumerate(range(0, N, rows)):
        at = slice(start, start + rows)
        part = replace(whole, object_id=whole.object_id[at], values=whole.values[at])
        write_predictions(part, folder / partition_name(number))
        sizes.append(len(part.object_id))
    write_manifest(folder, whole.info, sizes, {"rows": rows})


@pytest.fixture(scope="module")
def skies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("known"), tmp_path_factory.mktemp("new")
    for seed, folder in enumerate(folders):
        write_sky(folder, seed)
    return folders


@pytest.fixture(scope="module")
def gated(skies: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Weights that depend on the magnitude."""
    known, out = skies[0], tmp_path_factory.mktemp("gated") / "b"
    truth = known / "catalogue.csv"
    return api.combine(files(known), truth=truth, out=out, by="gate", covariates=["mag_r"]).bundle


def files(folder: Path, ending: str = ".parquet") -> list[Path]:
    return [folder / f"{name}{ending}" for name in ("bright", "faint")]


def loss(made: Predictions, folder: Path) -> float:
    z = pd.read_csv(folder / "catalogue.csv")["redshift"].to_numpy()
    return float(-np.log(np.maximum(made.values[np.arange(N), (z * K).astype(int)], 1e-9)).mean())


def test_weights_that_look_at_magnitudes_serve_each_object_by_the_network_for_it(
    gated: Bundle, skies: tuple[Path, Path], tmp_path: Path
) -> None:
    known, new = skies
    assert gated.covariates == ("mag_r",)
    plain = api.combine(files(known), truth=known / "catalogue.csv", out=tmp_path / "plain", by="em").bundle
    assert plain.covariates == ()
    catalogue = new / "catalogue.csv"
    looked, without, blind = (
        loss(
            api.apply(bundle.path, files(new), out=tmp_path / "p.parquet", catalogue=given, overwrite=True),
            new,
        )
        for bundle, given in ((gated, catalogue), (plain, None), (gated, None))
    )
    assert looked < without - 0.03
    assert looked < blind - 0.03  # nothing is known of these objects: weights for all


def test_local_calibration_and_groups_look_at_the_catalogue(skies: tuple[Path, Path], tmp_path: Path) -> None:
    known, new = skies
    how = {"by": "em", "calibration": "local", "covariates": ["mag_r"], "groups": "mag_r"}
    made = api.combine(files(known), truth=known / "catalogue.csv", out=tmp_path / "b", **how)
    assert made.bundle.groups is not None
    one, none = (
        api.apply(
            made.bundle.path, files(new), out=tmp_path / "p.parquet", catalogue=catalogue, overwrite=True
        )
        for catalogue in (new / "catalogue.csv", None)
    )
    truth = pd.read_csv(new / "catalogue.csv")
    thirds = pd.qcut(truth["mag_r"], 3, labels=False).to_numpy()
    z = truth["redshift"].to_numpy()
    inside = (one.columns["conformal_low_68"] <= z) & (z <= one.columns["conformal_high_68"])
    for third in range(3):
        assert inside[thirds == third].mean() == pytest.approx(0.68, abs=4 * (0.68 * 0.32 * 3 / N) ** 0.5)
    assert not np.allclose(one.columns["conformal_low_68"], none.columns["conformal_low_68"])
    assert loss(one, new) <= loss(none, new) + 0.02


def test_folders_are_pooled_a_part_at_a_time_as_files_are(
    gated: Bundle, skies: tuple[Path, Path], tmp_path: Path
) -> None:
    new = skies[1]
    catalogue = new / "catalogue.csv"
    whole = api.apply(gated.path, files(new), out=tmp_path / "whole.parquet", catalogue=catalogue)
    parts = api.apply(gated.path, files(new, ""), out=tmp_path / "parts", catalogue=catalogue)
    assert parts.rows == (120, 120, 60)
    assert parts.made_by["bundle"] == gated.digest
    found = read_predictions(tmp_path / "parts")
    assert found.info == whole.info
    assert found.object_id.tolist() == whole.object_id.tolist()
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=1e-7)
    assert set(found.columns) == set(whole.columns)


def test_what_cannot_be_is_one_error(gated: Bundle, skies: tuple[Path, Path], tmp_path: Path) -> None:
    known, new = skies
    truth = known / "catalogue.csv"
    for how, message in (
        ({"by": "gate"}, "weights by gate look at covariates: name columns of .*catalogue.csv with --cov"),
        ({"by": "em", "covariates": ["mag_r"]}, "are for what looks at them .* mag_r were given without"),
        ({"covariates": ["mag_i"]}, "must have columns of numbers mag_i, but lacks mag_i; it has mag_r"),
        ({"groups": "object_id"}, "but lacks object_id"),
        ({"calibration": "venn_abers"}, "calibration: must be one of"),
    ):
        with pytest.raises(InputError, match=message):
            api.combine(files(known), truth=truth, out=tmp_path / "b", **how)
    assert not (tmp_path / "b").exists()
    in_parts(guesses(sky(1), np.ones(N, bool), 1, "faint"), tmp_path / "faint", rows=100)
    pd.DataFrame({"object_id": ["x"], "mag_r": [20.0]}).to_csv(tmp_path / "others.csv", index=False)
    pd.DataFrame({"object_id": ["x"], "mag_i": [20.0]}).to_csv(tmp_path / "lacks.csv", index=False)
    mixed = [new / "bright", tmp_path / "faint"]
    for given, out, catalogue, message in (
        (files(new), "p.parquet", "others.csv", "must be of some of the 300 objects, but are of none of"),
        (files(new), "p.parquet", "lacks.csv", "must have columns of numbers mag_r, but lacks mag_r"),
        (mixed, "parts", None, "faint: must have parts of as many objects as those of .*bright, but"),
        (files(new), "parts", None, "bright.parquet: is no finished folder of predictions"),
    ):
        told = None if catalogue is None else tmp_path / catalogue
        with pytest.raises(InputError, match=message):
            api.apply(gated.path, given, out=tmp_path / out, catalogue=told)
        assert not (tmp_path / out).exists()


def test_a_catalogue_that_is_not_given_is_told_of(
    gated: Bundle, skies: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.apply(gated.path, files(skies[1]), out=tmp_path / "p.parquet")
    assert "looks at mag_r, which --catalogue tells" in caplog.text
