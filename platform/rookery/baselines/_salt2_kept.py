"""SALT fits that are kept in a file, so that no light curve is fitted twice for another split."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys.store import Survey
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_file, sha256

_KEY = b"rookery_salt_fits"


@dataclass(frozen=True)
class KeptFits:
    """Features of the light curves of a survey that were fitted so far, and the file that keeps them."""

    path: Path
    """Parquet: `object_id`, and a column per feature; the metadata say what made them."""
    made_by: dict[str, Any]
    """Survey, model, filters, redshift."""
    names: Sequence[str]
    """Names of the features."""
    object_id: list[str] = field(default_factory=list)
    """Who was fitted."""
    blocks: list[NDArray[np.float64]] = field(default_factory=list)
    """(n, F) each: their features, NaN where missing."""

    def fill(self, survey: Survey, features: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Put what is known into (N, F) features of the survey's objects; return (N,) who is known."""
        known = np.zeros(len(survey), dtype=bool)
        if self.object_id:
            row = {name: number for number, name in enumerate(survey.objects["object_id"].tolist())}
            rows = np.array([row[name] for name in self.object_id])
            features[rows] = np.concatenate(self.blocks)
            known[rows] = True
        return known

    def add(self, object_id: Sequence[str], features: NDArray[np.float64]) -> None:
        """Keep the (n, F) features of further objects, in the file too once it is written."""
        self.object_id.extend(object_id)
        self.blocks.append(features)

    def write(self) -> None:
        """Write everything that is known."""
        values = np.concatenate([np.empty((0, len(self.names))), *self.blocks])
        columns = dict(zip(self.names, values.T, strict=True))
        table = pa.table({"object_id": pa.array(self.object_id, pa.string()), **columns})
        with atomic_file(self.path) as partial:
            pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(self.made_by)}), partial)


def open_fits(
    path: str | Path,
    survey: Survey,
    model: Path,
    filters: tuple[str, ...],
    redshift: str | None,
    names: Sequence[str],
) -> KeptFits:
    """Return the fits that a file keeps, or none where it does not exist yet.

    Raises
    ------
    InputError
        When the file is no such file, or its fits are those of another survey, model, filters or redshift.
    """
    path = Path(path)
    files = {file.name: sha256(file) for file in sorted(model.iterdir()) if file.is_file()}
    made_by = {
        "survey": survey.checksum,
        "model": files,
        "filters": list(filters),
        "redshift": redshift,
    }
    if not path.exists():
        return KeptFits(path, made_by, names)
    try:
        table = pq.read_table(path)
        found = json.loads((table.schema.metadata or {})[_KEY])
        values = np.column_stack([table[name].to_numpy() for name in names])
        object_id = table["object_id"].to_pylist()
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise fail(path, f"is no file of kept SALT fits ({error})") from error
    for what, wanted in made_by.items():
        if found.get(what) != wanted:
            rule = f"keeps fits with another {what}: name another file"
            raise fail(path, rule)
    return KeptFits(path, made_by, names, object_id, [values])
