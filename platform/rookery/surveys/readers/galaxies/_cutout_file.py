"""One galaxy's cutout in a file of its own: ``.npy`` or FITS."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.readers._fits import check_units
from rookery.surveys.readers._unpacked import unpacked
from rookery.surveys.readers.galaxies._npy_header import array_of
from rookery.surveys.readers.galaxies._tables import reading
from rookery.surveys.readers.galaxies.images import ImageSettings
from rookery_ensembles.errors import fail


def read_cutout(path: Path, settings: ImageSettings) -> NDArray[np.float32]:
    """Return a cutout (bands, rows, columns).

    A FITS file holds one image of three dimensions, or as many images of two as there are bands.

    Raises
    ------
    InputError
        When the file is damaged, or is of another size or number of bands.
    """
    with reading(path):
        content = unpacked(path)
        array = _from_fits(path, content) if content[:6] == b"SIMPLE" else array_of(content)
    if array.dtype.kind not in "fiu":
        raise fail(path, f"must hold numbers, but has type {array.dtype}")
    if array.ndim != 3:
        raise fail(path, f"must have rows, columns and bands, but has the shape {array.shape}")
    return np.array(settings.to_bands_first(array, str(path)), dtype=np.float32, order="C")


def _from_fits(path: Path, content: bytes) -> NDArray[Any]:
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(content), memmap=False) as units:
            check_units(units, path, len(content))
            images = [np.asarray(unit.data) for unit in units if unit.is_image and unit.data is not None]
    if not images:
        raise fail(path, "must hold an image, but holds none")
    if images[0].ndim == 3:
        return images[0]
    flat = [image for image in images if image.ndim == 2]
    if len({image.shape for image in flat}) != 1:
        raise fail(path, f"its images must have one size, but have {[image.shape for image in images]}")
    return np.stack(flat)
