"""Pictures of a survey's objects: light curves, and galaxies in colour (asinh of i, r and g)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.charts.light_curves import light_curves_chart
from rookery.reports.draw.paper import check_figure_path, empty_figure, paper_figure, paper_style
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file, refuse_existing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rookery.surveys import Survey

_SOFTENING = 10.0  # of the asinh stretch (Lupton et al. 2004)
_BRIGHTEST = 99.7  # percentile of a cutout's pixels that is drawn white
_BALANCE = (1.3, 1.0, 0.75)  # flux of i, r and g that together look white
_COLUMNS, _MOST = 8, 32


def colour_picture(image: NDArray[np.floating], bands: Sequence[str]) -> NDArray[np.float64]:
    """Return (size, size, 3) red, green and blue between 0 and 1 of a (B, size, size) cutout.

    Red is i, green r, blue g (Lupton et al. 2004): the asinh scale acts on their mean, so that
    colours stay those of the fluxes; each cutout has its own scale.
    """
    channels = np.stack([image[bands.index(band)] for band in "irg"], axis=-1) / np.array(_BALANCE)
    mean = channels.astype(np.float64).mean(axis=-1)
    top = max(float(np.percentile(mean, _BRIGHTEST)), 1e-6)
    stretched = np.arcsinh(_SOFTENING * np.clip(mean, 0.0, None) / top) / np.arcsinh(_SOFTENING)
    picture: NDArray[np.float64] = channels * (stretched / np.maximum(mean, 1e-9))[..., None]
    return np.clip(picture, 0.0, 1.0)


def draw_light_curves(survey: "Survey", path: Path) -> None:
    """Draw a well-observed object of each type into a PNG, PDF or SVG file; at most twelve types.

    Raises
    ------
    InputError
        When the file's kind cannot be drawn, the survey has no typed object, or the file cannot be written.
    """
    check_figure_path(path)
    chart = light_curves_chart(survey)
    if chart is None:
        raise fail(survey.path, "has no object of a known type to draw")
    with paper_style():
        _save(paper_figure(chart), path, dpi=150)


def _save(figure: "Figure", path: Path, dpi: int) -> None:
    with atomic_file(path) as partial:
        figure.savefig(partial, dpi=dpi, format=path.suffix[1:].lower())


def draw_galaxies(survey: "Survey", path: Path) -> None:
    """Draw the first 32 galaxies of a survey with images into a PNG, PDF or SVG file, by redshift.

    Raises
    ------
    InputError
        When the file's kind cannot be drawn, the survey has no images in g, r and i, or the file
        cannot be written.
    """
    check_figure_path(path)
    missing = [band for band in "gri" if band not in survey.bands]
    if survey.info.kind != "images" or missing:
        raise fail(survey.path, "a picture in colour needs images in g, r and i")
    redshift = survey.objects["redshift"].to_numpy()[:_MOST]
    order = np.argsort(redshift, kind="stable")
    pictures = [colour_picture(survey.image_array()[row], survey.bands) for row in order]
    labels = ["" if np.isnan(redshift[row]) else f"z = {redshift[row]:.3f}" for row in order]
    draw_pictures([(survey.info.name, pictures, labels)], path)


def draw_pictures(
    groups: Sequence[tuple[str, Sequence[NDArray[np.float64]], Sequence[str]]], path: Path
) -> None:
    """Draw groups of pictures below each other: the title of each, its pictures, a label in each."""
    heights = [-(-len(pictures) // _COLUMNS) for _, pictures, _ in groups]
    with paper_style():
        figure = empty_figure(_COLUMNS, sum(heights) + 0.3 * len(groups))
        for part, (title, pictures, labels) in zip(
            figure.subfigures(
                len(groups), 1, height_ratios=[height + 0.3 for height in heights], squeeze=False
            )[:, 0],
            groups,
            strict=True,
        ):
            rows = -(-len(pictures) // _COLUMNS)
            part.text(0.005, 1.0 - 0.06 / (rows + 0.3), title, va="top", fontsize=9)
            top = rows / (rows + 0.3)
            for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
                row, column = divmod(number, _COLUMNS)
                bottom = top - (row + 1) * top / rows
                axes = part.add_axes((column / _COLUMNS, bottom, 0.985 / _COLUMNS, 0.985 * top / rows))
                axes.imshow(picture, origin="lower", interpolation="nearest")
                axes.text(0.04, 0.05, label, color="white", fontsize=6.5, transform=axes.transAxes)
                axes.set_axis_off()
        _save(figure, path, dpi=120)


def simulate_and_draw(
    simulate: Callable[..., "Survey"],
    out: str | Path,
    *,
    figure: str | Path | None = None,
    overwrite: bool = False,
    **options: Any,
) -> "Survey":
    """Simulate a survey into `out` with these options, and draw some of its objects into `figure`, if given.

    Raises
    ------
    InputError
        When the figure's kind cannot be drawn or it exists and `overwrite` is false, before anything is
        simulated, and as `simulate` does.
    """
    if figure is not None:
        check_figure_path(Path(figure))
        refuse_existing(figure, overwrite=overwrite)
    made = simulate(out, overwrite=overwrite, **options)
    if figure is not None:
        (draw_light_curves if made.info.image is None else draw_galaxies)(made, Path(figure))
    return made
