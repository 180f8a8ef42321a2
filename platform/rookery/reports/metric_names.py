"""The metrics that reports show: what they are called, and what they mean in one line."""

import math
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
    """

    key: str
    label: str
    short: str
    definition: str
    higher_is_better: bool = True
    digits: int = 4

    def format(self, value: float) -> str:
        """Return the value as text; a dash where it is undefined."""
        return "–" if math.isnan(value) else f"{value:.{self.digits}f}"


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


def metric(key: str) -> Metric:
    """Return the metric of a key."""
    return next(entry for entry in METRICS if entry.key == key)
