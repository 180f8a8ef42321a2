"""Every way to find weights keeps the same rules, for class probabilities and for redshift PDFs."""

import numpy as np
import pytest

from rookery_ensembles import Classes, InputError, RedshiftBins, Target, average
from rookery_ensembles.photoz_sample import PhotozSample
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rookery_ensembles.weights import WEIGHTS, Evidence, Weights, find_weights
from rookery_ensembles.weights.evidence import cells, gram_of_cells

N = 600


def classified(noises: list[float], n: int = N, seed: int = 0) -> tuple[Target, np.ndarray, np.ndarray]:
    """Members that look at the same truth with noise of their own, and know how much."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    looks = np.array([(2 * truth - 1) + noise * rng.normal(size=n) for noise in noises])
    p = 1 / (1 + np.exp(2 * looks / np.square(noises)[:, None]))
    return Classes(("a", "b")), np.stack([p, 1 - p], axis=2), np.array(["a", "b"], object)[truth]


def measured(noises: list[float], n: int = N, seed: int = 0) -> tuple[Target, np.ndarray, np.ndarray]:
    """Redshift PDFs whose centres scatter about the truth as much as they say."""
    rng = np.random.default_rng(seed)
    target = RedshiftBins.equal(0.0, 1.0, 40)
    z = rng.uniform(0.3, 0.7, n)
    pdfs = [gaussian_pdf(z + s * rng.normal(size=n), np.full(n, s), target.edges) for s in noises]
    return target, np.array(pdfs), z


MAKERS = {"classes": (classified, 1.0), "redshifts": (measured, 0.03)}
Case = tuple[Target, np.ndarray, np.ndarray]


def evidence_of(case: Case, weight_n: np.ndarray | None = None, dtype: type = np.float64) -> Evidence:
    target, values, truth = case
    likelihood = np.array([target.likelihood(member, target.index(truth)) for member in values])
    gram = gram_of_cells(target, values, truth, weight_n, cells(len(truth)))
    return Evidence(likelihood.astype(dtype), weight_n, cells(len(truth)), gram)


@pytest.fixture(params=WEIGHTS.values(), ids=lambda weights: weights.name)
def way(request: pytest.FixtureRequest) -> Weights:
    return request.param


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest):
    """Make members of noises that are multiples of a good one's."""
    maker, unit = MAKERS[request.param]
    return lambda noises, **options: maker([unit * noise for noise in noises], **options)


def score(way: Weights, evidence: Evidence, weights: np.ndarray) -> float:
    return float(weights @ evidence.gram @ weights) if way.quadratic else evidence.loss(weights)


@pytest.mark.parametrize("shrink", [True, False])
def test_weights_are_on_the_simplex(way: Weights, make, shrink: bool) -> None:
    found = way.fit(evidence_of(make([1.0, 1.2, 2.0, 4.0])), shrink=shrink)
    assert found.weights_m.shape == (4,)
    assert found.weights_m.min() >= 0
    assert found.weights_m.sum() == pytest.approx(1)
    assert 0 <= found.shrinkage <= 1


def test_the_order_of_the_members_does_not_matter(way: Weights, make) -> None:
    target, values, truth = make([1.0, 1.3, 2.0, 4.0])
    order = [2, 0, 3, 1]
    found = way.fit(evidence_of((target, values[order], truth))).weights_m
    expected = way.fit(evidence_of((target, values, truth))).weights_m[order]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_member_has_all_the_weight(way: Weights, make) -> None:
    assert way.fit(evidence_of(make([1.0]))).weights_m.tolist() == [1.0]


def test_one_object_is_enough_and_says_nothing(way: Weights, make) -> None:
    found = way.fit(evidence_of(make([1.0, 2.0], n=1)))
    np.testing.assert_allclose(found.weights_m, 0.5)


def test_equal_members_pool_to_each_of_them(way: Weights, make) -> None:
    target, values, truth = make([1.0])
    evidence = evidence_of((target, np.repeat(values, 3, axis=0), truth))
    found = way.fit(evidence).weights_m
    np.testing.assert_allclose(evidence.pooled(found), evidence.likelihood_mn[0])


def test_a_member_that_knows_nothing_counts_little(way: Weights, make) -> None:
    target, values, truth = make([1.0, 1.0, 1.0])
    blind = np.roll(values[:1], 1, axis=1)
    found = way.fit(evidence_of((target, np.concatenate([values, blind]), truth))).weights_m
    assert way.name == "equal" or found[3] < 0.1


