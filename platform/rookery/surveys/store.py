"""The survey store: a folder of Parquet tables with one JSON document, written whole and verified on opening.

``survey.json``, ``objects.parquet``, ``observations.parquet`` (of light curves) or ``images.npy`` (of
galaxies with cutouts), ``truth.parquet`` (what only a simulator or a spectrograph knows, beyond type and
redshift) and ``splits/``.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys import objects as _objects
from rookery.surveys import observations as _observations
from rookery.surveys._document import (
    DOCUMENT,
    IMAGES,
    OBJECTS,
    OBSERVATIONS,
    TRUTH,
    SurveyInfo,
    read_info,
    seal,
    verify_digests,
)
from rookery.surveys._image_file import map_images
from rookery.surveys._local_disk import on_local_disk
from rookery.surveys._tables import no_nulls, read_table, require_columns
from rookery.surveys.observations import ObservationArrays
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, refuse_existing
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)

# Signal-to-noise ratio from which one observation counts as a detection: chosen, the usual five sigma.
DETECTION_SNR = 5.0


@short_repr
@dataclass(frozen=True, eq=False)
class Survey:
    """An opened survey."""

    path: Path
    """Its folder."""
    info: SurveyInfo
    """What ``survey.json`` says."""
    objects: pd.DataFrame
    """One row per object: `object_id`, truth (`type`: str or None, `redshift`: NaN where unknown),
    `source_file` where a reader kept it, `origin` of merged surveys, and the covariates."""

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.objects)

    @property
    def checksum(self) -> str:
        """The survey's checksum."""
        return self.info.checksum

    @property
    def is_block(self) -> bool:
        """Whether these are some objects of a survey alone: what none of them has, others may have."""
        return False

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands, in the order of `band_index`."""
        return tuple(self.info.bands)

    @property
    def covariates(self) -> tuple[str, ...]:
        """Columns of `objects` that a network may see: neither identity nor truth."""
        return tuple(_objects.covariate_columns(list(self.objects.columns)))

    def observation_arrays(self) -> ObservationArrays:
        """Return all observations as NumPy columns; read at the first call, then kept."""
        return self._arrays

    def image_array(self) -> NDArray[np.floating]:
        """Return all cutouts, (N, n_bands, size, size) in nanomaggies, as a read-only memory map.

        It is made at the first call, or on opening with `verify`, then kept: a survey that is replaced or
        deleted meanwhile stays the one that was opened.
        """
        return self._images

    def magnitudes(self) -> NDArray[np.float64]:
        """Return AB magnitudes (N, n_bands) of galaxies, NaN where missing."""
        return self._by_band("mag")

    def magnitude_errors(self) -> NDArray[np.float64]:
        """Return errors (N, n_bands) of the magnitudes, NaN where missing."""
        return self._by_band("mag_err")

    def truth(self) -> pd.DataFrame | None:
        """Read the truth table (`object_id` and whatever the source knew), or None where there is none."""
        path = self.path / TRUTH
        return read_table(path).to_pandas() if TRUTH in self.info.files else None

    def _by_band(self, prefix: str) -> NDArray[np.float64]:
        nothing = np.full(len(self), np.nan)
        names = [f"{prefix}_{band}" for band in self.bands]
        columns = [self.objects[name].to_numpy() if name in self.objects else nothing for name in names]
        return np.column_stack(columns)

    @cached_property
    def _images(self) -> NDArray[np.floating]:
        image = self.info.image
        if image is None:
            raise fail(self.path, f"has no images: it holds {self.info.kind}")
        shape = (self.info.counts["objects"], len(self.bands), image.size, image.size)
        return map_images(on_local_disk(self.path / IMAGES, self.info.files[IMAGES]), shape, image.dtype)

    @cached_property
    def _arrays(self) -> ObservationArrays:
        where = self.path / OBSERVATIONS
        ids = self.objects["object_id"].tolist()
        return _observations.read_arrays(where, ids, self.bands)


def open_survey(path: str | Path, *, verify: bool = True) -> Survey:
    """Open a survey folder.

    Parameters
    ----------
    path
        The folder.
    verify
        Whether to compare every table with its digest and to check every row. Without it only
        the schema is checked, and observations are read when first asked for; meant for workers
        that open what their driver has just verified.

    Raises
    ------
    InputError
        When the folder is no survey, a table was altered, or a row breaks a rule; the message
        names file, row or column, rule and value.
    """
    path = Path(path)
    info = read_info(path / DOCUMENT)
    if verify:
        verify_digests(path, info)
    where = path / OBJECTS
    survey = Survey(path, info, _objects.frame_from_table(read_table(where), where))
    if verify:
        _objects.check_objects(survey.objects, where)
        ids = survey.objects["object_id"].tolist()
        if info.kind == "light_curves":
            _observations.check_observations(survey.observation_arrays(), ids, path / OBSERVATIONS)
        elif info.kind == "images":
            survey.image_array()
        if TRUTH in info.files:
            check_truth(read_table(path / TRUTH), ids, path / TRUTH)
    return survey


def write_survey(
    path: str | Path,
    *,
    name: str,
    bands: Sequence[str],
    objects: pd.DataFrame,
    observations: pd.DataFrame,
    truth: pd.DataFrame | None = None,
    provenance: Mapping[str, Any] | None = None,
    replace: bool = False,
) -> Survey:
    """Write a survey folder, whole or not at all, and open it.

    Parameters
    ----------
    path
        The folder to make; refused when it exists, unless `replace`.
    name, bands, provenance
        See :class:`SurveyInfo`.
    objects
        Columns `object_id`, `type` (missing where unknown), optionally `redshift`,
        `source_file` and `origin`; every other column is a covariate that networks may see.
    observations
        Columns `object_id`, `mjd`, `band`, `flux`, `flux_err`, in any order of rows. Categorical
        ids and bands are fastest. Exact repeats (object, date, band, flux and error) are dropped
        and counted in the provenance as `repeated_rows`; different measurements of one band at
        one date are kept.
    truth
        `object_id` (as in `objects`) and any further columns that no network may see.
    replace
        Whether an existing folder may be replaced.

    Raises
    ------
    InputError
        When a table breaks a rule (nothing is written then), or the folder cannot be written.
    """
    path = Path(path)
    refuse_existing(path, overwrite=replace, document=DOCUMENT)
    if len(set(bands)) < len(bands):
        raise fail(path / DOCUMENT, f"bands must be unique, but are {', '.join(bands)}")
    frame = _objects.objects_frame(objects, path / OBJECTS)
    ids = frame["object_id"].tolist()
    arrays, repeated = _observations.arrays_from_frame(observations, ids, bands, path / OBSERVATIONS)
    facts = {**(provenance or {}), **({"repeated_rows": repeated} if repeated else {})}
    return write_light_curves(path, name, bands, frame, arrays, truth, facts, replace=replace)


def write_light_curves(
    path: Path,
    name: str,
    bands: Sequence[str],
    frame: pd.DataFrame,
    arrays: ObservationArrays,
    truth: pd.DataFrame | None,
    provenance: Mapping[str, Any],
    *,
    replace: bool = False,
) -> Survey:
    """Write a survey of checked objects and observations; see :func:`write_survey`."""
    with atomic_folder(path, replace=replace) as partial:
        fill_light_curves(partial, path, name, bands, frame, arrays, truth, provenance)
    return open_survey(path)


def fill_light_curves(
    folder: Path,
    out: Path,
    name: str,
    bands: Sequence[str],
    frame: pd.DataFrame,
    arrays: ObservationArrays,
    truth: pd.DataFrame | None,
    provenance: Mapping[str, Any],
) -> None:
    """Write the files of a survey of checked objects and observations into a folder, to be called `out`."""
    undetected = int((best_snr(arrays.flux, arrays.flux_err, arrays.offsets[:-1]) < DETECTION_SNR).sum())
    warn_undetected(out, undetected, len(frame))
    table = _observations.table_from_arrays(arrays, frame["object_id"].tolist(), bands)
    pq.write_table(table, folder / OBSERVATIONS, compression="zstd")
    write_tables(
        folder,
        out,
        frame,
        truth,
        written=[OBSERVATIONS],
        name=name,
        bands=list(bands),
        provenance=dict(provenance),
        counts=_objects.survey_counts(frame, len(arrays), undetected),
    )


def write_tables(
    folder: Path,
    out: Path,
    objects: pd.DataFrame,
    truth: pd.DataFrame | None,
    *,
    written: Sequence[str],
    **document: Any,
) -> None:
    """Write the object table and the truth of a survey's folder, and the document that seals it.

    Parameters
    ----------
    folder, out
        The folder, and what it will be called, for messages.
    objects
        As :func:`rookery.surveys.objects.objects_frame` returns them.
    truth
        `object_id` (as in `objects`) and what no network may see.
    written
        Files of the folder that are written already.
    document
        Keys of ``survey.json``; see :class:`SurveyInfo`.

    Raises
    ------
    InputError
        When the truth has other objects.
    """
    tables = {OBJECTS: _objects.objects_table(objects)}
    if truth is not None:
        tables[TRUTH] = pa.Table.from_pandas(truth, preserve_index=False).replace_schema_metadata(None)
        check_truth(tables[TRUTH], objects["object_id"].tolist(), out / TRUTH)
    for name, table in tables.items():
        pq.write_table(table, folder / name, compression="zstd")
    seal(folder, tables=[*tables, *written], **document)


def best_snr(
    flux: NDArray[np.float32], flux_err: NDArray[np.float32], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the largest signal-to-noise ratio of each object, whose rows begin at `starts`."""
    return np.maximum.reduceat(flux.astype(np.float64) / flux_err, starts)


def warn_undetected(path: Path, undetected: int, objects: int) -> None:
    """Log how many objects have no detection."""
    if undetected:
        text = "%s: %d of %d objects have no observation at %g sigma or more; they are kept"
        logger.warning(text, path, undetected, objects, DETECTION_SNR)


def check_truth(table: pa.Table, ids: list[str], where: Path) -> None:
    """Hold a truth table to the objects of the object table."""
    columns = {"object_id": pa.string()}
    require_columns(table, columns, where)
    no_nulls(table, columns, where)
    if table.column("object_id").to_pylist() != ids:
        raise fail(where, "must have the objects of the object table, in its order")
