"""Parts of the uncertainty add up; members that are alike count as one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import Classes, InputError, RedshiftBins, average, uncertainty
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.redshift_pdf import pdf_std
from rookery_ensembles.uncertainty import (
    effective_members,
    error_correlation,
    leave_one_out,
    member_errors,
    score_by_number,
    split_uncertainty,
)

BINS = RedshiftBins((0.0, 0.1, 0.3, 0.6, 1.0))


def members_of(kind: str, m: int, n: int, seed: int) -> tuple[object, np.ndarray, np.ndarray]:
    """A target, (M, N, 4) values and weights."""
    rng = np.random.default_rng(seed)
    target = BINS if kind == "redshifts" else Classes(("a", "b", "c", "d"))
    masses = rng.dirichlet(np.full(4, 0.5), size=(m, n))
    return target, target.from_probabilities(masses), rng.dirichlet(np.ones(m))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["classes", "redshifts"]), st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1)
)
def test_the_parts_add_up_to_the_uncertainty_of_the_pool(kind: str, m: int, n: int, seed: int) -> None:
    target, values, weights = members_of(kind, m, n, seed)
    found = split_uncertainty(target, values, weights)
    pooled = average(values, weights)
    if kind == "redshifts":
        expected = pdf_std(pooled, BINS.edges) ** 2
    else:
        expected = -np.sum(pooled * np.log(np.maximum(pooled, 1e-300)), axis=1)
    np.testing.assert_allclose(found.total, expected, atol=1e-9)
    for part in (found.aleatoric, found.epistemic, found.disagreement):
        assert part.shape == (n,)
        assert (part >= 0).all()
    assert (found.disagreement < 1).all()


@pytest.mark.parametrize("kind", ["classes", "redshifts"])
def test_equal_members_agree_and_blocks_are_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, values, _ = members_of(kind, 3, 50, 0)
    same = split_uncertainty(target, [values[0]] * 3)
    np.testing.assert_allclose([same.epistemic, same.disagreement], 0, atol=1e-12)
    whole = split_uncertainty(target, values)
    monkeypatch.setattr(uncertainty, "BLOCK", 7)
    blocks = split_uncertainty(target, list(values))
    np.testing.assert_allclose(blocks.total, whole.total, rtol=1e-12)
    np.testing.assert_allclose(blocks.disagreement, whole.disagreement, rtol=1e-12)


def test_members_that_contradict_each_other_worked_by_hand() -> None:
    certain = np.eye(2)[:, None, :]
    found = split_uncertainty(Classes(("a", "b")), certain)
    np.testing.assert_allclose([found.aleatoric, found.epistemic], [[0], [np.log(2)]], atol=1e-12)
    np.testing.assert_allclose(found.disagreement, [0.5])
    bins = RedshiftBins((0.0, 1.0, 2.0))
    found = split_uncertainty(bins, bins.from_probabilities(certain))
    np.testing.assert_allclose([found.aleatoric, found.epistemic], [[1 / 12], [0.25]])


def test_errors_of_classes_and_redshifts_worked_by_hand() -> None:
    found = member_errors(
        Classes(("a", "b")), np.array([[[0.7, 0.3], [0.5, 0.5]]]), np.array(["b", None], object)
    )
    np.testing.assert_allclose(found, [[0.7]])
    bins = RedshiftBins((0.0, 1.0, 2.0))
    pdf = np.array([[[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]]])
    np.testing.assert_allclose(member_errors(bins, pdf, np.array([0.25, np.nan, 9.0])), [[0.75 / 1.25]])


def test_effective_members_of_unrelated_and_of_equal_errors() -> None:
    rng = np.random.default_rng(0)
    apart = rng.normal(size=(8, 40_000))
    assert effective_members(apart) == pytest.approx(8, rel=0.05)
    assert effective_members(np.repeat(apart[:1], 8, axis=0)) == pytest.approx(1)
    shared = np.sqrt(0.5) * (apart + rng.normal(size=40_000))  # correlation 0.5: 8 / (1 + 7 / 2)
    assert effective_members(shared) == pytest.approx(8 / 4.5, rel=0.05)
    assert effective_members(apart, [0.5, 0.5, *[0.0] * 6]) == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(error_correlation(shared[:2])[0, 1], 0.5, atol=0.02)
    assert effective_members(np.array([[1.0, -1.0], [-1.0, 1.0]])) == np.inf


def test_leaving_out_tells_the_good_member_from_the_bad_one() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.uniform(0.7, 0.9, 500), rng.uniform(0.1, 0.3, 500)
    gains = leave_one_out(np.array([good, bad, bad]))
    expected = np.mean(np.log((good + 2 * bad) / 3) - np.log(bad))
    assert gains[0].value == pytest.approx(expected)
    assert gains[1].value < -5 * gains[1].error < 0
    unused = leave_one_out(np.array([good, bad, bad]), [0.5, 0.5, 0.0])[2]
    assert (unused.value, unused.error) == pytest.approx((0, 0), abs=1e-12)
    alone = leave_one_out(np.array([good, bad, bad]), [1.0, 0.0, 0.0])[0]
    assert alone.value == pytest.approx(np.mean(np.log(good) - np.log(bad)))


def test_the_score_of_more_members_is_better_and_known_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    likelihood = np.random.default_rng(2).uniform(0, 1, (6, 300))
    found = score_by_number(likelihood, orders=400)
    logs = -np.log(np.maximum(likelihood, LOG_FLOOR))
    assert found.mean[0] == pytest.approx(logs.mean(), abs=3 * found.sd[0] / np.sqrt(400))
    assert found.mean[-1] == pytest.approx(-np.log(likelihood.mean(axis=0)).mean())
    assert found.sd[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(found.mean) < 0).all()
    monkeypatch.setattr(uncertainty, "BLOCK", 11)
    np.testing.assert_allclose(score_by_number(likelihood, orders=400).mean, found.mean)


def test_what_breaks_a_rule_is_refused() -> None:
    target, values, _ = members_of("redshifts", 2, 3, 0)
    for call, message in (
        (lambda: split_uncertainty(target, []), "at least one, but found none"),
        (lambda: split_uncertainty(target, [values[0], values[0][:2]]), "member 1 has"),
        (lambda: split_uncertainty(target, values, [0.5, 0.6]), "must sum to 1"),
        (lambda: split_uncertainty(target, values[:, :, :2]), "objects by 4 columns"),
        (lambda: split_uncertainty(target, -values), "member 0, row 0: values must not be negative"),
        (lambda: member_errors(target, values, np.full(3, np.nan)), "a known redshift in a bin"),
        (lambda: error_correlation(np.zeros((2, 1))), "two or more objects"),
        (lambda: leave_one_out(np.ones((1, 3))), "2 or more members"),
        (lambda: leave_one_out(np.full((2, 3), 1.5)), "must be from 0 to 1"),
        (lambda: score_by_number(np.ones((2, 3)), orders=0), "orders: there must be at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            call()
