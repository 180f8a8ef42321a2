"""How survey users judge redshifts of the campaign photoz_depth: photoz_depth.py FOLDER.

For each catalogue and method, on the same test objects: bias and sigma_NMAD of the PDF's mean and of its
median, outliers beyond 0.05 and 0.15, and the coverage of the central 68 % in thirds of magnitude (the
middle band).
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rookery.surveys import open_survey
from rookery_ensembles import Predictions, point_metrics, read_predictions
from rookery_ensembles.redshift_pdf import pit, z_mean, z_median

COLUMNS = (
    "bias", "σ_NMAD of the mean", "of the median", "beyond 0.05 (%)", "beyond 0.15 (%)", "of the median (%)",
    "68 % coverage, bright", "middle", "faint",
)  # fmt: skip


def found(folder: Path) -> Iterator[tuple[str, str, Predictions]]:
    """Yield experiment, row and predictions of the test objects."""
    for file in sorted((folder / "predictions").glob("*/*.parquet")):
        yield file.parent.name, file.stem, read_predictions(file)


def judged(made: Predictions, middle: dict[str, float]) -> list[str]:
    """Return the cells of a row."""
    assert made.truth is not None
    edges = made.info.target.edges  # type: ignore[union-attr]
    truth = made.truth.astype(float)
    mean, median = z_mean(made.values, edges), z_median(made.values, edges)
    one, other = point_metrics(mean, truth), point_metrics(median, truth)
    far = [100 * np.mean(np.abs(z - truth) / (1 + truth) > 0.15) for z in (mean, median)]
    magnitude = np.array([middle[name] for name in made.object_id.tolist()])
    inside = np.abs(pit(made.values, edges, truth) - 0.5) <= 0.34
    cuts = np.nanquantile(magnitude, [1 / 3, 2 / 3])
    third = np.where(np.isfinite(magnitude), np.searchsorted(cuts, magnitude), 2)
    covered = [inside[third == number].mean() for number in range(3)]
    return [
        f"{one['bias']:.5f}", f"{one['sigma_mad']:.5f}", f"{other['sigma_mad']:.5f}", f"{one['eta']:.2f}",
        f"{far[0]:.2f}", f"{far[1]:.2f}", *(f"{part:.3f}" for part in covered),
    ]  # fmt: skip


def main() -> None:
    """Print a Markdown table."""
    folder = Path(sys.argv[1])
    print("| " + " | ".join(["catalogue", "method", "objects", *COLUMNS]) + " |")
    print("|" + " --- |" * (len(COLUMNS) + 3))
    for experiment, row, made in found(folder):
        survey = open_survey(folder / "surveys" / experiment, verify=False)
        middle = survey.magnitudes()[:, len(survey.bands) // 2]
        cells = judged(made, dict(zip(survey.objects["object_id"], middle, strict=True)))
        print("| " + " | ".join([experiment, row, f"{len(made.object_id):,}", *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
