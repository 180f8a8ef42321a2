"""What was found out about a network, and its numbers as plain values."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.explanation.attributions import Attributions
from rookery.explanation.invariance import Thinned
from rookery.explanation.maps import Floats
from rookery.explanation.objects import Chosen
from rookery.explanation.overlap import Overlap
from rookery.explanation.subject import Subject


@dataclass(frozen=True)
class Explanation:
    """What was found out about a network."""

    subject: Subject
    known: pd.DataFrame
    """What is known of every object; see :func:`rookery.explanation.table.known_columns`."""
    maps: dict[str, Floats]
    overlaps: list[Overlap]
    chosen: list[Chosen]
    stages: list[dict[str, NDArray[np.float32]]]
    """What each stage makes of each chosen object."""
    attributions: Attributions
    """Of the chosen objects, for their answers."""
    average: dict[str, Attributions]
    """Of objects of each group, for their group."""
    thinned: list[Thinned]
    """How far features of light curves move when a part of the observations is taken away."""
    alike: float = 1.0
    """Share of the networks whose attributions by date or pixel are averaged: their images are alike."""


def numbers(found: Explanation) -> dict[str, object]:
    """Return what the page's tables hold, as plain values."""
    remainder = np.abs(found.attributions.remainder)
    return {
        "overlap": [asdict(one) for one in found.overlaps],
        "thinned": [asdict(one) for one in found.thinned],
        "objects": [
            {
                "object_id": str(found.subject.object_id[one.row]),
                "group": one.group,
                "rule": one.rule,
                "answer": float(value),
            }
            for one, value in zip(found.chosen, found.attributions.answer, strict=True)
        ],
        "by_band": {
            name: {
                "objects": len(one.rows),
                "answer": float(one.answer.mean()),
                "without_band": dict(zip(found.subject.bands, one.by_band.mean(0).tolist(), strict=True)),
                "integrated_gradients": dict(
                    zip(found.subject.bands, _of_bands(one.gradients).tolist(), strict=True)
                ),
            }
            for name, one in found.average.items()
        },
        "largest_remainder_of_integrated_gradients": float(remainder.max(initial=0.0)),
    }


def _of_bands(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (bands,) the mean over objects of what the values of a band add up to, without signs."""
    total = np.abs(values.astype(np.float64))
    return total.reshape(*total.shape[:2], -1).sum(2).mean(0)
