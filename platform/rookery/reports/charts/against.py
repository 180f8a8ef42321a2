"""Figures of stacked panels over one axis, ready to draw with any library: metrics against something."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rookery.reports.assess.covariates import against_covariate, covariate_label
from rookery.reports.assess.curves import FloatArray
from rookery.reports.assess.days import DaysCurve
from rookery.reports.metric_names import metric
from rookery_ensembles.binned import Binned
from rookery_ensembles.bootstrap import LEVELS, Estimate, PurityEfficiency, Scores

# What shares a panel shares a scale.
_PANELS = (("accuracy", "auc"), ("recall_at_precision_0.95", "recall_at_precision_0.98"), ("log_loss",))
_LABELS = ("Accuracy, AUC", "Recall at precision", "Log-loss")
# An axis is logarithmic when the edges' ratio is at least this, and half of them lie in its first quarter.
_LOG_RATIO, _LOG_SKEW = 8.0, 0.25


@dataclass(frozen=True, eq=False)
class Series:
    """One line with its band.

    Attributes
    ----------
    name
        What the legend calls it.
    x, y, low, high
        (P,) points and their 68 % intervals; NaN where undefined.
    hue
        Number of its colour; None for what is there to compare with.
    whole
        The value from whole light curves, drawn as a dotted line; or None.
    """

    name: str
    x: FloatArray
    y: FloatArray
    low: FloatArray
    high: FloatArray
    hue: int | None
    whole: float | None = None


@dataclass(frozen=True, eq=False)
class Panel:
    """Lines that share an axis: its label, and its range (None for as large as needed)."""

    label: str
    series: tuple[Series, ...]
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Counts:
    """Numbers of objects under the panels: bars over bins (B + 1 edges), or points at P places."""

    x: FloatArray
    bars: Mapping[str, FloatArray]
    label: str = "Objects"


@dataclass(frozen=True, eq=False)
class Stack:
    """A figure of panels with one horizontal axis.

    Attributes
    ----------
    title, x_label
        Its heading, and what stands under the axis.
    panels
        From the top down.
    counts
        What stands below them, or None.
    log_x
        Whether the axis is logarithmic.
    markers
        Whether points are marked.
    """

    title: str
    x_label: str
    panels: tuple[Panel, ...]
    counts: Counts | None = None
    log_x: bool = False
    markers: bool = True
    x_limits: tuple[float, float] | None = field(default=None)


def binned_stack(binned: Binned, positive: str) -> Stack:
    """Return the metrics in bins of a covariate, with the objects of each bin below."""
    filled = [found for found in binned.bins if found.scores is not None]
    x = np.array([found.median for found in filled])
    edges = np.array(binned.edges)
    positives = np.array([found.n_positive for found in binned.bins], dtype=float)
    others = np.array([found.n - found.n_positive for found in binned.bins], dtype=float)
    return Stack(
        title=f"Metrics against {against_covariate(binned.name)}",
        x_label=covariate_label(binned.name),
        panels=_panels(x, [found.scores for found in filled if found.scores is not None], None),
        counts=Counts(edges, {positive: positives, "others": others}),
        log_x=_is_skewed(edges),
    )


def days_stack(curve: DaysCurve, whole: Scores, positive: str) -> Stack:
    """Return the metrics against days, with those from whole light curves as dotted lines."""
    x = np.array([day.days for day in curve.days])
    positives = np.array([day.n_positive for day in curve.days], dtype=float)
    others = np.array([day.n - day.n_positive for day in curve.days], dtype=float)
    what = "first detection" if curve.since == "detection" else "peak"
    return Stack(
        title=f"Metrics against days since {what}",
        x_label=f"Days since {what}",
        panels=_panels(x, [day.scores for day in curve.days], whole),
        counts=Counts(x, {positive: positives, "others": others}),
    )


def purity_efficiency_stack(found: PurityEfficiency, positive: str) -> Stack:
    """Return purity and efficiency against the threshold of the positive class's probability."""
    return Stack(
        title="Purity and efficiency",
        x_label=f"Threshold of the probability of {positive}",
        panels=(
            Panel(
                "Purity, efficiency",
                (
                    Series("purity", found.threshold, found.purity, *found.purity_band, hue=0),
                    Series("efficiency", found.threshold, found.efficiency, *found.efficiency_band, hue=1),
                ),
                (-0.02, 1.02),
            ),
        ),
        markers=False,
        x_limits=(-0.01, 1.01),
    )


