"""Conformal limits from the choice of an ensemble to a table: kept in the bundle, and they cover."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from rookery_ensembles import (
    CandidateMember,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    load_bundle,
)
from rookery_ensembles.conformal_limits import LEAST_OBJECTS, conformal_columns, read_conformal
from rookery_ensembles.exchange import export
from rookery_ensembles.foreign import apply, combine
from rookery_ensembles.known_truth import KnownTruth
from rookery_ensembles.predictions import write_predictions
from rookery_ensembles.redshift_pdf import gaussian_pdf

BINS = RedshiftBins.equal(0.0, 1.0, 50)
CLASSES = Classes(("Ia", "II", "Ibc"))


def pdfs(n: int, seed: int) -> list[Predictions]:
    """Two networks that are too sure of their redshifts by a factor of two."""
    rng = np.random.default_rng(seed)
    z, edges = rng.uniform(0.2, 0.8, n), np.asarray(BINS.edges)
    found = []
    for name in ("a", "b"):
        centre = z + rng.normal(0, 0.06, n)
        masses = np.diff(norm.cdf(edges, centre[:, None], 0.03), axis=1)
        values = masses / masses.sum(axis=1, keepdims=True) / np.diff(edges)
        ids = np.array([f"g{i}" for i in range(n)])
        info = PredictionInfo(target=BINS, member=name, role="validation")
        found.append(Predictions(info, ids, z, values.astype(np.float32)))
    return found


def many(n: int, seed: int) -> list[Predictions]:
    """Forty networks with a common error and their own, half of them too sure."""
    rng = np.random.default_rng(seed)
    z, common = rng.uniform(0.25, 0.75, n), rng.normal(0, 0.04, n)
    ids, found = np.array([f"g{i}" for i in range(n)]), []
    for number in range(40):
        values = gaussian_pdf(
            z + common + rng.normal(0, 0.04, n), np.full(n, 0.034 + 0.034 * (number % 2)), BINS.edges
        )
        info = PredictionInfo(target=BINS, member=f"m{number}", role="validation")
        found.append(Predictions(info, ids, z, values.astype(np.float32)))
    return found


def classes(n: int, seed: int) -> list[Predictions]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    found = []
    for name in ("a", "b"):
        logits = 2.5 * np.eye(3)[truth] + rng.normal(0, 1.5, (n, 3))
        values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        info = PredictionInfo(target=CLASSES, member=name, role="validation")
        ids = np.array([f"s{i}" for i in range(n)])
        found.append(
            Predictions(info, ids, np.array(CLASSES.names, dtype=object)[truth], values.astype(np.float32))
        )
    return found


def candidates(members: list[Predictions]) -> list[CandidateMember]:
    return [CandidateMember(m.info.member, Path(m.info.member), m.info.member, m) for m in members]


@pytest.mark.parametrize("by", ["mean", "greedy"])
@pytest.mark.parametrize("make", [pdfs, classes])
def test_new_objects_are_covered_as_often_as_promised(make, by: str) -> None:
    covered: dict[float, list[float]] = {0.68: [], 0.95: []}
    for seed in range(12):
        choice = choose(candidates(make(200, seed)), by=by)
        assert choice.conformal is not None
        new = make(1000, 1000 + seed)
        order = [new[["a", "b"].index(member.id)].values for member in choice.members]
        values = choice.calibrate(choice.pool(order))
        columns = conformal_columns(choice.target, choice.conformal, values)
        for level in covered:
            percent = f"{100 * level:.0f}"
            if make is pdfs:
                inside = (columns[f"conformal_low_{percent}"] <= new[0].truth) & (
                    new[0].truth <= columns[f"conformal_high_{percent}"]
                )
            else:
                place = np.array([CLASSES.names.index(name) for name in new[0].truth])
                inside = columns[f"conformal_set_{percent}"] >> place & 1 == 1
            covered[level].append(float(np.mean(inside)))
    for level, found in covered.items():
        error = np.sqrt(level * (1 - level) / (200 * len(found)))
        assert abs(np.mean(found) - level) < 4 * error + 0.01, (level, found)


@pytest.mark.parametrize("by", ["greedy", "em"])
def test_weights_of_many_members_by_few_objects_take_nothing_from_the_coverage(by: str) -> None:
    covered = []
    for seed in range(20):
        choice = choose(candidates(many(60, seed)), by=by)
        assert choice.conformal is not None
        new = {member.info.member: member for member in many(1000, 1000 + seed)}
        values = choice.calibrate(choice.pool([new[member.id].values for member in choice.members]))
        columns = conformal_columns(choice.target, choice.conformal, values)
        z = new["m0"].truth
        covered.append(np.mean((columns["conformal_low_68"] <= z) & (z <= columns["conformal_high_68"])))
    error = np.sqrt(0.68 * 0.32 / (60 * len(covered)))
    assert abs(np.mean(covered) - 0.68) < 2 * error


def test_they_go_into_the_bundle_and_out_to_a_table(tmp_path: Path) -> None:
    for member in pdfs(200, 1):
        write_predictions(member, tmp_path / f"{member.info.member}.parquet")
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    given = pdfs(200, 1)[0]
    truth = KnownTruth("spectra", given.object_id, {"redshift": given.truth})
    made = combine(files, truth, tmp_path / "bundle", by="greedy")
    document = yaml.safe_load((made.bundle.path / "ensemble.yaml").read_text())
    assert document["conformal"]["levels"] == [0.68, 0.95]
    assert load_bundle(made.bundle.path).conformal == made.choice.conformal
    found = apply(made.bundle, files)
    write_predictions(found, tmp_path / "pooled.parquet")
    export(tmp_path / "pooled.parquet", tmp_path / "pooled.csv")
    table = pd.read_csv(tmp_path / "pooled.csv")
    inside = table["z_spec"].between(table["conformal_low_95"], table["conformal_high_95"])
    assert inside.mean() > 0.9
    assert (table["conformal_high_95"] - table["conformal_low_95"] >= 0).all()


def test_sets_are_names_in_a_table_and_bits_in_a_file(tmp_path: Path) -> None:
    members = classes(200, 2)
    choice = choose(candidates(members), by="mean")
    columns = conformal_columns(CLASSES, choice.conformal, members[0].values)
    made = replace(members[0], columns=columns)
    export(made, tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv", keep_default_na=False)
    for bits, names in zip(columns["conformal_set_95"].tolist(), table["conformal_set_95"], strict=True):
        assert sum(1 << CLASSES.names.index(name) for name in names.split(";") if name) == bits


def test_none_where_coverage_could_not_be_promised() -> None:
    assert choose(candidates(pdfs(LEAST_OBJECTS - 1, 3)), by="mean").conformal is None
    members = pdfs(100, 4)
    weights = dict.fromkeys(members[0].object_id.tolist(), 1.0)
    assert choose(candidates(members), by="mean", sample_weight=weights).conformal is None


def test_limits_of_another_kind_are_refused() -> None:
    limits = choose(candidates(classes(100, 5)), by="mean").conformal
    assert limits is not None
    with pytest.raises(
        InputError, match=r"b, key `conformal`: the conformal limits of .* must be of the method pit"
    ):
        read_conformal(limits.to_dict(), "b, key `conformal`", BINS)
    with pytest.raises(InputError, match="but found 'None'"):
        read_conformal(["pit"], "b", BINS)
