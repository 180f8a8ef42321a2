"""Reader for light curves in SNANA's ascii format: a folder of files, or a tar archive of one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rookery.surveys._dates import Dates, TimeUnit
from rookery.surveys._report import Faults, IngestReport, RowOnError, survey_name
from rookery.surveys.band_names import BandAliases
from rookery.surveys.readers.light_curves import _snana_tables as tables
from rookery.surveys.readers.light_curves._snana_files import SourceFile, source_files
from rookery.surveys.readers.light_curves._snana_text import LightCurve, parse_light_curve
from rookery.surveys.readers.light_curves._types import TypeMap, text_map
from rookery.surveys.store import Survey, refuse_existing, write_survey
from rookery_ensembles.errors import InputError, fail

logger = logging.getLogger(__name__)


@dataclass
class _Reading:
    """What has been read so far."""

    curves: list[LightCurve] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    n_ignored: int = 0
    first_with: dict[str, str] = field(default_factory=dict)


def ingest_snana(
    path: str | Path,
    out: str | Path,
    *,
    on_error: RowOnError = "stop",
    band_aliases: Mapping[str, str] | None = None,
    type_map: TypeMap | None = None,
    type_column: str | None = None,
    time_unit: TimeUnit = "mjd",
    name: str | None = None,
) -> IngestReport:
    """Read SNANA ascii light curves into a survey folder.

    Files with none of the keys ``SNID:``, ``VARLIST:``, ``OBS:`` are no light curves (lists,
    READMEs) and are ignored; an empty file counts as broken. Rows whose flux and error are both
    -9 hold no measurement and are left out. ``SIM_*`` keys, SNTYPE, peak dates and spectroscopic
    redshifts go to the truth table, where no network sees them.

    Parameters
    ----------
    path
        A folder (with its subfolders) or a tar archive (plain, gzip, bzip2, xz).
    out
        The survey folder to make.
    on_error
        At the first broken file: ``"stop"`` and write nothing, or ``"skip"`` it, log it, and go on;
        ``"skip-row"`` leaves broken rows out alone, and counts them.
    band_aliases
        Band as written -> band in the survey. Without an entry, a prefix up to "-" or "/" is
        dropped ("DES-g" -> "g").
    type_map
        SNTYPE code -> type, added to (and overriding) the challenge's: 1 Ia, 2 II, 3 Ibc, 21 IIn,
        22 IIP, 23 IIL, 32 Ib, 33 Ic. Used where SIM_COMMENT tells no type; codes <= 0 mean unknown.
    type_column
        Header key that tells the type (a code of `type_map`, or a name) instead of these.
    time_unit
        ``"mjd"``, or ``"jd"`` where all dates are Julian Dates; the two never mix in one survey.
    name
        The survey's name; the source's without it.

    Raises
    ------
    InputError
        For the first broken file (``on_error="stop"``), a damaged archive, no light curve at all,
        or an `out` that exists.
    """
    path, out = Path(path), Path(out)
    faults, dates = Faults(on_error, rows=True), Dates(time_unit, path)
    refuse_existing(out)
    types = {**tables.DEFAULT_TYPES, **text_map(type_map)}
    reading, aliases = _Reading(errors=faults.errors), BandAliases(band_aliases or {})
    for source in source_files(path):
        try:
            _take(source, reading, aliases, types, type_column, faults)
        except InputError as error:
            faults.add(source.where, error)
    if not reading.curves:
        skipped = (
            f", and {len(reading.errors)} broken, the first being {reading.errors[0]}"
            if reading.errors
            else ""
        )
        raise fail(
            path, f"must hold a readable SNANA light curve, but has {reading.n_ignored} other files{skipped}"
        )
    reading.curves = [_in_mjd(curve, dates) for curve in reading.curves]
    dates.finish()
    _check_zero_points(path, reading.curves)
    survey = _write(path, out, survey_name(path, name), reading, faults)
    n_read, errors = len(reading.curves), reading.errors
    return IngestReport(survey, n_read, len(errors), reading.n_ignored, errors, faults.dropped)


def _take(
    source: SourceFile,
    reading: _Reading,
    band_aliases: BandAliases,
    type_map: Mapping[str, str],
    type_column: str | None,
    faults: Faults,
) -> None:
    if source.error is not None:
        raise source.error
    if source.text is None:
        logger.debug("%s: has no SNID, VARLIST or OBS: ignored", source.where)
        reading.n_ignored += 1
        return
    curve = parse_light_curve(source.text, source.where, band_aliases, faults)
    kind = tables.object_type(curve, type_map, type_column)
    if (other := reading.first_with.get(curve.object_id)) is not None:
        raise fail(source.where, f"SNID must be unique, but {curve.object_id!r} is also that of {other}")
    reading.first_with[curve.object_id] = source.where
    reading.curves.append(curve)
    reading.names.append(source.name)
    reading.types.append(kind)


def _in_mjd(curve: LightCurve, dates: Dates) -> LightCurve:
    return replace(curve, mjd=dates.to_mjd(curve.mjd, lambda _: curve.where))


def _check_zero_points(path: Path, curves: list[LightCurve]) -> None:
    """Refuse headers that give the fluxes another zero point than FLUXCAL's, or several."""
    for key in tables.HEADER_ZERO_POINTS:
        values = [curve.number(key) for curve in curves if key in curve.header]
        if values:
            tables.check_zero_points(key, np.array(values), path)


def _write(path: Path, out: Path, name: str, reading: _Reading, faults: Faults) -> Survey:
    # One order whatever the archive's: the same files give the same checksum.
    order = sorted(
        range(len(reading.curves)), key=lambda index: (reading.names[index], reading.curves[index].object_id)
    )
    curves = [reading.curves[index] for index in order]
    objects = tables.objects_table(
        curves, [reading.names[index] for index in order], [reading.types[index] for index in order]
    )
    undefined = sum(curve.n_undefined for curve in curves)
    if undefined:
        logger.warning("%s: left out %d rows whose flux and error are -9 (no measurement)", path, undefined)
    provenance = {
        "reader": "snana",
        "source": path.name,
        "objects_read": len(curves),
        "objects_skipped": len(reading.errors),
        "files_read": len(curves),
        "files_ignored": reading.n_ignored,
        "files_skipped": len(reading.errors),
        "skipped": reading.errors,
        "rows_without_measurement": undefined,
        **faults.notes(),
    }
    return write_survey(
        out,
        name=name,
        bands=tables.bands_of(curves),
        objects=objects,
        observations=tables.observations_table(curves),
        truth=tables.truth_table(curves),
        provenance=provenance,
    )
