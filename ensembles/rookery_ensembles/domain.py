"""Where an ensemble's training objects lie, and which objects lie elsewhere.

A feature is any number of an object: a magnitude, a colour, the peak signal-to-noise ratio. Of each
the range of the training objects is kept, and how many of them lacked it. This is a guard, not a
density: each feature is looked at by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._documents import Fields
from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr

QUANTILE, MARGIN = 0.001, 0.2
"""A range goes from this quantile to its opposite, and beyond by this part of the distance of the two."""
SELDOM = 0.01
"""What a smaller part of the training objects lacked, no network learned to do without."""
_DECADE = 10.0
_KEYS = ("objects", "ranges", "missing", "unobserved")
Floats = NDArray[np.float64]


@short_repr
@dataclass(frozen=True)
class Domain:
    """What the training objects of an ensemble were like."""

    objects: int
    """Their number."""
    ranges: Mapping[str, tuple[float, float]]
    """Feature -> lowest and highest value that counts as like theirs."""
    missing: Mapping[str, float]
    """Feature -> part of the objects for which it is unknown."""
    unobserved: Mapping[str, float]
    """Band -> part of the objects that were not observed in it."""

    @classmethod
    def of(cls, features: Mapping[str, Floats], unobserved: Mapping[str, NDArray[np.bool_]]) -> "Domain":
        """Return the domain of N training objects.

        Parameters
        ----------
        features
            Name -> (N,) values, NaN where unknown. One that no object has is left out.
        unobserved
            Band -> (N,) whether an object was not observed in it.
        """
        known = {name: values[np.isfinite(values)] for name, values in features.items()}
        used = [name for name, values in known.items() if values.size]
        return cls(
            objects=len(next(iter(unobserved.values()))),
            ranges={name: _range(known[name]) for name in used},
            missing={name: float(1 - known[name].size / features[name].size) for name in used},
            unobserved={band: float(none.mean()) for band, none in unobserved.items()},
        )

    def outside(self, features: Mapping[str, Floats]) -> dict[str, NDArray[np.bool_]]:
        """Return by feature which of N objects lie out of its range, or lack what training objects had.

        Features that are not given, or that no training object had, are not looked at.
        """
        found = {}
        for name, values in features.items():
            if name not in self.ranges:
                continue
            low, high = self.ranges[name]
            unknown = ~np.isfinite(values)
            found[name] = (values < low) | (values > high) | (unknown & (self.missing[name] < SELDOM))
        return found

    def lacking(self, features: Mapping[str, Floats]) -> dict[str, NDArray[np.bool_]]:
        """Return by feature which of N objects lack what less than 1 % of the training objects lacked."""
        seldom = [name for name in features if self.missing.get(name, 1.0) < SELDOM]
        return {name: ~np.isfinite(features[name]) for name in seldom}

    def score(self, features: Mapping[str, Floats]) -> Floats:
        """Return (N,) how far objects lie out of the ranges, in widths of that of the farthest feature.

        Inside it is 0. A feature that is missing counts 1 if less than 1 % of the training objects lacked it,
        else nothing. Distances are those of the logarithm where a range is positive and spans more than a
        decade. Features that are not given, or that no training object had, are not looked at.
        """
        n = len(next(iter(features.values()), np.empty(0)))
        found = np.zeros(n)
        for name, values in features.items():
            if name not in self.ranges:
                continue
            low, high = self.ranges[name]
            x = np.where(np.isfinite(values), values, low)
            if low > 0 and high > _DECADE * low:
                x, low, high = np.log(np.maximum(x, np.finfo(float).tiny)), np.log(low), np.log(high)
            width = high - low or max(abs(low), 1.0)
            found = np.maximum(found, np.maximum(low - x, x - high) / width)
        for unknown in self.lacking(features).values():
            found[unknown] = np.maximum(found[unknown], 1.0)
        return found

    def saw_without(self, band: str) -> bool:
        """Whether enough training objects were not observed in a band."""
        return self.unobserved.get(band, 0.0) >= SELDOM

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as they stand in ``ensemble.yaml``; numbers with seven digits."""

        def short(x: float) -> float:
            return float(f"{x:.7g}")

        return {
            "objects": self.objects,
            "ranges": {name: [short(low), short(high)] for name, (low, high) in self.ranges.items()},
            "missing": {name: short(part) for name, part in self.missing.items()},
            "unobserved": {band: short(part) for band, part in self.unobserved.items()},
        }

    @classmethod
    def read(cls, given: object, where: str) -> "Domain":
        """Read the mapping of a document; raises InputError where it is something else."""
        fields = Fields(given, where, _KEYS)
        table = fields.section("ranges", tuple(fields.mapping("ranges")))
        ranges: dict[str, tuple[float, float]] = {}
        for name in fields.mapping("ranges"):
            ends = table.take_list(name, float)
            if len(ends) != 2 or not ends[0] <= ends[1]:
                raise fail(table.place(name), f"must be the two ends of a range, but found {list(ends)}")
            ranges[name] = (ends[0], ends[1])
        missing, unobserved = fields.numbers("missing"), fields.numbers("unobserved")
        if set(missing) != set(ranges):
            raise fail(fields.place("missing"), "must name the features of `ranges`, each once")
        return cls(fields.take("objects", int), ranges, missing, unobserved)


def _range(values: Floats) -> tuple[float, float]:
    """Return the ends of the range of some known values.

    Its quantiles and margins are those of the logarithm where values are positive and span more than
    a decade (fluxes), of arcsinh where some are not positive, and else of the values themselves.
    """
    size = float(np.median(np.abs(values))) or 1.0
    symmetric, logarithmic = values.min() <= 0, values.max() > _DECADE * values.min()
    scaled = np.arcsinh(values / size) if symmetric else np.log(values) if logarithmic else values
    low, high = np.quantile(scaled, [QUANTILE, 1 - QUANTILE])
    margin = MARGIN * (high - low) + 1e-6 * max(abs(low), abs(high))
    ends = np.array([low - margin, high + margin])
    ends = size * np.sinh(ends) if symmetric else np.exp(ends) if logarithmic else ends
    return float(ends[0]), float(ends[1])
