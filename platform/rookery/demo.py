"""The demo: the whole way of the data on a small simulated survey, on a Ray of this machine's own."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from rookery_ensembles import Predictions
from rookery_ensembles.errors import fail
from rookery_ensembles.files import write_text

logger = logging.getLogger(__name__)

N_OBJECTS = 2400
N_TRIALS = 10
FIXED = {"epochs": 40, "days_per_column": 4}
"""What the demo does not search, so that it ends within minutes on two cores."""
MARKER = "demo.json"
"""Tells a demo's folder from any other, and what it was made with."""


def run_demo(out: Path, *, seed: int = 1) -> Path:
    """Simulate, search, train, combine, predict and judge; return the report's page.

    Parameters
    ----------
    out
        Folder to make. One that an earlier demo made is continued if it did not end, else made anew.
    seed
        Seed of everything random.

    Raises
    ------
    InputError
        When `out` holds anything but an earlier demo.
    """
    from rookery import api
    from rookery.reports import comparison_table
    from rookery.reports.assessment import assess
    from rookery.reports.comparison import write_comparison
    from rookery.surveys import open_survey

    console, start = Console(), time.monotonic()

    def say(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - start:4.0f} s[/dim]  {step}", highlight=False)

    _prepare(out, seed)
    survey_path, study = out / "survey", out / "study"
    if not survey_path.exists():
        say(f"Simulating {N_OBJECTS} supernovae into {survey_path}")
        api.simulate_supernovae(survey_path, n=N_OBJECTS, seed=seed)
    api.split(survey_path, "half", train_fraction=0.5, seed=seed, overwrite=True)
    say(f"Searching {N_TRIALS} networks of the `pelican` family into {study} (Ray starts first)")
    api.search(
        "pelican", survey=survey_path, split="half", study=study, trials=N_TRIALS, seed=seed, fixed=FIXED
    )
    say(f"Selecting, averaging and calibrating them into {study / 'ensemble'}")
    ensemble = api.ensemble(study, overwrite=True)
    say(f"Predicting the whole survey into {out / 'predictions.parquet'}")
    api.predict(study / "ensemble", survey_path, out / "predictions.parquet")
    say("Training the baseline: boosted trees on binned fluxes")
    api.baseline("binned-trees", survey_path, "half", out / "baseline.parquet", seed=seed)
    say(f"Writing reports into {out}")
    api.evaluate(out / "predictions.parquet", survey_path, out / "report-ensemble", split="half")

    survey = open_survey(survey_path, verify=False)
    compared: dict[str, Path | Predictions] = {
        "best single member": ensemble.test_predictions["best_member"],
        "plain average": ensemble.test_predictions["average"],
        "selected, calibrated ensemble": out / "predictions.parquet",
        "baseline: boosted trees": out / "baseline.parquet",
    }
    assessments = [
        assess(predictions, survey, split="half", name=name) for name, predictions in compared.items()
    ]
    page = write_comparison(
        out / "report", assessments, title="Rookery demo: simulated supernovae, Ia or not?"
    )
    console.print()
    rows = [(assessment.name, assessment.metrics) for assessment in assessments]
    console.print(comparison_table(rows, title=f"Simulated test objects ({assessments[0].metrics['n']:.0f})"))
    _say_what_is_next(console, out, page, time.monotonic() - start)
    return page


def _prepare(out: Path, seed: int) -> None:
    """Make room: an unfinished demo of the same settings goes on, any other is made anew.

    Nothing is removed but what a demo has made, and only where its marker says that it was one.
    """
    settings = {"objects": N_OBJECTS, "trials": N_TRIALS, "fixed": FIXED, "seed": seed}
    if out.exists() and not out.is_dir():
        raise fail(out, "is a file; the demo needs a folder")
    marker = out / MARKER
    if out.exists() and any(out.iterdir()) and not marker.is_file():
        raise fail(out, "is not empty and holds no earlier demo; choose another folder")
    finished = (out / "report" / "index.html").is_file()
    if marker.is_file() and (finished or json.loads(marker.read_text(encoding="utf-8")) != settings):
        for name in ("survey", "study", "report", "report-ensemble"):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("predictions.parquet", "baseline.parquet"):
            (out / name).unlink(missing_ok=True)
    write_text(marker, json.dumps(settings, indent=2) + "\n")


def _say_what_is_next(console: Console, out: Path, page: Path, seconds: float) -> None:
    program = Path(sys.executable).parent / "rookery"
    rookery = "rookery" if shutil.which("rookery") else os.path.relpath(program)
    console.print(f"\nDone in {seconds:.0f} s. Open [bold]{page}[/bold] in a browser. Then try:")
    for command, purpose in (
        (f"{rookery} dashboard {out}/study", "look at the search"),
        (
            f"rookery search pelican --survey {out}/survey --split half --study runs/x --trials 20",
            "search on",
        ),
        (f"{rookery} ingest snana PATH SURVEY", "bring your own light curves"),
    ):
        console.print(f"  {command}   [dim]# {purpose}[/dim]", highlight=False, soft_wrap=True)
