"""The command line: parses first, imports late."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rookery.cli.baselines import baseline
from rookery.cli.campaign import campaign
from rookery.cli.cluster import cluster_app
from rookery.cli.doctor import doctor
from rookery.cli.ingest import ingest_app
from rookery.cli.say_status import pareto, status
from rookery.cli.simulate import simulate_app
from rookery.cli.submit import jobs_app, submit
from rookery.cli.values import (
    WHERE_HELP,
    BinsOption,
    ClassesOption,
    DeviceOption,
    JsonOption,
    PositiveOption,
    SeedOption,
    SinceOption,
    SplitOption,
    SurveyOption,
    bins_by_covariate,
    class_list,
    numbers,
    plain_values,
    redshift_bins,
    say_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHOWN = 8
"""So many members of an ensemble are listed on the terminal."""
_TRACEBACK = "ROOKERY_TRACEBACK"
_BUG = 70
app = typer.Typer(
    name="rookery",
    help="Search for, train and combine deep networks for cosmological surveys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `rookery demo`. Every verb is also a function of rookery.api.",
)
app.add_typer(ingest_app, name="ingest")
app.add_typer(simulate_app, name="simulate")
app.add_typer(cluster_app, name="cluster")
app.add_typer(jobs_app, name="jobs")


def _version(wanted: bool) -> None:
    if wanted:
        import rookery

        typer.echo(f"rookery {rookery.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the library logs.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    import logging

    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", force=True)


@app.command()
def split(
    survey: Annotated[Path, typer.Argument(help="Survey store.")],
    name: Annotated[str, typer.Argument(help="Name of the split to make.")],
    train_ids: Annotated[
        Path | None, typer.Option(help="File with an object id or source file name per line.")
    ] = None,
    train_fraction: Annotated[float | None, typer.Option(help="Fraction that trains and validates.")] = None,
    train_where: Annotated[list[str] | None, typer.Option(help=f"Train on {WHERE_HELP}")] = None,
    test_where: Annotated[list[str] | None, typer.Option(help=f"Test on {WHERE_HELP}")] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(help="Fraction of the training part that validates; 0.2 without folds.")
    ] = None,
    folds: Annotated[int, typer.Option(help="Number of folds of the training part; 0 for none.")] = 0,
    max_train: Annotated[
        int | None, typer.Option(help="At most so many objects in the training part.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Column, or sky:DEGREES: objects that agree in it never train, validate and test, nor lie "
            "in two folds."
        ),
    ] = None,
    seed: SeedOption = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a split of that name.")] = False,
) -> None:
    """Give every object of a survey a role, stratified by type."""
    from rookery import api
    from rookery.surveys import open_split, open_survey

    api.split(
        survey,
        name,
        train_ids=train_ids,
        train_fraction=train_fraction,
        train_where=train_where or (),
        test_where=test_where or (),
        validation_fraction=validation_fraction,
        folds=folds,
        max_train=max_train,
        groups=groups,
        seed=seed,
        overwrite=overwrite,
    )
    opened = open_split(open_survey(survey, verify=False), name)
    roles = {role: int((opened.role == role).sum()) for role in ("train", "validation", "test", "unlabelled")}
    parts = [f"{count} {role}" for role, count in roles.items() if count]
    if opened.group is not None:
        parts.append(f"{len(set(opened.group.tolist()))} groups, none on two sides")
    _say(f"{name}: " + ", ".join(parts))


@app.command()
def search(
    space: Annotated[str, typer.Argument(help="Search space: a YAML file, or the name of one that ships.")],
    survey: SurveyOption,
    split: SplitOption,
    study: Annotated[str, typer.Option(help="Study folder, or its URL; one that exists is continued.")],
    trials: Annotated[int, typer.Option(help="Trials the study shall have, earlier ones counted.", min=1)],
    concurrent: Annotated[
        int | None, typer.Option(help="Trials at once; by default all that fit.", min=1)
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster that this machine belongs to: auto or HOST:6379."),
    ] = None,
    execution: Annotated[
        Literal["auto", "train", "actor"],
        typer.Option(help="Train in Ray Train worker groups, or in Tune actors; auto: by GPUs."),
    ] = "auto",
    sampler: Annotated[
        Literal["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "random", "grid"],
        typer.Option(help="Who proposes configurations."),
    ] = "tpe",
    sampler_option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of Optuna's sampler; repeatable.")
    ] = None,
    pruner: Annotated[
        Literal["percentile", "median", "asha", "hyperband", "patience", "none"],
        typer.Option(help="Who stops bad trials."),
    ] = "percentile",
    pruner_option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the pruner; repeatable.")
    ] = None,
    classes: ClassesOption = "Ia,non-Ia",
    bins: BinsOption = "0,0.4,180",
    starts: Annotated[
        int, typer.Option(help="Networks of each trial and fold, from different random starts.", min=1)
    ] = 1,
    keep: Annotated[
        Literal["best", "last"],
        typer.Option(help="Epoch whose weights are kept; with last, nothing stops a network early."),
    ] = "best",
    inner_validation: Annotated[
        float | None,
        typer.Option(help="Part of the training objects that chooses epochs; with folds 0.1, else none."),
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: do not search this parameter; repeatable.")
    ] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPU cores of each worker of a network.")] = 1,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(help="GPUs of each worker, also parts, as 0.25; by default 1 if any."),
    ] = None,
    workers_per_network: Annotated[
        int, typer.Option(help="Processes that train one network together.", min=1)
    ] = 1,
    deterministic: Annotated[
        int | None,
        typer.Option(help="At most so many trials at once; the study depends on its seed alone.", min=1),
    ] = None,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(help="An earlier study of the family to learn from, on any survey; repeatable."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="postgresql://USER@HOST/NAME, for several drivers at once; else SQLite."),
    ] = None,
    autoscaling: Annotated[
        bool,
        typer.Option("--autoscaling", help="The cluster adds nodes for --concurrent trials that wait."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the plan is, train nothing.")] = False,
    seed: SeedOption = 0,
) -> None:
    """Search a space of networks on Ray; kill it whenever you like and call it again."""
    from rookery import api

    result = api.search(
        space,
        survey=survey,
        split=split,
        study=study,
        trials=trials,
        concurrent=concurrent,
        address=address,
        execution=execution,
        sampler=sampler,
        pruner=pruner,
        sampler_options=plain_values(sampler_option, "--sampler-option"),
        pruner_options=plain_values(pruner_option, "--pruner-option"),
        seed=seed,
        class_names=class_list(classes),
        bins=redshift_bins(bins),
        starts=starts,
        keep=keep,
        inner_validation=inner_validation,
        fixed=plain_values(fix, "--set"),
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        workers_per_network=workers_per_network,
        storage=storage,
        deterministic=deterministic,
        warm_start=warm_start or (),
        autoscaling=autoscaling,
        dry_run=dry_run,
    )
    if dry_run:
        return
    from rookery.search.progress import describe

    _say(f"{study}: {describe(result.counts, result.study.space.objective.name)}")
    if result.counts.first_error:
        _say(f"First error: {result.counts.first_error}")
    if not result.counts.complete:
        _say("No trial was completed, so there is nothing to combine.")
        raise typer.Exit(1)
    _say(f"Next: rookery ensemble {study}")


@app.command()
def ensemble(
    study: Annotated[str, typer.Argument(help="Study folder, or its URL.")],
    out: Annotated[Path | None, typer.Option(help="Bundle to make; by default STUDY/ensemble.")] = None,
    positive: PositiveOption = "Ia",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle made before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Select, average and calibrate a study's members; write an ensemble bundle."""
    from rookery import api
    from rookery.inference.ensemble import out_of_fold_path
    from rookery.reports import comparison_table
    from rookery.reports.page.comparison import lost_to_average
    from rookery_ensembles import prediction_metrics

    built = api.ensemble(study, out, positive=positive, overwrite=overwrite)
    if as_json:
        say_json(built.summary(positive))
        return
    heaviest = sorted(built.choice.weights.items(), key=lambda item: (-item[1], item[0]))
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in heaviest[:_SHOWN])
    weights += f" and {len(heaviest) - _SHOWN} lighter ones" if len(heaviest) > _SHOWN else ""
    _say(f"{built.bundle.path}: {len(heaviest)} members ({weights}); {built.choice.calibration}")
    console = _console()
    console.print(comparison_table(_rows(built.choice.scores), title="Validation objects (chosen by these)"))
    if built.test_scores:
        console.print(comparison_table(_rows(built.test_scores), title="Test objects"))
        harm = lost_to_average(built.test_scores["selected_calibrated"], built.test_scores["average"])
        if harm is not None:
            _say(harm)
    if built.out_of_fold is not None:
        scores = {"calibrated on the other folds": prediction_metrics(built.out_of_fold, positive)}
        console.print(comparison_table(_rows(scores), title="Out of fold: by networks that did not see them"))
        for name, test in built.pit_tests.items():
            null = f"{test.low:.3g} to {test.high:.3g} where the PDFs are true"
            _say(f"{name}: {test.value:.3g}, p = {test.pvalue:.2g} ({null}, calibrations fitted anew)")
        _say(f"{out_of_fold_path(built.bundle.path)}: {len(built.out_of_fold.object_id)} objects")


