"""The figures of a paper: one column wide, as matplotlib figures of their own, without pyplot."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rookery.reports.assess.curves import (
    MOST_FILLED,
    N_HISTOGRAM_BINS,
    Curves,
    positive_first,
    precision_limit,
    roc_limit,
)
from rookery.reports.draw.colours import NEUTRAL, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Corner = Literal["lower right", "best"]
PAPER_WIDTH, _HEIGHT = 3.5, 3.0  # inches: one column of a journal
_SHORT_NAME = 24  # characters of which two fit beside each other in a legend
_DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (1.2, 1.4)),
    (0, (8, 2)),
    (0, (8, 2, 1, 2)),
)
_STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#444444",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,  # TrueType: journals refuse matplotlib's default
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save figures in the style of a paper; the process's own settings come back after."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def save_figure(figure: "Figure", folder: Path, name: str) -> None:
    """Write a figure as ``<name>.png`` (300 dots per inch) and ``<name>.pdf``."""
    figure.savefig(folder / f"{name}.png", dpi=300)
    figure.set_layout_engine("none")  # what was laid out stays: to do it again would cost as much time
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})


def draw_roc(entries: Sequence[Curves]) -> "Figure":
    """Draw ROC curves."""
    figure, axes = _axes("ROC curve", "False positive rate", "True positive rate")
    high = roc_limit(entries)
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
    for index, entry in enumerate(entries):
        label = f"{entry.name} (area {entry.area:.4f})"
        axes.plot(
            entry.false_rate, entry.true_rate, color=colour(index), linestyle=dash_of(index), label=label
        )
    axes.set(xlim=(-0.01 * high, 1.01 * high), ylim=(-0.01, 1.01))
    _legend(figure, axes, entries, "lower right")
    return figure


def draw_precision_recall(entries: Sequence[Curves]) -> "Figure":
    """Draw precision-recall curves."""
    figure, axes = _axes("Precision and recall", "Recall (efficiency)", "Precision (purity)")
    for precision in (0.95, 0.98):
        axes.axhline(precision, color=NEUTRAL, linewidth=0.8, linestyle=":")
    for index, entry in enumerate(entries):
        axes.plot(
            entry.recall, entry.precision, color=colour(index), linestyle=dash_of(index), label=entry.name
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(precision_limit(entries), 1.01))
    _legend(figure, axes, entries, "best")
    return figure


def draw_reliability(entries: Sequence[Curves]) -> "Figure":
    """Draw reliability diagrams; a single one with its 68 % intervals."""
    figure, axes = _axes("Reliability", "Predicted probability", "Observed frequency")
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8, linestyle=":")
    for index, entry in enumerate(entries):
        bins, style = entry.reliability, {"color": colour(index), "linestyle": dash_of(index)}
        if len(entries) == 1:
            axes.vlines(bins.score, bins.low, bins.high, color=colour(index), linewidth=0.9)
        axes.plot(bins.score, bins.frequency, marker="o", markersize=3, label=entry.name, **style)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    _legend(figure, axes, entries, "best")
    return figure


def draw_histogram(entry: Curves, class_names: Sequence[str], positive: str) -> "Figure":
    """Draw one histogram of the positive class's probability per true class."""
    figure, axes = _axes("Scores by true class", f"Probability of {positive}", "Objects per bin")
    edges = np.linspace(0.0, 1.0, N_HISTOGRAM_BINS + 1)
    for index, name in enumerate(positive_first(class_names, positive)):
        counts = entry.histogram[list(class_names).index(name)]
        if len(class_names) <= MOST_FILLED:
            axes.stairs(counts, edges, fill=True, color=colour(index), alpha=0.13)
        axes.stairs(
            counts, edges, color=colour(index), linestyle=dash_of(index), linewidth=1.2, label=f"true {name}"
        )
    axes.set_yscale("log")
    axes.set(xlim=(-0.01, 1.01), ylim=(0.7, 2.0 * max(1, int(entry.histogram.max()))))
    axes.legend(loc="upper center")
    return figure


def draw_confusion(entry: Curves, class_names: Sequence[str]) -> "Figure":
    """Draw the confusion matrix: the fraction of each true class, and the number of objects."""
    figure, axes = _axes("Confusion matrix", "Most probable class", "True class")
    fractions = entry.row_fractions
    axes.imshow(fractions, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in np.ndindex(*fractions.shape):
        text = f"{fractions[row, column]:.1%}\n{entry.confusion[row, column]:,}"
        shade = "white" if fractions[row, column] > 0.55 else "#222222"
        axes.text(column, row, text, ha="center", va="center", color=shade)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names)
    axes.set_yticks(ticks, class_names)
    axes.tick_params(length=0)
    return figure


def _axes(title: str, x_label: str, y_label: str) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAPER_WIDTH, _HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    axes.set(xlabel=x_label, ylabel=y_label)
    return figure, axes


def _legend(figure: "Figure", axes: "Axes", entries: Sequence[Curves], where: _Corner) -> None:
    """Put the legend into the axes; several names stand below them, where they hide nothing."""
    if len(entries) == 1:
        axes.legend(loc=where)
    else:
        longest = max(len(str(text)) for text in axes.get_legend_handles_labels()[1])
        columns = 2 if len(entries) > 2 and longest <= _SHORT_NAME else 1
        figure.set_size_inches(PAPER_WIDTH, _HEIGHT + 0.17 * -(-len(entries) // columns))
        figure.legend(loc="outside lower center", ncols=columns)


def dash_of(index: int) -> Any:
    """Return the dashes of the `index`-th thing in a figure."""
    return _DASHES[index % len(_DASHES)]
