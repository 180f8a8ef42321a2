"""The charts of class probabilities: ROC, precision and recall, reliability, scores, confusion."""

from collections.abc import Sequence

import numpy as np

from rookery.reports.assess.curves import N_HISTOGRAM_BINS, Curves, Reliability, positive_first
from rookery.reports.charts.model import Axis, Cells, Chart, Guide, Line, Mark, Steps, single

MARKED = (0.95, 0.98)
"""Precisions at which recalls are pointed out."""
# Histograms of more classes are lines without fill: many fills above each other are mud.
_MOST_FILLED = 3
_DIAGONAL = Guide((0.0, 1.0), (0.0, 1.0))


def roc_chart(entries: Sequence[Curves]) -> Chart:
    """Return ROC curves, with the diagonal of a coin's toss."""
    high = roc_limit(entries)
    hover = "false positive rate {x:.4f}\ntrue positive rate {y:.4f}\nthreshold {detail:.4f}"
    lines = [
        Line(
            f"{entry.name} (area {entry.area:.4f})", entry.roc.x, entry.roc.y, hue,
            hover=hover, detail=entry.roc.threshold,
        )
        for hue, entry in enumerate(entries)
    ]  # fmt: skip
    x = Axis("False positive rate", (-0.01 * high, 1.01 * high))
    return single("ROC curve", x, Axis("True positive rate", (-0.01, 1.01)), [_DIAGONAL, *lines])


def precision_recall_chart(entries: Sequence[Curves], recalls: Sequence[Sequence[float]]) -> Chart:
    """Return precision-recall curves; `recalls` are each curve's at the marked precisions, if any."""
    marks: list[Mark] = [Guide(y=precision) for precision in MARKED]
    for hue, entry in enumerate(entries):
        hover = "recall {x:.4f}\nprecision {y:.4f}\nthreshold {detail:.4f}"
        curve = entry.recall_precision
        marks.append(Line(entry.name, curve.x, curve.y, hue, hover=hover, detail=curve.threshold))
    for hue, found in enumerate(recalls):
        points = [(recall, precision) for recall, precision in zip(found, MARKED, strict=False) if recall > 0]
        x, y = np.array(points).reshape(-1, 2).T
        hover = "recall {x:.3f} at precision ≥ {y:.2f}"
        marks.append(Line("", x, y, hue, marked=True, joined=False, hover=hover))
    y_axis = Axis("Precision (purity)", (precision_limit(entries), 1.01))
    return single("Precision and recall", Axis("Recall (efficiency)", (-0.01, 1.01)), y_axis, marks)


def reliability_chart(entries: Sequence[tuple[str, Reliability]]) -> Chart:
    """Return named reliability diagrams, with the diagonal; a single one with its 68 % intervals."""
    marks: list[Mark] = [_DIAGONAL]
    for hue, (name, bins) in enumerate(entries):
        # With several diagrams the intervals would hide each other.
        low, high = (bins.low, bins.high) if len(entries) == 1 else (None, None)
        marks.append(
            Line(
                name, bins.score, bins.frequency, hue, low, high, marked=True, bars=True,
                hover="predicted {x:.3f}\nobserved {y:.3f}\n{detail} objects", detail=bins.count,
            )
        )  # fmt: skip
    limits = (-0.02, 1.02)
    return single(
        "Reliability", Axis("Predicted probability", limits), Axis("Observed frequency", limits), marks
    )


def histogram_chart(entry: Curves, class_names: Sequence[str], positive: str) -> Chart:
    """Return one histogram of the positive class's probability per true class."""
    edges, filled = np.linspace(0.0, 1.0, N_HISTOGRAM_BINS + 1), len(class_names) <= _MOST_FILLED
    marks = [
        Steps(
            f"true {name}", edges, entry.histogram[list(class_names).index(name)], hue, filled,
            "from {x:.3f}\n{detail} objects",
        )
        for hue, name in enumerate(positive_first(class_names, positive))
    ]  # fmt: skip
    y = Axis("Objects per bin", (0.7, 2.0 * max(1, int(entry.histogram.max()))), log=True)
    return single("Scores by true class", Axis(f"Probability of {positive}", (-0.01, 1.01)), y, marks)


def confusion_chart(entry: Curves, class_names: Sequence[str]) -> Chart:
    """Return the confusion matrix: the fraction of each true class, and the number of objects."""
    shares, k = entry.row_fractions, len(class_names)
    texts = [
        [f"{share:.1%}\n{number:,}" for share, number in zip(*row, strict=True)]
        for row in zip(shares, entry.confusion, strict=True)
    ]
    edges = np.arange(k + 1) - 0.5
    x = Axis("Most probable class", (-0.5, k - 0.5), names=class_names)
    y = Axis("True class", (k - 0.5, -0.5), names=class_names)
    return single("Confusion matrix", x, y, [Cells(edges, edges, shares, texts)])


def roc_limit(entries: Sequence[Curves]) -> float:
    """Return where an ROC plot may end: 1 for one curve; for several, where all have found 98 %.

    Beyond it good methods cannot be told apart.
    """
    reached = [float(entry.roc.x[entry.roc.y >= 0.98].min(initial=1.0)) for entry in entries]
    highest = max(reached, default=1.0)
    return (
        1.0 if len(entries) < 2 else next((limit for limit in (0.05, 0.1, 0.2, 0.5) if limit >= highest), 1.0)
    )


def precision_limit(entries: Sequence[Curves]) -> float:
    """Return where the precision axis may begin: below every curve up to a recall of 98 %."""
    curves = [entry.recall_precision for entry in entries]
    shown = [curve.y[(curve.x > 0.02) & (curve.x < 0.98)] for curve in curves]
    lowest = min((float(part.min(initial=0.95)) for part in shown), default=0.0)
    return max(0.0, float(np.floor(10 * lowest)) / 10 - 0.02)
