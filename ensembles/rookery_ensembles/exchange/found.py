"""What a reader finds in a file of foreign predictions, and how it comes onto a given grid."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.classes import Classes
from rookery_ensembles.errors import fail
from rookery_ensembles.probabilities import TOLERANCE
from rookery_ensembles.redshift_bins import RedshiftBins
from rookery_ensembles.redshift_pdf import cdf_at, cdf_at_edges, edges_array
from rookery_ensembles.schema import PredictionInfo
from rookery_ensembles.target import Target

logger = logging.getLogger(__name__)
FloatArray = NDArray[np.float64]
Cdf = Callable[[FloatArray], FloatArray]
LOST = 0.01
"""A PDF may have so much of its probability outside of another member's grid."""


@dataclass(frozen=True, eq=False)
class Found:
    """Predictions of a file, before they are checked."""

    where: str
    """The file, for messages."""
    object_id: NDArray[Any] | None
    """(N,) text; None where the file does not name its objects."""
    target: Target | None = None
    """Its own classes or bins; None of PDFs that are no histograms."""
    values: NDArray[Any] | None = None
    """(N, K) probabilities or densities of `target`; or of an unknown target, in its order."""
    cdf: Cdf | None = None
    """Of PDFs that are no histograms: edges (E,) -> (N, E) their cumulative distributions."""
    truth: NDArray[Any] | None = None
    """(N,) as in `Predictions`, where the file tells it."""
    info: PredictionInfo | None = None
    """What a prediction file of our own says about itself."""

    def onto(self, target: Target, *, chosen: bool = False) -> NDArray[Any]:
        """Return (N, K) values of a target: classes in its order, PDFs rebinned with their masses kept.

        Parameters
        ----------
        chosen
            Whether the user named the target's bins: then a PDF is cut off where they end.

        Raises
        ------
        InputError
            When the classes are others, the kinds differ, or a PDF has more than 1 % of its probability
            outside of bins that nobody chose (half of it, of chosen ones).
        """
        if isinstance(target, Classes):
            return self._of_classes(target)
        if self.cdf is None and self.values is None:
            raise fail(self.where, "holds no values")
        if self.target is None and self.cdf is None:
            return self._of_unknown(target)
        if isinstance(self.target, Classes):
            raise fail(self.where, f"must hold {target.spoken}, but holds {self.target.spoken}")
        if self.target is not None and self.cdf is None and self.target.edges == target.edges:
            assert self.values is not None
            return self.values
        return self._rebinned(target, LOST if not chosen else 0.5)

    def _of_classes(self, target: Classes) -> NDArray[Any]:
        if self.target is None and self.cdf is None:
            return self._of_unknown(target)
        if not isinstance(self.target, Classes):
            raise fail(self.where, f"must hold {target.spoken}, but holds redshift PDFs")
        if set(self.target.names) != set(target.names):
            rule = f"must have the classes {', '.join(target.names)}"
            raise fail(self.where, f"{rule}, but has {', '.join(self.target.names)}")
        assert self.values is not None
        return self.values[:, [self.target.names.index(name) for name in target.names]]

    def _of_unknown(self, target: Target) -> NDArray[Any]:
        """Return values whose columns the file does not name: their number must be the target's."""
        assert self.values is not None
        if self.values.ndim != 2 or self.values.shape[1] != target.n_columns:
            rule = f"must hold {target.n_columns} values an object, for it does not name its columns"
            raise fail(self.where, f"{rule}, but has the shape {self.values.shape}")
        return target.of_foreign(self.values)

    def _rebinned(self, target: RedshiftBins, most: float) -> FloatArray:
        edges = edges_array(target.edges)
        if self.cdf is not None:
            cdf_ne = self.cdf(edges)
        else:
            assert self.values is not None
            assert isinstance(self.target, RedshiftBins)
            own = edges_array(self.target.edges)
            values = self.target.normalised(np.asarray(self.values, np.float64), self.where, self.object_id)
            below_ne = cdf_at_edges(values, own)
            cdf_ne = np.stack([cdf_at(below_ne, own, np.full(len(values), edge)) for edge in edges], axis=1)
        masses = np.diff(cdf_ne, axis=1)
        total = masses.sum(axis=1)
        bad = np.flatnonzero(~(1 - total <= most))
        if bad.size:
            name = bad[0] if self.object_id is None else self.object_id[bad[0]]
            rule = f"PDFs must lie in the bins {edges[0]:g} to {edges[-1]:g}, all but {most:.0%} of each"
            told = f"but {bad.size:,} do not, the first, of object {name}, with {total[bad[0]]:.3g} inside"
            raise fail(self.where, f"{rule}, {told}: other `bins` would hold them")
        if (1 - total).max() > TOLERANCE:
            text = "%s: up to %.2g of a PDF lies outside of the bins %g to %g and is cut off"
            logger.warning(text, self.where, (1 - total).max(), edges[0], edges[-1])
        return np.asarray(masses / total[:, None] / target.widths)
