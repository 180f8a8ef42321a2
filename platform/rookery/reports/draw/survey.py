"""A survey as it is simulated, drawn: cutouts of galaxies, or a light curve of each type."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.reports.draw.pictures import check_figure_path, draw_galaxies, draw_light_curves
from rookery_ensembles.files import refuse_existing

if TYPE_CHECKING:
    from rookery.surveys import Survey


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
