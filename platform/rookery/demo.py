"""The demo: the whole way of the data on two small simulated surveys, on a Ray of this machine's own.

Supernovae are classified from their light curves, galaxies get redshift PDFs from their magnitudes.
"""

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rookery import api
from rookery.api._types import PathLike, Seed
from rookery.extras import require

if TYPE_CHECKING:
    from rich.console import Console

    from rookery_ensembles import Predictions

logger = logging.getLogger(__name__)

N_OBJECTS = 2400
N_TRIALS = 10
FIXED = {"epochs": 40, "days_per_column": 4}
"""What the demo does not search, so that it ends within minutes on two cores."""
N_GALAXIES = 3000
N_GALAXY_TRIALS = 8
MARKER = "demo.json"
"""Tells a demo's folder from any other, and what it was made with."""
_FOLDERS = ("survey", "study", "report", "report-ensemble", "galaxies", "galaxies-study", "galaxies-report")
_FILES = ("predictions.parquet", "baseline.parquet", "galaxies.parquet", "galaxies-b16.parquet")
Say = Callable[[str], None]


def demo(out: PathLike = "demo", *, seed: Seed = 1) -> tuple[Path, Path]:
    """Run everything once on a small simulated survey (a few minutes on 2 cores).

    Simulate, search, train, combine, predict and judge, twice; the pages of both reports are returned.

    Parameters
    ----------
    out
        Folder to make. One that an earlier demo made is continued if it did not end, else made anew.
    seed
        Seed of everything random.

    Raises
    ------
    InputError
        When `out` holds anything but an earlier demo, or an extra is not installed.
    """
    from rich.console import Console

    require("the demo", "search", "simulate")

    out, console, start = Path(out), Console(), time.monotonic()

    def say(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - start:4.0f} s[/dim]  {step}", highlight=False)

    _prepare(out, seed)
    supernovae = _supernovae(out, seed, console, say)
    galaxies = _galaxies(out, seed, console, say)
    _say_what_is_next(console, out, (supernovae, galaxies), time.monotonic() - start)
    return supernovae, galaxies


