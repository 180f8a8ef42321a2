"""Every metric, declared once: its name in files, its words, which way is better, and how it is computed.

A metric is computed of a *weighting*: N objects of known truth under R weightings at once (see
`rookery_ensembles.weighted.Weighting` and `rookery_ensembles.photoz_sample.Weighting`), so that a bootstrap
costs one pass. A new metric is one entry here; samples, tables, pages and campaigns list what stands here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.shown import short_repr


@short_repr
@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are."""

    name: str
    """Its key in files, such as ``metrics.json``."""
    label: str
    short: str
    """What a table of one column, and a crowded table, call it."""
    meaning: str
    """One line for people who do not use it daily."""
    compute: Callable[[Any], NDArray[np.float64]]
    """Takes a weighting of N objects and returns the metric under each of its R weightings, (R,); NaN
    where undefined."""
    better: Literal["higher", "lower"] | float = "higher"
    """Which way is better; or the value that is best, where neither the highest nor the lowest is."""
    unit: str = ""
    """What it is counted in; empty for a fraction or a bare number."""
    digits: int = 4
    """Digits after the point."""
    is_distance: bool = False
    """Whether it is a sum of distances, to which chance adds in every part: bootstrap replicates then
    lie above the value by what the value lies above the truth."""
    panel: str = ""
    """The panel of a chart that it shares with metrics of the same scale; empty where it has none."""
    weighable: bool = True
    """Whether it is defined under weights, so that it has bootstrap intervals."""
    least_classes: int = 0
    """Of how many classes it must be to be shown: 3 where fewer are told by other metrics."""

    @property
    def goal(self) -> float | None:
        """The best value, where neither the highest nor the lowest is."""
        return None if isinstance(self.better, str) else self.better

    def format(self, value: float) -> str:
        """Return the value as text; a dash where it is undefined."""
        return "–" if math.isnan(value) else f"{value:.{self.digits}f}"

    @property
    def arrow(self) -> str:
        """Which way is better, as a sign: up, down, or towards a value."""
        if self.goal is not None:
            return f"→{self.goal:g}".replace("0.", ".")
        return "↑" if self.better == "higher" else "↓"

    @property
    def wish(self) -> str:
        """Which way is better, as a sentence."""
        if self.goal is not None:
            return f"{self.goal:g} is best."
        return "Higher is better." if self.better == "higher" else "Lower is better."

    def loss(self, value: float) -> float:
        """Return a number that is the lower the better the value is."""
        if self.goal is not None:
            return abs(value - self.goal)
        return -value if self.better == "higher" else value

    def best(self, values: Sequence[float]) -> str | None:
        """Return the best of the defined values as text, or None without one."""
        defined = [value for value in values if not math.isnan(value)]
        return self.format(min(defined, key=self.loss)) if defined else None


CLASS_METRICS = (
    Metric(
        "accuracy", "Accuracy", "Accuracy",
        "Fraction of objects whose most probable class is the true one.",
        lambda w: w.means["right"], panel="Accuracy, AUC",
    ),
    Metric(
        "auc", "ROC AUC", "AUC",
        "Chance that an object of the class gets a higher probability than one that is not of it "
        "(mean over classes when there are more than two).",
        lambda w: w.auc, panel="Accuracy, AUC",
    ),
    Metric(
        "average_precision", "Average precision", "Av. prec.",
        "Area under the precision-recall curve: mean purity over all efficiencies.",
        lambda w: w.average_precision,
    ),
    Metric(
        "recall_at_precision_0.95", "Recall at precision ≥\N{NO-BREAK SPACE}0.95", "Recall@.95",
        "Largest fraction of the class that can be found while at least 95 % of what is selected is right.",
        lambda w: w.recall_at_precision(0.95), digits=3, panel="Recall at precision",
    ),
    Metric(
        "recall_at_precision_0.98", "Recall at precision ≥\N{NO-BREAK SPACE}0.98", "Recall@.98",
        "Largest fraction of the class that can be found while at least 98 % of what is selected is right.",
        lambda w: w.recall_at_precision(0.98), digits=3, panel="Recall at precision",
    ),
    Metric(
        "log_loss", "Log-loss", "Log-loss",
        "Mean of −ln p(true class), in nats: the price of confident mistakes. Selection minimises it.",
        lambda w: w.means["loss"], "lower", "nats", panel="Log-loss",
    ),
    Metric(
        "brier", "Brier score", "Brier",
        "Mean squared distance between the probabilities and the truth.",
        lambda w: w.means["squares"], "lower",
    ),
    Metric(
        "ece", "Expected calibration error", "ECE",
        "Mean distance between predicted probability and observed frequency, over bins of probability.",
        lambda w: w.calibration_error, "lower", is_distance=True,
    ),
    Metric(
        "macro_f1", "Macro F1", "Macro F1",
        "Mean over classes of F1, the harmonic mean of precision and recall: rare classes count as much as "
        "common ones.",
        lambda w: w.macro_f1, least_classes=3,
    ),
)  # fmt: skip
"""Metrics of class probabilities, in the order of files and tables."""

