"""How survey users judge redshifts: photoz_depth.py SURVEY SPLIT NAME=PREDICTIONS...

On the split's test objects, or those of its folds where it has none, for each file: bias and sigma_NMAD of
the PDF's mean and of its median, outliers beyond 0.05 and 0.15, and the coverage of the central 68 % in
thirds of magnitude (the middle band).
± is one standard deviation over 200 bootstrap draws of the objects.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from rookery.surveys import open_split, open_survey
from rookery_ensembles import RedshiftBins, point_metrics, read_predictions
from rookery_ensembles.redshift_pdf import pit, z_mean, z_median

COLUMNS = (
    "bias of the mean", "σ_NMAD of the mean", "σ_NMAD of the median", "median: beyond 0.05 (%)",
    "median: beyond 0.15 (%)", "68 % coverage: all", "bright", "middle", "faint",
)  # fmt: skip
_DRAWS = 200


def values(
    pdf: NDArray[np.floating], edges: tuple[float, ...], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the first six columns."""
    mean, median = z_mean(pdf, edges), z_median(pdf, edges)
    one, other = point_metrics(mean, truth), point_metrics(median, truth)
    far = 100 * np.mean(np.abs(median - truth) / (1 + truth) > 0.15)
    inside = np.abs(pit(pdf, edges, truth) - 0.5) <= 0.34
    return np.array([one["bias"], one["sigma_mad"], other["sigma_mad"], other["eta"], far, inside.mean()])


def main() -> None:
    """Print a Markdown table."""
    survey = open_survey(sys.argv[1])
    split = open_split(survey, sys.argv[2])
    rows = split.indices("test")
    test = set(survey.objects["object_id"].to_numpy()[rows if len(rows) else split.indices("train")])
    magnitude = dict(
        zip(survey.objects["object_id"], survey.magnitudes()[:, len(survey.bands) // 2], strict=True)
    )
    print("| " + " | ".join(["method", "objects", *COLUMNS]) + " |")
    print("|" + " --- |" * (len(COLUMNS) + 2))
    for argument in sys.argv[3:]:
        name, _, file = argument.partition("=")
        made = read_predictions(file)
        assert made.truth is not None
        assert isinstance(made.info.target, RedshiftBins)
        edges = made.info.target.edges
        kept = np.flatnonzero([one in test for one in made.object_id.tolist()])
        pdf, truth = made.values[kept], made.truth[kept].astype(np.float64)
        found = values(pdf, edges, truth)
        generator = np.random.default_rng(0)
        draws = [generator.integers(len(kept), size=len(kept)) for _ in range(_DRAWS)]
        error = np.std([values(pdf[draw], edges, truth[draw]) for draw in draws], axis=0)
        shown = [
            f"{value:.{digits}f} ± {one:.{digits}f}"
            for value, one, digits in zip(found, error, (5, 5, 5, 2, 2, 3), strict=True)
        ]
        brightness = np.array([magnitude[one] for one in made.object_id[kept].tolist()])
        cuts = np.nanquantile(brightness, [1 / 3, 2 / 3])
        third = np.where(np.isfinite(brightness), np.searchsorted(cuts, brightness), 2)
        inside = np.abs(pit(pdf, edges, truth) - 0.5) <= 0.34
        shown += [f"{inside[third == number].mean():.3f}" for number in range(3)]
        print("| " + " | ".join([name, f"{len(kept):,}", *shown]) + " |", flush=True)


if __name__ == "__main__":
    main()
