"""Equal bins of redshift, as documents and options name them."""

from pydantic import Field, model_validator

from rookery.documents import Document, build
from rookery_ensembles import RedshiftBins


class EqualBins(Document):
    """Equal bins of redshift, on which PDFs are predicted; by default those of Pasquet et al. (2019)."""

    low: float = Field(default=0.0, ge=-0.1, allow_inf_nan=False)
    """Lower edge of the first bin."""
    high: float = Field(default=0.4, allow_inf_nan=False)
    """Upper edge of the last."""
    number: int = Field(default=180, ge=2, le=10_000)
    """Number of bins."""

    @model_validator(mode="after")
    def _increase(self) -> "EqualBins":
        if not self.low < self.high:
            raise ValueError(f"`low < high` must hold, but low={self.low:g}, high={self.high:g}")
        return self

    @classmethod
    def of(cls, target: RedshiftBins) -> "EqualBins":
        """Return the document of bins that are equal."""
        return cls(low=target.edges[0], high=target.edges[-1], number=target.n_columns)

    @property
    def limits(self) -> tuple[float, float, int]:
        """Lower edge, upper edge and number."""
        return self.low, self.high, self.number

    @property
    def target(self) -> RedshiftBins:
        """What is predicted."""
        return RedshiftBins.equal(*self.limits)


def equal_bins(bins: tuple[float, float, int]) -> RedshiftBins:
    """Return bins given as (low, high, number); raises `InputError` when they break a rule."""
    low, high, number = bins
    return build(EqualBins, {"low": low, "high": high, "number": number}, "bins").target
