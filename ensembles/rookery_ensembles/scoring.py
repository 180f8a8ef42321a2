"""Truth and metrics of predictions, whichever kind they are of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.metrics import classification_metrics
from rookery_ensembles.photoz_metrics import photoz_metrics
from rookery_ensembles.probabilities import LOG_FLOOR, class_indices
from rookery_ensembles.redshift_pdf import bin_indices
from rookery_ensembles.schema import Predictions, require_predictions
from rookery_ensembles.select import likelihoods


def prediction_metrics(predictions: Predictions, positive: str = "Ia") -> dict[str, float]:
    """Return `classification_metrics` of class probabilities, or `photoz_metrics` of redshift PDFs.

    The latter come with ``log_loss`` too: the mean of -ln of the true bin's probability, in nats,
    over the objects whose redshift lies in a bin; NaN where none does.

    Parameters
    ----------
    predictions
        Of objects, some of known truth.
    positive
        As in `classification_metrics`.

    Raises
    ------
    InputError
        When no object's truth is known, or the predictions are invalid.
    """
    info, values = require_predictions(predictions, "predictions").info, predictions.values
    if info.bin_edges is None:
        classes = [None] * len(values) if predictions.truth is None else predictions.truth
        return classification_metrics(info.class_names or (), classes, values, positive)
    z = np.full(len(values), np.nan) if predictions.truth is None else predictions.truth
    index = bin_indices(z, info.bin_edges)
    found = photoz_metrics(values, info.bin_edges, z, unseen=bool(info.unseen))
    return {**found, "log_loss": bin_log_loss(values, index, info.bin_edges)}


def bin_log_loss(
    pdf_nk: NDArray[Any],
    bin_index_n: NDArray[np.intp],
    bin_edges: Sequence[float],
    sample_weight_n: NDArray[Any] | None = None,
) -> float:
    """Return the mean, weighted where weights are given, of -ln of the true bin's probability, in nats.

    Objects outside of all bins (index -1) are left out; NaN where all are.
    """
    inside = bin_index_n >= 0
    if not inside.any():
        return float("nan")
    likelihood = likelihoods([pdf_nk[inside]], bin_index_n[inside], bin_edges)[0]
    weight = None if sample_weight_n is None else sample_weight_n[inside]
    return float(np.average(-np.log(np.maximum(likelihood, LOG_FLOOR)), weights=weight))


def true_columns(
    truth: Sequence[Any] | NDArray[Any],
    class_names: Sequence[str] | None,
    bin_edges: Sequence[float] | None,
) -> NDArray[np.intp]:
    """Return (N,) columns of the true classes or redshift bins; -1 where unknown or outside of all bins.

    Raises
    ------
    InputError
        When a truth is no class name.
    """
    if bin_edges is not None:
        return bin_indices(np.asarray(truth, dtype=np.float64), bin_edges)
    return class_indices(truth, class_names or ())
