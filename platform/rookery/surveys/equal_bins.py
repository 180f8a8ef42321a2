"""Bins of redshift, equal in z or in ln(1 + z), as documents and options name them."""

from typing import Any, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from rookery.documents import Document, build
from rookery_ensembles import RedshiftBins


class EqualBins(Document):
    """Bins of redshift, on which PDFs are predicted; by default those of Pasquet et al. (2019)."""

    low: float = Field(default=0.0, ge=-0.1, allow_inf_nan=False)
    """Lower edge of the first bin."""
    high: float = Field(default=0.4, allow_inf_nan=False)
    """Upper edge of the last."""
    number: int = Field(default=180, ge=2, le=10_000)
    """Number of bins."""
    spacing: Literal["linear", "log"] = "linear"
    """What is equal in every bin: its width, or with `log` its width in ln(1 + z), for deep surveys."""

    @model_serializer(mode="wrap")
    def _as_ever(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the spacing that every earlier document had."""
        found: dict[str, Any] = write(self)
        return {key: value for key, value in found.items() if (key, value) != ("spacing", "linear")}

    @model_validator(mode="after")
    def _increase(self) -> "EqualBins":
        if not self.low < self.high:
            raise ValueError(f"`low < high` must hold, but low={self.low:g}, high={self.high:g}")
        return self

    @classmethod
    def of(cls, target: RedshiftBins) -> "EqualBins":
        """Return the document of bins that are equal, in z or in ln(1 + z)."""
        found = cls(low=target.edges[0], high=target.edges[-1], number=target.n_columns)
        same = np.allclose(found.target.edges, target.edges, rtol=0, atol=1e-6 * target.widths.min())
        return found if same else found.model_copy(update={"spacing": "log"})

    @property
    def target(self) -> RedshiftBins:
        """What is predicted."""
        if self.spacing == "linear":
            return RedshiftBins.equal(self.low, self.high, self.number)
        inner = np.expm1(np.linspace(np.log1p(self.low), np.log1p(self.high), self.number + 1)[1:-1])
        return RedshiftBins((self.low, *inner.tolist(), self.high))


def equal_bins(bins: tuple[float, float, int] | EqualBins) -> RedshiftBins:
    """Return bins given as (low, high, number) or by their document; raises `InputError` for bad ones."""
    if isinstance(bins, EqualBins):
        return bins.target
    low, high, number = bins
    return build(EqualBins, {"low": low, "high": high, "number": number}, "bins").target
