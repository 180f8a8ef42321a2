"""Foreign networks: combined by objects of known truth, applied to new ones, refused where nothing fits."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    load_bundle,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.calibrations.local import LocalCalibration
from rookery_ensembles.covariates import OF_PDFS
from rookery_ensembles.exchange.tables import read_columns
from rookery_ensembles.foreign import apply, combine, member_names
from rookery_ensembles.known_truth import KnownTruth
from rookery_ensembles.redshift_pdf import gaussian_pdf, z_mean

BINS = RedshiftBins.equal(0.0, 0.4, 20)
N = 300
NAMES = ("annz", "bpz", "lephare")


def truth(seed: int = 0, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.35, n)


def network(path: Path, seed: int, sigma: float = 0.02, z: np.ndarray | None = None, **changes: Any) -> Path:
    """Write a network's predictions: Gaussians about noisy redshifts."""
    z = truth() if z is None else z
    mean = z + np.random.default_rng(seed).normal(0, sigma, len(z))
    values = gaussian_pdf(np.clip(mean, 0, 0.4), np.full(len(z), sigma), BINS.edges).astype(np.float32)
    ids = np.array([str(1000 + i) for i in range(len(z))])
    made = Predictions(PredictionInfo(BINS, member="x"), ids, None, values)
    write_predictions(replace(made, **changes), path)
    return path


def known(z: np.ndarray | None = None, **changes: Any) -> KnownTruth:
    z = truth() if z is None else z
    ids = np.array([str(1000 + i) for i in range(len(z))])
    return replace(KnownTruth("spectra.csv", ids, {"z_spec": z}), **changes)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        network(tmp_path / f"{name}.parquet", seed)
        for name, seed in [("annz", 1), ("bpz", 2), ("lephare", 3)]
    ]


def test_foreign_networks_are_combined_and_applied_to_new_objects(files: list[Path], tmp_path: Path) -> None:
    made = combine(files, known(), tmp_path / "bundle")
    assert (made.matched.objects, made.matched.matched, made.matched.known) == (N, N, N)
    assert (
        set(made.bundle.weightless)
        == {member.id for member in made.bundle.members}
        <= {"annz", "bpz", "lephare"}
    )
    (tmp_path / "new").mkdir()
    new = truth(9)
    later = [network(tmp_path / "new" / file.name, 10 + i, z=new) for i, file in enumerate(files)]
    pooled = apply(made.bundle.path, later)
    single = np.abs(z_mean(np.asarray(apply_one(later[0])), BINS.edges) - new).mean()
    assert np.abs(z_mean(pooled.values, BINS.edges) - new).mean() < 0.9 * single
    assert pooled.info.bundle == "bundle"
    assert pooled.info.configuration == made.bundle.digest[:12]
    again = apply(load_bundle(tmp_path / "bundle"), later[::-1])
    rows = [again.object_id.tolist().index(name) for name in pooled.object_id]
    np.testing.assert_array_equal(again.values[rows], pooled.values)


def apply_one(file: Path) -> np.ndarray:
    from rookery_ensembles import read_predictions

    return np.asarray(read_predictions(file).values)


def test_a_bundle_of_foreign_networks_holds_their_names_and_digests_alone(
    files: list[Path], tmp_path: Path
) -> None:
    made = combine(files, known(), tmp_path / "bundle")
    assert {path.name for path in (tmp_path / "bundle").rglob("*")} == {"MODEL_CARD.md", "ensemble.yaml"}
    document = yaml.safe_load((tmp_path / "bundle" / "ensemble.yaml").read_text())
    for entry in document["members"]:
        assert entry["predictions"]["file"] == f"{entry['id']}.parquet"
        assert len(entry["predictions"]["digest"]) == 64
    with pytest.raises(InputError, match=r"known by their predictions alone .*: .*`rookery apply BUNDLE"):
        made.bundle.member_folders()


