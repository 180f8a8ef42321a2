"""Draw what PELICAN sees of a light curve: its image, its mask and two interpolations of empty columns.

    python benchmarks/light_curve_images.py SURVEY OUT.png [--object ID] [--days-per-column 2]

By default the object with the most detections is drawn. Fluxes are in units of the largest of the image.
"""

import argparse
from pathlib import Path

import numpy as np

from rookery.networks.light_curve_image import light_curve_images
from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.networks.pelican.network import Encoder
from rookery.surveys import open_survey
from rookery.surveys.properties import object_properties
from rookery.surveys.view import SurveyView
from rookery_ensembles.errors import fail


def images(
    path: Path, object_id: str | None, days: float
) -> tuple[str, tuple[str, ...], dict[str, np.ndarray]]:
    """Return an object's id, its bands and (bands, columns) of flux, mask and interpolations."""
    survey = open_survey(path)
    ids = survey.objects["object_id"]
    row = int(object_properties(survey)["n_detections"].to_numpy().argmax())
    if object_id is not None:
        if object_id not in set(ids):
            raise fail(path, f"has no object {object_id!r}")
        row = int((ids == object_id).to_numpy().argmax())
    view = SurveyView.of_objects(survey, np.array([row]))
    c = PelicanConfiguration(days_per_column=days)
    made = light_curve_images(
        view.observation_arrays(), view.bands, view.bands, days_per_column=days, n_columns=c.n_columns
    )
    flux, error, mask = made["flux"], made["error"], made["mask"]
    shown = {"image": flux, "mask": mask}
    for kind, title in (("linear", "straight lines"), ("gaussian_process", "Gaussian process")):
        encoder = Encoder(PelicanConfiguration(days_per_column=days, interpolation=kind), len(view.bands))
        shown[title] = encoder.filled(flux, error, mask)
    unit = float((flux * mask).max())
    found = {name: value[0].numpy() / (1 if name == "mask" else unit) for name, value in shown.items()}
    return str(ids[row]), view.bands, found


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("survey", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--object")
    parser.add_argument("--days-per-column", type=float, default=2.0)
    given = parser.parse_args()
    from matplotlib.figure import Figure

    name, bands, shown = images(given.survey, given.object, given.days_per_column)
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(len(shown), 1, sharex=True), shown.items(), strict=True):
        binary = title == "mask"
        extent = (0, values.shape[1] * given.days_per_column, len(bands) - 0.5, -0.5)
        drawn = axes.imshow(
            values, aspect="auto", extent=extent, interpolation="none",
            cmap="Greys" if binary else "RdBu_r", vmin=0 if binary else -1, vmax=1,
        )  # fmt: skip
        axes.set_title(title, loc="left", fontsize=9)
        axes.set_yticks(range(len(bands)), bands)
        if not binary:
            figure.colorbar(drawn, ax=axes, label="flux / largest")
    axes.set_xlabel(f"days since the start of the window ({name})")
    figure.savefig(given.out, dpi=110)


if __name__ == "__main__":
    main()
