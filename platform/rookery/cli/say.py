"""What a verb says on the terminal: its result, and the arguments and flags that it was given."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rookery.campaigns.run import CampaignResult
    from rookery.clusters.doctor import DoctorReport
    from rookery.inference import StudyEnsemble
    from rookery.search.driver import SearchResult
    from rookery.training.speed_result import SpeedResult
    from rookery_ensembles import Bundle, EnsembleChoice, Predictions
    from rookery_ensembles.foreign import Combined
    from rookery_ensembles.paired import Comparison
    from rookery_ensembles.partitions import Partitions

Given = Mapping[str, Any]
"""A verb's arguments by name, and its flags."""
_SHOWN = 8
"""So many members of an ensemble are listed."""
_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def as_json(value: Any) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(value, indent=2))


def search(result: "SearchResult", given: Given) -> None:
    """Tell how the study stands."""
    if given["dry_run"]:
        return
    from rookery.search.progress import describe

    typer.echo(f"{given['study']}: {describe(result.counts, result.study.space.objective.name)}")
    if result.counts.first_error:
        typer.echo(f"First error: {result.counts.first_error}")
    if not result.counts.complete:
        typer.echo("No trial was completed, so there is nothing to combine.")
        raise typer.Exit(1)
    typer.echo(f"Next: rookery ensemble {given['study']}")


def ensemble(built: "StudyEnsemble", given: Given) -> None:
    """Show the members and how good they are together."""
    from rookery.inference.ensemble import out_of_fold_path
    from rookery.reports import comparison_table
    from rookery.reports.page.comparison import lost_to_average
    from rookery_ensembles import prediction_metrics

    if given["json"]:
        as_json(built.summary(given["positive"]))
        return
    _choice(built.bundle, built.choice)
    console = _console()
    console.print(comparison_table(_rows(built.choice.scores), title="Validation objects (chosen by these)"))
    if built.test_scores:
        console.print(comparison_table(_rows(built.test_scores), title="Test objects"))
        harm = lost_to_average(built.test_scores["selected_calibrated"], built.test_scores["average"])
        if harm is not None:
            typer.echo(harm)
    if built.out_of_fold is not None:
        scores = {"calibrated on the other folds": prediction_metrics(built.out_of_fold, given["positive"])}
        console.print(comparison_table(_rows(scores), title="Out of fold: by networks that did not see them"))
        for name, test in built.pit_tests.items():
            null = f"{test.low:.3g} to {test.high:.3g} where the PDFs are true"
            typer.echo(f"{name}: {test.value:.3g}, p = {test.pvalue:.2g} ({null}, calibrations fitted anew)")
        typer.echo(f"{out_of_fold_path(built.bundle.path)}: {len(built.out_of_fold.object_id)} objects")


def _choice(bundle: "Bundle", choice: "EnsembleChoice") -> None:
    """Tell an ensemble's members, and why it is combined as it is."""
    from rookery.words import count

    heaviest = sorted(choice.weights.items(), key=lambda item: (-item[1], item[0]))
    weights = ", ".join(f"{name} {weight:.2f}" for name, weight in heaviest[:_SHOWN])
    weights += f" and {len(heaviest) - _SHOWN} lighter ones" if len(heaviest) > _SHOWN else ""
    typer.echo(f"{bundle.path}: {count(len(heaviest), 'member')} ({weights}); {choice.calibration}")
    if (report := choice.report) is None:
        return
    typer.echo(f"auto: {report.reason}")
    if math.isfinite(report.gain):
        told = f"{report.gain:.4f} +- {report.error:.4f} nats over the plain average on objects held out"
        null = f"{report.null_gain:.4f} +- {report.null_error:.4f}"
        typer.echo(f"Expected gain: {told} (where there is none: {null})")


def predict(predictions: "Predictions | Partitions", given: Given) -> None:
    """Tell how many objects were predicted, how unlike the training objects they are, and class fractions."""
    from rookery.words import count
    from rookery_ensembles.partitions import Partitions

    days = given.get("days")
    what = "" if days is None else f", observed up to {days:g} days since {given['since']}"
    if isinstance(predictions, Partitions):
        objects, outside = predictions.objects, predictions.out_of_domain
        what += f" in {count(len(predictions.files), 'file')}"
    else:
        flag = predictions.out_of_domain
        objects, outside = len(predictions.object_id), None if flag is None else int(flag.sum())
    if outside is not None:
        what += f"; {outside} outside of what the networks were trained on (out_of_domain)"
    typer.echo(f"{given['out']}: {objects} objects{what}")
    if (record := predictions.info.prior_correction) is not None:
        names = predictions.info.target.names
        fractions = zip(names, record.estimated, record.low, record.high, strict=True)
        found = ", ".join(f"{name} {x:.3f} ({low:.3f} to {high:.3f})" for name, x, low, high in fractions)
        typer.echo(f"Class fractions of {record.n_objects} objects: {found}")


