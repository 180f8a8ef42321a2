"""What many predictions come to, in numbers that do not grow with them: histograms and counts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.exchange.summary import summary_columns
from rookery_ensembles.further_columns import FLAGS
from rookery_ensembles.schema import Predictions
from rookery_ensembles.target import Target

Counts = NDArray[np.int64]
_BINS, _WIDTH_BINS, _NARROWEST = 60, 50, 1e-3
"""Bins of redshifts and of widths, and the smallest width that has a bin, in parts of the whole range."""


class PredictionSums:
    """Counts over predictions of one target, added block by block.

    Attributes
    ----------
    objects
        How many were added.
    edges, counts
        Of redshifts: histogram of `z_median`. Of classes: places 0 to K, and how many objects each class is
        the most probable of.
    width_edges, widths
        Histogram of how uncertain objects are: widths of the central 68 % interval over 1 + z_median on a
        logarithmic scale; of classes the probability of the most probable one.
    expected
        Of classes: (K,) sums of the probabilities, what calibrated ones count; empty of redshifts.
    flags
        By name of `FLAGS` of the further columns, how many objects have the bit; None where none is told.
    out_of_domain
        Objects outside of what the networks were trained on; None where nobody looked.
    """

    def __init__(self, target: Target) -> None:
        self.target, self.objects = target, 0
        self.flags: dict[str, int] | None = None
        self.out_of_domain: int | None = None
        self.expected: NDArray[np.float64] = np.zeros(len(target.names))
        if target.has_pdfs:
            low, high = target.edges[0], target.edges[-1]
            self.edges = np.linspace(low, high, min(_BINS, target.n_columns) + 1)
            self.width_edges = (high - low) * np.geomspace(_NARROWEST, 1, _WIDTH_BINS + 1)
        else:
            self.edges = np.arange(target.n_columns + 1.0)
            self.width_edges = np.linspace(0, 1, _WIDTH_BINS + 1)
        self.counts: Counts = np.zeros(len(self.edges) - 1, np.int64)
        self.widths: Counts = np.zeros(_WIDTH_BINS, np.int64)

    def add(self, block: Predictions) -> None:
        """Count the objects of a block."""
        self.objects += len(block.object_id)
        place, width = self._redshifts(block) if self.target.has_pdfs else self._classes(block)
        self.counts += np.histogram(place, self.edges)[0]
        inside = np.clip(width, self.width_edges[0], self.width_edges[-1])
        self.widths += np.histogram(inside, self.width_edges)[0]
        if "flags" in block.columns:
            told, bits = self.flags or dict.fromkeys(FLAGS, 0), block.columns["flags"]
            self.flags = {name: told[name] + int(((bits & bit) > 0).sum()) for name, bit in FLAGS.items()}
        if block.out_of_domain is not None:
            self.out_of_domain = (self.out_of_domain or 0) + int(block.out_of_domain.sum())

    def median_width(self) -> float | None:
        """Return the width that half of the objects are below, to the width of a bin; None of no object."""
        if not self.objects:
            return None
        place = int(np.searchsorted(np.cumsum(self.widths), self.objects / 2))
        low, high = self.width_edges[place : place + 2].tolist()
        return float(np.sqrt(low * high)) if self.target.has_pdfs else (low + high) / 2

    def _redshifts(self, block: Predictions) -> tuple[NDArray[Any], NDArray[Any]]:
        found = summary_columns(block, numbers=False)
        middle = found["z_median"]
        return middle, (found["z_high_68"] - found["z_low_68"]) / (1 + middle)

    def _classes(self, block: Predictions) -> tuple[NDArray[Any], NDArray[Any]]:
        self.expected += block.values.sum(axis=0, dtype=np.float64)
        return block.values.argmax(axis=1) + 0.5, block.values.max(axis=1)
