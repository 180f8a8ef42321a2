"""Charts of panels over one axis: metrics against a covariate, days or a threshold, with their bands."""

from collections.abc import Mapping, Sequence

import numpy as np

from rookery.reports.assess.covariates import against_covariate, covariate_label
from rookery.reports.assess.days import DaysCurve
from rookery.reports.charts.model import Axis, Band, Bars, Chart, FloatArray, Guide, Line, Mark, Panel, single
from rookery_ensembles import Classes
from rookery_ensembles.binned import Binned
from rookery_ensembles.bootstrap import LEVELS, Estimate, PurityEfficiency, Scores
from rookery_ensembles.metric import METRICS

_COUNTS_HEIGHT = 0.6
# An axis is logarithmic when the edges' ratio is at least this, and half of them lie in its first quarter.
_LOG_RATIO, _LOG_SKEW = 8.0, 0.25


def binned_chart(binned: Binned, positive: str) -> Chart:
    """Return the metrics in bins of a covariate, with the objects of each bin below."""
    positives = [found.n_positive for found in binned.bins]
    others = [found.n - found.n_positive for found in binned.bins]
    x, scores = _filled(binned)
    return _stack(
        f"Metrics against {against_covariate(binned.name)}",
        _covariate_axis(binned.name, binned),
        _metric_panels(x, scores),
        _counts(np.array(binned.edges), {positive: positives, "others": others}),
    )


def days_chart(curve: DaysCurve, whole: Scores, positive: str) -> Chart:
    """Return the metrics against days, with those from whole light curves as dotted lines."""
    x = np.array([day.days for day in curve.days])
    positives, others = zip(*((day.n_positive, day.n - day.n_positive) for day in curve.days), strict=True)
    what = "first detection" if curve.since == "detection" else "peak"
    return _stack(
        f"Metrics against days since {what}",
        Axis(f"Days since {what}"),
        _metric_panels(x, [day.scores for day in curve.days], whole),
        _counts(x, {positive: positives, "others": others}),
    )


def purity_efficiency_chart(found: PurityEfficiency, positive: str) -> Chart:
    """Return purity and efficiency against the threshold of the positive class's probability."""
    lines = (
        Line("purity", found.threshold, found.purity, 0, *found.purity_band),
        Line("efficiency", found.threshold, found.efficiency, 1, *found.efficiency_band),
    )
    x = Axis(f"Threshold of the probability of {positive}", (-0.01, 1.01))
    return single("Purity and efficiency", x, Axis("Purity, efficiency", (-0.02, 1.02)), lines)


def methods_chart(
    methods: Mapping[str, Binned],
    covariate: str = "redshift",
    metrics: Sequence[str] = Classes.compared[:3],
) -> Chart:
    """Return metrics of several methods in the same bins of one covariate, a panel for each."""
    first, panels = next(iter(methods.values())), []
    for key in metrics:
        lines = []
        for hue, (name, binned) in enumerate(methods.items()):
            x, scores = _filled(binned)
            lines.append(_line(name, x, [found.metrics[key] for found in scores], hue))
        panels.append((METRICS[key].short, lines, _limits(lines, [], key)))
    return _stack(
        f"{'Methods' if len(methods) > 1 else 'Metrics'} against {against_covariate(covariate)}",
        _covariate_axis(covariate, first),
        panels,
        _counts(np.array(first.edges), {"all": [found.n for found in first.bins]}),
    )


_Row = tuple[str, Sequence[Mark], tuple[float, float]]


def _stack(title: str, x: Axis, panels: Sequence[_Row], counts: Sequence[Mark]) -> Chart:
    """Return panels (label, marks and range of each) above each other, with the counts below."""
    rows = [[Panel(marks, x, Axis(label, limits))] for label, marks, limits in panels]
    top = max(float(np.max(mark.high)) for mark in counts if isinstance(mark, Bars | Band))
    below = Panel(counts, x, Axis("Objects", (0.0, 1.45 * max(1.0, top))), height=_COUNTS_HEIGHT)
    return Chart(title, [*rows, [below]])


def _filled(binned: Binned) -> tuple[FloatArray, list[Scores]]:
    """Return medians and scores of the bins that have any."""
    found = [(one.median, one.scores) for one in binned.bins if one.scores is not None]
    return np.array([median for median, _ in found]), [scores for _, scores in found]


def _covariate_axis(name: str, binned: Binned) -> Axis:
    return Axis(covariate_label(name), log=_is_skewed(np.array(binned.edges)))


def _is_skewed(edges: FloatArray) -> bool:
    low, high = float(edges[0]), float(edges[-1])
    return low > 0 and high > _LOG_RATIO * low and float(np.median(edges)) < low + _LOG_SKEW * (high - low)


def _metric_panels(x: FloatArray, scores: Sequence[Scores], whole: Scores | None = None) -> list[_Row]:
    panels: list[_Row] = []
    hue = 0
    for label in dict.fromkeys(metric.panel for metric in Classes.metrics if metric.panel):
        keys = [metric.name for metric in Classes.metrics if metric.panel == label]
        lines, wholes = [], []
        for key in keys:
            name = METRICS[key].short if "recall" not in key else f"recall at {key[-4:]}"
            lines.append(_line(name, x, [found.metrics[key] for found in scores], hue))
            if whole is not None and np.isfinite(whole.metrics[key].value):
                wholes.append(Guide(y=whole.metrics[key].value, hue=hue))
            hue += 1
        panels.append((label, [*wholes, *lines], _limits(lines, wholes, keys[0])))
    return panels


def _line(name: str, x: FloatArray, estimates: Sequence[Estimate], hue: int) -> Line:
    y = np.array([estimate.value for estimate in estimates])
    ends = np.array([estimate.intervals.get(LEVELS[0], (np.nan, np.nan)) for estimate in estimates])
    low, high = ends.reshape(-1, 2).T
    return Line(name, x, y, hue, low, high, marked=True)


def _counts(x: FloatArray, numbers: Mapping[str, Sequence[int]]) -> list[Mark]:
    """Return stacked numbers of objects: bars over bins (B + 1 edges), or areas through P points."""
    marks: list[Mark] = []
    below = np.zeros(len(next(iter(numbers.values()))))
    for name, number in numbers.items():
        hue, high = None if marks or len(numbers) == 1 else 0, below + np.array(number)
        if len(x) > len(number):
            marks.append(Bars(name, x, below, high, hue))
        else:
            marks.append(Band(name, x, below, high, hue, "{detail} objects", number))
        below = high
    return marks


def _limits(lines: Sequence[Line], wholes: Sequence[Guide], key: str) -> tuple[float, float]:
    """Return a range that holds lines and bands, from 0 for a loss and up to 1 for a fraction."""
    parts = [part for line in lines for part in (line.y, line.low, line.high) if part is not None]
    shown = np.concatenate([*parts, [float(guide.y) for guide in wholes if isinstance(guide.y, float)]])
    shown = shown[np.isfinite(shown)]
    if not shown.size:
        return (0.0, 1.0)
    if (target := METRICS[key].goal) is not None:
        low, high = float(shown.min()), float(shown.max())
        room = 0.08 * max(high - low, 1e-6)
        return (min(low, target) - room, max(high, target) + room)
    if METRICS[key].better == "lower":
        return (0.0, 1.08 * float(shown.max()) or 1.0)
    low = min(0.9, max(0.0, np.floor(10 * float(shown.min())) / 10))
    return (low - 0.03 * (1 - low), 1.0 + 0.03 * (1 - low))
