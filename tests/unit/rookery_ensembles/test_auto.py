"""`auto` finds what beats the plain average, says by how much, and finds nothing where there is nothing."""

import numpy as np
import pytest

from rookery_ensembles import Classes, Covariates, InputError, RedshiftBins, Target
from rookery_ensembles._trials import Trials
from rookery_ensembles.auto import AutoReport, drawn_truth, find_recipe, honest_gain, select
from rookery_ensembles.pools import find_pool
from rookery_ensembles.probabilities import LOG_FLOOR
from rookery_ensembles.recipe import PLAIN, USUAL, Recipe
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rookery_ensembles.weights import Evidence, find_weights
from rookery_ensembles.weights.evidence import cells, gram_of_cells
from rookery_ensembles.weights.greedy import bagged_selection

CLASSES, BINS = Classes(("a", "b")), RedshiftBins.equal(0.0, 1.0, 25)
Sample = tuple[Target, np.ndarray, np.ndarray]


def classified(n: int, seed: int, noises: tuple[float, ...], sharp: float = 1.0) -> Sample:
    """Members that look at the truth with noise; `sharp` above 1 makes them overconfident."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    looks = np.array([(2 * truth - 1) + noise * rng.normal(size=n) for noise in noises])
    p = 1 / (1 + np.exp(2 * sharp * looks / np.square(noises)[:, None]))
    return CLASSES, np.stack([p, 1 - p], axis=2), np.array(["a", "b"], object)[truth]


def measured(n: int, seed: int, noises: tuple[float, ...], sharp: float = 1.0) -> Sample:
    """Redshift PDFs about noisy redshifts."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.3, 0.7, n)
    pdfs = [
        gaussian_pdf(z + 0.05 * s * rng.normal(size=n), np.full(n, 0.05 * s / sharp), BINS.edges)
        for s in noises
    ]
    return BINS, np.array(pdfs), z


def served(report: AutoReport, seen: Sample, new: Sample) -> float:
    """Return what the served recipe, fitted to what was seen, gains over the plain average on new objects."""
    target, values, truth = seen
    recipe, index, pool = report.recipe, target.index(truth), find_pool(report.recipe.pool, target)
    likelihood = np.array([target.likelihood(member, index) for member in values])
    at = cells(len(truth))
    evidence = Evidence(likelihood, None, at, gram_of_cells(target, values, truth, None, at))
    weights = find_weights(recipe.weights).fit(evidence, shrink=recipe.shrink).weights_m
    pooled = pool.combine(target, values, weights)
    calibration = recipe.fit_calibration(target, pooled, index, None, sharpen=True)
    _, values, truth = new
    index = target.index(truth)

    def loss(found: np.ndarray) -> float:
        return float(-np.log(np.maximum(target.likelihood(found, index), LOG_FLOOR)).mean())

    plain = find_pool("linear", target).combine(target, values)
    return loss(plain) - loss(target.calibrate(calibration, pool.combine(target, values, weights)))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [classified, measured])
def test_a_poor_member_is_left_out_and_the_gain_is_what_is_reported(make) -> None:
    noises = (1.0, 1.2, 5.0, 6.0, 6.0)
    seen, new = make(600, 0, noises), make(6000, 1, noises)
    report = find_recipe(*seen)
    assert report.recipe != PLAIN
    assert report.gain > 5 * report.error
    assert abs(report.gain - served(report, seen, new)) < 4 * report.error
    assert abs(report.null_gain) <= 3 * report.null_error + 1e-9
    assert report.alternatives[0].gain >= report.alternatives[-1].gain


def test_a_poor_member_is_left_out() -> None:
    report = find_recipe(*measured(200, 0, (1.0, 4.0)), honest=False)
    assert report.recipe != PLAIN
    assert "nats over the plain average" in report.reason


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [classified, measured])
def test_what_is_served_beats_what_stands_before_it_beyond_its_error(make, seed: int) -> None:
    trials = Trials(*make(120, seed, (1.0, 1.2, 4.0), sharp=2.0), None, sharpen=True)
    served, alternatives = select(trials)
    gain, error = trials.gain(USUAL, None)
    before = USUAL if gain > error else PLAIN
    best = max(alternatives, key=lambda each: each.gain).recipe
    gain, error = trials.gain(best, None, over=before)
    assert served == (best if gain > error else before)


