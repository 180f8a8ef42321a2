"""The bins on which redshift PDFs are predicted."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from rookery.documents import Document, build


class RedshiftBins(Document):
    """Equal bins of redshift, on which PDFs are predicted; by default those of Pasquet et al. (2019)."""

    low: float = Field(default=0.0, ge=-0.1, allow_inf_nan=False)
    """Lower edge of the first bin."""
    high: float = Field(default=0.4, allow_inf_nan=False)
    """Upper edge of the last."""
    number: int = Field(default=180, ge=2, le=10_000)
    """Number of bins."""

    @model_validator(mode="after")
    def _increase(self) -> RedshiftBins:
        if not self.low < self.high:
            raise ValueError(f"`low < high` must hold, but low={self.low:g}, high={self.high:g}")
        return self

    def edges(self) -> tuple[float, ...]:
        """Return the number + 1 edges."""
        return tuple(np.linspace(self.low, self.high, self.number + 1).tolist())


def redshift_bins(bins: tuple[float, float, int]) -> RedshiftBins:
    """Return bins given as (low, high, number); raises `InputError` when they break a rule."""
    low, high, number = bins
    return build(RedshiftBins, {"low": low, "high": high, "number": number}, "bins")
