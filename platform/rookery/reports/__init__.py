"""Reports: how good predictions are, as pages, tables, numbers and figures for papers."""

from rookery.reports.assessment import Assessment, assess
from rookery.reports.comparison import comparison_html, comparison_table, write_comparison
from rookery.reports.evaluation import evaluate
from rookery.reports.redshift import assess_redshifts, evaluate_redshifts
from rookery.reports.terminal import print_report

__all__ = [
    "Assessment",
    "assess",
    "assess_redshifts",
    "comparison_html",
    "comparison_table",
    "evaluate",
    "evaluate_redshifts",
    "print_report",
    "write_comparison",
]
