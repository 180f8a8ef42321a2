"""Calibration after pooling: one module for each way, found by its name.

A module holds a `Calibration` (what was fitted, its document and how it is applied) and lists in `METHODS`
the ways to fit it, each a `Method` for class probabilities or for redshift PDFs. Nothing else is needed to
add one: modules whose name begins with no underscore are found here, as are those that other packages declare
(:mod:`rookery_ensembles.plugins`), and ``pytest --pyargs rookery.testing`` tests all that are found.
"""

import importlib
import pkgutil
from typing import Any

from numpy.typing import NDArray

from rookery_ensembles import plugins
from rookery_ensembles.calibrations.base import Calibration, Covariates, Method, Registry
from rookery_ensembles.errors import fail

__all__ = [
    "Calibration",
    "Covariates",
    "Method",
    "check_method",
    "fit_calibration",
    "methods",
    "read_calibration",
]

_REGISTRY = Registry(
    [
        *(
            importlib.import_module(f"{__name__}.{found.name}")
            for found in pkgutil.iter_modules(__path__)
            if not found.name.startswith("_")
        ),
        *plugins.modules(__name__),
    ]
)
methods = _REGISTRY.methods


def check_method(kind: str, name: str) -> str:
    """Return the name of a way to calibrate a kind of target; InputError where there is none of the name."""
    return _REGISTRY.method(kind, name).name


read_calibration = _REGISTRY.read


def fit_calibration(
    kind: str,
    method: str,
    values_nk: NDArray[Any],
    truth_index_n: NDArray[Any],
    sample_weight: NDArray[Any] | None = None,
    *,
    sharpen: bool = True,
    covariates: Covariates | None = None,
) -> Calibration:
    """Fit a calibration that is named.

    Parameters
    ----------
    kind
        ``class_probability`` or ``redshift_pdf``.
    method
        One of the names of `methods`.
    values_nk
        (N, K) pooled class probabilities, or bin masses of pooled PDFs, of objects that no member was
        trained on.
    truth_index_n
        (N,) columns of the true classes or bins.
    sample_weight
        (N,) what each object counts; 1 by default.
    sharpen
        Whether values may become more certain.
    covariates
        Of the N objects; only local calibrations look at them.

    Raises
    ------
    InputError
        When there is no such method, it cannot keep from sharpening and must, or the values, truth,
        weights or covariates break their rules.
    """
    found = _REGISTRY.method(kind, method)
    if not (sharpen or found.softens):
        able = [name for name, other in methods(kind).items() if other.softens]
        rule = f"without leave to sharpen it must be one of {', '.join(able)}"
        raise fail("calibration", f"{rule}, but found {method!r}")
    if covariates is not None and len(covariates) != len(values_nk):
        rule = f"there must be one row for each of {len(values_nk)} objects"
        raise fail("covariates", f"{rule}, but found {len(covariates)}")
    return found.fit(values_nk, truth_index_n, sample_weight, sharpen=sharpen, covariates=covariates)
