"""Stacked panels of redshifts: running trends, quantiles of the PIT, coverage."""

import numpy as np

from rookery.reports.assess.pit import CalibrationCurve
from rookery.reports.assess.trends import Trend
from rookery.reports.charts.against import Panel, Series, Stack, comparison_stack
from rookery_ensembles.photoz_sample import POINT_KEYS

CALIBRATED = "calibrated (95 %)"
"""What legends call the band in which calibrated PDFs lie."""


def label_key(name: str) -> str:
    """Return the name under which labels know a covariate: of galaxies the redshift is spectroscopic."""
    return "z_spec" if name == "redshift" else name


def trend_stack(trend: Trend) -> Stack:
    """Return bias, sigma_MAD and eta of all methods against one covariate."""
    return comparison_stack(list(trend.methods.items()), label_key(trend.name), POINT_KEYS)


def quantile_stack(curve: CalibrationCurve) -> Stack:
    """Return the QQ plot of the PIT, and its distance from the diagonal below."""
    return _stack(curve, "Quantiles of the PIT", "Theoretical quantile", "PIT quantile")


def coverage_stack(curve: CalibrationCurve) -> Stack:
    """Return the coverage of credible intervals, and its distance from the diagonal below."""
    return _stack(curve, "Coverage of credible intervals", "Probability of the interval", "Fraction inside")


def _stack(curve: CalibrationCurve, title: str, x_label: str, y_label: str) -> Stack:
    x, nothing = curve.x, np.full(len(curve.x), np.nan)
    panels = []
    for label, base, limits in ((y_label, 0 * x, (-0.02, 1.02)), ("Difference", x, None)):
        series = [Series(CALIBRATED, x, x - base, curve.low - base, curve.high - base, None)]
        series += [
            Series(name, x, y - base, nothing, nothing, hue) for hue, (name, y) in enumerate(curve.y.items())
        ]
        panels.append(Panel(label, tuple(series), limits))
    return Stack(title, x_label, tuple(panels), markers=False, x_limits=(-0.01, 1.01))