def _supernovae(out: Path, seed: int, console: "Console", say: Say) -> Path:
    """Classify simulated supernovae; return the page that compares the ensemble."""
    from rookery.reports import comparison_table
    from rookery.reports.assess.classes import assess
    from rookery.reports.page.comparison import lost_to_average, write_comparison
    from rookery.surveys import open_survey

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
    api.predict(study / "ensemble", survey_path, out / "predictions.parquet", overwrite=True)
    say("Training the baseline: boosted trees on binned fluxes")
    trees = out / "baseline.parquet"
    api.baseline("binned-trees", trees, survey=survey_path, split="half", seed=seed, overwrite=True)
    say(f"Writing reports into {out}")
    api.evaluate(
        out / "predictions.parquet", survey_path, report=out / "report-ensemble", split="half", overwrite=True
    )

    survey = open_survey(survey_path, verify=False)
    compared: dict[str, Path | Predictions] = {
        "best single member": ensemble.test_predictions["best_member"],
        "plain average": ensemble.test_predictions["average"],
        "selected, calibrated ensemble": out / "predictions.parquet",
        "baseline: boosted trees": trees,
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
    scores = dict(rows)
    harm = lost_to_average(scores["selected, calibrated ensemble"], scores["plain average"])
    if harm is not None:
        say(harm)
    return page


def _galaxies(out: Path, seed: int, console: "Console", say: Say) -> Path:
    """Predict redshifts of simulated galaxies from their magnitudes; return the report's page."""
    from rookery.reports import comparison_table
    from rookery.reports.page.comparison import lost_to_average
    from rookery_ensembles import prediction_metrics, read_predictions

    survey, study = out / "galaxies", out / "galaxies-study"
    made, b16 = out / "galaxies.parquet", out / "galaxies-b16.parquet"
    if not survey.exists():
        say(f"Simulating {N_GALAXIES} galaxies into {survey}: cutouts, and magnitudes measured on them")
        api.simulate_galaxies(survey, n=N_GALAXIES, seed=seed)
    api.split(survey, "half", train_fraction=0.5, seed=seed, overwrite=True)
    say(f"Searching {N_GALAXY_TRIALS} networks of the `photoz_mlp` family into {study}")
    api.search(
        "photoz_mlp",
        survey=survey,
        split="half",
        study=study,
        trials=N_GALAXY_TRIALS,
        seed=seed,
        concurrent=2,
    )
    say(f"Selecting, averaging and calibrating them into {study / 'ensemble'}")
    ensemble = api.ensemble(study, overwrite=True)
    api.predict(study / "ensemble", survey, made, overwrite=True)
    say("Running the baseline: B16, local linear regression")
    api.baseline("b16", b16, survey=survey, split="half", overwrite=True)
    say(f"Writing a report into {out / 'galaxies-report'}")
    api.evaluate(made, survey, report=out / "galaxies-report", split="half", against=[b16], overwrite=True)
    rows = {
        "best single member": ensemble.test_scores["best_member"],
        "plain average": ensemble.test_scores["average"],
        "selected, calibrated ensemble": ensemble.test_scores["selected_calibrated"],
        "baseline: B16": prediction_metrics(read_predictions(b16)),
    }
    title = f"Simulated test galaxies ({rows['baseline: B16']['n']:.0f})"
    console.print(comparison_table(list(rows.items()), title=title))
    harm = lost_to_average(rows["selected, calibrated ensemble"], rows["plain average"])
    if harm is not None:
        say(harm)
    return out / "galaxies-report" / "index.html"


def _prepare(out: Path, seed: int) -> None:
    """Make room: an unfinished demo of the same settings goes on, any other is made anew.

    Nothing is removed but what a demo has made, and only where its marker says that it was one.
    """
    from rookery_ensembles.errors import fail
    from rookery_ensembles.files import check_name, write_text

    settings = {
        "objects": N_OBJECTS,
        "trials": N_TRIALS,
        "fixed": FIXED,
        "galaxies": N_GALAXIES,
        "galaxy_trials": N_GALAXY_TRIALS,
        "seed": seed,
    }
    check_name(out)
    if out.exists() and not out.is_dir():
        raise fail(out, "is a file; the demo needs a folder")
    marker = out / MARKER
    if out.exists() and any(out.iterdir()) and not marker.is_file():
        raise fail(out, "is not empty and holds no earlier demo; choose another folder")
    finished = all((out / report / "index.html").is_file() for report in ("report", "galaxies-report"))
    if marker.is_file() and (finished or json.loads(marker.read_text(encoding="utf-8")) != settings):
        for name in _FOLDERS:
            shutil.rmtree(out / name, ignore_errors=True)
        for name in _FILES:
            (out / name).unlink(missing_ok=True)
    write_text(marker, json.dumps(settings, indent=2) + "\n")


def _say_what_is_next(console: "Console", out: Path, pages: tuple[Path, Path], seconds: float) -> None:
    program = Path(sys.executable).parent / "rookery"
    rookery = "rookery" if shutil.which("rookery") else os.path.relpath(program)
    console.print(f"\nDone in {seconds:.0f} s. Open in a browser, then try:")
    for page in pages:
        console.print(f"  [bold]{page}[/bold]", highlight=False, soft_wrap=True)
    for command, purpose in (
        (f"{rookery} dashboard {out}", "look at searches, ensembles and predictions"),
        (
            f"{rookery} search pelican --survey {out}/survey --split half --study runs/x --trials 20",
            "search on",
        ),
        (f"{rookery} ingest snana PATH SURVEY", "bring your own light curves"),
        (f"{rookery} ingest catalogue PATH SURVEY", "or your own galaxies"),
    ):
        console.print(f"  {command}   [dim]# {purpose}[/dim]", highlight=False, soft_wrap=True)
