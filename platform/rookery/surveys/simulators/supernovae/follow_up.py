"""Who gets a spectrum: telescopes with limits, and observers who want type Ia.

After the classification challenge, whose spectroscopic sample was that of a 4 m telescope limited
at r = 21.5 and an 8 m one limited at i = 23.5 (Kessler et al. 2010).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FOUR_METRE_LIMIT, EIGHT_METRE_LIMIT = 21.5, 23.5  # peak magnitudes in r and i
# Magnitudes over which the efficiency falls, and how often observers take what does not look like
# a type Ia compared with what does; chosen.
_SOFTNESS, _OTHERS = 0.35, 0.7


@dataclass(frozen=True)
class FollowUp:
    """Spectroscopy of a survey."""

    four_metre: float
    eight_metre: float
    """Fraction of bright type Ia that each class of telescope observes."""

    def probability(self, is_ia: NDArray[np.bool_], peak_r: Floats, peak_i: Floats) -> Floats:
        """Return each supernova's chance of a spectrum from its apparent peak magnitudes."""
        four = self.four_metre * _efficiency(peak_r, FOUR_METRE_LIMIT)
        eight = self.eight_metre * _efficiency(peak_i, EIGHT_METRE_LIMIT)
        return (1.0 - (1.0 - four) * (1.0 - eight)) * np.where(is_ia, 1.0, _OTHERS)


def _efficiency(magnitude: Floats, limit: float) -> Floats:
    """Return 1 for the bright, a half at half a magnitude above the limit, 0 beyond the limit."""
    smooth = 0.5 * (1.0 - np.tanh(0.5 * (magnitude - (limit - 0.5)) / _SOFTNESS))
    return np.where(magnitude <= limit, smooth, 0.0)
