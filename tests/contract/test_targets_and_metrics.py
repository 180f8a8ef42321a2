"""A target comes back from the documents that tell it; a metric knows good predictions from bad ones."""

import json

import numpy as np
import pytest

from rookery_ensembles import METRICS, Classes, InputError, Metric, PredictionInfo, RedshiftBins, Target
from rookery_ensembles._documents import Fields
from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS, REDSHIFT_METRICS
from rookery_ensembles.photoz_sample import PhotozSample
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rookery_ensembles.target import KEYS, KINDS, read_target, to_dict
from rookery_ensembles.weighted import WeightedSample, Weighting

TARGETS = {target.kind: target for target in (Classes(("Ia", "II", "non-Ia")), RedshiftBins((0.0, 0.1, 0.4)))}
SIGMA = 0.02
EVEN = (np.arange(100) + 0.5) / 100
"""Even values from 0 to 1."""


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest) -> Target:
    return TARGETS[request.param]


def truth_of(target: Target) -> np.ndarray:
    """A known truth and an unknown one, as a survey tells them."""
    return {"class_probability": np.array(["Ic", None], object), "redshift_pdf": np.array([0.2, np.nan])}[
        target.kind
    ]


def test_a_target_comes_back_from_its_document(target: Target) -> None:
    fields = Fields(json.loads(json.dumps(to_dict(target))), "d", KEYS)
    assert read_target(fields, "d") == target
    info = PredictionInfo(target, member="m")
    assert PredictionInfo.from_json(info.to_json().encode(), "d") == info
    assert next(iter(json.loads(info.to_json()))) == "kind"


def test_a_document_of_one_target_does_not_tell_the_other(target: Target) -> None:
    both = {"class_names": ["a", "b"], "bin_edges": [0.0, 1.0]}
    with pytest.raises(InputError, match=f"`{target.kind}` must come with `{target.key}` and without"):
        read_target(Fields({"kind": target.kind, **both}, "d", KEYS), "d")


def test_truth_has_its_column_and_none_where_unknown(target: Target) -> None:
    truth = target.truth_of(truth_of(target))
    index = target.index(truth)
    assert 0 <= index[0] < target.n_columns
    assert index[1] == -1
    assert target.check_truth(truth[1:], "d") is None
    assert not target.contradicts(truth[:1], truth[:1]).any()


def test_a_target_answers_for_itself(target: Target) -> None:
    certain = target.from_probabilities(np.eye(target.n_columns))
    even = target.from_probabilities(np.full((1, target.n_columns), 1 / target.n_columns))
    assert (target.index(target.answer(certain)) == np.arange(target.n_columns)).all()
    assert (target.width(certain) < target.width(even)).all()
    assert target.of_foreign(certain) is certain or np.array_equal(target.of_foreign(certain), certain)


def test_what_works_on_pdfs_alone_is_refused_of_classes(target: Target) -> None:
    if target.has_pdfs:
        target.require_pdfs("d", "is for PDFs")
    else:
        with pytest.raises(InputError, match=r"^d: is for PDFs$"):
            target.require_pdfs("d", "is for PDFs")


def test_conformal_limits_of_a_target_tell_columns(target: Target) -> None:
    rng = np.random.default_rng(0)
    index = rng.integers(0, target.n_columns, 100)
    values = target.from_probabilities(rng.dirichlet(np.ones(target.n_columns), 100))
    limits = target.fit_limits(values, target.truth_in(index, rng), index, levels=(0.68,))
    assert limits.kind == target.kind
    columns = limits.columns(values, target.edges)
    assert columns
    assert all("_68" in name and len(column) == 100 for name, column in columns.items())


def test_certain_and_right_predictions_have_the_likelihood_one(target: Target) -> None:
    index = np.arange(target.n_columns)
    values = target.from_probabilities(np.eye(target.n_columns))
    assert target.normalised(values, "d") is values
    np.testing.assert_allclose(target.likelihood(values, index), 1)
    assert target.log_loss(values, index) == pytest.approx(0)
    np.testing.assert_array_equal(target.calibrate(None, values), values)


def test_what_is_shown_of_a_target_are_metrics(target: Target) -> None:
    listed = {*target.published, *target.compared, *target.headline, *target.brief}
    assert listed <= {metric.name for metric in target.metrics}
    assert {*target.each_epoch, target.decisive} <= set(METRICS)
    known = target.truth_of(truth_of(target))[:1]
    scores = target.score_epoch(np.eye(target.n_columns)[:1], np.array([0]), known)
    assert tuple(scores) == target.each_epoch


