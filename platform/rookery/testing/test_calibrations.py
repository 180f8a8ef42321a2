"""What every calibration keeps, of class probabilities and of redshift PDFs, whatever it does."""

import re

import numpy as np
import pytest
import yaml

from rookery_ensembles import Classes, Covariates, InputError, RedshiftBins
from rookery_ensembles.calibrations import Calibration, fit_calibration, methods, read_calibration
from rookery_ensembles.metrics import log_loss

given, settings = (getattr(pytest.importorskip("hypothesis"), name) for name in ("given", "settings"))
st = pytest.importorskip("hypothesis.strategies")

KINDS = (Classes.kind, RedshiftBins.kind)
ALL = [(kind, name) for kind in KINDS for name in methods(kind)]
EXPECTED = {
    Classes.kind: {"none", "temperature", "vector", "dirichlet", "beta", "isotonic", "venn_abers"},
    RedshiftBins.kind: {"none", "temperature", "beta", "temperature_beta", "local"},
}


@pytest.fixture(params=ALL, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


def distorted(kind: str, n: int, seed: int, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Values that are far too certain, most of all about the first column, and the truth."""
    rng = np.random.default_rng(seed)
    if kind == Classes.kind:
        told = rng.dirichlet(np.full(k, 0.8), size=n)
        truth = (rng.uniform(size=n)[:, None] > np.cumsum(told, axis=1)).sum(axis=1).clip(max=k - 1)
        values = np.maximum(told, 1e-12) ** 2.5 * np.array([3.0, *[1.0] * (k - 1)])
        return values / values.sum(axis=1, keepdims=True), truth
    bins = np.arange(30)
    centre = rng.uniform(8, 22, n)
    truth = np.clip(np.round(centre + 1.0 + 3.0 * rng.normal(size=n)), 0, 29).astype(int)
    values = np.exp(-0.5 * ((bins - centre[:, None]) / 1.5) ** 2) + 1e-6
    return values / values.sum(axis=1, keepdims=True), truth


def covariates_of(values: np.ndarray) -> Covariates:
    return Covariates(("z_mean",), values @ np.arange(values.shape[1])[:, None].astype(float))


def fitted(way: tuple[str, str], values: np.ndarray, truth: np.ndarray, weight: object = None) -> Calibration:
    return fit_calibration(*way, values, truth, weight, covariates=covariates_of(values))


def test_the_methods_that_are_promised_are_there() -> None:
    for kind in KINDS:
        assert set(methods(kind)) >= EXPECTED[kind]
        assert next(iter(methods(kind))) == "none"
        assert all(method.meaning.endswith(".") for method in methods(kind).values())
    assert Classes.calibrations == tuple(methods(Classes.kind))
    assert RedshiftBins.calibrations == tuple(methods(RedshiftBins.kind))


@pytest.mark.parametrize("k", [2, 3])
def test_a_calibration_of_distorted_values_helps_objects_that_it_never_saw(
    way: tuple[str, str], k: int
) -> None:
    kind, name = way
    calibration = fitted(way, *distorted(kind, 3000, 1, k))
    values, truth = distorted(kind, 3000, 2, k)
    gain = log_loss(values, truth) - log_loss(calibration.apply(values, covariates_of(values)), truth)
    assert gain == 0 if name == "none" else gain > 0.04


@settings(max_examples=15, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("way", ALL, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_the_loss_of_the_fit_data_never_rises_and_rows_stay_normalised(
    way: tuple[str, str], data: st.DataObject
) -> None:
    k, n = data.draw(st.integers(2, 5)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = rng.dirichlet(np.full(k, data.draw(st.sampled_from([0.02, 0.5, 20.0]))), size=n)
    truth = rng.integers(0, data.draw(st.integers(1, k)), n)
    weight = rng.uniform(0.1, 2, n) if data.draw(st.booleans()) else None
    calibration = fitted(way, values, truth, weight)
    applied = calibration.apply(values, covariates_of(values))
    assert applied.shape == values.shape
    assert applied.dtype == np.float64
    assert (applied >= 0).all()
    np.testing.assert_allclose(applied.sum(axis=1), 1)
    assert log_loss(applied, truth, weight) <= log_loss(values, truth, weight) + 1e-9


def test_a_calibration_comes_back_from_its_text_and_does_the_same(way: tuple[str, str]) -> None:
    values, truth = distorted(way[0], 500, 3)
    calibration = fitted(way, values, truth)
    document = yaml.safe_load(yaml.safe_dump(calibration.to_dict()))
    back = read_calibration(document, "f")
    assert back == calibration
    known = covariates_of(values)
    np.testing.assert_array_equal(back.apply(values, known), calibration.apply(values, known))
    assert way[0] in back.kinds
    assert 0 < len(str(back)) < 200
    for broken in ({**document, "colour": 1}, {"method": document["method"], "colour": 1}):
        with pytest.raises(InputError, match=r"^f: unknown key `colour`"):
            read_calibration(broken, "f")


def test_equal_weights_are_no_weights_and_blocks_are_the_whole(way: tuple[str, str]) -> None:
    values, truth = distorted(way[0], 400, 4)
    calibration = fitted(way, values, truth)
    assert fitted(way, values, truth, np.full(400, 7.0)) == calibration
    known = covariates_of(values)
    parts = [slice(0, 150), slice(150, 151), slice(151, 400)]
    blocks = [calibration.apply(values[part], known.take(part)) for part in parts]
    np.testing.assert_allclose(np.concatenate(blocks), calibration.apply(values, known), rtol=1e-12)


def test_the_target_goes_the_same_way(way: tuple[str, str]) -> None:
    kind, name = way
    values, truth = distorted(kind, 300, 5)
    target = RedshiftBins.equal(0, 1, 30) if kind == RedshiftBins.kind else Classes(("a", "b", "c"))
    given = target.from_probabilities(values)
    calibration = target.fit_calibration(given, truth, method=name)
    target.check_calibration(calibration, "d")
    applied = target.normalised(target.calibrate(calibration, given), "d")
    assert target.log_loss(applied, truth) <= target.log_loss(given, truth) + 1e-9


def test_without_leave_to_sharpen_values_are_softened_or_the_method_refuses(way: tuple[str, str]) -> None:
    values, truth = distorted(way[0], 300, 6)
    soft = values**0.2
    soft /= soft.sum(axis=1, keepdims=True)
    if methods(way[0])[way[1]].softens:
        calibration = fit_calibration(*way, soft, truth, sharpen=False, covariates=covariates_of(soft))
        np.testing.assert_allclose(calibration.apply(soft), soft)
    else:
        with pytest.raises(InputError, match="without leave to sharpen it must be one of none, temp"):
            fit_calibration(*way, soft, truth, sharpen=False)


@pytest.mark.parametrize(
    ("values", "truth", "weight", "message"),
    [
        ([[0.5, 0.6]], [0], None, "must sum to 1 within"),
        ([[np.nan, 0.5]], [0], None, "values must be finite"),
        ([[-0.5, 1.5]], [0], None, "must not be negative"),
        ([[0.5, 0.5]], [2], None, "class indices must be 0 to 1"),
        ([[0.5, 0.5]], [0, 1], None, "one class index for each of 1 objects"),
        ([[0.5, 0.5]], [0], [0.0], "at least one of 1 weights"),
        ([[0.5, 0.5]], [0], [1.0, 1.0], "one weight for each of 1 objects"),
        ([0.5, 0.5], [0], None, "must be an array of objects by columns"),
    ],
)
def test_what_breaks_a_rule_is_refused(
    way: tuple[str, str], values: list, truth: list, weight: list | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit_calibration(*way, np.array(values), np.array(truth), weight)


def test_other_columns_than_those_of_the_fit_are_refused_or_do_not_matter(way: tuple[str, str]) -> None:
    values, truth = distorted(Classes.kind, 300, 7)
    if way[0] == RedshiftBins.kind or way[1] in ("none", "temperature"):
        return
    with pytest.raises(InputError, match="columns, as when the calibration was fitted"):
        fitted(way, values, truth).apply(np.full((1, 5), 0.2))


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"must be one of none, beta, dirichlet.*but found 'platt'"):
        Classes(("a", "b")).fit_calibration(np.full((1, 2), 0.5), np.array([0]), method="platt")
    with pytest.raises(InputError, match=re.escape("f, key `method`: must be one of")):
        read_calibration({"method": "platt"}, "f")
    with pytest.raises(InputError, match="f: must be a mapping"):
        read_calibration("none", "f")


def test_covariates_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="a column for each of the names a, b, but the shape"):
        Covariates(("a", "b"), np.zeros((3, 1)))
    with pytest.raises(InputError, match="every name must occur once"):
        Covariates(("a", "a"), np.zeros((3, 2)))
    with pytest.raises(InputError, match="one row for each of 1 objects, but found 3"):
        fit_calibration(
            Classes.kind,
            "none",
            np.full((1, 2), 0.5),
            np.array([0]),
            covariates=Covariates((), np.zeros((3, 0))),
        )
    found = Covariates(("a", "b"), [[1, 2], [3, 4]]).columns(("b", "c"))
    np.testing.assert_array_equal(found, [[2, np.nan], [4, np.nan]])
