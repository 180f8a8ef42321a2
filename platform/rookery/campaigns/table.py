"""The campaign's table: Markdown for people, CSV in the manner of papers, JSON with everything."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import rookery
from rookery.campaigns.campaign import Campaign
from rookery.campaigns.differences import Pair, differences_csv, differences_markdown, paired, plain
from rookery.campaigns.plan import Folders
from rookery.campaigns.prepare import ExperimentData
from rookery.campaigns.scores import Line, is_number
from rookery.reports.assess.judged import is_simulated
from rookery.training.card import read_card
from rookery_ensembles.files import write_text
from rookery_ensembles.metric import METRICS

HERE, PUBLISHED = "this campaign", "published"


@dataclass(frozen=True)
class Entry:
    """One line as the table shows it: ours with the baseline's figures beside it, or a published one."""

    source: str
    """Who made it."""
    line: Line
    """The line itself."""
    baseline: dict[str, float]
    """Figures of the baseline, by metric."""


def entries(campaign: Campaign, lines: Sequence[Line]) -> list[Entry]:
    """Put each baseline beside its lines where the file asks for it, and published lines below them."""
    table, published = campaign.document.table, campaign.document.published
    beside = {(ln.experiment, ln.bin): ln.metrics for ln in lines if ln.row == table.baseline}
    found: list[Entry] = []
    for name in campaign.document.experiments:
        found += [
            Entry(HERE, line, beside.get((line.experiment, line.bin), {}))
            for line in lines
            if line.experiment == name and (table.baseline is None or line.row != table.baseline)
        ]
        for row in published.rows if published else ():
            if published is not None and row.experiment == name:
                sizes = (row.training_size, 0, row.test_size or 0)
                line = Line(name, published.name, "", 0, 0, *sizes, metrics=row.metrics)
                found.append(Entry(PUBLISHED, line, row.baseline))
    return found


def write_tables(
    campaign: Campaign,
    datasets: dict[str, ExperimentData],
    lines: Sequence[Line],
    folders: Folders,
    errors: dict[str, str],
) -> str:
    """Write ``table.md``, ``table.csv`` and ``table.json``; return the first."""
    shown = entries(campaign, lines)
    pairs = paired(campaign, lines)
    text = markdown(campaign, datasets, shown, pairs)
    write_text(folders.out / "table.csv", comma_separated(campaign, shown))
    if pairs:
        write_text(folders.out / "differences.csv", differences_csv(campaign, pairs))
    cards = [read_card(folders.members / name) for name in sorted(_members(lines, folders))]
    document = {
        "campaign": campaign.document.name,
        "version": rookery.__version__,
        "surveys": {
            name: {"path": str(survey.path), "checksum": survey.checksum, "simulated": is_simulated(survey)}
            for name, survey in _surveys(campaign, datasets).items()
        },
        "networks": len(cards),
        "device_seconds": sum(card.device_seconds for card in cards),
        "lines": [_plain(entry) for entry in shown],
        "differences": [plain(pair) for pair in pairs],
        "failed": {name: error.splitlines()[0] for name, error in errors.items()},
        "published_source": campaign.document.published.source if campaign.document.published else None,
    }
    write_text(folders.out / "table.json", json.dumps(document, indent=2, allow_nan=False) + "\n")
    write_text(folders.out / "table.md", text)
    return text


def markdown(
    campaign: Campaign,
    datasets: dict[str, ExperimentData],
    shown: Sequence[Entry],
    pairs: Sequence[Pair] = (),
) -> str:
    """Return the table as Markdown."""
    document = campaign.document
    columns, beside = campaign.columns, document.table.baseline
    binned = document.table.bins is not None
    head = ["experiment", "row", *(["bin"] if binned else []), "networks", "training", "test"]
    head += [_head(key) for key in columns]
    head += [f"baseline: {_head(key)}" for key in columns] if beside else []
    rows = []
    for entry in shown:
        line = entry.line
        name = f"{line.row} ({PUBLISHED})" if entry.source == PUBLISHED else line.row
        cells = [line.experiment, name, *([line.bin or "all"] if binned else []), _count(entry)]
        cells += [str(line.training_size), str(line.test_size or "–")]
        cells += [_cell(key, line.metrics, line.error) for key in columns]
        cells += [_cell(key, entry.baseline, {}) for key in columns] if beside else []
        rows.append(cells)
    parts = [f"# {document.name}", document.description.strip(), *_notes(campaign, datasets, beside)]
    table = [head, ["---"] * len(head), *rows]
    parts.append("\n".join("| " + " | ".join(cells) + " |" for cells in table))
    parts += differences_markdown(campaign, pairs)
    return "\n\n".join(part for part in parts if part) + "\n"


