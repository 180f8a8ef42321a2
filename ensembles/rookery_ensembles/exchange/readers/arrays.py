"""NumPy's files: `.npy` (values alone) and `.npz` (values, ids, edges or classes, truth)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.classes import Classes
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.exchange.found import Found
from rookery_ensembles.exchange.ids import ids_as_text
from rookery_ensembles.npy_files import array_headers
from rookery_ensembles.redshift_bins import RedshiftBins
from rookery_ensembles.target import Target

NAMES = {
    "values": ("values", "pdf", "pdfs", "probability", "probabilities", "arr_0"),
    "ids": ("ids", "object_id", "id"),
    "edges": ("edges", "bin_edges", "bins"),
    "classes": ("classes", "class_names"),
    "truth": ("truth", "z_spec", "true_class"),
}
"""Role -> names of its array, the first that is there being taken."""


def recognises(path: Path, magic: bytes) -> bool:
    """Return whether these are the first bytes of an array, or of a zip that is called `.npz`."""
    return magic[:6] == b"\x93NUMPY" or (magic[:2] == b"PK" and path.suffix.lower() == ".npz")


def read(path: Path) -> Found:
    """Return the arrays; none is ever unpickled."""
    where = str(path)
    try:
        arrays = {name or "values": header.read() for name, header in array_headers(path).items()}
    except InputError as error:
        rule = "must be arrays of numbers or text"
        raise fail(path, f"{rule}, but cannot be read ({str(error).removeprefix(f'{where}: ')})") from error
    found = {
        role: next((arrays[name] for name in names if name in arrays), None) for role, names in NAMES.items()
    }
    values = found["values"]
    if values is None or values.ndim != 2 or values.dtype.kind not in "fiu":
        shape = f"; its arrays are {', '.join(arrays)}" if values is None else f", but has {values.shape}"
        raise fail(path, f"must hold `values`, numbers of the shape objects by columns{shape}")
    target = _target(found["edges"], found["classes"], where)
    if target is not None and values.shape[1] != target.n_columns:
        rule = f"`values` must hold {target.n_columns} numbers an object, as edges or classes say"
        raise fail(path, f"{rule}, but has the shape {values.shape}")
    return Found(
        where,
        None if found["ids"] is None else ids_as_text(found["ids"], f"{where}, `ids`"),
        target=target,
        values=values if target is None else target.of_foreign(values),
        truth=found["truth"],
    )


def _target(edges: NDArray[Any] | None, classes: NDArray[Any] | None, where: str) -> Target | None:
    target: Target
    if edges is not None and classes is None:
        target = RedshiftBins(tuple(np.ravel(edges).tolist()))
    elif classes is not None and edges is None:
        target = Classes(tuple(str(name) for name in np.ravel(classes)))
    elif edges is None:
        return None
    else:
        raise fail(where, "must hold `edges` or `classes`, but holds both")
    target.check(where)
    return target
