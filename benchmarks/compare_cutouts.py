"""Simulated galaxies beside real SDSS cutouts: compare_cutouts.py SURVEY [CUTOUTS] [--figure FILE].

SURVEY is a store made by `rookery simulate galaxies`; CUTOUTS a folder with `sample_NN.npy`
(rows x columns x ugriz, nanomaggies) and `manifest.json`, by default ../shared/data/sdss_cutouts. Of
the real ones those with r <= 17.8 are compared, as far as that matters. Prints medians (5 %, 95 %);
the figure shows real ones above simulated ones, each with its own asinh scale.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from rookery.reports.draw.pictures import colour_picture, draw_pictures
from rookery.surveys import open_survey

BANDS = "ugriz"
EDGE = 6  # pixels from the edge whose scatter is the noise
SHOWN = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("survey", type=Path)
    parser.add_argument("cutouts", type=Path, nargs="?", default=Path("../shared/data/sdss_cutouts"))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    survey = open_survey(given.survey, verify=False)
    manifest = json.loads((given.cutouts / "manifest.json").read_text())
    names = [Path(entry["npy"]).name for entry in manifest]
    real = np.stack([np.load(given.cutouts / name) for name in names]).transpose(0, 3, 1, 2)
    table = [entry["tabular"] for entry in manifest]
    wanted = np.array([row["dered_r"] <= 17.8 for row in table])
    simulated = np.asarray(survey.image_array()[:2000], np.float32)
    objects = survey.objects[:2000]

    print(f"| median (5 %, 95 %) | {wanted.sum()} real cutouts | {len(objects)} simulated |")
    print("|---|---|---|")
    for index, band in enumerate(BANDS):
        _row(
            f"noise of a pixel in {band}, nanomaggies",
            pixel_sigma(real[:, index]),
            pixel_sigma(simulated[:, index]),
            "{:.4f}",
        )
    magnitudes = np.array([[row[f"dered_{band}"] for band in BANDS] for row in table])[wanted]
    measured = objects[[f"mag_{band}" for band in BANDS]].to_numpy()
    for index, band in enumerate(BANDS):
        _row(f"magnitude in {band}, dereddened", magnitudes[:, index], measured[:, index], "{:.2f}")
    for index, (blue, red) in enumerate(itertools.pairwise(BANDS)):
        colours = [values[:, index] - values[:, index + 1] for values in (magnitudes, measured)]
        _row(f"{blue} - {red}", *colours, "{:.2f}")
    size = np.array([row["petroR50_r"] for row in table])[wanted]
    _row("half-light radius in r, arcsec", size, objects["petro_r50_r"].to_numpy(), "{:.2f}")
    centre = slice(28, 36)
    peaks = [images[:, 2, centre, centre].max(axis=(1, 2)) for images in (real[wanted], simulated)]
    _row("brightest pixel in r, nanomaggies", *peaks, "{:.1f}")
    if given.figure:
        shown = np.flatnonzero(wanted)[:SHOWN]
        pictures = [
            [colour_picture(image, BANDS) for image in images] for images in (real[shown], simulated[:SHOWN])
        ]
        redshifts = [f"z = {z:.2f}" for z in objects["redshift"][:SHOWN]]
        titles = ("Real SDSS cutouts", f"Simulated ({survey.info.name})")
        draw_pictures(
            [(titles[0], pictures[0], [""] * len(shown)), (titles[1], pictures[1], redshifts)], given.figure
        )


def pixel_sigma(images: np.ndarray) -> np.ndarray:
    """Return each image's scatter, from the median absolute deviation of the pixels near its edge."""
    ring = np.ones(images.shape[1:], dtype=bool)
    ring[EDGE:-EDGE, EDGE:-EDGE] = False
    pixels = images[:, ring]
    centre = np.median(pixels, axis=1, keepdims=True)
    return 1.4826 * np.median(np.abs(pixels - centre), axis=1)


def _row(name: str, real: np.ndarray, simulated: np.ndarray, form: str) -> None:
    cells = []
    for values in (real, simulated):
        low, middle, high = np.nanpercentile(values, (5, 50, 95))
        cells.append(f"{form.format(middle)} ({form.format(low)}, {form.format(high)})")
    print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
