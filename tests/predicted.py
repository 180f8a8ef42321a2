"""Predictions of galaxies, as `rookery predict` leaves them: a file, and a folder that may be half made."""

import json
from pathlib import Path

import numpy as np

from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins
from rookery_ensembles.partitions import partition_name, write_manifest
from rookery_ensembles.predictions import write_predictions
from rookery_ensembles.redshift_pdf import gaussian_pdf

BINS = RedshiftBins.equal(0.0, 1.0, 50)


def redshifts(n: int, first: int = 0) -> Predictions:
    """Galaxies of redshift 0.25, the last tenth of 0.75, flagged and out of the domain."""
    late = np.arange(n) >= 0.9 * n
    pdf = gaussian_pdf(np.where(late, 0.75, 0.25), np.full(n, 0.05), BINS.edges).astype(np.float32)
    names = np.array([f"g{first + i:05d}" for i in range(n)])
    columns = {"flags": np.where(late, 1 + 8, 0).astype(np.int32)}
    return Predictions(PredictionInfo(BINS, bundle="b"), names, None, pdf, late, columns)


def folder(path: Path, sizes: tuple[int, ...], wanted: int, rows: int) -> Path:
    """A folder that is being made, as `rookery predict` leaves it when it is killed."""
    path.mkdir(parents=True)
    (path / "_plan.json").write_text(json.dumps({"objects": wanted, "rows": rows, "days": None}))
    for number, n in enumerate(sizes):
        write_predictions(redshifts(n, number * rows), path / partition_name(number))
    return path


def finish(path: Path, sizes: tuple[int, ...]) -> Path:
    """The same folder, whole."""
    write_manifest(path, redshifts(10).info, sizes, {}, 1)
    (path / "_plan.json").unlink()
    return path.rename(path.with_name(path.name.removesuffix(".unfinished")))
