"""Inference: build a study's ensemble, and run an ensemble over a whole survey."""

from rookery.inference.ensemble import StudyEnsemble, build_ensemble, study_candidates
from rookery.inference.predict import predict_partial, predict_survey

__all__ = ["StudyEnsemble", "build_ensemble", "predict_partial", "predict_survey", "study_candidates"]
