"""The metrics that reports show: what they are called, and what they mean in one line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric as a reader meets it.

    Parameters
    ----------
    key
        Its name in ``metrics.json``.
    label, short
        What a table of one column, and a crowded table, call it.
    definition
        One line for people who do not use it daily.
    higher_is_better
        Which way is better.
    digits
        Digits after the point.
    target
        The value that is best, where neither the highest nor the lowest is.
    """

    key: str
    label: str
    short: str
    definition: str
    higher_is_better: bool = True
    digits: int = 4
    target: float | None = None

    def format(self, value: float) -> str:
        """Return the value as text; a dash where it is undefined."""
        return "–" if math.isnan(value) else f"{value:.{self.digits}f}"

    @property
    def arrow(self) -> str:
        """Which way is better, as a sign: up, down, or towards a value."""
        if self.target is not None:
            return f"→{self.target:g}".replace("0.", ".")
        return "↑" if self.higher_is_better else "↓"

    @property
    def wish(self) -> str:
        """Which way is better, as a sentence."""
        if self.target is not None:
            return f"{self.target:g} is best."
        return "Higher is better." if self.higher_is_better else "Lower is better."

    def best(self, values: Sequence[float]) -> str | None:
        """Return the best of the defined values as text, or None without one."""
        defined = [value for value in values if not math.isnan(value)]
        if not defined:
            return None
        if self.target is not None:
            goal = self.target
            return self.format(min(defined, key=lambda value: abs(value - goal)))
        return self.format(max(defined) if self.higher_is_better else min(defined))


METRICS = (
    Metric(
        "accuracy", "Accuracy", "Accuracy",
        "Fraction of objects whose most probable class is the true one.",
    ),
    Metric(
        "auc", "ROC AUC", "AUC",
        "Chance that an object of the class gets a higher probability than one that is not of it "
        "(mean over classes when there are more than two).",
    ),
    Metric(
        "average_precision", "Average precision", "Av. prec.",
        "Area under the precision-recall curve: mean purity over all efficiencies.",
    ),
    Metric(
        "recall_at_precision_0.95", "Recall at precision ≥\N{NO-BREAK SPACE}0.95", "Recall@.95",
        "Largest fraction of the class that can be found while at least 95 % of what is selected is right.",
        digits=3,
    ),
    Metric(
        "recall_at_precision_0.98", "Recall at precision ≥\N{NO-BREAK SPACE}0.98", "Recall@.98",
        "Largest fraction of the class that can be found while at least 98 % of what is selected is right.",
        digits=3,
    ),
    Metric(
        "log_loss", "Log-loss", "Log-loss",
        "Mean of −ln p(true class), in nats: the price of confident mistakes. Selection minimises it.",
        higher_is_better=False,
    ),
    Metric(
        "brier", "Brier score", "Brier",
        "Mean squared distance between the probabilities and the truth.",
        higher_is_better=False,
    ),
    Metric(
        "ece", "Expected calibration error", "ECE",
        "Mean distance between predicted probability and observed frequency, over bins of probability.",
        higher_is_better=False,
    ),
)  # fmt: skip

COMPARED = (
    "accuracy",
    "auc",
    "log_loss",
    "brier",
    "ece",
    "recall_at_precision_0.95",
    "recall_at_precision_0.98",
)
"""Keys of the columns of a comparison, in their order."""

REDSHIFT_METRICS = (
    Metric(
        "bias", "Bias", "Bias",
        "Mean of Δz = (z_phot − z_spec) / (1 + z_spec).",
        digits=5, target=0.0,
    ),
    Metric(
        "sigma_mad", "σ_MAD", "σ_MAD",
        "1.4826 times the median distance of Δz from its median: the scatter, blind to outliers.",
        higher_is_better=False, digits=5,
    ),
    Metric(
        "eta", "η (%)", "η (%)",
        "Percentage of outliers: objects with |Δz| > 0.05.",
        higher_is_better=False, digits=2,
    ),
    Metric(
        "crps", "CRPS", "CRPS",
        "Mean integral of (CDF − step at z_spec)², in redshift: rewards PDFs that are right and narrow.",
        higher_is_better=False, digits=5,
    ),
    Metric(
        "log_likelihood", "Log-likelihood", "ln L",
        "Mean natural logarithm of the PDF at z_spec.",
        digits=3,
    ),
    Metric(
        "cde_loss", "CDE loss", "CDE loss",
        "Mean integral of PDF², less twice the PDF at z_spec (Izbicki & Lee 2017).",
        higher_is_better=False, digits=3,
    ),
    Metric(
        "pit_ks", "PIT Kolmogorov-Smirnov", "PIT KS",
        "Largest distance between the distribution of the CDF at z_spec and the even one.",
        higher_is_better=False,
    ),
    Metric(
        "pit_ks_pvalue", "PIT KS p-value", "KS p",
        "How often calibrated PDFs would be at least as far off; absent if they were fitted to.",
    ),
    Metric(
        "pit_cvm", "PIT Cramér-von Mises", "PIT CvM",
        "Squared distance of the same distributions, times the objects; 1/6 on average if calibrated.",
        higher_is_better=False, digits=3,
    ),
    Metric(
        "pit_ad", "PIT Anderson-Darling", "PIT AD",
        "The same with more weight on the ends; 1 on average if calibrated.",
        higher_is_better=False, digits=2,
    ),
    Metric(
        "coverage_50", "Coverage, 50 % intervals", "Cov@50",
        "Fraction of objects whose z_spec lies in the central 50 % of the PDF.",
        digits=3, target=0.5,
    ),
    Metric(
        "coverage_68", "Coverage, 68 % intervals", "Cov@68",
        "Fraction of objects whose z_spec lies in the central 68 % of the PDF.",
        digits=3, target=0.68,
    ),
    Metric(
        "coverage_95", "Coverage, 95 % intervals", "Cov@95",
        "Fraction of objects whose z_spec lies in the central 95 % of the PDF.",
        digits=3, target=0.95,
    ),
    Metric(
        "sharpness", "Sharpness", "Sharpness",
        "Mean standard deviation of the PDFs; good only where they are calibrated.",
        higher_is_better=False,
    ),
)  # fmt: skip

REDSHIFT_COMPARED = ("bias", "sigma_mad", "eta", "crps", "log_likelihood", "pit_ks", "coverage_68")
"""The same for redshifts."""


def metric(key: str) -> Metric:
    """Return the metric of a key, of classes or of redshifts."""
    return next(entry for entry in (*METRICS, *REDSHIFT_METRICS) if entry.key == key)
