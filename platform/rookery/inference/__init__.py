"""Inference: build a study's ensemble, and run an ensemble over a whole survey."""

from rookery.inference.ensemble import StudyEnsemble, build_ensemble, study_candidates
from rookery.inference.predict import predict_partial, predict_survey
from rookery.inference.whole_survey import predict_whole_survey

__all__ = [
    "StudyEnsemble",
    "build_ensemble",
    "predict_partial",
    "predict_survey",
    "predict_whole_survey",
    "study_candidates",
]
