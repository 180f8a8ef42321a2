"""Conformal intervals and sets cover the truth as often as they promise, in all and in each group."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import InputError
from rookery_ensembles.conformal import (
    LEVELS,
    AdaptiveSets,
    ConformalIntervals,
    ConformalSets,
    coverage_spread,
)
from rookery_ensembles.redshift_pdf import gaussian_pdf

EDGES = np.linspace(0, 1, 41)
GROUPS = np.array(["bright", "faint"])


def galaxies(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PDFs that are too wide for bright galaxies and far too narrow for faint ones, truths, groups."""
    group = rng.integers(0, 2, n)
    mean = rng.uniform(0.3, 0.7, n)
    z = mean + rng.normal(0.0, np.where(group == 0, 0.01, 0.08))
    return gaussian_pdf(mean, np.full(n, 0.02), EDGES), z, GROUPS[group]


def objects(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class probabilities that are far too certain of the faint, truths, groups."""
    group = rng.integers(0, 2, n)
    told = rng.dirichlet([0.7, 0.7, 0.7], n)
    truth = (rng.uniform(size=n)[:, None] > told.cumsum(axis=1)).sum(axis=1).clip(max=2)
    values = np.maximum(told, 1e-9) ** np.where(group == 0, 1.0, 4.0)[:, None]
    return values / values.sum(axis=1, keepdims=True), truth, GROUPS[group]


def covered_intervals(n: int, rng: np.random.Generator, level: float, by_group: bool) -> dict[str, float]:
    pdf, z, group = galaxies(n, rng)
    found = ConformalIntervals.fit(pdf, EDGES, z, groups=group if by_group else None)
    pdf, z, group = galaxies(300, rng)
    low, high = found.intervals(pdf, EDGES, level, group if by_group else None).T
    inside = (z >= low) & (z <= high)
    return {"all": inside.mean(), **{name: inside[group == name].mean() for name in GROUPS}}


def covered_sets(kind: type, n: int, rng: np.random.Generator, level: float) -> dict[str, float]:
    p, truth, group = objects(n, rng)
    found = kind.fit(p, truth, groups=group)
    p, truth, group = objects(300, rng)
    inside = found.sets(p, level, group)[np.arange(300), truth]
    return {"all": inside.mean(), **{name: inside[group == name].mean() for name in GROUPS}}


def check_coverage(draws: list[dict[str, float]], level: float, most: float) -> None:
    """The mean over many draws is the promise: never below by more than its error, nor far above."""
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws])
        error = values.std() / math.sqrt(len(values))
        assert level - 3.5 * error <= values.mean() <= most + 3.5 * error, (name, values.mean(), error)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [60, 400])
def test_intervals_cover_as_often_as_they_promise_in_each_group(level: float, n: int) -> None:
    rng = np.random.default_rng(n)
    draws = [covered_intervals(n, rng, level, by_group=True) for _ in range(60)]
    check_coverage(draws, level, level + 1 / (n / 3))  # a group of a third of the objects, at worst


def test_without_groups_all_are_covered_but_not_each_group() -> None:
    rng = np.random.default_rng(0)
    draws = [covered_intervals(400, rng, 0.9, by_group=False) for _ in range(40)]
    check_coverage([{"all": draw["all"]} for draw in draws], 0.9, 0.905)
    assert np.mean([draw["bright"] for draw in draws]) > 0.98
    assert np.mean([draw["faint"] for draw in draws]) < 0.83


@pytest.mark.parametrize("level", [0.68, 0.95])
@pytest.mark.parametrize("kind", [ConformalSets, AdaptiveSets])
def test_sets_cover_as_often_as_they_promise_in_each_group(kind: type, level: float) -> None:
    rng = np.random.default_rng(5)
    draws = [covered_sets(kind, 200, rng, level) for _ in range(80)]
    # Whoever is last of its classes has the adaptive score 1, and so have many: these sets are large.
    check_coverage(draws, level, level + 0.015 if kind is ConformalSets else 1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.sampled_from(LEVELS), st.integers(0, 2**32 - 1))
def test_a_limit_is_the_score_of_the_rank_that_the_theory_says(n: int, level: float, seed: int) -> None:
    # The scores are 1 - p: ceil((n + 1) level)-th from below, none where there are too few.
    p = np.random.default_rng(seed).uniform(size=n)
    found = ConformalSets.fit(np.column_stack([p, 1 - p]), np.zeros(n, dtype=int), levels=(level,))
    rank = math.ceil((n + 1) * level - 1e-9)
    exact = np.sort(1 - p)[rank - 1] if rank <= n else np.inf
    above = np.sort(1 - p)[rank] if rank < n else np.inf  # one further where rounding decides
    assert found.limits["all"][0] in (pytest.approx(exact), pytest.approx(above))


@pytest.mark.parametrize("n", [60, 500])
@pytest.mark.parametrize("level", [0.68, 0.95])
def test_coverage_differs_from_one_set_of_limits_to_the_next_as_is_said(n: int, level: float) -> None:
    # A limit of 1 - p, p even between 0 and 1, covers as much of new objects as it is large.
    rng = np.random.default_rng([n, 1])
    covered = [
        ConformalSets.fit(np.column_stack([p, 1 - p]), np.zeros(n, int), levels=(level,)).limits["all"][0]
        for p in rng.uniform(size=(400, n))
    ]
    low, high = coverage_spread(n, level)
    assert low < level < high
    assert np.mean((low <= np.array(covered)) & (np.array(covered) <= high)) == pytest.approx(0.95, abs=0.035)
    inner = coverage_spread(n, level, 0.5)
    assert low < inner[0] < inner[1] < high


def test_limits_of_too_few_objects_cover_all_and_the_spread_is_of_the_group() -> None:
    assert coverage_spread(18, 0.95) == (1.0, 1.0)
    assert coverage_spread(19, 0.95)[1] < 1
    found = ConformalSets((0.68,), {"all": (0.3,), "faint": (0.4,)}, {"all": 500, "faint": 50})
    assert found.spread(0.68) == coverage_spread(500, 0.68)
    assert found.spread(0.68, "faint") == coverage_spread(50, 0.68)
    with pytest.raises(InputError, match="must be one or more that the limits come from, but found 0"):
        coverage_spread(0, 0.68)


def test_adaptive_scores_worked_by_hand() -> None:
    np.testing.assert_allclose(AdaptiveSets.scores(np.array([[0.2, 0.5, 0.3]])), [[1.0, 0.5, 0.8]])


def test_too_few_objects_promise_nothing() -> None:
    pdf, z, _ = galaxies(5, np.random.default_rng(1))
    found = ConformalIntervals.fit(pdf, EDGES, z)
    np.testing.assert_array_equal(found.intervals(pdf, EDGES, 0.95), [[-np.inf, np.inf]] * 5)
    assert np.isfinite(found.intervals(pdf, EDGES, 0.5)).all()


def test_wider_levels_hold_narrower_ones_and_unknown_groups_have_the_limit_of_all() -> None:
    pdf, z, group = galaxies(500, np.random.default_rng(2))
    found = ConformalIntervals.fit(pdf, EDGES, z, groups=group)
    ends = [found.intervals(pdf, EDGES, level, group) for level in LEVELS]
    for inner, outer in pairwise(ends):
        assert (outer[:, 0] <= inner[:, 0]).all()
        assert (outer[:, 1] >= inner[:, 1]).all()
    np.testing.assert_array_equal(
        found.intervals(pdf, EDGES, 0.9, np.full(500, "odd")), found.intervals(pdf, EDGES, 0.9)
    )
    assert found.objects["all"] == 500 == found.objects["bright"] + found.objects["faint"]


def test_unknown_redshifts_are_left_out_and_those_outside_of_all_bins_count() -> None:
    pdf, z, _ = galaxies(200, np.random.default_rng(3))
    z[:50] = np.nan
    assert ConformalIntervals.fit(pdf, EDGES, z).objects["all"] == 150
    z[50:] = 1.5
    found = ConformalIntervals.fit(pdf, EDGES, z)
    np.testing.assert_array_equal(found.intervals(pdf, EDGES, 0.5), [[-np.inf, np.inf]] * 200)


@pytest.mark.parametrize("kind", [ConformalIntervals, ConformalSets, AdaptiveSets])
def test_limits_come_back_from_their_document(kind: type) -> None:
    made = kind((0.5, 0.9), {"all": (0.2, 0.4), "faint": (0.3, np.inf)}, {"all": 30, "faint": 6})
    document = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert kind.from_dict(document, "d") == made
    with pytest.raises(InputError, match="d, key `method`: must be"):
        kind.from_dict({**document, "method": "magic"}, "d")
    with pytest.raises(InputError, match=r"limits`.faint: must be a list of numbers"):
        kind.from_dict({**document, "limits": {"all": [0.1, 0.2], "faint": "wide"}}, "d")


def test_what_breaks_a_rule_is_refused() -> None:
    pdf, z, group = galaxies(20, np.random.default_rng(4))
    found = ConformalIntervals.fit(pdf, EDGES, z)
    for call, message in (
        (lambda: found.intervals(pdf, EDGES, 0.7), "level: must be one of 0.5, 0.68, 0.9, 0.95"),
        (lambda: found.intervals(pdf, EDGES, 0.5, group[:3]), "one for each of 20 objects"),
        (lambda: ConformalIntervals.fit(pdf, EDGES, z, groups=["all"] * 20), "none may be called `all`"),
        (lambda: ConformalIntervals.fit(pdf, EDGES, z, levels=(0.9, 0.5)), "levels"),
        (lambda: ConformalIntervals.fit(pdf, EDGES, z, levels=()), "at least one level"),
        (lambda: ConformalIntervals.fit(pdf, EDGES, np.full(20, np.nan)), "at least one object of known"),
        (lambda: ConformalIntervals.fit(-pdf, EDGES, z), "must not be negative"),
        (lambda: ConformalSets.fit([[0.5, 0.5]], [2]), "class indices must be 0 to 1"),
        (lambda: ConformalSets((0.5,), {"a": (0.1,)}, {"a": 3}), "of the same groups, `all` among them"),
        (lambda: ConformalSets((0.5,), {"all": (-0.1,)}, {"all": 3}), "a limit of 0 or more"),
    ):
        with pytest.raises(InputError, match=message):
            call()
