"""Every pool keeps the same rules, for class probabilities and for redshift PDFs."""

import numpy as np
import pytest

from rookery_ensembles import Classes, InputError, RedshiftBins, Target, average
from rookery_ensembles.pools import POOLS, Pool, base, find_pool
from rookery_ensembles.redshift_pdf import gaussian_pdf, quantiles

given, settings = (getattr(pytest.importorskip("hypothesis"), name) for name in ("given", "settings"))
st = pytest.importorskip("hypothesis.strategies")

EDGES = (0.0, 0.1, 0.15, 0.3, 0.5, 0.6, 1.0)
TARGETS = {target.kind: target for target in (Classes(("Ia", "II", "non-Ia")), RedshiftBins(EDGES))}
CASES = [(pool, target) for pool in POOLS.values() for target in TARGETS.values() if pool.takes(target)]
# Quantiles jump over bins of less than 1e-9, and slopes as steep as their reciprocals cost digits.
TOLERANCE = 2e-7


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0].name}-{case[1].kind}")
def case(request: pytest.FixtureRequest) -> tuple[Pool, Target]:
    return request.param


@st.composite
def stacks(draw: st.DrawFn, target: Target, least: int = 1) -> np.ndarray:
    """Draw (M, N, K) values, sharp or flat, some exactly zero."""
    m, n = draw(st.integers(least, 6)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharp = draw(st.sampled_from([0.02, 0.5, 1.0, 20.0]))
    mass = rng.dirichlet(np.full(target.n_columns, sharp), size=(m, n))
    mass[mass < draw(st.sampled_from([0.0, 0.1]))] = 0.0
    mass /= mass.sum(axis=2, keepdims=True)
    return target.from_probabilities(mass)


def masses(target: Target, values: np.ndarray) -> np.ndarray:
    return values * (np.diff(target.edges) if target.has_pdfs else 1.0)


def test_every_target_has_the_pools_of_the_paper_and_is_refused_others() -> None:
    assert {"linear", "logarithmic"} <= {pool.name for pool, target in CASES if not target.has_pdfs}
    with_pdfs = {pool.name for pool, target in CASES if target.has_pdfs}
    assert {"linear", "logarithmic", "harmonic", "quantile"} <= with_pdfs
    with pytest.raises(InputError, match=r"must be one of .*linear.*, but found 'quantile'"):
        find_pool("quantile", TARGETS["class_probability"])
    with pytest.raises(InputError, match="the quantile pool does not combine class probabilities"):
        POOLS["quantile"].combine(TARGETS["class_probability"], np.full((2, 1, 3), 1 / 3))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_result_keeps_the_rules_whatever_the_members(case, data: st.DataObject) -> None:
    pool, target = case
    values = data.draw(stacks(target))
    weights = np.random.default_rng(len(values)).dirichlet(np.ones(len(values)))
    pooled = pool.combine(target, values, weights)
    assert np.isfinite(pooled).all()
    assert pooled.min() >= 0
    np.testing.assert_allclose(masses(target, pooled).sum(axis=1), 1, atol=1e-9)
    assert target.normalised(pooled, "pooled") is pooled


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_of_the_members_does_not_matter(case, data: st.DataObject) -> None:
    pool, target = case
    values = data.draw(stacks(target))
    order = np.array(data.draw(st.permutations(range(len(values)))))
    weights = np.random.default_rng(len(values)).dirichlet(np.ones(len(values)))
    found = pool.combine(target, values[order], weights[order])
    expected = pool.combine(target, values, weights)
    np.testing.assert_allclose(masses(target, found), masses(target, expected), atol=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_equal_members_give_themselves_back(case, data: st.DataObject) -> None:
    pool, target = case
    one = data.draw(stacks(target))[0]
    found = pool.combine(target, [one, one, one], [0.2, 0.3, 0.5])
    np.testing.assert_allclose(masses(target, found), masses(target, one), atol=TOLERANCE)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_member_of_weight_zero_is_absent(case, data: st.DataObject) -> None:
    pool, target = case
    values = data.draw(stacks(target, least=2))
    weights = np.append(np.full(len(values) - 1, 1 / (len(values) - 1)), 0.0)
    with_it, without = pool.combine(target, values, weights), pool.combine(target, values[:-1])
    np.testing.assert_array_equal(with_it, without)


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_one_member_is_returned_as_it_is(case, data: st.DataObject) -> None:
    pool, target = case
    values = data.draw(stacks(target))
    np.testing.assert_array_equal(pool.combine(target, values[:1]), values[0])
    np.testing.assert_array_equal(pool.combine(target, values, np.eye(len(values))[-1]), values[-1])


def test_blocks_give_what_the_whole_gives(case, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, target = case
    rng = np.random.default_rng(3)
    mass = rng.dirichlet(np.full(target.n_columns, 0.5), size=(4, 25))
    values = target.from_probabilities(mass).astype(np.float32)
    whole = pool.combine(target, values, [0.1, 0.2, 0.3, 0.4])
    one_by_one = [pool.combine(target, values[:, [n]], [0.1, 0.2, 0.3, 0.4]) for n in range(25)]
    np.testing.assert_allclose(np.concatenate(one_by_one), whole, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr(base, "_BLOCK_VALUES", 7 * 4 * target.n_columns)
    in_sevens = pool.combine(target, list(values), [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(in_sevens, whole, rtol=1e-12, atol=1e-15)


def test_a_member_certain_of_something_else_forbids_nothing(case) -> None:
    pool, target = case
    certain = target.from_probabilities(np.eye(target.n_columns))
    found = pool.combine(target, [certain, certain[::-1]])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(masses(target, found).sum(axis=1), 1)
    np.testing.assert_allclose(masses(target, found), masses(target, found[::-1]), atol=TOLERANCE)


def test_what_breaks_a_rule_is_refused(case) -> None:
    pool, target = case
    good = target.from_probabilities(np.full((2, target.n_columns), 1 / target.n_columns))
    with pytest.raises(InputError, match="at least one to combine"):
        pool.combine(target, [])
    with pytest.raises(InputError, match=r"weights must sum to 1, but sum to 0\.9"):
        pool.combine(target, [good, good], [0.5, 0.4])
    with pytest.raises(InputError, match=r"must be finite and not negative, but weight 0 is -0\.5"):
        pool.combine(target, [good, good], [-0.5, 1.5])
    with pytest.raises(InputError, match="one weight for each of 2 members, but found 1"):
        pool.combine(target, [good, good], [1.0])
    with pytest.raises(InputError, match=r"item 1: must be of 2 objects by \d columns, but has the shape"):
        pool.combine(target, [good, good[:1]])
    with pytest.raises(InputError, match=r"item 0: must be of 2 objects by \d columns, but has the shape"):
        pool.combine(target, [good[:, 1:], good[:, 1:]])
    for wrong, rule in ((np.nan, "must be finite"), (-1.0, "must not be negative"), (9.0, "to 1 within")):
        bad = good.copy()
        bad[1, 1] = wrong
        with pytest.raises(InputError, match=f"item 1, row 1: .*{rule}"):
            pool.combine(target, [good, bad])


def test_the_linear_pool_is_the_weighted_mean() -> None:
    rng = np.random.default_rng(1)
    values = rng.dirichlet(np.ones(3), size=(5, 40)).astype(np.float32)
    weights = rng.dirichlet(np.ones(5))
    found = POOLS["linear"].combine(TARGETS["class_probability"], values, weights)
    np.testing.assert_array_equal(found, average(values, weights))


def test_geometric_and_harmonic_means_worked_by_hand() -> None:
    target, values = Classes(("a", "b")), np.array([[[0.8, 0.2]], [[0.5, 0.5]]])
    geometric = np.sqrt([0.4, 0.1])
    found = POOLS["logarithmic"].combine(target, values)
    np.testing.assert_allclose(found[0], geometric / geometric.sum())
    harmonic = np.array([2 / (1 / 0.8 + 1 / 0.5), 2 / (1 / 0.2 + 1 / 0.5)])
    found = POOLS["harmonic"].combine(target, values)
    np.testing.assert_allclose(found[0], harmonic / harmonic.sum())


def test_quantile_averaging_of_gaussians_averages_mean_and_width() -> None:
    target = RedshiftBins.equal(0.0, 1.0, 500)
    values = [gaussian_pdf(np.array([0.4]), np.array([0.02]), target.edges),
              gaussian_pdf(np.array([0.6]), np.array([0.06]), target.edges)]  # fmt: skip
    found = POOLS["quantile"].combine(target, values, [0.75, 0.25])
    expected = gaussian_pdf(np.array([0.45]), np.array([0.03]), target.edges)
    levels = (0.025, 0.16, 0.5, 0.84, 0.975)
    np.testing.assert_allclose(
        quantiles(found, target.edges, levels), quantiles(expected, target.edges, levels), atol=1e-4
    )


def test_quantile_averaging_of_uniform_pdfs_jumps_over_what_is_empty() -> None:
    # Uniform on 0..0.1 and on 0.6..1: the mean quantile function rises from 0.3 to 0.55.
    target = TARGETS["redshift_pdf"]
    ends = np.eye(6)[[0, 5]][:, None] / np.diff(EDGES)
    found = masses(target, POOLS["quantile"].combine(target, ends))
    np.testing.assert_allclose(found, [[0, 0, 0, 0.8, 0.2, 0]], atol=1e-9)
