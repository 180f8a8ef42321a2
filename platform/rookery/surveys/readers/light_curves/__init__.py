"""Readers of light curves."""

from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveOptions

__all__ = ["CodedOptions", "LightCurveOptions"]