def combined(made: "Combined", given: Given) -> None:
    """Tell what was matched, the members' weights, and how good they are together."""
    if given["json"]:
        as_json(made.summary())
        return
    from rookery.reports import comparison_table

    typer.echo(f"{made.matched}")
    _choice(made.bundle, made.choice)
    if not made.choice.scores:
        return
    title = "Objects of known truth (chosen by these)"
    _console().print(comparison_table(_rows(made.choice.scores), title=title))


def written(page: Path, given: Given) -> None:
    """Tell where a page was written."""
    size = page.stat().st_size
    told = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    typer.echo(f"{page}: one page, {told}, which needs nothing else")


def exported(columns: tuple[str, ...], given: Given) -> None:
    """Tell which columns were written, which classes a module tells apart, or how to see the runs."""
    if given["to"] == "mlflow":
        look = f"mlflow ui --backend-store-uri sqlite:///{given['out']}"
        typer.echo(
            f"{given['out']}: {len(columns)} runs; where all of mlflow is installed, `{look}` shows them"
        )
        return
    what = "a Fink science module, probabilities of" if given["to"] == "fink" else "columns"
    typer.echo(f"{given['out']}: {what} {', '.join(columns)}")


def evaluate(metrics: dict[str, float], given: Given) -> None:
    """Show a report's numbers."""
    from rookery.reports import print_report

    if given["json"]:
        as_json({name: value if math.isfinite(value) else None for name, value in metrics.items()})
        return

    report, predictions = Path(given["report"]), Path(given["predictions"])
    print_report(_console(), report, predictions.stem, [*given["by"], *(given["bins"] or ())])
    typer.echo(f"Report: {report / 'index.html'}")


def explained(page: Path, given: Given) -> None:
    """Tell how well samples are told apart by their features, and where the page is."""
    found = json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    for one in found["overlap"]:
        samples = f"{one['first']} against {one['second']}, {one['among']}"
        typer.echo(f"Overlap of features, {samples}: AUC {one['auc']:.3f} ± {one['error']:.3f}")
    for one in found["thinned"]:
        distance = f"distance {one['median']:.2f}, same answer {one['same_answer']:.0%}"
        typer.echo(f"Copies with {one['part']:.0%} of the observations ({one['objects']}): {distance}")
    typer.echo(f"Explanation: {page}")


def compared(found: "Comparison", given: Given) -> None:
    """Show both values of each metric, their difference, and its interval."""
    if given["json"]:
        as_json(found.to_json())
        return
    from rich.table import Table

    from rookery_ensembles.metric import METRICS
    from rookery_ensembles.paired import LEVEL

    typer.echo(f"first: {given['first']}; second: {given['second']}; {found.n} objects")
    if any(found.left_out):
        typer.echo(f"Left out, since only one has them: {found.left_out[0]} and {found.left_out[1]} objects")
    title = f"Paired differences, first minus second, with {100 * LEVEL:g} % intervals over objects"
    table = Table("metric", "first", "second", "difference", "better", title=title, title_justify="left")
    for key, pair in found.metrics.items():
        shown = METRICS[key].format
        interval = "" if math.isnan(pair.low) else f" [{shown(pair.low)}, {shown(pair.high)}]"
        name = f"{METRICS[key].short} {METRICS[key].arrow}"
        cells = shown(pair.first), shown(pair.second), f"{shown(pair.difference)}{interval}"
        table.add_row(name, *cells, pair.better or "")
    _console().print(table)


def baseline(predictions: "Predictions | Partitions", given: Given) -> None:
    """Tell how many objects were predicted."""
    from rookery_ensembles.partitions import Partitions

    n = predictions.objects if isinstance(predictions, Partitions) else len(predictions.object_id)
    typer.echo(f"{given['out']}: {n} objects")


