"""The layout of qp's files: groups (HDF5) or tables (FITS) named meta, data and ancil.

``meta`` holds what all PDFs share, each with a first axis of 1: ``pdf_name``, ``pdf_version`` and parts of a
parametrisation such as ``bins``. ``data`` has a row for each PDF, ``ancil`` further columns of the objects.
See qp (https://github.com/LSSTDESC/qp) 1.1, `qp.core.ensemble` and tables_io.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.bounds import check_growth
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.exchange.tables import opened_fits

Arrays = dict[str, NDArray[Any]]
GROUPS = ("meta", "data", "ancil")
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def import_h5py(where: str | Path) -> Any:
    """Import h5py; raises InputError where it is not installed."""
    try:
        import h5py
    except ImportError as error:
        rule = "HDF5 needs `h5py`, of the extra `qp`: `pip install 'rookery-astro[qp]'` or `pip install h5py`"
        raise fail(where, rule) from error
    return h5py


def write_hist(path: Path, edges: NDArray[Any], pdf_nk: NDArray[Any], ancil: Mapping[str, Any]) -> None:
    """Write densities on bins as an HDF5 file of qp's parametrisation ``hist``."""
    h5py = import_h5py(path)
    with h5py.File(path, "w", locking=False) as file:
        pdfs, extra = start_hist(file, edges, np.shape(pdf_nk))
        pdfs[:] = pdf_nk
        for name, values in ancil.items():
            extra[name] = storable(values)


def start_hist(file: Any, edges: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Begin such a file; return the data set of the (N, K) densities, and the group of further columns."""
    meta = file.create_group("meta")
    meta["pdf_name"] = np.array([b"hist"])
    meta["pdf_version"] = np.array([0])
    meta["bins"] = np.asarray(edges, dtype=np.float64)[None]
    return file.create_group("data").create_dataset("pdfs", shape, np.float64), file.create_group("ancil")


def storable(values: Any) -> NDArray[Any]:
    """Return an array as HDF5 and FITS hold it: text as UTF-8 of a fixed width, None as empty text."""
    array = np.asarray(values)
    if array.dtype.kind not in "OU":
        return array
    texts = [b"" if value is None or value != value else str(value).encode() for value in array.tolist()]
    return np.array(texts or [b""], dtype=f"S{max(map(len, texts), default=1) or 1}")[: len(texts)]


def read_groups(path: Path) -> dict[str, Arrays]:
    """Read a file of qp: meta without its first axis, data and ancil as they are.

    Raises
    ------
    InputError
        When the file is no HDF5 or FITS, is cut short, or lacks meta or data.
    """
    with path.open("rb") as stream:
        is_hdf5 = stream.read(8) == HDF5_MAGIC
    found = _read_hdf5(path) if is_hdf5 else _read_fits(path)
    if not found.get("meta") or not found.get("data"):
        raise fail(path, "must be a file of qp, with `meta` and `data`, but lacks them")
    found["meta"] = {name: values[0] for name, values in found["meta"].items() if len(values)}
    return {name: found.get(name, {}) for name in GROUPS}


def _read_hdf5(path: Path) -> dict[str, Arrays]:
    h5py = import_h5py(path)
    found: dict[str, Arrays] = {}
    try:
        with h5py.File(path, "r", locking=False) as file:
            arrays = {
                group: {name: node for name, node in file.get(group, {}).items() if hasattr(node, "shape")}
                for group in GROUPS
            }
            promised = sum(node.nbytes for inner in arrays.values() for node in inner.values())
            check_growth(path, promised, path.stat().st_size)
            for group, inner in arrays.items():
                found[group] = {name: np.atleast_1d(node[()]) for name, node in inner.items()}
    except (OSError, RuntimeError, KeyError) as error:
        raise fail(path, f"must be an undamaged HDF5 file, but cannot be read ({error})") from error
    return found


def is_qp_fits(path: Path) -> bool:
    """Return whether a FITS file has the tables of qp; a damaged one has not."""
    try:
        with opened_fits(path) as opened:
            return {"META", "DATA"} <= {unit.name for unit in opened}
    except InputError:
        return False


def _read_fits(path: Path) -> dict[str, Arrays]:
    found: dict[str, Arrays] = {}
    with opened_fits(path) as opened:
        for unit in opened[1:]:
            rows = unit.data
            found[unit.name.lower()] = {
                name: np.array(rows[name]).astype(rows[name].dtype.newbyteorder("="))
                for name in rows.dtype.names
            }
    return found
