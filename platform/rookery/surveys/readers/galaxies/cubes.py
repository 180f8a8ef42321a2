"""Reader for cubes of cutouts with labels: ``.npz`` (and ``.npy``), as the SDSS sample is distributed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport, Paths
from rookery.surveys.readers._tables import column_values, structured_columns
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest, ImageBlock
from rookery.surveys.readers.galaxies._join import labelled
from rookery.surveys.readers.galaxies.settings import ImageOptions, ImageSettings
from rookery_ensembles.errors import fail
from rookery_ensembles.npy_files import ArrayHeader, array_headers

ENDINGS = ((".npz",), (".npy",))


def ingest_cubes(
    path: Paths,
    out: OutPath,
    *,
    cube: str = "cube",
    labels: str = "labels",
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cubes of cutouts, N x rows x columns x bands or N x bands x rows x columns, as a stream.

    An ``.npz`` holds the cube and, in a structured array or in arrays of N values, what is known of
    each galaxy; its roles are matched as those of a catalogue (`ingest catalogue`). Cutouts
    are read some 8 MB at a time, packed or not, so that memory grows with the labels alone.

    Parameters
    ----------
    path
        An ``.npz`` or ``.npy``, several, or a folder of them, taken one after the other.
    out
        Survey store to make.
    cube
        The .npz file's array of cutouts; another name is found if there is just one array of four dimensions.
    labels
        The .npz file's structured array of labels.
    options
        See :class:`rookery.surveys.readers.galaxies.ImageOptions`.

    Raises
    ------
    InputError
        For the first cutout or row that breaks a rule, another size or number of bands, labels or
        a catalogue of another length, a damaged file, or an array of Python objects.
    """
    settings = ImageSettings(**options)
    ingest = GalaxyIngest("cubes", path, out, settings)
    ingest.remember(cube=cube, labels=labels)
    files = ingest.files(ENDINGS, what="a cube")
    cubes, tables = [], []
    for file in files:
        arrays = array_headers(file)
        cubes.append(_cube(arrays, cube, file))
        tables.append(_label_table(arrays, cubes[-1], labels))
        settings.to_bands_first(np.empty((0, *cubes[-1].shape[1:])), cubes[-1].place)
    _require_same_labels(files, tables)
    own, galaxies = labelled(tables, files, settings, ingest.paths[0])
    starts = np.cumsum([0, *(one.shape[0] for one in cubes)])

    def place(row: int) -> str:
        file = int(np.searchsorted(starts, row, side="right")) - 1
        return f"{cubes[file].place}, image {row - starts[file] + 1} (object {own.frame['object_id'][row]!r})"

    return ingest.write_images(
        galaxies,
        _blocks(cubes, settings),
        settings,
        place,
        source=ingest.paths[0].name,
        files=[file.name for file in files][:1000],
    )


def _cube(arrays: dict[str, ArrayHeader], name: str, file: Path) -> ArrayHeader:
    deep = {key: header for key, header in arrays.items() if len(header.shape) == 4}
    found = arrays.get(name) or (next(iter(deep.values())) if len(deep) == 1 else None)
    if found is None:
        told = (
            ", ".join(f"{key or 'one array'} {header.shape}" for key, header in arrays.items()) or "nothing"
        )
        raise fail(file, f"must hold a cube of cutouts called {name!r} (--cube), but holds {told}")
    if len(found.shape) != 4 or found.dtype.kind not in "fiu" or found.shape[0] == 0:
        rule = "must be N x rows x columns x bands numbers"
        raise fail(found.place, f"{rule}, but has the shape {found.shape} and the type {found.dtype}")
    return found


def _label_table(arrays: dict[str, ArrayHeader], cube: ArrayHeader, labels: str) -> pd.DataFrame:
    """Return what a file tells of its galaxies: fields of the labels, and plain arrays of their number."""
    n = cube.shape[0]
    columns: dict[str, Any] = {}
    for key, header in arrays.items():
        if header is cube or (key != labels and len(header.shape) != 1):
            continue
        if int(np.prod(header.shape, dtype=np.int64)) != n or max(header.shape, default=0) != n:
            if key != labels:
                continue
            raise fail(
                header.place, f"must tell of {n} galaxies, as the cube does, but has the shape {header.shape}"
            )
        array = header.read().ravel()
        if array.dtype.names is not None or key == labels:
            columns |= structured_columns(array, header.place)
        elif array.dtype.kind in "iufbSU":
            columns[key] = array
    return pd.DataFrame({name: _plain(values) for name, values in columns.items()}, index=range(n))


def _plain(values: Any) -> Any:
    """Return text as text and numbers in the machine's byte order; ids of 64 bits stay whole."""
    return (
        values.astype(values.dtype.newbyteorder("="))
        if values.dtype.kind in "iufb"
        else column_values(values)
    )


def _require_same_labels(files: list[Path], tables: list[pd.DataFrame]) -> None:
    names = list(tables[0].columns)
    for file, table in zip(files, tables, strict=True):
        if list(table.columns) != names:
            odd = sorted(set(table.columns) ^ set(names)) or names
            raise fail(file, f"must have the labels of {files[0]}, but they differ in {odd[0]!r}")


def _blocks(cubes: list[ArrayHeader], settings: ImageSettings) -> Iterator[ImageBlock]:
    for cube in cubes:
        for block in cube.blocks():
            images = settings.to_bands_first(block, cube.place)
            # A copy in the order of the store, which may be mended.
            images = np.array(images, dtype=np.float32, order="C")
            yield ImageBlock(images)
