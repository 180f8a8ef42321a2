"""How good predictions are: judged by the truth, and compared with others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rookery.api._types import Count, OutPath, PathLike, Seed

if TYPE_CHECKING:
    from rookery_ensembles import Predictions
    from rookery_ensembles.paired import Comparison


def evaluate(
    predictions: PathLike,
    survey: PathLike,
    *,
    report: OutPath,
    against: Sequence[PathLike] = (),
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
    by: Sequence[str] = (),
    bins: Mapping[str, int | Sequence[float]] | None = None,
    partial: Sequence[PathLike] = (),
    bundle: PathLike | None = None,
    days: Sequence[float] = (),
    since: Literal["detection", "peak"] = "detection",
    truth: Literal["agree", "survey"] = "agree",
    published: Literal["pasquet2019"] | None = None,
    replicates: int = 300,
    seed: Seed = 0,
    device: str | None = None,
    overwrite: bool = False,
) -> dict[str, float]:
    """Judge class probabilities or redshift PDFs: metrics with intervals, in bins; an HTML report.

    See :func:`rookery.reports.evaluate` for class probabilities, and
    :func:`rookery.reports.evaluate_redshifts` for redshift PDFs: the file says which it holds.

    Parameters
    ----------
    predictions
        Prediction file (Parquet).
    survey
        Survey store that knows the truth.
    report
        Folder of the report.
    against
        Another method's redshift PDFs, to stand beside; repeatable.
    split
        Judge only objects of this split.
    role
        Role to judge within the split; test by default.
    positive
        Class whose recall at fixed precision is reported.
    by
        A further number of objects to bin by, like host_photo_z; repeatable.
    bins
        NAME=8 (quantile bins) or NAME=0,0.2,0.4 (edges); repeatable.
    partial
        Prediction file of `predict --days`; repeatable.
    bundle
        The ensemble that predicted, to classify partial light curves: the same objects as they were known
        on each of `days`; the report shows the metrics against days.
    days
        With `bundle`: days to judge it on, like 0,2,5,10,20,50.
    since
        What days count from.
    truth
        Where the file's own truth is not the survey's: refuse, or judge by the survey's.
    published
        Of redshifts: whose published numbers stand beside these, marked as such.
    replicates
        Bootstrap replicates; 0 for no intervals.
    seed
        Seed of everything random.
    device
        Torch device; by default a GPU where there is one.
    overwrite
        Replace a report that is there already.
    """
    from rookery.reports import evaluate as judge
    from rookery.reports import evaluate_redshifts
    from rookery.reports.assess.classes import Assessment
    from rookery.reports.page.folder import DOCUMENT
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import refuse_existing
    from rookery_ensembles.predictions import read_info
    from rookery_ensembles.schema import Predictions as Made

    refuse_existing(report, overwrite=overwrite, document=DOCUMENT)
    if (bundle is None) != (not days):
        raise fail(predictions, "a curve against days needs both a bundle and days, but only one was given")
    common: dict[str, Any] = {
        "split": split, "role": role, "by": by, "bins": bins, "truth": truth, "replicates": replicates,
        "seed": seed,
    }  # fmt: skip
    if read_info(predictions).target.has_pdfs:
        if partial or bundle is not None or days:
            raise fail(predictions, "holds redshift PDFs, which have no partial light curves, bundle or days")
        return evaluate_redshifts(predictions, survey, report, against=against, published=published, **common)
    if published is not None:
        raise fail(predictions, f"the numbers of {published} are of redshifts, but it holds classes")
    if against:
        rule = "other predictions are compared of redshift PDFs only, but these are class probabilities"
        raise fail(predictions, rule)

    def partials(assessment: Assessment) -> list[PathLike | Made]:
        if bundle is None:
            return list(partial)
        from rookery.inference import predict_partial

        made = predict_partial(
            bundle,
            assessment.survey,
            days,
            since=since,
            rows=assessment.row,
            device=device,
            allow_missing_bands=True,  # the predictions to judge are of the same survey
        )
        return [*partial, *made]

    return judge(predictions, survey, report, positive=positive, partial=partials, **common)


def compare(
    first: PathLike,
    second: PathLike,
    *,
    survey: PathLike | None = None,
    split: str | None = None,
    role: str | None = None,
    positive: str = "Ia",
    replicates: int = 1000,
    seed: Seed = 0,
    device: str | None = None,
    out: OutPath | None = None,
    overwrite: bool = False,
) -> "Comparison":
    """Compare two predictions of the same objects: paired differences of every metric, with intervals.

    See :func:`rookery_ensembles.paired.compare_predictions`.

    Parameters
    ----------
    first
        Prediction file (Parquet), or an ensemble bundle that predicts the survey.
    second
        The same of what it is compared with.
    survey
        Survey store that knows the truth; by default the files' own counts.
    split
        Compare only on objects of this split of the survey.
    role
        Role to compare on within the split; test by default.
    positive
        Class whose recall at fixed precision is judged.
    replicates
        Bootstrap draws of the objects, the same ones for both; 0 for no intervals.
    seed
        Seed of these draws.
    device
        Torch device of bundles; by default a GPU where there is one.
    out
        JSON file to write.
    overwrite
        Replace a file that is there already.
    """
    import json

    from rookery.reports.assess.paired import compare_on
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import refuse_existing, write_text

    if out is not None:
        refuse_existing(out, overwrite=overwrite)
    if survey is None and (split is not None or role is not None):
        raise fail(first, "a split or role needs the survey that it is of")
    given = [_predictions(path, survey, device) for path in (first, second)]
    options = {"positive": positive, "replicates": replicates, "seed": seed}
    found = compare_on(given[0], given[1], survey, split=split, role=role, **options)
    if out is not None:
        write_text(Path(out), json.dumps(found.to_json(), indent=2) + "\n")
    return found


def explain(
    what: PathLike,
    survey: PathLike,
    out: OutPath,
    *,
    member: str | None = None,
    split: str | None = None,
    objects: Sequence[str] = (),
    mapped: Count = 2000,
    averaged: Count = 32,
    seed: Seed = 0,
    device: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Explain a network or a bundle: features and their maps, activations, what matters, invariance.

    See :func:`rookery.explanation.explain`.

    Parameters
    ----------
    what
        Ensemble bundle, or a member folder.
    survey
        Survey store.
    out
        Folder to write: a page, figures for papers, the features of every object, attributions.
    member
        Which of the bundle's members alone; by default the means over all of them, by weight.
    split
        Its train and validation objects are the labelled ones; by default those whose truth is known.
    objects
        Object to show; repeatable. By default up to three of each class, or third of redshift, by rule.
    mapped
        At most so many objects on maps of t-SNE and UMAP.
    averaged
        At most so many objects of each class, or third, whose attributions are averaged.
    seed
        Seed of everything random.
    device
        Torch device; by default a GPU where there is one.
    overwrite
        Replace an explanation that is there already.
    """
    from rookery.explanation import explain as write
    from rookery.reports.page.folder import DOCUMENT
    from rookery_ensembles.files import refuse_existing

    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    return write(
        what,
        survey,
        out,
        member=member,
        split=split,
        objects=objects,
        mapped=mapped,
        averaged=averaged,
        seed=seed,
        device=device,
    )


def _predictions(path: PathLike, survey: PathLike | None, device: str | None) -> "PathLike | Predictions":
    """Return a prediction file, or what a bundle predicts for a survey."""
    from tempfile import TemporaryDirectory

    from rookery_ensembles.errors import fail

    if not (Path(path) / "ensemble.yaml").is_file():
        return path
    if survey is None:
        raise fail(path, "a bundle needs a survey to predict: name it with --survey")
    from rookery.inference import predict_survey

    with TemporaryDirectory() as folder:
        return predict_survey(path, survey, Path(folder) / "predictions.parquet", device=device)
