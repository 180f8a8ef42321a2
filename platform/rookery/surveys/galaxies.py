"""Galaxy surveys: catalogues of magnitudes, with or without cutouts, written as streams; their `flags`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys import objects as _objects
from rookery.surveys._document import DOCUMENT, IMAGES, OBJECTS, ImageInfo
from rookery.surveys._image_file import ImageFile
from rookery.surveys.store import write_tables
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, refuse_existing

# Bits of the column `flags`: what was wrong with an object and was mended by rule.
NON_FINITE = 1
"""Pixels that were not finite were set to 0."""
SPIKE = 2
"""A saturated or spiking pixel was clipped."""
EDGE = 4
"""The cutout crosses the edge of its frame; pixels beyond it are 0."""
MISSING_MAGNITUDE = 8
"""A magnitude is missing."""
FLAGS = {"non_finite": NON_FINITE, "spike": SPIKE, "edge": EDGE, "missing_magnitude": MISSING_MAGNITUDE}
"""All of them by name, as a survey's provenance counts them."""
ZERO_POINT = 22.5
"""AB magnitude of one nanomaggy."""


class GalaxyWriter:
    """Fills the folder of a galaxy survey; see :func:`new_galaxy_survey`."""

    def __init__(self, folder: Path, out: Path, name: str, bands: Sequence[str]) -> None:
        self._folder, self._out, self._name, self._bands = folder, out, name, list(bands)
        self._file: ImageFile | None = None
        self._image: ImageInfo | None = None
        self.finished = False
        if not bands or len(set(bands)) < len(bands):
            raise fail(out / DOCUMENT, f"bands must be unique, but are {', '.join(bands) or 'none'}")

    def open_images(self, *, size: int, pixel_scale: float, dtype: str = "float16") -> None:
        """Make room for cutouts of `size` x `size` pixels of `pixel_scale` arcsec."""
        self._file = ImageFile(self._folder / IMAGES, len(self._bands), size, dtype)
        self._image = ImageInfo(size=size, dtype=dtype, pixel_scale=pixel_scale)

    def add_images(self, images_nbhw: NDArray[np.floating]) -> None:
        """Append cutouts (n, n_bands, size, size) in nanomaggies, in the order of the objects to come."""
        assert self._file is not None, "open_images comes first"
        self._file.append(images_nbhw)

    def close(self) -> None:
        """Let go of the file of cutouts."""
        if self._file is not None:
            self._file.close()

    def finish(
        self,
        *,
        objects: pd.DataFrame,
        truth: pd.DataFrame | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the tables and the document.

        Parameters
        ----------
        objects
            Columns `object_id`, optionally `redshift` (missing where unknown), `mag_<band>` and
            `mag_err_<band>` (AB), and any further covariates.
        truth
            `object_id` (as in `objects`) and what no network may see.
        provenance
            See :class:`rookery.surveys.SurveyInfo`.

        Raises
        ------
        InputError
            When a table breaks a rule, or there are not as many cutouts as objects.
        """
        where = self._out / OBJECTS
        given = objects if "type" in objects.columns else objects.assign(type=None)
        frame = _objects.objects_frame(given, where)
        check_magnitudes(frame, self._bands, where)
        if self._file is not None:
            self._file.finish()
            if self._file.n != len(frame):
                rule = f"there must be one cutout for each of {len(frame)} objects"
                raise fail(self._out / IMAGES, f"{rule}, but there are {self._file.n}")
        write_tables(
            self._folder,
            self._out,
            frame,
            truth,
            written=[] if self._file is None else [IMAGES],
            kind="catalogue" if self._image is None else "images",
            name=self._name,
            bands=self._bands,
            provenance=provenance or {},
            counts={"objects": len(frame), "with_redshift": int(frame["redshift"].notna().sum())},
            flux_unit="nanomaggy",
            zero_point=ZERO_POINT,
            time_unit=None,
            image=self._image,
        )
        self.finished = True


@contextmanager
def new_galaxy_survey(
    out: str | Path, *, name: str, bands: Sequence[str], replace: bool = False
) -> Iterator[GalaxyWriter]:
    """Yield a writer of a survey folder, which appears whole at the end or not at all.

    Parameters
    ----------
    out
        The folder to make; refused when it exists, unless `replace`.
    name, bands
        See :class:`rookery.surveys.SurveyInfo`.

    Raises
    ------
    InputError
        When a rule is broken, or the folder cannot be written.
    """
    out = Path(out)
    refuse_existing(out, overwrite=replace, document=DOCUMENT)
    with atomic_folder(out, replace=replace) as partial:
        writer = GalaxyWriter(partial, out, name, bands)
        try:
            yield writer
        finally:
            writer.close()
        assert writer.finished, "finish() writes the survey's document"


def check_magnitudes(frame: pd.DataFrame, bands: Sequence[str], where: Path) -> None:
    """Refuse errors of known magnitudes that are not positive, naming row, object, column and value."""
    for band in bands:
        error_name, name = f"mag_err_{band}", f"mag_{band}"
        if error_name not in frame.columns or name not in frame.columns:
            continue
        error = frame[error_name].to_numpy()
        bad = (error <= 0) & frame[name].notna().to_numpy()
        if bad.any():
            row = int(bad.argmax())
            place = f"{where}, row {row} (object {frame['object_id'][row]!r})"
            raise fail(place, f"{error_name!r} must be greater than 0, but is {error[row]:g}")