@app.command()
def predict(
    bundle: Annotated[Path, typer.Argument(help="Ensemble bundle.")],
    survey: Annotated[Path, typer.Argument(help="Survey store.")],
    out: Annotated[Path, typer.Argument(help="Prediction file (Parquet) to write.")],
    days: Annotated[
        float | None, typer.Option(help="Show it only what was observed up to so many days since ...")
    ] = None,
    since: SinceOption = "detection",
    device: DeviceOption = None,
    correct_priors: Annotated[
        bool,
        typer.Option(
            "--correct-priors",
            help="Correct for the survey's own class fractions: for classes that look the same.",
        ),
    ] = False,
    split: Annotated[
        str | None, typer.Option(help="Estimate those on this split's test and unlabelled objects alone.")
    ] = None,
    allow_missing_bands: Annotated[
        bool,
        typer.Option("--allow-missing-bands", help="Predict without bands that every network always saw."),
    ] = False,
) -> None:
    """Predict every object of a survey with an ensemble."""
    from rookery import api

    predictions = api.predict(
        bundle,
        survey,
        out,
        days=days,
        since=since,
        device=device,
        correct_priors=correct_priors,
        split=split,
        allow_missing_bands=allow_missing_bands,
    )
    what = "" if days is None else f", observed up to {days:g} days since {since}"
    outside = predictions.out_of_domain
    if outside is not None:
        what += f"; {int(outside.sum())} outside of what the networks were trained on (out_of_domain)"
    _say(f"{out}: {len(predictions.object_id)} objects{what}")
    if (record := predictions.info.prior_correction) is not None:
        names = predictions.info.target.names
        fractions = zip(names, record.estimated, record.low, record.high, strict=True)
        found = ", ".join(f"{name} {x:.3f} ({low:.3f} to {high:.3f})" for name, x, low, high in fractions)
        _say(f"Class fractions of {record.n_objects} objects: {found}")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Prediction file (Parquet).")],
    survey: Annotated[Path, typer.Argument(help="Survey store that knows the truth.")],
    report: Annotated[Path, typer.Option(help="Folder of the report.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another method's redshift PDFs, to stand beside; repeatable."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Judge only objects of this split.")] = None,
    role: Annotated[str | None, typer.Option(help="Role to judge within the split; test by default.")] = None,
    positive: PositiveOption = "Ia",
    by: Annotated[
        list[str] | None,
        typer.Option(help="A further number of objects to bin by, like host_photo_z; repeatable."),
    ] = None,
    bins: Annotated[
        list[str] | None,
        typer.Option(help="NAME=8 (quantile bins) or NAME=0,0.2,0.4 (edges); repeatable."),
    ] = None,
    partial: Annotated[
        list[Path] | None, typer.Option(help="Prediction file of `predict --days`; repeatable.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The ensemble that predicted, to classify partial light curves.")
    ] = None,
    days: Annotated[
        str | None, typer.Option(help="With --bundle: days to judge it on, like 0,2,5,10,20,50.")
    ] = None,
    since: SinceOption = "detection",
    truth: Annotated[
        Literal["agree", "survey"],
        typer.Option(
            help="Where the file's own truth is not the survey's: refuse, or judge by the survey's."
        ),
    ] = "agree",
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates; 0 for no intervals.")] = 300,
    seed: SeedOption = 0,
    device: DeviceOption = None,
) -> None:
    """Judge class probabilities or redshift PDFs: metrics with intervals, in bins; an HTML report."""
    from rookery import api
    from rookery.reports import print_report

    wanted = bins_by_covariate(bins)
    api.evaluate(
        predictions,
        survey,
        report,
        against=against or (),
        split=split,
        role=role,
        positive=positive,
        by=by or (),
        bins=wanted,
        partial=partial or (),
        bundle=bundle,
        days=numbers(days, "--days"),
        since=since,
        truth=truth,
        replicates=replicates,
        seed=seed,
        device=device,
    )
    print_report(_console(), report, predictions.stem, [*(by or ()), *wanted])
    _say(f"Report: {report / 'index.html'}")


app.command()(baseline)


app.command()(campaign)


app.command()(submit)


app.command()(doctor)


app.command()(status)


app.command()(pareto)


@app.command()
def dashboard(
    study: Annotated[str, typer.Argument(help="Study folder, or its URL.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="ROOKERY_DASHBOARD_TOKEN",
            help="What visitors must show; by default a new one, where other machines can reach --host.",
        ),
    ] = None,
) -> None:
    """Serve optuna-dashboard on a study, running or finished."""
    from rookery import api

    api.dashboard(
        study,
        host=host,
        port=port,
        token=token,
        announce=lambda url: _say(f"{url} shows {study}; end with Ctrl-C"),
    )


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to make.")] = Path("demo"), seed: SeedOption = 1
) -> None:
    """Run everything once on a small simulated survey (a few minutes on 2 cores)."""
    from rookery import api

    api.demo(out, seed=seed)