@pytest.mark.parametrize("change", ["predictions: 3", "predictions: {file: a}", "digests: {}"])
def test_a_member_with_neither_files_nor_predictions_is_refused(
    change: str, files: list[Path], tmp_path: Path
) -> None:
    import hashlib

    combine(files[:1], known(), tmp_path / "bundle")
    file = tmp_path / "bundle" / "ensemble.yaml"
    document = yaml.safe_load(file.read_text())
    del document["digest"], document["members"][0]["predictions"]
    document["members"][0] |= yaml.safe_load(change)
    text = yaml.safe_dump(document, sort_keys=False)
    file.write_text(f"{text}digest: {hashlib.sha256(text.encode()).hexdigest()}\n")
    with pytest.raises(InputError, match=r"ensemble\.yaml"):
        load_bundle(tmp_path / "bundle")


def test_a_missing_member_is_refused_by_name_and_others_are_left_out(
    files: list[Path], tmp_path: Path
) -> None:
    made = combine(files, known(), tmp_path / "bundle")
    used = [file for file in files if file.name.split(".")[0] in made.bundle.weightless]
    with pytest.raises(InputError, match=f"none is called {used[0].name.split('.')[0]}"):
        apply(made.bundle, [file for file in files if file != used[0]] + [network(tmp_path / "o.parquet", 5)])
    more = apply(made.bundle, [*files, network(tmp_path / "other.parquet", 5)])
    np.testing.assert_array_equal(more.values, apply(made.bundle, files).values)


