"""Reports: how good predictions are, as pages, tables, numbers and figures for papers."""

from rookery.reports.assess.classes import Assessment, assess
from rookery.reports.assess.redshifts import assess_redshifts
from rookery.reports.page.class_report import evaluate
from rookery.reports.page.comparison import comparison_html, write_comparison
from rookery.reports.page.redshift_report import evaluate_redshifts
from rookery.reports.page.terminal import comparison_table, print_report

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
