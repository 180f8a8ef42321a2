"""Metrics of predictions, whatever they predict."""

from rookery_ensembles.schema import Predictions, require_predictions


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
    info = require_predictions(predictions, "predictions").info
    return info.target.score(
        predictions.values, predictions.truth, positive=positive, unseen=bool(info.unseen)
    )
