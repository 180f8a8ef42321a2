"""The header of a ``.npy`` array, held to the bytes that follow it before any are read."""

import ast
import io
import math
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

SHORT = "it is shorter than its header says"
_LONGEST = 1 << 20


def read_header(stream: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether the order is Fortran's, and type.

    Parameters
    ----------
    size
        Bytes of the whole, header included.

    Raises
    ------
    ValueError
        When it is no such header, or promises more than there is.
    """
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, fortran_order, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, fortran_order, dtype = npy.read_array_header_2_0(stream)
    else:
        # Version 3.0 differs from 2.0 in that names of fields may be any text; NumPy has no public reader.
        length = int.from_bytes(stream.read(4), "little")
        if version != (3, 0) or length > _LONGEST:
            raise ValueError(f"version {version} of .npy is not known")
        fields = ast.literal_eval(stream.read(length).decode("utf-8"))
        shape, fortran_order = tuple(fields["shape"]), bool(fields["fortran_order"])
        dtype = npy.descr_to_dtype(fields["descr"])
    values = math.prod(shape)
    if min(shape, default=0) < 0 or (values and not dtype.itemsize):
        raise ValueError(f"there is no array of the shape {shape} and the type {dtype}")
    # Python objects are pickled; who meets them refuses them.
    if not dtype.hasobject and values * dtype.itemsize > size - stream.tell():
        raise ValueError(SHORT)
    return shape, fortran_order, dtype


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file's bytes; raises ValueError when it is none."""
    read_header(io.BytesIO(content), len(content))
    return np.asarray(npy.read_array(io.BytesIO(content), allow_pickle=False))
