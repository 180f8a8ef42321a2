"""Readers of light curves."""

from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveOptions
from rookery.surveys.readers.light_curves.headphot import ingest_headphot_csv
from rookery.surveys.readers.light_curves.plasticc import ingest_plasticc
from rookery.surveys.readers.light_curves.snana import ingest_snana
from rookery.surveys.readers.light_curves.snana_fits import ingest_snana_fits
from rookery.surveys.readers.light_curves.table import ingest_table

__all__ = [
    "CodedOptions",
    "LightCurveOptions",
    "ingest_headphot_csv",
    "ingest_plasticc",
    "ingest_snana",
    "ingest_snana_fits",
    "ingest_table",
]