def test_of_few_objects_the_usual_ensemble_is_served_where_the_best_of_many_beats_it_by_luck() -> None:
    report = find_recipe(*measured(200, 3, (1.0, 1.2, 4.0)), honest=False)
    assert report.recipe == USUAL == report.alternatives[0].recipe
    assert max(each.gain for each in report.alternatives) > report.alternatives[0].gain
    assert "does not beat that beyond its error" in report.reason


def test_the_usual_ensemble_is_what_greedy_selection_makes_unshrunk() -> None:
    trials = Trials(*measured(100, 0, (1.0, 1.0, 1.1)), None, sharpen=True)
    expected = bagged_selection(trials.evidence.likelihood_mn)
    np.testing.assert_allclose(trials.weights(USUAL, None), expected, atol=1e-6)
    assert not np.allclose(trials.weights(Recipe(weights="greedy"), None), expected, atol=1e-3)


def test_where_the_plain_average_is_the_truth_nothing_is_chosen_beyond_its_error() -> None:
    target, values, _ = measured(200, 1, (1.0, 1.5))
    mean = find_pool("linear", target).combine(target, values)
    trials = Trials(
        target, values, drawn_truth(target, mean, np.random.default_rng([8, 1])), None, sharpen=True
    )
    gain, error = honest_gain(trials)
    assert abs(gain) <= 3 * error + 1e-9


@pytest.mark.parametrize("make", [classified, measured])
def test_overconfident_members_are_calibrated(make) -> None:
    report = find_recipe(*make(600, 2, (1.0, 1.0), sharp=3.0), honest=False)
    assert report.recipe.calibration != "none" or report.recipe.pool != "linear"
    assert report.recipe != PLAIN
    assert np.isnan(report.gain)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [classified, measured])
def test_where_the_plain_average_is_the_truth_it_is_served_and_no_gain_is_reported(make) -> None:
    gains = []
    for seed in range(4):
        target, values, _ = make(300, seed, (1.0, 1.5, 2.0))
        mean = find_pool("linear", target).combine(target, values)
        # Of another stream than the values: the truths would else tell the place of the PDFs.
        truth = drawn_truth(target, mean, np.random.default_rng([seed, 1]))
        report = find_recipe(target, values, truth)
        gains.append(report.gain / max(report.error, 1e-9))
        assert abs(report.gain) <= 3 * report.error + 1e-9
        assert abs(report.null_gain) <= 3 * report.null_error + 1e-9
        if report.recipe == PLAIN:
            assert "plain average" in report.reason
    assert abs(np.mean(gains)) < 1.5


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [classified, measured])
def test_on_shuffled_truth_it_reports_what_it_really_gains_there(make) -> None:
    # Shuffled truth makes less certain predictions better, and that is all that may be reported.
    target, values, truth = make(2000, 5, (1.0, 1.5, 2.0))
    truth = np.random.default_rng(5).permutation(truth)
    seen, new = (target, values[:, :400], truth[:400]), (target, values[:, 400:], truth[400:])
    report = find_recipe(*seen)
    real = served(report, seen, new)
    assert abs(report.gain - real) < 4 * report.error + 0.01
    assert abs(report.null_gain) <= 3 * report.null_error + 1e-9


