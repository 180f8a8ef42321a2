"""Data in: the survey store, readers, simulators and splits."""

from rookery.surveys._conditions import matching
from rookery.surveys._document import SurveyInfo
from rookery.surveys.galaxies import GalaxyWriter, new_galaxy_survey
from rookery.surveys.growth import Growth, append_to_survey, update_survey
from rookery.surveys.ingest import IngestReport
from rookery.surveys.merge import merge_surveys
from rookery.surveys.observations import ObservationArrays
from rookery.surveys.partial import reference_dates, truncate
from rookery.surveys.properties import object_properties
from rookery.surveys.readers.galaxies.annz import ingest_annz
from rookery.surveys.readers.galaxies.catalogue import ingest_catalogue
from rookery.surveys.readers.galaxies.cubes import ingest_cubes
from rookery.surveys.readers.galaxies.cutouts import ingest_cutouts
from rookery.surveys.readers.galaxies.frames import ingest_frames
from rookery.surveys.readers.galaxies.mlz import ingest_mlz
from rookery.surveys.readers.light_curves.headphot import ingest_headphot_csv
from rookery.surveys.readers.light_curves.plasticc import ingest_plasticc
from rookery.surveys.readers.light_curves.snana import ingest_snana
from rookery.surveys.readers.light_curves.snana_fits import ingest_snana_fits
from rookery.surveys.readers.light_curves.table import ingest_table
from rookery.surveys.simulators import simulate_galaxies, simulate_supernovae
from rookery.surveys.splits import ROLES, Split, open_split, split_survey
from rookery.surveys.store import Survey, open_survey, write_survey
from rookery.surveys.view import SurveyView

__all__ = [
    "ROLES",
    "GalaxyWriter",
    "Growth",
    "IngestReport",
    "ObservationArrays",
    "Split",
    "Survey",
    "SurveyInfo",
    "SurveyView",
    "append_to_survey",
    "ingest_annz",
    "ingest_catalogue",
    "ingest_cubes",
    "ingest_cutouts",
    "ingest_frames",
    "ingest_headphot_csv",
    "ingest_mlz",
    "ingest_plasticc",
    "ingest_snana",
    "ingest_snana_fits",
    "ingest_table",
    "matching",
    "merge_surveys",
    "new_galaxy_survey",
    "object_properties",
    "open_split",
    "open_survey",
    "reference_dates",
    "simulate_galaxies",
    "simulate_supernovae",
    "split_survey",
    "truncate",
    "update_survey",
    "write_survey",
]