EACH_CLASS_METRICS = (
    Metric(
        "precision", "Precision", "Precision",
        "Purity: the fraction of the objects assigned to the class that are of it.",
        lambda w: w.precision,
    ),
    Metric(
        "recall", "Recall", "Recall",
        "Efficiency: the fraction of the objects of the class that are assigned to it.",
        lambda w: w.recall,
    ),
    Metric("f1", "F1", "F1", "Harmonic mean of precision and recall.", lambda w: w.f1),
    Metric(
        "auc", "ROC AUC", "AUC",
        "Chance that an object of the class gets a higher probability than one that is not of it.",
        lambda w: w.aucs,
    ),
)  # fmt: skip
"""Metrics of every class by itself, (R, K); an object is assigned to its most probable class."""

POINT_METRICS = (
    Metric(
        "bias", "Bias", "Bias",
        "Mean of Δz = (z_phot − z_spec) / (1 + z_spec).",
        lambda w: w.means["dz"], 0.0, digits=5,
    ),
    Metric(
        "sigma_mad", "σ_MAD", "σ_MAD",
        "1.4826 times the median distance of Δz from its median: the scatter, blind to outliers.",
        lambda w: w.sigma_mad, "lower", digits=5,
    ),
    Metric(
        "eta", "η (%)", "η (%)",
        "Percentage of outliers: objects with |Δz| > 0.05.",
        lambda w: w.means["outlier"], "lower", "%", digits=2,
    ),
)  # fmt: skip
"""Metrics of point estimates of redshifts."""

REDSHIFT_METRICS = (
    *POINT_METRICS,
    Metric(
        "crps", "CRPS", "CRPS",
        "Mean integral of (CDF − step at z_spec)², in redshift: rewards PDFs that are right and narrow.",
        lambda w: w.means["crps"], "lower", "redshift", digits=5,
    ),
    Metric(
        "log_likelihood", "Log-likelihood", "ln L",
        "Mean natural logarithm of the PDF at z_spec.",
        lambda w: w.means["log_likelihood"], unit="nats per unit redshift", digits=3,
    ),
    Metric(
        "cde_loss", "CDE loss", "CDE loss",
        "Mean integral of PDF², less twice the PDF at z_spec (Izbicki & Lee 2017).",
        lambda w: w.means["cde_loss"], "lower", "per unit redshift", digits=3,
    ),
    Metric(
        "pit_ks", "PIT Kolmogorov-Smirnov", "PIT KS",
        "Largest distance between the distribution of the CDF at z_spec and the even one.",
        lambda w: w.pit["pit_ks"], "lower", is_distance=True,
    ),
    Metric(
        "pit_ks_pvalue", "PIT KS p-value", "KS p",
        "How often calibrated PDFs would be at least as far off; absent if they were fitted to.",
        lambda w: w.pit_ks_pvalue, weighable=False,
    ),
    Metric(
        "pit_cvm", "PIT Cramér-von Mises", "PIT CvM",
        "Squared distance of the same distributions, times the objects; 1/6 on average if calibrated.",
        lambda w: w.pit["pit_cvm"], "lower", digits=3, is_distance=True,
    ),
    Metric(
        "pit_ad", "PIT Anderson-Darling", "PIT AD",
        "The same with more weight on the ends; 1 on average if calibrated.",
        lambda w: w.pit["pit_ad"], "lower", digits=2, is_distance=True,
    ),
    Metric(
        "coverage_50", "Coverage, 50 % intervals", "Cov@50",
        "Fraction of objects whose z_spec lies in the central 50 % of the PDF.",
        lambda w: w.means["coverage_50"], 0.5, digits=3,
    ),
    Metric(
        "coverage_68", "Coverage, 68 % intervals", "Cov@68",
        "Fraction of objects whose z_spec lies in the central 68 % of the PDF.",
        lambda w: w.means["coverage_68"], 0.68, digits=3,
    ),
    Metric(
        "coverage_95", "Coverage, 95 % intervals", "Cov@95",
        "Fraction of objects whose z_spec lies in the central 95 % of the PDF.",
        lambda w: w.means["coverage_95"], 0.95, digits=3,
    ),
    Metric(
        "sharpness", "Sharpness", "Sharpness",
        "Mean standard deviation of the PDFs; good only where they are calibrated.",
        lambda w: w.means["sharpness"], "lower", "redshift",
    ),
    Metric(
        "eta_15", "η beyond 0.15 (%)", "η.15 (%)",
        "Percentage of objects with |Δz| > 0.15: the outliers of deep surveys.",
        lambda w: w.means["far_outlier"], "lower", "%", digits=2,
    ),
)  # fmt: skip
"""Metrics of redshift PDFs, in the order of files and tables."""

METRICS = {entry.name: entry for entry in (*CLASS_METRICS, *REDSHIFT_METRICS)}
"""Every metric by its name."""


def names(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the names of metrics, in their order."""
    return tuple(entry.name for entry in metrics)


def shown(metrics: Sequence[Metric], k: int) -> tuple[Metric, ...]:
    """Return those metrics that are shown of K classes."""
    return tuple(entry for entry in metrics if entry.least_classes <= k)


def weighted(metrics: Sequence[Metric], weighting: Any) -> dict[str, NDArray[np.float64]]:
    """Return those metrics that are defined under weights, each (R,), of a weighting of objects."""
    return {entry.name: entry.compute(weighting) for entry in metrics if entry.weighable}


def plain_scores(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Return the metrics of several, by name, as JSON can hold them: None where undefined."""
    return {
        each: {name: value if math.isfinite(value) else None for name, value in found.items()}
        for each, found in scores.items()
    }