def bright_and_faint(n: int, seed: int) -> tuple[Sample, Covariates, Covariates]:
    """One member is right of bright galaxies, one of faint ones; magnitudes, and what has no part in it."""
    rng = np.random.default_rng([seed, 77])
    magnitude, z = rng.uniform(18, 24, n), rng.uniform(0.3, 0.7, n)
    noises = [np.where((magnitude > 21) == faint, 0.03, 0.12) for faint in (True, False)]
    pdfs = [gaussian_pdf(z + s * rng.normal(size=n), np.full(n, 0.06), BINS.edges) for s in noises]
    noise = Covariates(("weather",), rng.uniform(size=(n, 1)))
    return (BINS, np.array(pdfs), z), Covariates(("mag_r",), magnitude[:, None]), noise


def test_members_that_are_right_of_other_galaxies_have_weights_by_magnitude_and_the_reason_says_so() -> None:
    seen, magnitude, noise = bright_and_faint(300, 0)
    report = find_recipe(*seen, covariates=magnitude, honest=False)
    assert report.recipe.weights == "gate"
    assert "weights that depend on mag_r gain" in report.reason
    assert report.alternatives[0].gain > 0.1
    blind = find_recipe(*seen, covariates=noise, honest=False)
    assert blind.recipe.weights != "gate"
    assert "gate" in {each.recipe.weights for each in blind.alternatives}  # it was tried


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_with_covariates_gains_are_honest_and_noise_is_not_looked_at() -> None:
    seen, magnitude, _ = bright_and_faint(500, 1)
    report = find_recipe(*seen, covariates=magnitude)
    assert report.recipe.weights == "gate"
    assert report.gain > 5 * report.error
    assert abs(report.null_gain) <= 3 * report.null_error + 1e-9
    gated = 0
    for seed in range(3):
        target, values, _ = measured(300, seed, (1.0, 1.5, 2.0))
        truth = drawn_truth(
            target,
            find_pool("linear", target).combine(target, values),
            np.random.default_rng([seed, 1]),
        )
        noise = Covariates(("weather", "moon"), np.random.default_rng([seed, 2]).normal(size=(300, 2)))
        blind = find_recipe(target, values, truth, covariates=noise)
        gated += blind.recipe.weights == "gate"
        assert abs(blind.gain) <= 3 * blind.error + 1e-9
    assert gated == 0


def test_covariates_of_other_objects_are_refused() -> None:
    seen, magnitude, _ = bright_and_faint(60, 0)
    with pytest.raises(InputError, match="covariates: there must be one row for each of 60 objects"):
        find_recipe(*seen, covariates=magnitude.take(slice(5)))


def test_few_objects_are_averaged_and_the_reason_is_told() -> None:
    report = find_recipe(*classified(20, 0, (1.0, 5.0)))
    assert report.recipe == PLAIN
    assert "20 objects are too few" in report.reason
    assert report.to_dict()["served"] == "linear pool, equal weights, calibration none"


def test_one_member_has_no_other_pool_nor_weights() -> None:
    report = find_recipe(*classified(200, 0, (1.0,), sharp=3.0), honest=False)
    assert {(each.recipe.pool, each.recipe.weights) for each in report.alternatives} == {("linear", "equal")}


def test_without_leave_to_sharpen_only_what_widens_is_tried() -> None:
    report = find_recipe(*classified(300, 0, (1.0, 2.0)), honest=False, sharpen=False)
    assert {each.recipe.pool for each in report.alternatives} == {"linear"}
    assert {each.recipe.calibration for each in report.alternatives} <= {"none", "temperature", None}


def test_weighted_objects_are_those_that_matter() -> None:
    target, values, truth = classified(800, 0, (1.0, 1.0))
    values = values.copy()
    values[0, :400] = values[0, :400, ::-1]  # one member is wrong on the first half, one on the second
    values[1, 400:] = values[1, 400:, ::-1]
    weight = np.where(np.arange(800) < 400, 0.01, 1.99)
    report = find_recipe(target, values, truth, weight, honest=False)
    assert report.recipe != PLAIN
    assert report.recipe.weights != "equal"


def test_a_recipe_is_told_in_words() -> None:
    assert (
        str(Recipe("logarithmic", "em", "temperature"))
        == "logarithmic pool, em weights, calibration temperature"
    )
