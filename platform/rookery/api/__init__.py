"""The Python API: one function per command-line verb, with the same names and defaults.

>>> from rookery import api
>>> survey = api.simulate_supernovae("runs/survey", n=2000, seed=1)            # doctest: +SKIP
>>> api.split(survey.path, "half", train_fraction=0.5)                         # doctest: +SKIP
>>> api.search("pelican", survey=survey.path, split="half", study="runs/x", trials=12)  # doctest: +SKIP
>>> api.ensemble("runs/x")                                                     # doctest: +SKIP
>>> api.predict("runs/x/ensemble", survey.path, "runs/x/all.parquet")          # doctest: +SKIP
>>> api.evaluate("runs/x/all.parquet", survey.path, "runs/x/report", split="half")  # doctest: +SKIP

Every function raises :class:`rookery_ensembles.InputError` for input that breaks a rule. Heavy
libraries are imported by the function that needs them, so that importing this module is cheap.
"""

from rookery.api._common import BINARY, BINS, PathLike
from rookery.api.clusters import cluster, doctor, jobs, submit
from rookery.api.predictions import baseline, ensemble, evaluate, predict
from rookery.api.searches import campaign, dashboard, demo, pareto, search, status
from rookery.api.surveys import (
    ingest_annz,
    ingest_catalogue,
    ingest_cubes,
    ingest_cutouts,
    ingest_frames,
    ingest_headphot_csv,
    ingest_mlz,
    ingest_plasticc,
    ingest_snana,
    ingest_snana_fits,
    ingest_table,
    simulate_galaxies,
    simulate_supernovae,
    split,
)

__all__ = [
    "BINARY",
    "BINS",
    "PathLike",
    "baseline",
    "campaign",
    "cluster",
    "dashboard",
    "demo",
    "doctor",
    "ensemble",
    "evaluate",
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
    "jobs",
    "pareto",
    "predict",
    "search",
    "simulate_galaxies",
    "simulate_supernovae",
    "split",
    "status",
    "submit",
]