def test_on_unseen_objects_it_is_no_worse_than_equal_weights(way: Weights, make) -> None:
    found = way.fit(evidence_of(make([1.0, 1.5, 3.0, 6.0], seed=1))).weights_m
    unseen = evidence_of(make([1.0, 1.5, 3.0, 6.0], n=4000, seed=2))
    assert score(way, unseen, found) <= score(way, unseen, np.full(4, 0.25)) + 1e-9


def test_weights_of_members_alike_shrink_to_equal_ones(way: Weights, make) -> None:
    # Exchangeable members: what speaks for one in 60 objects is luck.
    distance = {}
    for shrink in (True, False):
        found = [
            way.fit(evidence_of(make([2.0] * 6, n=60, seed=s)), shrink=shrink).weights_m for s in range(6)
        ]
        distance[shrink] = np.abs(np.array(found) - 1 / 6).sum()
    assert distance[True] <= distance[False]
    assert way.name == "equal" or distance[True] < 0.75 * distance[False]


def test_single_precision_changes_little(way: Weights, make) -> None:
    case = make([1.0, 1.2, 2.0, 4.0])
    single, double = (evidence_of(case, dtype=dtype) for dtype in (np.float32, np.float64))
    losses = [double.loss(way.fit(each).weights_m) for each in (single, double)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_weighted_objects_count_by_their_weight(way: Weights, make) -> None:
    target, values, truth = make([1.0, 1.0], n=400)
    values = values.copy()  # each member is blind on one half
    values[0, :200] = np.roll(values[0, :200], 7, axis=0)
    values[1, 200:] = np.roll(values[1, 200:], 7, axis=0)
    weight = np.where(np.arange(400) < 200, 0.02, 1.98)
    found = way.fit(evidence_of((target, values, truth), weight)).weights_m
    assert way.name == "equal" or found[0] > 0.75


def test_the_best_log_score_is_found_to_what_is_promised(make) -> None:
    from scipy.optimize import minimize

    evidence = evidence_of(make([1.0, 1.1, 1.5, 3.0, 3.0]))
    found = WEIGHTS["em"].fit(evidence, shrink=False).weights_m
    best = minimize(
        evidence.loss,
        np.full(5, 0.2),
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert evidence.loss(found) <= best.fun + 2e-5
    assert evidence.loss(WEIGHTS["greedy"].fit(evidence, shrink=False).weights_m) < best.fun + 5e-3


def test_the_least_quadratic_score_fulfils_the_conditions_of_a_minimum(make) -> None:
    evidence = evidence_of(make([1.0, 1.1, 1.5, 3.0, 3.0]))
    found = WEIGHTS["crps"].fit(evidence, shrink=False).weights_m
    slope = evidence.gram @ found
    least = found @ slope
    np.testing.assert_allclose(slope[found > 1e-9], least, rtol=1e-4)
    assert slope.min() >= least * (1 - 1e-4)


def test_the_quadratic_score_of_redshifts_is_the_crps_but_for_a_constant() -> None:
    target, values, truth = measured([0.02, 0.05, 0.1])
    gram = evidence_of((target, values, truth)).gram
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    pooled = [PhotozSample(average(values, w), target.edges, truth).metrics()["crps"][0] for w in weights]
    score = np.einsum("im,ml,il->i", weights, gram, weights)
    np.testing.assert_allclose(score - score[0], np.array(pooled) - pooled[0], rtol=1e-4, atol=1e-9)


def test_the_quadratic_score_of_classes_is_the_brier_score() -> None:
    target, values, truth = classified([1.0, 2.0])
    weights = np.array([0.3, 0.7])
    gram = evidence_of((target, values, truth)).gram
    expected = np.mean(np.sum((average(values, weights) - np.eye(2)[target.index(truth)]) ** 2, axis=1))
    assert weights @ gram @ weights == pytest.approx(expected, rel=1e-5)


def test_what_breaks_a_rule_is_refused(way: Weights) -> None:
    with pytest.raises(
        InputError, match="must be one of crps, em, equal, gate, greedy, top_k, but found 'best'"
    ):
        find_weights("best")
    with pytest.raises(InputError, match="table of members by objects"):
        Evidence(np.zeros((2, 0)))
    with pytest.raises(InputError, match="table of members by objects"):
        Evidence([[0.5, 0.5]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="member 1, object 2: must be finite and not negative, but is nan"):
        Evidence(np.array([[0.1, 0.2, 0.3], [0.1, 0.2, np.nan]]))
    with pytest.raises(InputError, match="one weight for each of 2 objects"):
        Evidence(np.ones((1, 2)), np.ones(3))
    with pytest.raises(InputError, match="one for each of 2 objects"):
        Evidence(np.ones((1, 2)), None, np.zeros(3, int))
    if way.quadratic:
        with pytest.raises(InputError, match="needs products of residuals"):
            way.fit(Evidence(np.ones((2, 4))))
