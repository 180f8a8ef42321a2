"""What the figures of redshifts draw, as arrays, ready to draw with any library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rookery.reports.assess.examples import Example
from rookery.reports.assess.redshifts import FloatArray, RedshiftAssessment
from rookery_ensembles.photoz_sample import OUTLIER

_LEAST_CELLS, _MOST_CELLS = 50, 140
# The errors are drawn up to the largest of these parts of all, but always past the outliers' limit.
_SHOWN, _NEAREST, _DZ_BINS = 0.998, 1.4 * OUTLIER, 91
# A PDF is shown where its density is above this part of its highest.
_VISIBLE = 0.005


@dataclass(frozen=True, eq=False)
class Density:
    """Numbers of objects by z_spec and z_phot.

    Attributes
    ----------
    edges
        (C + 1,) of the cells, the same along both axes.
    counts
        By method, (C, C) objects: rows are z_phot, columns z_spec.
    """

    edges: FloatArray
    counts: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class ErrorHistogram:
    """Numbers of objects by dz.

    Attributes
    ----------
    edges
        (B + 1,) of the bins.
    counts
        By method, (B,) objects.
    beyond
        By method, objects outside of all bins.
    """

    edges: FloatArray
    counts: Mapping[str, FloatArray]
    beyond: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class ExampleShape:
    """The PDFs of one object.

    Attributes
    ----------
    example
        The object.
    steps
        By method, edges (K + 1,) of the bins and densities (K,).
    """

    example: Example
    steps: Mapping[str, tuple[FloatArray, FloatArray]]


def density(methods: Sequence[RedshiftAssessment]) -> Density:
    """Return how many objects there are by z_spec and z_mean: over the range that holds them all."""
    every = np.concatenate([methods[0].z_spec, *(one.sample.z_phot for one in methods)])
    low, high = float(every.min()), float(every.max())
    room = 0.02 * (high - low) or 0.01
    cells = int(np.clip(np.sqrt(len(methods[0])), _LEAST_CELLS, _MOST_CELLS))
    edges = np.linspace(low - room, high + room, cells + 1)
    counts = {one.name: np.histogram2d(one.sample.z_phot, one.z_spec, (edges, edges))[0] for one in methods}
    return Density(edges, counts)


def error_histogram(methods: Sequence[RedshiftAssessment]) -> ErrorHistogram:
    """Return the distribution of dz, symmetric about 0."""
    largest = max(float(np.quantile(np.abs(one.dz), _SHOWN)) for one in methods)
    end = max(1.05 * largest, _NEAREST)
    edges = np.linspace(-end, end, _DZ_BINS + 1)
    counts = {one.name: np.histogram(one.dz, edges)[0].astype(np.float64) for one in methods}
    beyond = {one.name: int(len(one) - counts[one.name].sum()) for one in methods}
    return ErrorHistogram(edges, counts, beyond)


def example_shapes(methods: Sequence[RedshiftAssessment], examples: Sequence[Example]) -> list[ExampleShape]:
    """Return the PDFs of the examples, of all methods."""
    return [
        ExampleShape(
            example,
            {one.name: (np.asarray(one.edges), one.pdf[example.index].astype(np.float64)) for one in methods},
        )
        for example in examples
    ]


def visible_range(shapes: Sequence[ExampleShape]) -> tuple[float, float]:
    """Return the range of redshift that holds what can be seen of all PDFs, and all true redshifts."""
    ends = [shape.example.z_spec for shape in shapes]
    for shape in shapes:
        for edges, pdf in shape.steps.values():
            seen = np.flatnonzero(pdf > _VISIBLE * pdf.max())
            ends += [float(edges[seen[0]]), float(edges[seen[-1] + 1])]
    room = 0.03 * (max(ends) - min(ends))
    return min(ends) - room, max(ends) + room


def outlier_lines(edges: FloatArray) -> list[FloatArray]:
    """Return z_phot of the lines dz = -0.05, 0 and 0.05 at the first and last edge."""
    ends = edges[[0, -1]]
    return [ends + shift * (1 + ends) for shift in (-OUTLIER, 0.0, OUTLIER)]