def campaign(result: "CampaignResult", given: Given) -> None:
    """Show the plan, or the table."""
    if given["json"]:
        table = result.out / "table.json"
        as_json({"plan": result.plan} if given["dry_run"] else json.loads(table.read_text(encoding="utf-8")))
        return
    if given["dry_run"]:
        typer.echo(result.plan)
        return
    typer.echo(result.table)
    typer.echo("Tables: " + ", ".join(str(result.out / f"table.{kind}") for kind in ("md", "csv", "json")))


def cluster(text: str, given: Given) -> None:
    """Show a file that makes a cluster, or tell what to do with it."""
    out = given["out"]
    after = "import it in Grafana" if given["kind"] == "grafana" else "change the lines marked CHANGE"
    typer.echo(text if out is None else f"{out}: {after}", nl=out is not None)


def tags(found: dict[int, list[str]], given: Given) -> None:
    """Tell the tags of a study's trials."""
    if given["json"]:
        as_json({str(number): words for number, words in found.items()})
        return
    for number, words in found.items():
        typer.echo(f"trial {number}: {' '.join(words)}")
    if not found:
        typer.echo("no trial has tags")


def dashboard(url: str, given: Given) -> None:
    """Tell where the page is."""
    typer.echo(f"{url} shows {', '.join(map(str, given['paths']))}; end with Ctrl-C")


def doctor(report: "DoctorReport", given: Given) -> None:
    """Show the findings as a table, and what they come to; status 1 where something fails."""
    if given["json"]:
        as_json(report.plain())
    else:
        _findings(report)
    if report.level == "FAIL":
        raise typer.Exit(1)


def bench(result: "SpeedResult", given: Given) -> None:
    """Show what the device does at best, and a row for each network and way."""
    if given["json"]:
        from dataclasses import asdict

        as_json(asdict(result))
        return
    from rich.table import Table

    console = _console()
    products = ", ".join(
        f"{rate / 1e12:.3g} TFLOP/s {name}" for name, rate in result.product_flop_per_second.items()
    )
    console.print(
        f"{result.device}: copies {result.copy_bytes_per_second / 1e9:.3g} GB/s, products {products}"
    )
    table = Table("network", "way", "precision", "objects/s", "of a loop", pad_edge=False)
    before = None
    for row in result.rows:
        relative = "" if row.relative is None else f"{row.relative:.2f}"
        rate = row.error or f"{row.objects_per_second or 0:,.0f}"
        table.add_row(row.network if row.network != before else "", row.way, row.precision, rate, relative)
        before = row.network
    console.print(table)


def _findings(report: "DoctorReport") -> None:
    from rich.table import Table
    from rich.text import Text

    from rookery.clusters.findings import node_list

    console = _console()
    table = Table("", "check", "where", "found", pad_edge=False)
    for finding in report.findings:
        where = node_list(finding.nodes, len(report.nodes))
        table.add_row(
            Text(finding.level, style=_COLOURS[finding.level]), finding.check, where, Text(finding.text)
        )
    console.print(table)
    wrong = [finding for finding in report.findings if finding.advice]
    for finding in wrong:
        head = Text(f"{finding.level} {finding.check}: ", style=_COLOURS[finding.level])
        console.print(head + Text(finding.advice, style="default"))
    counts = {level: sum(f.level == level for f in report.findings) for level in ("FAIL", "WARN")}
    told = f"{counts['FAIL']} to mend (FAIL), {counts['WARN']} to think about (WARN)."
    console.print(told if wrong else "All is well.")


def pareto(found: list[dict[str, Any]], given: Given) -> None:
    """Show the trials that none beats."""
    if given["json"]:
        as_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    names = list(found[0]["values"]) if found else []
    table = Table("trial", *names, "configuration")
    for trial in found:
        values = [f"{value:.5g}" for value in trial["values"].values()]
        settings = ", ".join(f"{name}={_short(value)}" for name, value in trial["configuration"].items())
        table.add_row(str(trial["trial"]), *values, settings)
    Console(highlight=False, markup=False).print(table if found else "no trial is complete yet")


def begun(folder: Path, given: Given) -> None:
    """Tell what to do with a new package."""
    name = given["name"]
    typer.echo(f"{folder}: a family of networks; {folder / name / 'network.py'} is the place to begin")
    installed = f"pip install pytest hypothesis -e {folder}"
    typer.echo(f"Next: {installed}; python -m pytest --pyargs rookery.testing -k {name}")


def _rows(scores: Mapping[str, Mapping[str, float]]) -> list[tuple[str, Mapping[str, float]]]:
    return [(name.replace("_", " "), metrics) for name, metrics in scores.items()]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _console() -> "Console":
    from rich.console import Console

    return Console()
