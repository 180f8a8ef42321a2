"""Quantile averaging: the weighted mean of the members' quantiles of redshift."""

import numpy as np

from rookery_ensembles.member_values import Block
from rookery_ensembles.pools.base import FloatArray, Pool, masses, of_masses
from rookery_ensembles.redshift_bins import RedshiftBins
from rookery_ensembles.target import Target

LEAST_MASS = 1e-9
"""A bin of less probability counts as empty: quantiles jump over it."""


class QuantilePool(Pool):
    """The PDF whose quantiles are the weighted means of the members' (Vincentisation; Ratcliff 1979).

    Members that agree in shape and differ in place keep their shape, where the linear pool widens it. It
    is exact for densities that are constant within bins, but for the rule of `LEAST_MASS`: the members'
    quantile functions are straight lines between the values of their cumulative distributions at the edges,
    and so is their mean between all those values together; what it says of a bin is the probability
    between the bin's edges.
    """

    name = "quantile"
    spoken = "weighted mean of quantiles"
    kinds = (RedshiftBins.kind,)

    def _combine(self, target: Target, values_m: Block, weights_m: FloatArray) -> FloatArray:
        edges = np.asarray(target.edges)
        level, jump, bend = _knots(target, values_m, weights_m)
        order = np.argsort(level, axis=1, kind="stable")
        level, jump, bend = (np.take_along_axis(each, order, axis=1) for each in (level, jump, bend))
        slope = np.maximum(np.cumsum(bend, axis=1), 0.0)  # of quantiles, above each knot
        rise = np.zeros_like(level)
        rise[:, 1:] = slope[:, :-1] * np.diff(level, axis=1)
        above = edges[0] + np.cumsum(rise + jump, axis=1)
        quantile = np.stack([above - jump, above], axis=2).reshape(len(level), -1)
        np.maximum.accumulate(quantile, axis=1, out=quantile)
        level = np.repeat(level, 2, axis=1)
        cdf = np.zeros((len(level), len(edges)))
        cdf[:, -1] = 1.0
        for row in range(len(level)):
            cdf[row, 1:-1] = np.interp(edges[1:-1], quantile[row], level[row])
        return of_masses(target, np.maximum(np.diff(cdf, axis=1), 0.0))


def _knots(
    target: Target, values_m: Block, weights_m: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return where the mean quantile function bends or jumps, by how much it jumps, and its slope changes.

    Each is (n, M (K + 1)): a knot for each member and edge.
    """
    widths = np.diff(target.edges)
    level, jump, bend = [], [], []
    for weight, values in zip(weights_m, values_m, strict=True):
        mass = masses(target, values)
        mass[mass < LEAST_MASS] = 0.0
        mass /= mass.sum(axis=1, keepdims=True)
        n = len(mass)
        cdf = np.zeros((n, len(widths) + 1))
        np.cumsum(mass, axis=1, out=cdf[:, 1:])
        cdf[:, -1] = 1.0
        empty = mass == 0.0
        slope = np.divide(weight * widths, mass, out=np.zeros_like(mass), where=~empty)
        level.append(cdf)
        jump.append(np.column_stack([np.where(empty, weight * widths, 0.0), np.zeros(n)]))
        bend.append(np.diff(slope, axis=1, prepend=0.0, append=0.0))
    return np.hstack(level), np.hstack(jump), np.hstack(bend)
