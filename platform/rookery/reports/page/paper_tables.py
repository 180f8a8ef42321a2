"""A report's main table for a paper or a page of notes: LaTeX (booktabs) and Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from rookery.reports.assess.redshift_results import KIND
from rookery.reports.assess.rows import LABELS
from rookery.reports.page.words import published_rows, whole_estimate, with_half_width
from rookery_ensembles import RedshiftBins
from rookery_ensembles.metric import METRICS
from rookery_ensembles.photoz_sample import POINT_KEYS
from rookery_ensembles.target import target_of

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
