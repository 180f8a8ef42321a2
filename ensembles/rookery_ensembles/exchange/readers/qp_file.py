"""Files of qp, HDF5 or FITS: hist, interp, quant, norm and mixmod, each with its exact distribution."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.found import Cdf, FloatArray, Found
from rookery_ensembles.exchange.ids import ids_as_text
from rookery_ensembles.exchange.qp_layout import HDF5_MAGIC, Arrays, is_qp_fits, read_groups
from rookery_ensembles.exchange.tables import IDS, usual_name
from rookery_ensembles.redshift_bins import RedshiftBins

TRUTHS = ("z_spec", "redshift", "truth", "z_true", "true_redshift")


def recognises(path: Path, magic: bytes) -> bool:
    """Return whether a file is HDF5, or FITS with the tables of qp."""
    return magic[:8] == HDF5_MAGIC or (magic[:6] == b"SIMPLE" and is_qp_fits(path))


def read(path: Path) -> Found:
    """Return the PDFs of a file of qp."""
    where, groups = str(path), read_groups(path)
    meta, data, ancil = groups["meta"], groups["data"], groups["ancil"]
    name = meta.get("pdf_name", np.array(b"")).item()
    name = name.decode() if isinstance(name, bytes) else str(name)
    if name != "hist" and name not in _CDFS:
        rule = f"the parametrisation must be hist or one of {', '.join(_CDFS)}"
        hint = "in qp, `ensemble.convert_to(qp.hist_gen, bins=EDGES)` makes it so"
        raise fail(path, f"{rule}, but is {name!r}: {hint}")
    ids, truth = usual_name(ancil, IDS), usual_name(ancil, TRUTHS)
    object_id = None if ids is None else ids_as_text(ancil[ids], f"{where}, ancil `{ids}`")
    known = None if truth is None else np.asarray(ancil[truth], dtype=np.float64)
    try:
        if name == "hist":
            target = RedshiftBins(tuple(np.ravel(meta["bins"]).tolist()))
            target.check(where)
            return Found(where, object_id, target, _normalised(data["pdfs"], target.widths), truth=known)
        own = None if name != "interp" else RedshiftBins(tuple(np.ravel(meta["xvals"]).tolist()))
        return Found(where, object_id, own, cdf=_CDFS[name](meta, data, where), truth=known)
    except KeyError as error:
        raise fail(path, f"a file of qp's {name} must hold {error}, but lacks it") from error


def _normalised(values_nk: NDArray[np.float64], widths: NDArray[np.float64]) -> FloatArray:
    """Return densities whose rows integrate to 1 where their totals are positive, as qp does."""
    values = np.asarray(values_nk, dtype=np.float64)
    total = (values @ widths)[:, None]
    return np.asarray(np.divide(values, total, out=values.copy(), where=np.isfinite(total) & (total > 0)))


def _interp(meta: Arrays, data: Arrays, where: str) -> Cdf:
    """Densities that are linear between points: their integral is a parabola between them."""
    x, y = np.ravel(meta["xvals"]).astype(np.float64), np.asarray(data["yvals"], dtype=np.float64)
    if not np.isfinite(y).all() or (y < 0).any():
        row = int(np.flatnonzero(~(np.isfinite(y) & (y >= 0)).all(axis=1))[0])
        raise fail(f"{where}, row {row}", "densities must be finite and not negative, but one is")
    steps = np.diff(x)
    below = np.concatenate(
        [np.zeros((len(y), 1)), np.cumsum((y[:, 1:] + y[:, :-1]) / 2 * steps, axis=1)], axis=1
    )
    if not (below[:, -1] > 0).all():
        raise fail(f"{where}, row {int((below[:, -1] <= 0).argmax())}", "a PDF must not be 0 everywhere")

    def cdf(edges: FloatArray) -> FloatArray:
        at = np.clip(edges, x[0], x[-1])
        k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(steps) - 1)
        t = (at - x[k]) / steps[k]
        part = (y[:, k] + (y[:, k + 1] - y[:, k]) * t / 2) * t * steps[k]
        return np.asarray((below[:, k] + part) / below[:, -1:])

    return cdf


def _quant(meta: Arrays, data: Arrays, where: str) -> Cdf:
    """Quantiles, between which the cumulative distribution is linear."""
    q, locations = np.ravel(meta["quants"]).astype(np.float64), np.asarray(data["locs"], dtype=np.float64)
    if not np.isfinite(locations).all() or (np.diff(locations, axis=1) < 0).any():
        raise fail(where, "quantiles must be finite and must not fall, but some do")

    def cdf(edges: FloatArray) -> FloatArray:
        inner = [np.interp(edges, row, q, left=0.0, right=1.0) for row in locations]
        return np.asarray(inner)

    return cdf


def _norm(meta: Arrays, data: Arrays, where: str) -> Cdf:
    return _mixture(data["loc"], data["scale"], np.ones_like(data["loc"]), where)


def _mixmod(meta: Arrays, data: Arrays, where: str) -> Cdf:
    return _mixture(data["means"], data["stds"], data["weights"], where)


def _mixture(means: FloatArray, stds: FloatArray, weights: FloatArray, where: str) -> Cdf:
    """Sums of Gaussians, (N, G)."""
    shape = (len(means), -1)
    mean, std, weight = (np.asarray(each, np.float64).reshape(shape) for each in (means, stds, weights))
    wrong = ~(np.isfinite(mean) & np.isfinite(std) & (std > 0) & (weight >= 0)).all(axis=1)
    if wrong.any():
        rule = "Gaussians must have finite means, deviations above 0 and weights of 0 or more"
        raise fail(f"{where}, row {int(wrong.argmax())}", rule)
    part = weight / weight.sum(axis=1, keepdims=True)

    def cdf(edges: FloatArray) -> FloatArray:
        from scipy.special import ndtr

        below = [(part * ndtr((edge - mean) / std)).sum(axis=1) for edge in edges]
        return np.stack(below, axis=1)

    return cdf


_CDFS: dict[str, Callable[[Arrays, Arrays, str], Cdf]] = {
    "interp": _interp,
    "quant": _quant,
    "norm": _norm,
    "mixmod": _mixmod,
}