def main(program: Callable[[], None] = app) -> None:
    """Run the command line: whatever goes wrong becomes one line on standard error and an exit status.

    Bad input, a full disk and too little memory are status 2, a bug of Rookery's is 70 (EX_SOFTWARE of
    sysexits.h). Typer makes Ctrl-C 130, and a reader that has left the pipe 1.
    """
    try:
        program()
    except Exception as error:  # noqa: BLE001 - the last boundary, which tells all
        message, status = _explained(error)
        if os.environ.get(_TRACEBACK) or (status == _BUG and _verbose()):
            traceback.print_exc()
        typer.echo(f"error: {message}", err=True)
        sys.exit(status)


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to say of an error that nobody has caught, and the exit status."""
    from rookery.compute.faults import storage_fault
    from rookery.extras import extra_of, missing  # not above: these would slow `--help` down
    from rookery_ensembles.errors import InputError, one_line

    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")) is not None:
        return str(missing("this", extra, error.name or "")), 2
    if (fault := storage_fault(error)) is not None:
        where = getattr(error, "filename", None)
        return one_line(f"{where}: {fault}" if where else fault), 2
    if isinstance(error, MemoryError):
        return one_line(f"the memory does not suffice ({str(error) or 'MemoryError'})"), 2
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error} (in {frame.filename}, line {frame.lineno})"
    return f"{one_line(text)}; this is a bug in Rookery: {_TRACEBACK}=1 shows the traceback", _BUG


def _verbose() -> bool:
    import logging

    return logging.getLogger().isEnabledFor(logging.INFO)


def _rows(scores: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    return [(name.replace("_", " "), metrics) for name, metrics in scores.items()]


def _console() -> Any:
    from rich.console import Console

    return Console()


def _say(text: str) -> None:
    typer.echo(text)