def comparison_stack(
    entries: Sequence[tuple[str, Binned]],
    key: str = "redshift",
    metrics: Sequence[str] = ("accuracy", "auc", "log_loss"),
) -> Stack:
    """Return metrics of several methods in the same bins of one covariate, a panel for each."""
    first, panels = entries[0][1], []
    for name in metrics:
        series = []
        for hue, (method, binned) in enumerate(entries):
            filled = [found for found in binned.bins if found.scores is not None]
            x = np.array([found.median for found in filled])
            estimates = [found.scores.metrics[name] for found in filled if found.scores is not None]
            series.append(_series(method, x, estimates, hue))
        panels.append(Panel(metric(name).short, tuple(series), _limits(series, name)))
    n = np.array([found.n for found in first.bins], dtype=float)
    edges = np.array(first.edges)
    return Stack(
        title=f"{'Methods' if len(entries) > 1 else 'Metrics'} against {against_covariate(key)}",
        x_label=covariate_label(key),
        panels=tuple(panels),
        counts=Counts(edges, {"all": n}),
        log_x=_is_skewed(edges),
    )


def _is_skewed(edges: FloatArray) -> bool:
    low, high = float(edges[0]), float(edges[-1])
    return low > 0 and high > _LOG_RATIO * low and float(np.median(edges)) < low + _LOG_SKEW * (high - low)


def _panels(x: FloatArray, scores: Sequence[Scores], whole: Scores | None) -> tuple[Panel, ...]:
    panels, hue = [], 0
    for keys, label in zip(_PANELS, _LABELS, strict=True):
        series = []
        for key in keys:
            value = None if whole is None else whole.metrics[key].value
            name = metric(key).short if "recall" not in key else f"recall at {key[-4:]}"
            series.append(_series(name, x, [found.metrics[key] for found in scores], hue, value))
            hue += 1
        panels.append(Panel(label, tuple(series), _limits(series, keys[0])))
    return tuple(panels)


def _series(
    name: str, x: FloatArray, estimates: Sequence[Estimate], hue: int, whole: float | None = None
) -> Series:
    y = np.array([estimate.value for estimate in estimates])
    ends = np.array([estimate.intervals.get(LEVELS[0], (np.nan, np.nan)) for estimate in estimates])
    low, high = ends.reshape(-1, 2).T
    return Series(name, x, y, low, high, hue, None if whole is None or np.isnan(whole) else whole)


def _limits(series: Sequence[Series], key: str) -> tuple[float, float]:
    """Return a range that holds lines and bands, from 0 for a loss and up to 1 for a fraction."""
    shown = np.concatenate(
        [np.concatenate([line.y, line.low, line.high, [line.whole or np.nan]]) for line in series]
    )
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        return (0.0, 1.0)
    if metric(key).target is not None:
        low, high = float(shown.min()), float(shown.max())
        room = 0.08 * max(high - low, 1e-6)
        return (min(low, metric(key).target or 0.0) - room, max(high, metric(key).target or 0.0) + room)
    if not metric(key).higher_is_better:
        return (0.0, 1.08 * float(shown.max()) or 1.0)
    low = min(0.9, max(0.0, np.floor(10 * float(shown.min())) / 10))
    return (low - 0.03 * (1 - low), 1.0 + 0.03 * (1 - low))
