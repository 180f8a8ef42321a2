import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    Bundle,
    BundleMember,
    Classes,
    InputError,
    PdfCalibration,
    RedshiftBins,
    TemperatureCalibration,
    load_bundle,
    write_bundle,
)

CLASSES = ("Ia", "non-Ia")
MEMBER_FILES = {"weights.safetensors", "config.yaml", "card.json"}


@pytest.fixture
def build(tmp_path: Path, make_member) -> Callable[..., Bundle]:
    """Write a bundle of two members; keyword arguments replace those of `write_bundle`."""
    members = [
        BundleMember(name, make_member(tmp_path, name), w) for name, w in (("0003-f0", 0.25), ("7", 0.75))
    ]

    def build(**changes: Any) -> Bundle:
        arguments: dict[str, Any] = {
            "members": members,
            "target": Classes(CLASSES),
            "calibration": TemperatureCalibration(2.0),
            "scores": {"selected": {"log_loss": np.float64(0.25), "auc": float("nan")}},
            "provenance": {"study": "runs/x", "picks": ["b", "a", "b"], "rookery": "0.1.0"},
        }
        return write_bundle(tmp_path / "bundle", **{**arguments, **changes})

    return build


def rewrite_document(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the document as a careful forger would: with a digest that fits."""
    file = bundle / "ensemble.yaml"
    document = yaml.safe_load(file.read_text())
    del document["digest"]
    change(document)
    body = yaml.safe_dump(document, sort_keys=False)
    file.write_text(f"{body}digest: {hashlib.sha256(body.encode()).hexdigest()}\n")


def test_a_bundle_comes_back_as_it_was_written(build, tmp_path: Path) -> None:
    build()
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.target == Classes(CLASSES)
    assert [(member.id, member.weight) for member in bundle.members] == [("0003-f0", 0.25), ("7", 0.75)]
    assert bundle.member_folders() == [tmp_path / "bundle" / "members" / name for name in ("0003-f0", "7")]
    assert bundle.pooling == "linear"
    assert bundle.calibration == TemperatureCalibration(2.0)
    assert bundle.scores["selected"] == pytest.approx({"log_loss": 0.25, "auc": np.nan}, nan_ok=True)
    assert bundle.provenance == {"study": "runs/x", "picks": ["b", "a", "b"], "rookery": "0.1.0"}


def test_a_bundle_holds_the_three_files_of_each_member_and_nothing_else(build, tmp_path: Path) -> None:
    build()
    found = {path.relative_to(tmp_path / "bundle").as_posix() for path in (tmp_path / "bundle").rglob("*.*")}
    members = {f"members/{member}/{name}" for member in ("0003-f0", "7") for name in MEMBER_FILES}
    assert found == {"ensemble.yaml", "MODEL_CARD.md", *members}
    copied = tmp_path / "bundle/members/7/weights.safetensors"
    assert copied.read_bytes() == (tmp_path / "7/weights.safetensors").read_bytes()


def test_equal_bundles_have_equal_digests_and_others_do_not(build) -> None:
    first = build()
    assert build(replace=True).digest == first.digest
    assert build(replace=True, calibration=None).digest != first.digest


def test_a_bundle_is_not_replaced_unasked(build) -> None:
    build()
    with pytest.raises(InputError, match="must not exist yet"):
        build()


def test_members_are_pooled_by_weight_and_then_calibrated(build) -> None:
    values = np.array([[[1.0, 0.0]], [[0.6, 0.4]]])
    np.testing.assert_allclose(build(calibration=None).combine(values), [[0.7, 0.3]])
    odds = np.sqrt(0.7 / 0.3)
    np.testing.assert_allclose(build(replace=True).combine(values), [[odds / (1 + odds), 1 / (1 + odds)]])


def test_redshift_pdfs_are_pooled_too(build) -> None:
    bundle = build(target=RedshiftBins((0.0, 0.5, 1.0)), calibration=None)
    assert load_bundle(bundle.path).target == RedshiftBins((0.0, 0.5, 1.0))
    values = np.array([[[2.0, 0.0]], [[0.0, 2.0]]])
    np.testing.assert_allclose(bundle.combine(values), [[0.5, 1.5]])


@pytest.mark.parametrize(
    ("calibration", "expected"),
    [
        # Masses of 0.25 and 0.75: squared, 1 to 9; F = 0.25 becomes 0.25^2 under a = 2, b = 1.
        (TemperatureCalibration(0.5), [0.1, 0.9]),
        (PdfCalibration(temperature=0.5), [0.1, 0.9]),
        (PdfCalibration(a=2.0), [0.0625, 0.9375]),
        (PdfCalibration(temperature=0.5, a=2.0), [0.01, 0.99]),
        (PdfCalibration(weights=(0.0, 1.0)), [0.0625, 0.9375]),
    ],
)
def test_a_bundle_of_redshift_pdfs_keeps_either_calibration(build, calibration, expected) -> None:
    path = build(target=RedshiftBins((0.0, 0.5, 0.75)), calibration=calibration).path
    bundle = load_bundle(path)
    assert bundle.calibration == calibration
    values = np.array([[[2.0, 0.0]], [[0.0, 4.0]]])
    np.testing.assert_allclose(bundle.combine(values) * [0.5, 0.25], [expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": 1e300}, "key `calibration`, key `a`: must be from 0.05 to 20, but found 1e[+]300"),
        ({"b": float("nan")}, "key `b`: must be from 0.05 to 20, but found nan"),
        ({"temperature": 0}, "key `temperature`: must be from 0.05 to 20"),
        ({"weights": [0.5, float("nan")]}, "key `weights`: weights must be from 0 to 1, but found nan"),
        ({"weights": "all"}, "key `weights`: must be a list"),
        ({"a": "wide"}, "key `a`: must be a number"),
        ({"c": 1.0}, "unknown key `c`; the keys are method, temperature, a, b, weights"),
        ({"method": "magic"}, "key `calibration`, key `method`: must be one of beta, .*, but found 'magic'"),
    ],
)
def test_a_forged_calibration_of_redshift_pdfs_is_refused(build, change, message: str) -> None:
    path = build(target=RedshiftBins((0.0, 0.5, 1.0)), calibration=PdfCalibration(a=2.0)).path
    rewrite_document(path, lambda document: document["calibration"].update(change))
    with pytest.raises(InputError, match=message):
        load_bundle(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((1, 3, 2), 0.5), "one array for each of 2 members, but found 1"),
        (np.full((2, 3, 4), 0.25), "objects by 2 columns"),
        (np.full((2, 3, 2), np.nan), "row 0: values must be finite"),
    ],
)
def test_predictions_that_do_not_fit_the_bundle_are_refused(build, values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build().combine(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": []}, "at least one member"),
        ({"target": RedshiftBins((0.0,))}, "at least two edges"),
        ({"target": Classes(("Ia",))}, "two or more"),
        ({"pooling": "magic"}, "must be one of harmonic, linear, logarithmic, but found 'magic'"),
        ({"provenance": {"path": Path("x")}}, "`provenance` must hold plain values"),
        ({"calibration": PdfCalibration(a=2.0)}, "class probabilities must have a calibration of their own"),
    ],
)
def test_invalid_arguments_are_refused_and_leave_no_bundle(build, tmp_path: Path, changes, message) -> None:
    with pytest.raises(InputError, match=message):
        build(**changes)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["..", "../7", "a/b", "/etc", ".hidden", "", "a\n"])
def test_an_id_that_could_leave_the_bundle_is_refused(build, tmp_path: Path, make_member, name: str) -> None:
    folder = make_member(tmp_path, "source")
    with pytest.raises(InputError, match="`id` must be"):
        build(members=[BundleMember(name, folder, 1.0)])


@pytest.mark.parametrize("weights", [(0.5, 0.6), (1.0, 0.0), (1.5, -0.5), (np.nan, 1.0)])
def test_weights_off_the_simplex_are_refused(build, tmp_path: Path, make_member, weights) -> None:
    members = [BundleMember(f"m{i}", make_member(tmp_path, f"m{i}"), w) for i, w in enumerate(weights)]
    with pytest.raises(InputError, match="weight"):
        build(members=members)


def test_a_member_that_lacks_a_file_is_named(build, tmp_path: Path) -> None:
    (tmp_path / "7" / "card.json").unlink()
    with pytest.raises(InputError, match=r"7/card\.json: the file is missing, which member 7 must have"):
        build()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, make_member) -> Path:
    parent = tmp_path_factory.mktemp("finished")
    members = [BundleMember("a", make_member(parent, "a"), 1.0)]
    write_bundle(
        parent / "bundle", members=members, target=Classes(CLASSES), scores={}, provenance={"by": "ö"}
    )
    return parent / "bundle"


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_an_altered_byte_in_any_file_is_refused(finished: Path, data: st.DataObject) -> None:
    files = sorted(path for path in finished.rglob("*") if path.is_file() and path.suffix != ".md")
    file = data.draw(st.sampled_from(files))
    original = file.read_bytes()
    altered = bytearray(original)
    altered[data.draw(st.integers(0, len(original) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(altered)
    try:
        with pytest.raises(InputError, match="altered"):
            load_bundle(finished)
    finally:
        file.write_bytes(original)
    assert load_bundle(finished).target == Classes(CLASSES)


@pytest.mark.parametrize("missing", ["ensemble.yaml", "members/7/weights.safetensors"])
def test_a_missing_file_is_named(build, missing: str) -> None:
    path = build().path
    (path / missing).unlink()
    with pytest.raises(InputError, match=f"{missing}: the file is missing"):
        load_bundle(path)


@pytest.mark.parametrize("extra", ["notes.txt", "members/8/card.json", "members/7/model.pkl"])
def test_a_file_that_does_not_belong_is_named(build, extra: str) -> None:
    path = build().path
    (path / extra).parent.mkdir(exist_ok=True)
    (path / extra).touch()
    with pytest.raises(InputError, match="nothing else"):
        load_bundle(path)


def test_links_are_refused_even_to_equal_files(build, tmp_path: Path) -> None:
    path = build().path
    (path / "members/7/card.json").unlink()
    (path / "members/7/card.json").symlink_to(tmp_path / "7/card.json")
    with pytest.raises(InputError, match=r"card\.json: a bundle must not hold links"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=0), "key `format`: must be 1, but found 0$"),
        (lambda d: d.update(format=2, hooks=["rm"]), "must be 1, but found 2; a newer Rookery wrote it"),
        (lambda d: d.update(hooks=["rm"]), "unknown key `hooks`; the keys are format, kind"),
        (lambda d: d.pop("pooling"), "the key `pooling` is missing"),
        (
            lambda d: d.update(pooling={"method": "log"}),
            "key `pooling`: the pool of .* must be one of harmonic, linear",
        ),
        (
            lambda d: d.update(calibration={"method": "platt", "temperature": 1}),
            "`calibration`, key `method`",
        ),
        (lambda d: d["members"][1].update(id="../../7"), r"`members`\[1\]: `id` must be"),
        (lambda d: d["members"][1].update(id="0003-f0"), r"`members`\[1\]: every `id` must occur once"),
        (lambda d: d["members"][1].update(weight=0.5), "`members`: the weights must sum to 1"),
        (lambda d: d["members"][0].update(weight="all"), r"`members`\[0\], key `weight`: must be a number"),
        (lambda d: d["members"][0]["digests"].pop("card.json"), r"the key `card\.json` is missing"),
        (lambda d: d["members"][0]["digests"].update({"../x": "0"}), "unknown key `../x`"),
        (lambda d: d["members"][0]["digests"].update({"card.json": "00"}), "64 hexadecimal digits"),
        (lambda d: d.update(scores={"selected": {"auc": "good"}}), r"`selected`\.auc: must be a number"),
        (lambda d: d.update(members={}), "key `members`: must be a list"),
    ],
)
def test_a_forged_document_is_refused_with_its_key(build, change, message: str) -> None:
    path = build().path
    rewrite_document(path, change)
    with pytest.raises(InputError, match=rf"ensemble\.yaml.*{message}"):
        load_bundle(path)


def test_a_document_that_would_run_code_is_refused(build, tmp_path: Path) -> None:
    path = build().path
    body = f"format: !!python/object/apply:os.mkdir [{tmp_path / 'harm'}]\n"
    (path / "ensemble.yaml").write_text(f"{body}digest: {hashlib.sha256(body.encode()).hexdigest()}\n")
    with pytest.raises(InputError, match="is not valid YAML"):
        load_bundle(path)
    assert not (tmp_path / "harm").exists()


def test_a_bundle_combines_in_its_own_way(build) -> None:
    bundle = build(pooling="logarithmic", calibration=None)
    values = np.random.default_rng(0).dirichlet(np.ones(2), size=(2, 5))
    weights = np.array([member.weight for member in bundle.members])
    expected = np.exp(np.einsum("m,mnk->nk", weights, np.log(values)))
    np.testing.assert_allclose(bundle.combine(values), expected / expected.sum(axis=1, keepdims=True))
    assert load_bundle(bundle.path).pooling == "logarithmic"