def comma_separated(campaign: Campaign, shown: Sequence[Entry]) -> str:
    """Return the table as CSV: the columns of a paper's table, the scatter over members beside them."""
    columns, beside = campaign.columns, campaign.document.table.baseline
    head = ["experiment", "row", "source", "bin", "networks", "training_size", "test_size", *columns]
    head += [f"{key}_{what}" for what in ("scatter", "error") for key in columns]
    head += [f"baseline_{key}" for key in columns] if beside else []
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    for entry in shown:
        line = entry.line
        cells: list[Any] = [line.experiment, line.row, entry.source, line.bin, line.members]
        cells += [line.training_size, line.test_size]
        cells += [_number(line.metrics.get(key)) for key in columns]
        cells += [_number(found.get(key)) for found in (line.scatter, line.error) for key in columns]
        cells += [_number(entry.baseline.get(key)) for key in columns] if beside else []
        writer.writerow(cells)
    return stream.getvalue()


def _notes(campaign: Campaign, datasets: dict[str, ExperimentData], beside: str | None) -> list[str]:
    surveys = _surveys(campaign, datasets)
    simulated = [name for name, survey in surveys.items() if is_simulated(survey)]
    others = [name for name in surveys if name not in simulated]
    notes = [f"Simulated: {', '.join(simulated)}."] if simulated else []
    notes += [f"Not simulated: {', '.join(others)}."] if others else []
    notes.append(
        "A figure is the mean over a row's random starts; `training` counts the objects that train or "
        "validate. The ensembles were selected and calibrated on validation objects."
    )
    if campaign.document.table.replicates:
        notes.append(
            f"± is one standard deviation of that mean: of {campaign.document.table.replicates} draws of the "
            "test objects with replacement, and of the random starts (their variance over their number). "
            "Of a baseline, an average, an ensemble and a row of one network it holds the objects alone."
        )
    if beside:
        notes.append(f"The columns `baseline` are those of {beside}.")
    if campaign.document.published:
        notes.append(f"Published figures: {campaign.document.published.source.strip()}")
    return notes


def _surveys(campaign: Campaign, datasets: dict[str, ExperimentData]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, experiment in campaign.document.experiments.items():
        found[experiment.survey] = datasets[name].survey
        if experiment.test_survey is not None:
            found[experiment.test_survey] = datasets[name].test_survey
    return found


def _members(lines: Sequence[Line], folders: Folders) -> set[str]:
    return {name for line in lines for name in line.ids if (folders.members / name).is_dir()}


def _head(key: str) -> str:
    found = METRICS[key]
    return f"{found.short} {found.arrow}"


def _count(entry: Entry) -> str:
    line = entry.line
    if entry.source == PUBLISHED or not line.wanted:
        return "–"
    return str(line.members) if line.members == line.wanted else f"{line.members} of {line.wanted}"


def _cell(key: str, values: dict[str, float], error: dict[str, float]) -> str:
    value = values.get(key)
    if value is None or not is_number(value):
        return "–"
    text = METRICS[key].format(value)
    return f"{text} ± {METRICS[key].format(error[key])}" if is_number(error.get(key)) else text


def _number(value: float | None) -> str:
    return "" if value is None or not is_number(value) else f"{value:.6f}"


def _plain(entry: Entry) -> dict[str, Any]:
    def defined(values: dict[str, float]) -> dict[str, float | None]:
        return {key: value if is_number(value) else None for key, value in values.items()}

    line = asdict(replace(entry.line, judged=None))
    figures = ("metrics", "scatter", "error")
    kept = {key: line[key] for key in line if key not in (*figures, "judged")}
    metrics = {key: defined(line[key]) for key in figures}
    return {"source": entry.source, **kept, **metrics, "baseline": defined(entry.baseline)}


def table_path(out: Path) -> Path:
    """Return where the table for people is."""
    return out / "table.md"