def test_files_of_other_names_are_taken_in_order_and_told(
    files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = combine(files, known(), tmp_path / "bundle")
    ids = list(made.bundle.weightless)
    by_name = [file for name in ids for file in files if file.name == f"{name}.parquet"]
    renamed = []
    for i, file in enumerate(by_name):
        renamed.append(tmp_path / f"night{i}.parquet")
        renamed[-1].write_bytes(file.read_bytes())
    found = apply(made.bundle, renamed)
    np.testing.assert_array_equal(found.values, apply(made.bundle, by_name).values)
    assert "taken in order: " + ids[0] in caplog.text


def test_truth_of_the_files_that_contradicts_is_refused_with_the_number(tmp_path: Path) -> None:
    shifted = network(tmp_path / "a.parquet", 1, truth=np.roll(truth(), 1))
    with pytest.raises(InputError, match=r"of spectra\.csv, but differs for 300 of 300 objects: 1000"):
        combine([shifted], known(), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_single_contradiction_in_a_later_file_is_refused(tmp_path: Path) -> None:
    one = truth().copy()
    one[7] += 0.1
    good, bad = (
        network(tmp_path / "a.parquet", 1, truth=truth()),
        network(tmp_path / "b.parquet", 2, truth=one),
    )
    with pytest.raises(InputError, match=r"predictions of b: .*differs for 1 of 300 objects: 1007"):
        combine([good, bad], known(), tmp_path / "bundle")


def test_objects_of_another_survey_are_refused(files: list[Path], tmp_path: Path) -> None:
    other = np.array([f"x{i}" for i in range(N)])
    with pytest.raises(InputError, match=r"some objects must be in spectra.csv, but 300 of 300 are not"):
        combine(files, known(object_id=other), tmp_path / "bundle")
    half = known()
    half = replace(half, object_id=half.object_id[:150], columns={"z_spec": truth()[:150]})
    with pytest.raises(InputError, match=r"all objects must be in .*150 of 300 are not, .* '1150'"):
        combine(files, replace(half, complete=True), tmp_path / "bundle")
    assert combine(files, half, tmp_path / "bundle").matched.known == 150


def test_predictions_made_for_another_survey_are_refused(tmp_path: Path) -> None:
    made = network(tmp_path / "a.parquet", 1, info=PredictionInfo(BINS, member="x", survey="f" * 64))
    with pytest.raises(InputError, match=r"^a: must be of the survey spectra\.csv"):
        combine([made], known(checksum="e" * 64, complete=True), tmp_path / "bundle")


def test_without_a_table_of_truth_that_of_the_files_counts(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"truth: must come from .*--truth.* annz, bpz, lephare tell none"):
        combine(files, None, tmp_path / "bundle")
    told = network(tmp_path / "told.parquet", 4, truth=truth(), sigma=0.05)
    made = combine([*files, told], None, tmp_path / "bundle")
    assert made.matched.known == N
    wanted = combine([*files, told], known(), tmp_path / "wanted").bundle
    assert {m.id: m.weight for m in made.bundle.members} == {m.id: m.weight for m in wanted.members}
    wrong = network(tmp_path / "wrong.parquet", 5, truth=truth() + 0.01)
    with pytest.raises(InputError, match=r"own truth must be that of the files, but differs for 300"):
        combine([told, wrong], None, tmp_path / "other")
    none = np.full(N, np.nan)
    plain = combine([files[0], network(tmp_path / "n.parquet", 6, truth=none), told], None, tmp_path / "c")
    assert plain.matched.known == N


def test_what_one_file_does_not_know_of_an_object_another_tells(tmp_path: Path) -> None:
    first, second = truth(), truth()
    first[: N // 2], second[N // 2 :] = np.nan, np.nan
    files = [network(tmp_path / f"{i}.parquet", i, truth=z) for i, z in enumerate((first, second))]
    assert combine(files, None, tmp_path / "bundle", by="mean").matched.known == N


def test_the_truth_is_no_covariate_of_its_own(tmp_path: Path) -> None:
    files = [network(tmp_path / f"{i}.parquet", i, truth=truth()) for i in range(2)]
    rule = "covariates must be known of objects whose truth is not, but {} is the redshift"
    for table, options, name in (
        (None, {"covariates": ["redshift"]}, "redshift"),
        (known(), {"covariates": ["z_spec"]}, "z_spec"),
        (known(), {"groups": "z_spec"}, "z_spec"),
    ):
        with pytest.raises(InputError, match=rule.format(name)):
            combine(files, table, tmp_path / "bundle", **options)
    with pytest.raises(InputError, match="lacks mag_r; it has none"):
        combine(files, None, tmp_path / "bundle", covariates=["mag_r"])


def test_what_a_calibration_takes_from_the_pdfs_is_asked_of_no_catalogue(
    files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = combine(files, known(), tmp_path / "bundle", by="mean", calibration="temperature_beta").bundle
    knots, slopes = ((0.0, 1.0),) * 2, ((0.0,) * 10,) * 6
    made = replace(bundle, calibration=LocalCalibration(bundle.calibration, OF_PDFS, knots, slopes))
    assert made.covariates == ()
    apply(made, files)
    assert not caplog.records
    mixed = replace(made, calibration=replace(made.calibration, names=("mag_r", "z_width")))
    assert mixed.covariates == ("mag_r",)


def test_objects_of_which_nobody_knows_the_truth_are_averaged(files: list[Path], tmp_path: Path) -> None:
    made = combine(files, None, tmp_path / "bundle", by="mean", provenance={"version": "1"})
    assert made.summary()["members"] == pytest.approx(dict.fromkeys(NAMES, 1 / 3))
    assert (made.matched.objects, made.matched.known, made.bundle.scores) == (N, 0, {})
    assert made.summary()["scores"] == {"known_truth": {}}
    assert made.bundle.class_fractions is None
    pooled = apply(made.bundle, files)
    mean = np.mean([read_predictions(file).values for file in files], axis=0)
    np.testing.assert_allclose(pooled.values, mean, rtol=1e-5, atol=1e-6)
    assert "## Scores" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    for further in ({"calibration": "temperature"}, {"groups": "mag_r"}, {"covariates": ["mag_r"]}):
        with pytest.raises(InputError):
            combine(files, None, tmp_path / "other", by="mean", **further)
    short = network(tmp_path / "short.parquet", 4, z=truth(n=N - 1))
    with pytest.raises(InputError, match=str(1000 + N - 1)):
        combine([*files, short], None, tmp_path / "other", by="mean")
    assert not (tmp_path / "other").exists()


def test_classes_that_the_files_tell_count(tmp_path: Path) -> None:
    kinds = Classes(("Ia", "non-Ia"))
    p = np.random.default_rng(0).uniform(size=100)
    told = np.array(["Ia" if value > 0.4 else "non-Ia" for value in p], dtype=object)
    told[::7] = None
    ids = np.array([f"o{i}" for i in range(100)])
    for name in "ab":
        values = np.stack([p, 1 - p], axis=1).astype(np.float32)
        write_predictions(
            Predictions(PredictionInfo(kinds, member="x"), ids, told, values), tmp_path / f"{name}.parquet"
        )
    made = combine([tmp_path / "a.parquet", tmp_path / "b.parquet"], None, tmp_path / "bundle", by="mean")
    assert (made.matched.objects, made.matched.known) == (100, 85)


@pytest.mark.parametrize("drop", [0, 299])
def test_a_member_that_misses_an_object_is_refused(drop: int, tmp_path: Path) -> None:
    first, other = network(tmp_path / "a.parquet", 1), tmp_path / "b.npz"
    keep = np.arange(N) != drop
    ids = np.array([str(1000 + i) for i in range(N)])
    np.savez(other, values=apply_one(first)[keep], ids=ids[keep], edges=BINS.edges)
    with pytest.raises(InputError, match=str(1000 + drop)):
        combine([first, other], known(), tmp_path / "bundle")
    with pytest.raises(InputError, match=str(1000 + drop)):
        combine([other, first], known(), tmp_path / "bundle")


def test_no_known_redshift_at_all_is_refused(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of its 300 objects has a known redshift"):
        combine(files, known(np.full(N, np.nan)), tmp_path / "bundle")


def test_truth_outside_of_the_grid_takes_part_in_the_scores_alone(
    files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    z = truth().copy()
    z[:3] = 2.0
    with caplog.at_level(logging.WARNING):
        assert combine(files, known(z), tmp_path / "bundle").matched.known == N
    assert "spectra.csv: the truth of 3 of 300 objects lies outside of all bins" in caplog.text


@pytest.mark.parametrize(
    ("value", "found"), [("abc", "'abc'"), ("inf", "inf"), ("-99", r"-99\.0"), ("True", "'True'")]
)
def test_a_redshift_that_is_none_is_told_with_its_row_and_value(
    tmp_path: Path, value: str, found: str
) -> None:
    (tmp_path / "t.csv").write_text(f"id,z_spec\n1,0.25\n2,\n3,{value}\n")
    rule = r"t\.csv, row 2: `z_spec` must be a redshift above -1, or empty where it is unknown"
    with pytest.raises(InputError, match=f"{rule}, but found {found}"):
        KnownTruth.of_file(tmp_path / "t.csv").of(BINS)


def test_one_member_and_equal_members_are_served(tmp_path: Path) -> None:
    one = network(tmp_path / "a.parquet", 1)
    (tmp_path / "b.parquet").write_bytes(one.read_bytes())
    for number, files in enumerate(([one], [one, tmp_path / "b.parquet"])):
        made = combine(files, known(), tmp_path / f"bundle{number}")
        assert sum(member.weight for member in made.bundle.members) == pytest.approx(1)
        assert apply(made.bundle, files).values.shape == (N, 20)


def test_classes_of_tables_are_combined_in_one_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    types = rng.choice(["Ia", "II"], 200)
    ids = [f"SN{i}" for i in range(200)]
    for name, order in (("a", ["Ia", "II"]), ("b", ["II", "Ia"])):
        right = rng.uniform(0.4, 0.95, 200)
        p = {kind: np.where(types == kind, right, 1 - right) for kind in order}
        pd.DataFrame({"snid": ids} | {f"p_{k}": p[k] for k in order}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    pd.DataFrame({"snid": ids, "type": types}).to_csv(tmp_path / "types.csv", index=False)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    made = combine(files, KnownTruth.of_file(tmp_path / "types.csv"), tmp_path / "bundle")
    assert made.bundle.target == Classes(("Ia", "II"))
    found = apply(made.bundle, files)
    assert (np.array(["Ia", "II"])[found.values.argmax(axis=1)] == types).mean() > 0.7


@pytest.mark.parametrize(("mark", "point"), [(";", "."), (";", ","), ("\t", ".")])
def test_tables_may_be_written_with_other_marks_than_commas(tmp_path: Path, mark: str, point: str) -> None:
    rng = np.random.default_rng(0)
    types, ids = rng.choice(["Ia", "II"], 200), [f"0{i}" for i in range(200)]
    right = rng.uniform(0.4, 0.95, 200)
    table = pd.DataFrame({"snid": ids, "p_Ia": np.where(types == "Ia", right, 1 - right)})
    table.assign(p_II=1 - table["p_Ia"]).to_csv(tmp_path / "a.csv", index=False, sep=mark, decimal=point)
    pd.DataFrame({"snid": ids, "type": types}).to_csv(tmp_path / "types.csv", index=False, sep=mark)
    made = combine([tmp_path / "a.csv"], KnownTruth.of_file(tmp_path / "types.csv"), tmp_path / "bundle")
    assert made.matched.known == 200
    found = apply(made.bundle, [tmp_path / "a.csv"])
    assert found.object_id.tolist() == ids
    assert (np.array(["Ia", "II"])[found.values.argmax(axis=1)] == types).mean() > 0.7


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,flux [Jy; AB],z\n07,2.5,0.3\n", ["id", "flux [Jy; AB]", "z"]),
        ("id\tz, spectroscopic\n07\t0.3\n", ["id", "z, spectroscopic"]),
        ("\nid;z\n07;0,3\n", ["id", "z"]),
    ],
)
def test_names_of_columns_may_hold_other_marks(tmp_path: Path, text: str, names: list[str]) -> None:
    (tmp_path / "t.csv").write_text(text)
    found = read_columns(tmp_path / "t.csv")
    assert list(found) == names
    assert [found["id"].tolist(), found[names[-1]].tolist()] == [["07"], [0.3]]


def test_names_of_files_are_names_of_members(tmp_path: Path) -> None:
    assert member_names(["a/bpz.v2.csv", "x y.npz"]) == ["bpz", "x_y"]
    assert member_names([tmp_path / "n1" / "p.csv", tmp_path / "n2" / "p.csv"]) == ["n1-p", "n2-p"]
    with pytest.raises(InputError, match=r"needs a name of its own"):
        member_names([tmp_path / "p.csv", tmp_path / "p.npz"])
    with pytest.raises(InputError, match=r"one or more files"):
        member_names([])


def test_a_repeated_name_in_the_truth_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1, 2, 1], "z_spec": 0.1}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=r"'1' occurs 2 times"):
        KnownTruth.of_file(tmp_path / "t.csv")


@pytest.mark.parametrize("by", ["mean", "crps"])
def test_foreign_networks_are_combined_as_asked(files: list[Path], tmp_path: Path, by: str) -> None:
    made = combine(files, known(), tmp_path / "bundle", by=by)
    assert made.bundle.provenance["by"] == made.choice.by == by
    if by == "mean":
        assert set(made.choice.weights.values()) == {1 / 3}
    values = [read_predictions(file).values for file in files]
    chosen = [values[NAMES.index(name)] for name in made.choice.weights]
    np.testing.assert_allclose(
        apply(made.bundle.path, files).values,
        made.choice.calibrate(made.choice.pool(chosen)),
        rtol=1e-5,
        atol=1e-5,
    )
