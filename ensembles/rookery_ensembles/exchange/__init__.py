"""Predictions to and from other programs: tables with a row an object, and qp's files.

`export` writes what people read: redshifts with their intervals, classes with their probabilities. How a
format is written stands in `export`.
"""

from rookery_ensembles.exchange.export import check_export, export, export_format
from rookery_ensembles.exchange.summary import summary_columns

__all__ = ["check_export", "export", "export_format", "summary_columns"]
