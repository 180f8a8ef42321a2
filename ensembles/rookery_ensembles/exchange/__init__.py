"""Predictions to and from other programs: tables with a row an object, and qp's files.

`export` writes what people read: redshifts with their intervals, classes with their probabilities. `readers`
reads what other programs predicted.
"""

from rookery_ensembles.exchange.export import (
    check_export,
    check_output,
    export,
    export_format,
    write_output,
)
from rookery_ensembles.exchange.summary import summary_columns

__all__ = ["check_export", "check_output", "export", "export_format", "summary_columns", "write_output"]
