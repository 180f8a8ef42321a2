"""Data in: the survey store, readers, simulators and splits."""

from rookery.surveys._document import SurveyInfo
from rookery.surveys._observations import ObservationArrays
from rookery.surveys.simulators import simulate_supernovae
from rookery.surveys._report import IngestReport
from rookery.surveys.snana import ingest_snana
from rookery.surveys.splits import ROLES, Split, open_split, split_survey
from rookery.surveys.store import Survey, open_survey, write_survey

__all__ = [
    "ROLES",
    "IngestReport",
    "ObservationArrays",
    "Split",
    "Survey",
    "SurveyInfo",
    "ingest_snana",
    "open_split",
    "open_survey",
    "simulate_supernovae",
    "split_survey",
    "write_survey",
]
