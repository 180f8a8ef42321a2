"""Every public object says what it is in a line, and in a notebook in a small table."""

import inspect
from pathlib import Path

import numpy as np
import pytest

import rookery_ensembles
from rookery_ensembles import (
    METRICS,
    AdaptiveSets,
    CandidateMember,
    Classes,
    ConformalIntervals,
    ConformalSets,
    Covariates,
    InputError,
    PhotozSample,
    PitTest,
    PointSample,
    PredictionInfo,
    Predictions,
    PriorCorrection,
    RedshiftBins,
    TemperatureCalibration,
    WeightedSample,
    binned_scores,
    bootstrap_scores,
    choose,
    estimate_fractions,
    find_recipe,
    greedy_selection,
    open_predictions,
    split_uncertainty,
    stack_members,
    write_bundle,
    write_predictions,
)
from rookery_ensembles.redshift_pdf import gaussian_pdf

INFO = PredictionInfo(Classes(("Ia", "non-Ia")), member="m")


def from_lists(n: int = 400) -> Predictions:
    return Predictions(INFO, [f"o{i}" for i in range(n)], ["Ia", "non-Ia"] * (n // 2), [[0.6, 0.4]] * n)


def test_lists_serve_as_well_as_arrays_and_results_are_short() -> None:
    made = from_lists()
    assert made.values.dtype == np.float32
    candidate = CandidateMember("m", Path("m"), "g", made)
    for value in (made, stack_members([made]), candidate, choose([candidate])):
        assert len(repr(value)) < 500
        assert type(value).__name__ in repr(value)


def test_ragged_lists_are_one_error() -> None:
    with pytest.raises(InputError, match="`values` is no array"):
        Predictions(INFO, ["a", "b"], None, [[0.5, 0.5], [1.0]])


def public_classes() -> set[type]:
    """Every class that a user can get an object of."""
    found = [value for value in vars(rookery_ensembles).values() if isinstance(value, type)]
    named = [cls for cls in found if cls.__name__ in rookery_ensembles.__all__]
    kept = [cls for cls in named if not (inspect.isabstract(cls) or issubclass(cls, Exception))]
    return {cls for cls in kept if not getattr(cls, "_is_protocol", False)}


def objects_of_many(make_member, tmp_path: Path) -> list[object]:
    """One object at least of every public class, of hundreds of objects where it can hold so many."""
    rng = np.random.default_rng(0)
    made, n = from_lists(), 400
    write_predictions(made, tmp_path / "m.parquet")
    candidate = CandidateMember("m", make_member(tmp_path, "m"), "g", made)
    choice = choose([candidate])
    bins = RedshiftBins.equal(0.0, 1.0, 180)
    z = rng.uniform(0.1, 0.9, n)
    pdfs = gaussian_pdf(z, np.full(n, 0.05), bins.edges)
    index = bins.index(z)
    two = np.array([0, 1] * (n // 2))
    probability = np.array([[0.6, 0.4]] * n)
    sample = WeightedSample(("Ia", "non-Ia"), two, probability)
    scores = bootstrap_scores(sample, replicates=20)
    bundle = write_bundle(
        tmp_path / "bundle", target=choice.target, members=choice.members, scores={}, provenance={}
    )
    auto = find_recipe(made.info.target, [made.values, made.values[::-1]], made.truth, honest=False)
    fractions = estimate_fractions(probability, [0.5, 0.5])
    return [
        made, stack_members([made]), candidate, choice, bins, made.info.target, made.info, sample, scores,
        next(iter(scores.metrics.values())), bundle, bundle.members[0], auto, auto.alternatives[0],
        auto.recipe, fractions, open_predictions(tmp_path / "m.parquet"),
        PriorCorrection((0.5, 0.5), (0.4, 0.6), (0.3, 0.5), (0.5, 0.7), n),
        Covariates(("a", "b"), rng.normal(size=(n, 2))), greedy_selection([made.values], two),
        next(iter(METRICS.values())), PhotozSample(pdfs, bins.edges, z), PointSample(z + 0.01, z),
        PitTest.of(0.5, [0.1, 0.9]),
        binned_scores("mag", rng.normal(size=n), [-1.0, 0.0, 1.0], sample, replicates=20),
        bins.fit_calibration(pdfs, index), TemperatureCalibration(2.0),
        ConformalIntervals.fit(pdfs, bins.edges, z), ConformalSets.fit(probability, two),
        AdaptiveSets.fit(probability, two), split_uncertainty(bins, [pdfs, pdfs[::-1]]),
    ]  # fmt: skip


def test_every_public_object_is_short_in_text_and_a_table_in_a_notebook(make_member, tmp_path: Path) -> None:
    objects = objects_of_many(make_member, tmp_path)
    assert {type(value) for value in objects} >= public_classes()
    for value in objects:
        name = type(value).__name__
        assert name in repr(value)
        assert len(repr(value)) <= 480
        shown = value._repr_html_()
        assert shown.startswith(f"<table><caption>{name}</caption>")
        assert len(shown) < 4000
        assert "0x" not in repr(value)


def test_what_a_name_holds_is_no_markup_in_a_notebook() -> None:
    shown = Classes(("<script>", "b"))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
