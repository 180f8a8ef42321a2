"""The sentences that reports of both kinds say, and their numbers as text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.judged import Judged
from rookery_ensembles.chance import against_chance
from rookery_ensembles.metric import METRICS

_FEWEST_BINS = 4
"""In 68 % intervals of true PDFs, whose coverage is then 0.689 (`benchmarks/bin_widths.py`)."""
Rows = Sequence[tuple[str, Mapping[str, float]]]
"""Names and metrics of methods to compare."""


def matched_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what a report's document says of each file's objects, a sentence each."""
    found, restriction = document["matched"], document["provenance"]["restriction"]
    sentences = {name: _matched_sentence(numbers, restriction) for name, numbers in found.items()}
    return [f"{name}: {text}" if len(found) > 1 else text for name, text in sentences.items()]


def chance_lines(document: Mapping[str, Any]) -> list[str]:
    """Return which methods are no better than chance, a sentence each."""
    found = document.get("chance", {})  # which an earlier report does not have
    return [
        (f"{name}: " if len(found) > 1 else "")
        + f"No better than chance: the predictions of other objects, dealt at random, fit as well "
        f"(gain {one['gain']:.4f} ± {one['error']:.4f} nats an object)."
        for name, one in found.items()
        if one is not None and not one["is_better"]
    ]


def coarse_lines(document: Mapping[str, Any]) -> list[str]:
    """Return whose redshift bins are so coarse that PDFs must be too wide, a sentence each."""
    found = document.get("bins_in_interval_68", {})  # which an earlier report does not have
    return [
        f"{name}: Coarse bins: the median 68 % interval spans {spans:.1f} of them. PDFs are flat within a "
        f"bin, so that intervals of fewer than {_FEWEST_BINS} bins hold more than they promise even where "
        "the PDFs are right: make networks with finer ones (--bins LOW,HIGH,NUMBER)."
        for name, spans in found.items()
        if spans < _FEWEST_BINS
    ]


def chance_document(values_nk: NDArray[Any], truth_n: NDArray[np.integer]) -> dict[str, Any] | None:
    """Return what predictions gain over chance, as a report's document says it."""
    chance = against_chance(values_nk, truth_n)
    return None if chance is None else {**asdict(chance), "is_better": chance.is_better}


def _matched_sentence(found: Mapping[str, int], restriction: str | None) -> str:
    whole = f"All {found['in_file']:,} predicted objects are among the survey's {found['in_survey']:,}"
    role = f"; {found['predicted']:,} of the {found['in_role']:,} {restriction} are predicted"
    if not found["compared"]:
        truth = "the file tells no truth to compare with the survey's"
    elif found["contradicted"]:
        wrong = f"{found['contradicted']:,} of the {found['compared']:,} compared"
        truth = f"the file's own truth CONTRADICTS the survey's for {wrong}; the survey's counts"
    else:
        truth = f"the file's own truth agrees for all {found['compared']:,} compared"
    return f"{whole}{role if restriction else ''}; {truth}."


def describe_objects(judged: Judged) -> str:
    """Return how many objects of which survey and part of it were judged."""
    part = f", {judged.restriction}" if judged.restriction else ""
    return f"{len(judged):,} objects of {judged.survey.info.name}{part}"


def bin_note(binned: Mapping[str, Any]) -> str:
    """Return how many bins there are, and who is in none, as a sentence."""
    note = f"In {len(binned['bins'])} bins"
    empty = sum(entry["n"] == 0 for entry in binned["bins"])
    for number, what in (
        (empty, "empty and not drawn"),
        (binned["n_unknown"], "objects left out: unknown"),
        (binned["n_outside"], "objects left out: outside all bins"),
    ):
        note += f"; {number:,} {what}" if number else ""
    return note + "."


def provenance_rows(
    origin: Mapping[str, Any], predictions: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Return where predictions, survey and report come from, as rows of a table."""
    rest = {"objects": origin["restriction"], "date": origin["date"], "versions": origin["versions"]}
    return [
        *(row for name, made in predictions.items() for row in spoken(f"{name}:", made)),
        *spoken("survey:", origin["survey"]),
        *spoken("", rest),
    ]


def spoken(label: str, entries: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return known entries as rows of a table, each label beginning with `label`."""
    return [(f"{label} {key}".strip(), _text(value)) for key, value in entries.items() if value is not None]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{key} {entry}" for key, entry in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def listed(names: Sequence[str]) -> str:
    """Return names as they stand within a sentence."""
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def whole_estimate(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a metric of the whole sample with its intervals."""
    return {"value": document["metrics"][key], **document["intervals"].get(key, {})}


def format_value(key: str, value: float | None) -> str:
    """Return a metric's value as text; a dash where undefined."""
    return "–" if value is None else METRICS[key].format(value)


def format_interval(key: str, ends: Sequence[float] | None) -> str:
    """Return an interval as text; a dash where undefined."""
    return "–" if ends is None else f"{METRICS[key].format(ends[0])} to {METRICS[key].format(ends[1])}"


def metric_cells(document: Mapping[str, Any], key: str) -> tuple[str, str, str]:
    """Return a metric's value and its 68 % and 95 % intervals as text."""
    found = whole_estimate(document, key)
    narrow, wide = (format_interval(key, found.get(level)) for level in ("68", "95"))
    return format_value(key, found["value"]), narrow, wide


def bin_name(low: float, high: float) -> str:
    """Return the edges of a bin as text."""
    return f"{low:.3g} to {high:.3g}"


def with_half_width(estimate: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return a value, and half the width of its 68 % interval."""
    if estimate is None or estimate["value"] is None:
        return "–"
    ends = estimate.get("68")
    half = f" ± {(ends[1] - ends[0]) / 2:.{digits}f}" if ends else ""
    return f"{estimate['value']:.{digits}f}{half}"


def compared_cells(rows: Rows, keys: Sequence[str]) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Return each row's name and cells: the text, and whether it is the best of its column."""
    best: dict[str, str | None] = {}
    if len(rows) > 1:
        # Compared as shown: what looks equal is equally good.
        best = {key: METRICS[key].best([metrics[key] for _, metrics in rows]) for key in keys}
    texts = [(name, [(key, METRICS[key].format(metrics[key])) for key in keys]) for name, metrics in rows]
    return [(name, [(text, best.get(key) == text) for key, text in cells]) for name, cells in texts]


def published_rows(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the published numbers that stand beside a row: those of the paper's main experiment."""
    every: list[dict[str, Any]] = document["published"]["rows"] if document["published"] else []
    return [row for row in every if row["row"] == key and row["experiment"] == every[0]["experiment"]]
