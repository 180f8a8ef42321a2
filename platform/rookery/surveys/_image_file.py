"""``images.npy``: the cutouts of a galaxy survey in one block, written as a stream, read memory-mapped.

A NumPy file rather than Arrow's IPC: one contiguous buffer is at once an array and a torch tensor,
without a copy, however many objects there are.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rookery_ensembles.errors import fail

DTYPES = ("float16", "float32")


class ImageFile:
    """A growing ``images.npy`` of shape (N, n_bands, size, size), little-endian.

    Parameters
    ----------
    path
        The file to make.
    n_bands, size
        Shape of an object's cutout.
    dtype
        ``float16`` or ``float32``. Half precision keeps 11 bits of a flux, far below its photon noise.
    """

    def __init__(self, path: Path, n_bands: int, size: int, dtype: str) -> None:
        if dtype not in DTYPES:
            raise fail(path, f"`dtype` must be one of {', '.join(DTYPES)}, but is {dtype!r}")
        self.path, self.n = path, 0
        self._shape = (n_bands, size, size)
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._stream: BinaryIO = path.open("wb")
        self._write_header()

    def append(self, images_nbhw: NDArray[np.floating]) -> None:
        """Append cutouts (n, n_bands, size, size) in nanomaggies.

        Raises
        ------
        InputError
            When they have another shape, or hold a value that is not finite in the file's type.
        """
        if images_nbhw.shape[1:] != self._shape:
            found = " x ".join(map(str, images_nbhw.shape[1:]))
            wanted = " x ".join(map(str, self._shape))
            raise fail(
                self.path, f"every cutout must have bands x rows x columns = {wanted}, but has {found}"
            )
        block = images_nbhw
        if self._dtype.itemsize == 2:
            largest = float(np.finfo(np.float16).max)
            block = np.clip(images_nbhw, -largest, largest)
        block = np.ascontiguousarray(block, dtype=self._dtype)
        bad = ~np.isfinite(block).all(axis=(1, 2, 3))
        if bad.any():
            raise fail(f"{self.path}, row {self.n + int(bad.argmax())}", "every pixel must be finite")
        block.tofile(self._stream)
        self.n += len(block)

    def finish(self) -> None:
        """Write the final number of objects into the header, and close."""
        self._stream.flush()
        self._stream.seek(0)
        self._write_header()
        self.close()

    def close(self) -> None:
        """Close the stream, whatever stands in the header; more than once does no harm."""
        self._stream.close()

    def _write_header(self) -> None:
        # NumPy pads a header for a first dimension of any length, so that it can be written again.
        fields = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False}
        npy.write_array_header_1_0(self._stream, {**fields, "shape": (self.n, *self._shape)})


def map_images(path: Path, shape: tuple[int, ...], dtype: str) -> NDArray[np.floating]:
    """Return ``images.npy`` as a read-only memory map.

    Raises
    ------
    InputError
        When it is missing or unreadable, or its shape or type is not the one wanted.
    """
    try:
        images = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise fail(path, f"cannot be read as a NumPy array ({error})") from error
    if images.shape != shape or images.dtype != np.dtype(dtype).newbyteorder("<"):
        rule = f"must hold {dtype} of the shape {shape}"
        raise fail(path, f"{rule}, but holds {images.dtype} of the shape {images.shape}")
    return images
