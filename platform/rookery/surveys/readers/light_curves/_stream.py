"""A survey written from blocks of observations in any order, in memory that does not grow with them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rookery.surveys import objects as _objects
from rookery.surveys._document import OBJECTS, OBSERVATIONS
from rookery.surveys._spool import RECORD, Spool, sort_records
from rookery.surveys.bands import BandIndex
from rookery.surveys.readers.light_curves._ingest import LightCurveIngest
from rookery.surveys.store import DETECTION_SNR, best_snr, warn_undetected, write_tables
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_folder

_LARGEST = float(np.finfo(np.float32).max)  # the store keeps fluxes in single precision
_LEAST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Rows:
    """A block of observations as a source gives them: columns of equal length."""

    objects: NDArray[np.int32]
    """Number of the object that owns each row; the reader counts objects from 0."""
    dates: NDArray[np.float64]
    bands: NDArray[np.int32]
    """Position of each row's band in `band_names`, -1 where it is missing."""
    band_names: Sequence[str]
    """Bands as the source writes them."""
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    """float64; not yet checked."""
    place: Callable[[int], str]
    """Names a row for messages."""

    def take(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Return the chosen rows, which keep their names."""
        if chosen.all():
            return self
        kept, place = np.flatnonzero(chosen), self.place
        return Rows(
            objects=self.objects[kept],
            dates=self.dates[kept],
            bands=self.bands[kept],
            band_names=self.band_names,
            flux=self.flux[kept],
            flux_err=self.flux_err[kept],
            place=lambda row: place(int(kept[row])),
        )


@dataclass
class _Totals:
    kept: list[NDArray[np.int64]] = field(default_factory=list)
    observations: int = 0
    repeated: int = 0
    undetected: int = 0


class SurveyStream:
    """Takes rows block by block, then writes a survey's tables into a folder."""

    def __init__(self, folder: Path, ingest: LightCurveIngest) -> None:
        self._folder, self._ingest = folder, ingest
        self._faults, self._dates = ingest.faults, ingest.dates
        self._bands = BandIndex(ingest.band_aliases, ingest.path)
        self._spool = Spool(folder / "spool")
        self._rejected: set[int] = set()

    def reject(self, number: int, error: InputError) -> None:
        """Raise the error that spoils an object, or leave the object out."""
        self._faults.add(number, error)
        self._rejected.add(number)

    def add(self, rows: Rows) -> None:
        """Check a block of rows and put it aside.

        Raises
        ------
        InputError
            For the first row that breaks a rule, unless broken objects are to be skipped; for
            dates that mix MJD and JD, or too many bands.
        """
        mjd = self._dates.to_mjd(rows.dates, rows.place)
        rules = (
            (rows.bands >= 0, rows.bands, "band", "given"),
            (np.isfinite(mjd) & (mjd > 0), rows.dates, "date", "finite and positive"),
            (np.abs(rows.flux) <= _LARGEST, rows.flux, "flux", "finite"),
            (
                (rows.flux_err >= _LEAST) & (rows.flux_err <= _LARGEST),
                rows.flux_err,
                "flux error",
                "finite and positive",
            ),
        )
        good = np.ones(len(mjd), dtype=bool)
        for passed, values, name, rule in rules:
            # One complaint per object is enough, and a wholly broken file has millions of rows.
            bad = np.flatnonzero(good & ~passed)
            good &= passed
            if bad.size and self._faults.drops_rows:
                found = "missing" if name == "band" else values[bad[0]]
                first = fail(rows.place(int(bad[0])), f"{name} must be {rule}, but is {found}")
                self._faults.drop_rows(f"{name} must be {rule}", bad.size, first)
                continue
            for row in bad[np.unique(rows.objects[bad], return_index=True)[1]]:
                found = "missing" if name == "band" else values[row]
                error = fail(rows.place(int(row)), f"{name} must be {rule}, but is {found}")
                self.reject(int(rows.objects[row]), error)
        records = np.empty(int(good.sum()), RECORD)
        used = np.unique(rows.bands[good])
        number = np.zeros(len(rows.band_names) + 1, np.int8)
        number[used] = [self._bands.index(rows.band_names[code]) for code in used]
        records["object"], records["mjd"] = rows.objects[good], mjd[good]
        records["band"] = number[rows.bands[good]]
        records["flux"], records["flux_err"] = rows.flux[good], rows.flux_err[good]
        self._spool.add(records)

    def finish(self, objects: pd.DataFrame, truth: pd.DataFrame | None, /, **notes: Any) -> int:
        """Write the tables and the document; return the number of objects.

        Parameters
        ----------
        objects, truth
            As for :func:`rookery.surveys.store.write_survey`, in the order of the objects' numbers.
            Objects without a row, and rejected ones, are left out.
        notes
            What the survey's provenance says beside reader, numbers and errors.

        Raises
        ------
        InputError
            When no object is left, or a table breaks a rule.
        """
        self._dates.finish()
        bands, place_of = self._bands.ordered()
        ids = objects["object_id"].to_numpy(dtype=object)
        totals = self._write_observations(ids, bands, np.array(place_of, np.int8))
        kept = np.concatenate([np.zeros(0, np.int64), *totals.kept])
        if not len(kept):
            first = f", the first error being {self._faults.errors[0]}" if self._faults.errors else ""
            raise fail(self._ingest.path, f"must hold a readable light curve, but has none{first}")
        out = self._ingest.out
        frame = _objects.objects_frame(objects.iloc[kept].reset_index(drop=True), out / OBJECTS)
        warn_undetected(out, totals.undetected, len(frame))
        (self._folder / "spool").rmdir()
        without_rows = len(objects) - len(kept) - len(self._rejected)
        write_tables(
            self._folder,
            out,
            frame,
            None if truth is None else truth.iloc[kept],
            written=[OBSERVATIONS],
            name=self._ingest.name,
            bands=bands,
            provenance={
                "reader": self._ingest.reader,
                "options": self._ingest.options,
                **notes,
                "objects_read": len(kept),
                "objects_skipped": len(self._faults.errors),
                "objects_without_observations": without_rows,
                "repeated_rows": totals.repeated,
                "skipped": self._faults.errors,
                **self._faults.notes(),
            },
            counts=_objects.survey_counts(frame, totals.observations, totals.undetected),
        )
        return len(kept)

    def _write_observations(
        self, ids: NDArray[np.object_], bands: Sequence[str], place_of: NDArray[np.int8]
    ) -> _Totals:
        """Sort and write the rows that were put aside, a range of objects at a time."""
        rejected = np.zeros(len(ids), dtype=bool)
        rejected[list(self._rejected)] = True
        text = pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.string())
        numbers = {"flux": pa.float32(), "flux_err": pa.float32()}
        schema = pa.schema({"object_id": text[0], "mjd": pa.float64(), "band": text[1], **numbers})
        totals = _Totals()
        with pq.ParquetWriter(self._folder / OBSERVATIONS, schema, compression="zstd") as writer:
            for unordered in self._spool.parts():
                records = unordered[~rejected[unordered["object"]]]
                if not len(records):
                    continue
                records["band"] = place_of[records["band"]]
                records, repeated = sort_records(records)
                owners, starts = np.unique(records["object"], return_index=True)
                local = np.repeat(np.arange(len(owners), dtype=np.int32), np.diff([*starts, len(records)]))
                columns = {name: np.ascontiguousarray(records[name]) for name in RECORD.names or ()}
                table = [
                    pa.DictionaryArray.from_arrays(pa.array(local), pa.array(ids[owners], pa.string())),
                    pa.array(columns["mjd"]),
                    pa.DictionaryArray.from_arrays(pa.array(columns["band"]), pa.array(bands, pa.string())),
                    pa.array(columns["flux"]),
                    pa.array(columns["flux_err"]),
                ]
                writer.write_table(pa.Table.from_arrays(table, schema=schema))
                snr = best_snr(columns["flux"], columns["flux_err"], starts)
                totals.kept.append(owners.astype(np.int64))
                totals.observations += len(records)
                totals.repeated += repeated
                totals.undetected += int((snr < DETECTION_SNR).sum())
        return totals


@contextmanager
def streaming(ingest: LightCurveIngest) -> Iterator[SurveyStream]:
    """Yield a stream into an ingest's survey folder, which appears whole at the end or not at all."""
    with atomic_folder(ingest.out, replace=ingest.overwrite) as partial:
        yield SurveyStream(partial, ingest)
