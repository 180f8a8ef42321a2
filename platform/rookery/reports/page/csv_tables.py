"""The numbers of a report as CSV and as tables of papers, from ``metrics.json``."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rookery.reports.assess.redshift_results import KIND
from rookery.reports.assess.rows import LABELS
from rookery.reports.page.words import published_rows, whole_estimate, with_half_width
from rookery_ensembles import RedshiftBins
from rookery_ensembles.metric import CLASS_METRICS, EACH_CLASS_METRICS, METRICS, REDSHIFT_METRICS, names
from rookery_ensembles.photoz_sample import POINT_KEYS
from rookery_ensembles.target import target_of

_Rows = list[dict[str, Any]]
_LEVELS = ("68", "95")
_BIN = ("low", "high", "median", "n")


def class_tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of a report of class probabilities as CSV text, by file name."""
    curve = document["purity_efficiency"]
    ends = {
        f"{name}_{end}_68": curve[f"{name}_68"][i]
        for name in ("purity", "efficiency")
        for i, end in enumerate(("low", "high"))
    }
    tables = {
        "metrics": _whole(document, names(CLASS_METRICS)),
        "per_class": [
            {"class": name, **_cells(found, ("n", "n_predicted"), found, names(EACH_CLASS_METRICS))}
            for name, found in document["per_class"].items()
        ],
        "purity_efficiency": _transposed(
            {key: curve[key] for key in ("threshold", "purity", "efficiency")} | ends
        ),
    }
    for name, slug in slugs(document["bins"]).items():
        bins = document["bins"][name]["bins"]
        tables[f"by_{slug}"] = [
            _cells(found, (*_BIN, "n_positive"), found["metrics"], names(CLASS_METRICS)) for found in bins
        ]
    if document["days"] is not None:
        keys = ("days", "n", "n_positive", "n_without_observation", "median_observations")
        points = document["days"]["points"]
        tables["days"] = [_cells(found, keys, found["metrics"], names(CLASS_METRICS)) for found in points]
    return _written(tables)


def redshift_tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tables of a report of redshifts as CSV text, by file name."""
    rows, pit, published = document["rows"], document["pit"], document["published"]
    tables: dict[str, _Rows] = {
        "metrics": _whole(document, names(REDSHIFT_METRICS)),
        "rows": [
            _cells(row, ("row", "method", "n"), row["metrics"], names(REDSHIFT_METRICS)) for row in rows
        ],
        "points": [
            _cells(row | {"point": point}, ("row", "method", "point"), found, POINT_KEYS)
            for row in rows
            for point, found in row["points"].items()
        ],
        "pit": _transposed({"low": pit["edges"][:-1], "high": pit["edges"][1:], **pit["counts"]}),
        "pit_quantiles": _curve(document["pit_quantiles"], "theoretical"),
        "coverage": _curve(document["coverage"], "level"),
        "examples": document["examples"]["objects"],
    }
    for name, slug in slugs(document["bins"]).items():
        tables[f"by_{slug}"] = [
            {"method": method, **_cells(found, _BIN, found["metrics"], POINT_KEYS)}
            for method, binned in document["bins"][name]["methods"].items()
            for found in binned["bins"]
        ]
    if published:
        tables["published"] = [{**row, "source": published["source"]} for row in published["rows"]]
    if document["sigma_mad_ratios"]:
        tables["sigma_mad_ratios"] = [
            {**{key: found[key] for key in ("row", "method", "to")}, **_interval_cells("", found)}
            for found in document["sigma_mad_ratios"]
        ]
    return _written(tables)


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Return a file name for each covariate: its name with odd characters replaced, all different."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "_"
        slug, number = plain, 2
        while slug in found.values():
            slug, number = f"{plain}_{number}", number + 1
        found[name] = slug
    return found


def _whole(document: Mapping[str, Any], keys: Iterable[str]) -> _Rows:
    return [{"metric": key, **_interval_cells("", whole_estimate(document, key))} for key in keys]


def _curve(curve: Mapping[str, Any], x_name: str) -> _Rows:
    low, high = curve["calibrated_95"]
    calibrated = {"calibrated_low_95": low, "calibrated_high_95": high}
    return _transposed({x_name: curve[x_name], **curve["methods"], **calibrated})


def _transposed(columns: Mapping[str, Sequence[Any]]) -> _Rows:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cells(
    found: Mapping[str, Any],
    keys: Iterable[str],
    metrics: Mapping[str, Any] | None,
    metric_keys: Iterable[str],
) -> dict[str, Any]:
    """Return some values, then metrics with their intervals, as cells of a row."""
    cells: dict[str, Any] = {key: found[key] for key in keys}
    for key in metric_keys:
        cells |= _interval_cells(f"{key}_", (metrics or {}).get(key, {"value": None}))
    return cells


def _interval_cells(prefix: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
    """Return one metric with its intervals as cells of a CSV row."""
    cells = {f"{prefix}value".replace("_value", ""): estimate["value"]}
    for level in _LEVELS:
        low, high = estimate.get(level) or (None, None)
        cells |= {f"{prefix}low_{level}": low, f"{prefix}high_{level}": high}
    return cells


def _written(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
    return {f"{name}.csv": _csv_text(rows) for name, rows in tables.items()}


def _csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV, the keys of the first one above; nothing without a row."""
    stream = io.StringIO()
    if rows:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return stream.getvalue()


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--", "×": r"$\times$",
    "σ": r"$\sigma$", "η": r"$\eta$", "Δ": r"$\Delta$", "≤": r"$\leq$", "≥": r"$\geq$", "’": "'", "“": "``",
    "”": "''", "−": "$-$", "<": "$<$", ">": "$>$", "|": "$|$", "→": r"$\to$", "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}  # fmt: skip


def paper_tables(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the files ``summary.tex`` and ``summary.md`` of a report, from its document."""
    of_redshifts = document["kind"] == KIND
    head, rows = _redshifts(document) if of_redshifts else _classes(document)
    columns = "ll" if of_redshifts else "l"
    columns += "r" * (len(head) - len(columns))
    return {"summary.tex": _latex(columns, head, rows), "summary.md": _markdown(head, rows)}


def _classes(document: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return every metric of the whole sample, a row each."""
    n = document["metrics"]["n"]
    head = [f"{n:,.0f} objects", "value"]
    return head, [
        [entry.label, with_half_width(whole_estimate(document, entry.name), entry.digits)]
        for entry in target_of(document["metrics"]).metrics
    ]


def _redshifts(document: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return every row of the paper's table, and the published ones that were asked for."""
    keys = RedshiftBins.brief
    rows: list[list[str]] = []
    for key, label in LABELS.items():
        for row in (one for one in document["rows"] if one["row"] == key):
            cells = [with_half_width(row["metrics"][name], METRICS[name].digits) for name in keys]
            rows.append([label, row["method"], f"{row['n']:,}", *cells])
        for found in published_rows(document, key):
            cells = [METRICS[name].format(found[name]) if name in POINT_KEYS else "–" for name in keys]
            rows.append([label, f"{found['method']} (published)", "–", *cells])
    return ["objects", "method", "n", *(METRICS[name].label for name in keys)], rows


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)]) + "\n"


def _latex(columns: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

    body = [line(head), r"\midrule", *map(line, rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join([rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *body]) + "\n"