def classified(right: bool) -> Weighting:
    """A hundred objects of two classes, all told apart, or all taken for the other; certain by 0.9."""
    truth = np.repeat([0, 1], 50)
    p = np.where((truth == 0) == right, 0.9, 0.1)
    sample = WeightedSample(("Ia", "II"), truth, np.column_stack([p, 1 - p]))
    return Weighting(sample, np.ones((1, len(sample))))


def measured(shift: float, width: float = 1.0) -> object:
    """A hundred galaxies whose PDFs of sigma 0.02 tell the truth, are shifted, or are too wide."""
    from scipy.stats import norm

    edges = np.linspace(0, 1, 501)
    z = 0.5 + SIGMA * norm.ppf(EVEN)
    pdf = gaussian_pdf(np.full(100, 0.5 + shift), np.full(100, SIGMA * width), edges)
    return PhotozSample(pdf, edges, z).weighting()


CLASSIFIED = {
    "accuracy": (1.0, 0.0),
    "macro_f1": (1.0, 0.0),
    "auc": (1.0, 0.0),
    "average_precision": (1.0, 0.5),
    "recall_at_precision_0.95": (1.0, 0.0),
    "recall_at_precision_0.98": (1.0, 0.0),
    "log_loss": (-np.log(0.9), -np.log(0.1)),
    "brier": (0.01, 0.81),
    "ece": (0.1, 0.9),
}
# Means over a Gaussian that tells the truth, at z near 0.5.
MEASURED = {
    "bias": 0.0,
    "sigma_mad": SIGMA / 1.5,
    "eta": 0.0,
    "crps": SIGMA / np.sqrt(np.pi),
    "log_likelihood": -np.log(SIGMA * np.sqrt(2 * np.pi * np.e)),
    "cde_loss": -1 / (2 * SIGMA * np.sqrt(np.pi)),
    "pit_ks": 0.005,
    "pit_ks_pvalue": 1.0,
    "pit_cvm": 1 / 1200,
    "pit_ad": -100 - 2 * np.sum((2 * np.arange(100) + 1) * np.log(EVEN)) / 100,
    "coverage_50": 0.5,
    "coverage_68": 0.68,
    "coverage_95": 0.95,
    "sharpness": SIGMA,
    "eta_15": 0.0,
}


@pytest.mark.parametrize("metric", CLASS_METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_classes_has_its_value_and_its_direction(metric: Metric) -> None:
    good, bad = (float(metric.compute(classified(right))[0]) for right in (True, False))
    assert good == pytest.approx(CLASSIFIED[metric.name][0])
    assert bad == pytest.approx(CLASSIFIED[metric.name][1], abs=0.2)
    assert metric.loss(good) < metric.loss(bad)
    assert metric.best([bad, good, float("nan")]) == metric.format(good)


@pytest.mark.parametrize("metric", EACH_CLASS_METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_each_class_has_its_value_and_its_direction(metric: Metric) -> None:
    good, bad = (metric.compute(classified(right)) for right in (True, False))
    np.testing.assert_array_equal(good, [[1, 1]])
    np.testing.assert_array_equal(bad, [[0, 0]])
    assert metric.loss(1.0) < metric.loss(0.0)


@pytest.mark.parametrize("metric", REDSHIFT_METRICS, ids=lambda metric: metric.name)
def test_a_metric_of_redshifts_has_its_value_and_its_direction(metric: Metric) -> None:
    good = float(metric.compute(measured(0.0))[0])
    assert good == pytest.approx(MEASURED[metric.name], rel=0.03, abs=0.002)
    worse = measured(0.0, width=3.0) if metric.name == "sharpness" else measured(0.1)
    if metric.name == "eta_15":
        worse = measured(0.4)
    spread = metric.name == "sigma_mad"  # a shift leaves it: its direction is that of any scatter
    bad = 2 * good if spread else float(metric.compute(worse)[0])
    assert metric.loss(good) < metric.loss(bad)


def test_every_metric_says_what_it_is_and_which_way_is_better() -> None:
    assert len(METRICS) == len(CLASS_METRICS) + len(REDSHIFT_METRICS)
    assert all(metric.name == name for name, metric in METRICS.items())
    for metric in (*METRICS.values(), *EACH_CLASS_METRICS):
        assert metric.label
        assert metric.short
        assert metric.meaning.endswith(".")
        assert metric.wish.endswith(" is best." if metric.goal is not None else " is better.")
        assert metric.arrow[0] in "↑↓→"
