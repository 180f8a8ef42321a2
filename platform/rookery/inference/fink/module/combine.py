"""One answer of many networks: weights, pool and calibration, in NumPy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Document = Mapping[str, Any]
_FLOOR = float(np.finfo(np.float32).eps)
"""Probabilities below this one count as this one in logarithms and reciprocals."""


def member_weights(
    weights_m: Sequence[float], gate: Document | None, covariates: Mapping[str, FloatArray], n: int
) -> FloatArray:
    """Return (N, M) weights of M members for N objects; each row sums to 1.

    A gate multiplies the members' weights by the exponential of sums of Legendre polynomials of the
    covariates' ranks; an object that lacks one of the covariates has the weights for all.
    """
    weights = np.broadcast_to(np.asarray(weights_m, dtype=np.float64), (n, len(weights_m)))
    if gate is None:
        return weights / weights.sum(axis=1, keepdims=True)
    listed = gate["covariates"]
    values = np.column_stack([covariates.get(each["name"], np.full(n, np.nan)) for each in listed])
    known = np.isfinite(values).all(axis=1)
    slopes = np.asarray(gate["slopes"], dtype=np.float64)  # a row for each member
    degree = slopes.shape[1] // len(listed)
    features = np.zeros((n, slopes.shape[1]))
    for i, each in enumerate(listed):
        knots = each["knots"]
        if len(knots) > 1:
            rank = np.interp(values[known, i], knots, np.linspace(-1, 1, len(knots)))
            polynomials = np.polynomial.legendre.legvander(rank, degree)[:, 1:]
            features[known, degree * i : degree * (i + 1)] = polynomials
    raised = features @ slopes.T
    found = weights * np.exp(raised - raised.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def pooled(name: str, values_nmk: FloatArray, weights_nm: FloatArray) -> FloatArray:
    """Return (N, K) probabilities of M members' ones: a weighted mean of the kind that is named."""
    into, back = POOLS[name]
    values = values_nmk / values_nmk.sum(axis=2, keepdims=True)
    plain = np.einsum("nm,nmk->nk", weights_nm, values)
    if name != "linear":
        mean = back(np.einsum("nm,nmk->nk", weights_nm, into(np.maximum(values, _FLOOR))))
        plain = np.where(values.max(axis=1) < _FLOOR, plain, mean)
    return np.asarray(plain / plain.sum(axis=1, keepdims=True))


POOLS: Mapping[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "linear": (np.positive, np.positive),
    "logarithmic": (np.log, np.exp),
    "harmonic": (np.reciprocal, np.reciprocal),
}
"""Name of a pool -> what its mean is of, and the way back."""


def calibrated(document: Document | None, values_nk: FloatArray) -> FloatArray:
    """Return calibrated (N, K) probabilities."""
    return values_nk if document is None else CALIBRATIONS[document["method"]](document, values_nk)


def _none(_: Document, values_nk: FloatArray) -> FloatArray:
    return values_nk


def _temperature(document: Document, values_nk: FloatArray) -> FloatArray:
    return _softmax(_floored_log(values_nk) / document["temperature"])


def _vector(document: Document, values_nk: FloatArray) -> FloatArray:
    return _softmax(_floored_log(values_nk) * np.array(document["scales"]) + np.array(document["offsets"]))


def _dirichlet(document: Document, values_nk: FloatArray) -> FloatArray:
    return _softmax(_floored_log(values_nk) @ np.array(document["matrix"]).T + np.array(document["offsets"]))


def _beta(document: Document, values_nk: FloatArray) -> FloatArray:
    def mapped(p_n: FloatArray, triple: Sequence[float]) -> FloatArray:
        a, b, c = triple
        p_n = np.clip(p_n, _FLOOR, 1 - _FLOOR)
        return np.asarray(1 / (1 + np.exp(-(a * np.log(p_n) - b * np.log1p(-p_n) + c))))

    return _each_class(values_nk, document["parameters"], mapped)


def _isotonic(document: Document, values_nk: FloatArray) -> FloatArray:
    def mapped(p_n: FloatArray, knots: Document) -> FloatArray:
        return np.asarray(np.interp(p_n, knots["scores"], knots["values"]))

    return _each_class(values_nk, document["knots"], mapped)


def _venn_abers(document: Document, values_nk: FloatArray) -> FloatArray:
    def mapped(p_n: FloatArray, table: Document) -> FloatArray:
        low, high, at, between = (np.array(table[key]) for key in ("low", "high", "at", "between"))
        group = np.searchsorted(low, p_n, side="right")
        last = np.maximum(group - 1, 0)
        return np.where((group > 0) & (p_n <= high[last]), at[last], between[group])

    return _each_class(values_nk, document["tables"], mapped) if document["tables"] else values_nk


CALIBRATIONS: Mapping[str, Callable[[Document, FloatArray], FloatArray]] = {
    "none": _none,
    "temperature": _temperature,
    "vector": _vector,
    "dirichlet": _dirichlet,
    "beta": _beta,
    "isotonic": _isotonic,
    "venn_abers": _venn_abers,
}
"""Name of a calibration -> what applies its document."""


def _each_class(
    values_nk: FloatArray, maps: Sequence[Any], mapped: Callable[[FloatArray, Any], FloatArray]
) -> FloatArray:
    """Send each class's probability through its own map; of two classes the first one's tells both."""
    if values_nk.shape[1] == 2:
        first = mapped(values_nk[:, 0], maps[0])
        return np.column_stack([first, 1 - first])
    found = np.column_stack([mapped(column, each) for column, each in zip(values_nk.T, maps, strict=True)])
    found = np.maximum(found, _FLOOR)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _floored_log(values: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values, _FLOOR)))


def _softmax(score_nk: FloatArray) -> FloatArray:
    powers = np.exp(score_nk - score_nk.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
