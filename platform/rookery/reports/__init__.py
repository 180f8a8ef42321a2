"""Reports: how good predictions are, as pages, tables, numbers and figures for papers."""

from rookery.reports.assessment import Assessment, assess
from rookery.reports.comparison import comparison_html, comparison_table, write_comparison
from rookery.reports.evaluation import evaluate

__all__ = ["Assessment", "assess", "comparison_html", "comparison_table", "evaluate", "write_comparison"]
