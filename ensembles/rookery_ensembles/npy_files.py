"""``.npy`` arrays, alone or as members of an ``.npz``, read whole or as a stream in blocks; never pickles.

A header is held to the bytes that follow it before any are read.
"""

import ast
import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.unpacked import open_zip, reading

_BLOCK_BYTES = 1 << 23
_LONGEST = 1 << 20
_SHORT = "it is shorter than its header says"


@dataclass(frozen=True)
class ArrayHeader:
    """An array's shape and type, known before its values are read."""

    path: Path
    member: str | None
    """Of an ``.npz``; None for a plain ``.npy``."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    """As numpy's header tells them."""

    @property
    def place(self) -> str:
        """Its file, and its member of an ``.npz``, for messages."""
        return str(self.path) if self.member is None else f"{self.path}, array {self.member!r}"

    def read(self) -> NDArray[Any]:
        """Return the whole array."""
        with reading(self.place), _opened(self.path, self.member) as (stream, _):
            return np.asarray(npy.read_array(stream, allow_pickle=False))

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the array along its first axis, some 8 MB at a time.

        Raises
        ------
        InputError
            When the array is damaged, shorter than its header says, or stored column by column.
        """
        if self.fortran_order and len(self.shape) > 1:
            rule = "must be stored row by row to be streamed (save it again with numpy.ascontiguousarray)"
            raise fail(self.place, rule + ", but is in Fortran's order")
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        step = max(1, _BLOCK_BYTES // max(row_bytes, 1))
        with reading(self.place), _opened(self.path, self.member) as (stream, size):
            read_header(stream, size)
            for start in range(0, self.shape[0], step):
                count = min(step, self.shape[0] - start)
                yield np.frombuffer(_exactly(stream, count * row_bytes), self.dtype).reshape(
                    count, *self.shape[1:]
                )
            # At its end a packed member is held to its checksum.
            if stream.read(1):
                raise ValueError("it is longer than its header says")


def array_headers(path: Path) -> dict[str, ArrayHeader]:
    """Return the arrays of an ``.npz`` by name, or the one of an ``.npy`` under the name ``""``.

    Raises
    ------
    InputError
        When the file is missing or damaged, or an array holds Python objects, which only a pickle could.
    """
    with reading(path):
        members: list[str | None] = [None]
        if zipfile.is_zipfile(path):
            with open_zip(path) as archive:
                members = [name for name in archive.namelist() if name.endswith(".npy")]
        headers = {}
        for member in members:
            with _opened(path, member) as (stream, size):
                shape, fortran_order, dtype = read_header(stream, size)
            header = ArrayHeader(path, member, shape, dtype, fortran_order)
            if dtype.hasobject:
                raise fail(header.place, "holds Python objects: pickles are never loaded")
            headers["" if member is None else member.removesuffix(".npy")] = header
        return headers


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
        raise ValueError(_SHORT)
    return shape, fortran_order, dtype


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file's bytes; raises ValueError when it is none."""
    read_header(io.BytesIO(content), len(content))
    return np.asarray(npy.read_array(io.BytesIO(content), allow_pickle=False))


@contextmanager
def _opened(path: Path, member: str | None) -> Iterator[tuple[IO[bytes], int]]:
    """Yield an array's bytes as a stream, and how many there are."""
    if member is None:
        with path.open("rb") as stream:
            yield stream, path.stat().st_size
    else:
        with open_zip(path) as archive, archive.open(member) as stream:
            yield stream, archive.getinfo(member).file_size


def _exactly(stream: IO[bytes], count: int) -> bytearray:
    """Read so many bytes, into memory that may be written."""
    content = bytearray(count)
    view, done = memoryview(content), 0
    while done < count:
        got = stream.read(min(count - done, 1 << 20))
        if not got:
            raise ValueError(_SHORT)
        view[done : done + len(got)] = got
        done += len(got)
    return content
