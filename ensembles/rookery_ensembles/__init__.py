"""Ensembles from prediction files alone: read, select, combine, calibrate, score, bundle.

A member is one trained network. What this package knows of it is a Parquet file of its
predictions (`read_predictions`), so that any program can make members, and none of this needs a
deep-learning library. The way of the data::

    candidates = [CandidateMember(id, folder, configuration, read_predictions(file)), ...]
    choice = choose(candidates)                      # weights, a pool and a calibration, or the plain average
    unseen = out_of_fold(candidates, choice)         # cross-validated: every object by what never saw it
    bundle = choice.write(folder, provenance={})
    values_nk = bundle.combine(values_mnk)           # the members' predictions for new objects

All this serves class probabilities and redshift PDFs alike: a `Target` (`Classes` or `RedshiftBins`)
knows what is particular to each, and a `Metric` what a number that judges predictions means. Array names
end in their axes: m members, n objects, k classes or redshift bins. Input that breaks a rule raises
`InputError`, whose message names the file, the row or key, the rule and the value found.
"""

from rookery_ensembles.auto import Alternative, AutoReport, find_recipe
from rookery_ensembles.binned import Binned, binned_scores, quantile_edges
from rookery_ensembles.bootstrap import Estimate, Scores, bootstrap_scores
from rookery_ensembles.build import CandidateMember, EnsembleChoice, choose
from rookery_ensembles.bundle import Bundle, BundleMember, load_bundle, write_bundle
from rookery_ensembles.calibrations import Calibration, Covariates, read_calibration
from rookery_ensembles.calibrations.temperature import TemperatureCalibration
from rookery_ensembles.calibrations.temperature_beta import PdfCalibration
from rookery_ensembles.classes import Classes
from rookery_ensembles.combine import average
from rookery_ensembles.conformal import AdaptiveSets, ConformalIntervals, ConformalSets
from rookery_ensembles.crossfit import cross_fit, out_of_fold
from rookery_ensembles.crossfit_pit import PitTest, crossfit_pit_test
from rookery_ensembles.errors import InputError
from rookery_ensembles.member_values import MemberValues
from rookery_ensembles.metric import METRICS, Metric
from rookery_ensembles.metrics import classification_metrics, reliability_curve
from rookery_ensembles.photoz_metrics import (
    narrowest,
    photoz_metrics,
    photoz_scores,
    point_metrics,
    running_trend,
)
from rookery_ensembles.photoz_sample import PhotozSample, PointSample
from rookery_ensembles.predictions import (
    PredictionInfo,
    Predictions,
    Stack,
    average_starts,
    pool_folds,
    prediction_metrics,
    read_predictions,
    stack_members,
    write_predictions,
)
from rookery_ensembles.priors import PriorEstimate, correct_probabilities, estimate_fractions
from rookery_ensembles.recipe import Recipe
from rookery_ensembles.redshift_bins import RedshiftBins
from rookery_ensembles.schema import PriorCorrection
from rookery_ensembles.stored import StoredPredictions, open_predictions
from rookery_ensembles.target import Target
from rookery_ensembles.uncertainty import (
    Uncertainty,
    effective_members,
    leave_one_out,
    member_errors,
    score_by_number,
    split_uncertainty,
)
from rookery_ensembles.weighted import WeightedSample
from rookery_ensembles.weights.greedy import GreedySelection, bagged_selection, greedy_selection

__all__ = [
    "METRICS",
    "AdaptiveSets",
    "Alternative",
    "AutoReport",
    "Binned",
    "Bundle",
    "BundleMember",
    "Calibration",
    "CandidateMember",
    "Classes",
    "ConformalIntervals",
    "ConformalSets",
    "Covariates",
    "EnsembleChoice",
    "Estimate",
    "GreedySelection",
    "InputError",
    "MemberValues",
    "Metric",
    "PdfCalibration",
    "PhotozSample",
    "PitTest",
    "PointSample",
    "PredictionInfo",
    "Predictions",
    "PriorCorrection",
    "PriorEstimate",
    "Recipe",
    "RedshiftBins",
    "Scores",
    "Stack",
    "StoredPredictions",
    "Target",
    "TemperatureCalibration",
    "Uncertainty",
    "WeightedSample",
    "average",
    "average_starts",
    "bagged_selection",
    "binned_scores",
    "bootstrap_scores",
    "choose",
    "classification_metrics",
    "correct_probabilities",
    "cross_fit",
    "crossfit_pit_test",
    "effective_members",
    "estimate_fractions",
    "find_recipe",
    "greedy_selection",
    "leave_one_out",
    "load_bundle",
    "member_errors",
    "narrowest",
    "open_predictions",
    "out_of_fold",
    "photoz_metrics",
    "photoz_scores",
    "point_metrics",
    "pool_folds",
    "prediction_metrics",
    "quantile_edges",
    "read_calibration",
    "read_predictions",
    "reliability_curve",
    "running_trend",
    "score_by_number",
    "split_uncertainty",
    "stack_members",
    "write_bundle",
    "write_predictions",
]
