"""Paired differences between rows, or between experiments that judge the same objects."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.prepare import ExperimentData
from rookery.campaigns.scores import Line, is_number
from rookery.campaigns.uncertainty import LEVEL, Difference, differences
from rookery_ensembles.metric import METRICS


@dataclass(frozen=True)
class Pair:
    """One line minus another, on the same objects."""

    first: str
    second: str
    """What is compared, as ``EXPERIMENT/ROW``."""
    bin: str
    """Which bin of the test objects, in words; empty for all of them."""
    metrics: dict[str, Difference]
    """Their differences."""


def paired(campaign: Campaign, lines: Sequence[Line]) -> list[Pair]:
    """Return the differences that the file asks for, where both lines have figures."""
    seed = campaign.document.defaults.seed
    found = []
    for one, other in _asked(campaign, lines):
        if one.judged is not None and other.judged is not None:
            every = differences(one.judged, other.judged, seed)
            metrics = {key: every[key] for key in campaign.columns if key in every}
            if metrics:
                first, second = (f"{line.experiment}/{line.row}" for line in (one, other))
                found.append(Pair(first, second, one.bin, metrics))
    return found


def check_between(campaign: Campaign, datasets: dict[str, ExperimentData]) -> None:
    """Refuse to pair experiments that judge other objects, before anything is trained."""
    for number, (one, other) in enumerate(campaign.document.table.between):
        ids = [datasets[name].test_id.tolist() for name in (one, other)]
        if ids[0] != ids[1]:
            rule = f"`{one}` judges {len(ids[0])} objects and `{other}` {len(ids[1])}, which are not the same"
            raise campaign.source.error(("table", "between", number), rule)


def plain(pair: Pair) -> dict[str, Any]:
    """Return a pair as JSON has it, null where a figure is undefined."""
    metrics = {
        key: {end: value if is_number(value) else None for end, value in asdict(found).items()}
        for key, found in pair.metrics.items()
    }
    return {**asdict(pair), "metrics": metrics}


def differences_markdown(campaign: Campaign, pairs: Sequence[Pair]) -> list[str]:
    """Return the table of differences as Markdown, with its note; nothing where there are none."""
    if not pairs:
        return []
    binned = campaign.document.table.bins is not None
    head = [
        "first",
        "second",
        *(["bin"] if binned else []),
        *(METRICS[key].short for key in campaign.columns),
    ]
    rows = [head, ["---"] * len(head)]
    for pair in pairs:
        cells = [pair.first, pair.second, *([pair.bin or "all"] if binned else [])]
        rows.append([*cells, *(_cell(key, pair.metrics.get(key)) for key in campaign.columns)])
    note = (
        f"First minus second, on the same objects, with the {100 * LEVEL:g} % interval: both are judged on "
        "the same draws of the objects, and the scatter of their random starts, where there are several, is "
        "added. An interval that holds 0 is no difference."
    )
    return ["## Differences", note, "\n".join("| " + " | ".join(cells) + " |" for cells in rows)]


def differences_csv(campaign: Campaign, pairs: Sequence[Pair]) -> str:
    """Return the differences as CSV, with the ends of their intervals."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = [f"{key}{end}" for key in campaign.columns for end in ("", "_low", "_high")]
    writer.writerow(["first", "second", "bin", *columns])
    for pair in pairs:
        cells: list[Any] = [pair.first, pair.second, pair.bin]
        for key in campaign.columns:
            found = pair.metrics.get(key)
            ends = (found.value, found.low, found.high) if found else ()
            cells += [f"{end:.6f}" for end in ends] or [""] * 3
        writer.writerow(cells)
    return stream.getvalue()


def _asked(campaign: Campaign, lines: Sequence[Line]) -> Iterator[tuple[Line, Line]]:
    """Yield the pairs of lines that the file asks for, bin by bin."""
    table = campaign.document.table
    known = {(line.experiment, line.row, line.bin): line for line in lines}
    bins = dict.fromkeys(line.bin for line in lines)
    rows = [row.name for row in campaign.document.rows]
    keys = [
        ((name, one), (name, other))
        for name in campaign.document.experiments
        for one, other in table.differences
    ]
    keys += [((one, row), (other, row)) for one, other in table.between for row in rows]
    for one, other in keys:
        for label in bins:
            pair = known.get((*one, label)), known.get((*other, label))
            if pair[0] is not None and pair[1] is not None:
                yield pair[0], pair[1]


def _cell(key: str, found: Difference | None) -> str:
    if found is None or not is_number(found.value):
        return "–"
    shown = METRICS[key].format
    return f"{shown(found.value)} [{shown(found.low)}, {shown(found.high)}]"
