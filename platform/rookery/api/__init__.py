"""The Python API: one function per command-line verb, whose signature and docstring are its options.

>>> from rookery import api
>>> survey = api.simulate_supernovae("runs/survey", n=2000, seed=1)            # doctest: +SKIP
>>> api.split(survey.path, "half", train_fraction=0.5)                         # doctest: +SKIP
>>> api.search("pelican", survey=survey.path, split="half", study="runs/x", trials=12)  # doctest: +SKIP
>>> api.ensemble("runs/x")                                                     # doctest: +SKIP
>>> api.predict("runs/x/ensemble", survey.path, "runs/x/all.parquet")          # doctest: +SKIP
>>> api.evaluate("runs/x/all.parquet", survey.path, report="runs/x/report", split="half")  # doctest: +SKIP

Every function raises :class:`rookery_ensembles.InputError` for input that breaks a rule. Heavy
libraries are imported by the function that needs them, so that importing this module is cheap.
"""

from typing import TYPE_CHECKING, Any

from rookery.api._types import BINARY, BINS, PathLike
from rookery.api.baselines import baseline
from rookery.api.clusters import cluster, doctor, jobs, submit
from rookery.api.evaluation import compare, evaluate, explain
from rookery.api.extending import new_family
from rookery.api.fleet import report, status, tag
from rookery.api.foreign import apply, combine
from rookery.api.overviews import families, show, spaces
from rookery.api.predictions import correct_priors, ensemble, export, predict
from rookery.api.searches import campaign, dashboard, pareto, search
from rookery.api.speed import bench
from rookery.api.surveys import append, merge, simulate_galaxies, simulate_supernovae, split, update

if TYPE_CHECKING:
    from rookery.surveys import (
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
    )

__all__ = [
    "BINARY",
    "BINS",
    "PathLike",
    "append",
    "apply",
    "baseline",
    "bench",
    "campaign",
    "cluster",
    "combine",
    "compare",
    "correct_priors",
    "dashboard",
    "doctor",
    "ensemble",
    "evaluate",
    "explain",
    "export",
    "families",
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
    "merge",
    "new_family",
    "pareto",
    "predict",
    "report",
    "search",
    "show",
    "simulate_galaxies",
    "simulate_supernovae",
    "spaces",
    "split",
    "status",
    "submit",
    "tag",
    "update",
]


def __getattr__(name: str) -> Any:
    if name.startswith("ingest_") and name in __all__:  # the readers themselves, which import pandas
        from rookery import surveys

        return getattr(surveys, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
