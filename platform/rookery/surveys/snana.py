"""Reader for light curves in SNANA's ascii format: a folder of files, or a tar archive of one."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rookery.surveys import _snana_tables as tables
from rookery.surveys._snana_files import SourceFile, source_files
from rookery.surveys._snana_text import LightCurve, parse_light_curve
from rookery.surveys.store import Survey, refuse_existing, write_survey
from rookery_ensembles.errors import InputError, fail

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes
    ----------
    survey
        The survey written.
    n_read, n_skipped, n_ignored
        Light curves read; broken files left out; files that are no light curves.
    errors
        Why each skipped file was left out.
    """

    survey: Survey
    n_read: int
    n_skipped: int
    n_ignored: int
    errors: list[str]


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
    on_error: Literal["stop", "skip"] = "stop",
    band_aliases: Mapping[str, str] | None = None,
    type_map: Mapping[int, str] | None = None,
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
        At the first broken file: ``"stop"`` and write nothing, or ``"skip"`` it, log it, and go on.
    band_aliases
        Band as written -> band in the survey. Without an entry, a prefix up to "-" or "/" is
        dropped ("DES-g" -> "g").
    type_map
        SNTYPE code -> type, added to (and overriding) the challenge's: 1 Ia, 2 II, 3 Ibc, 21 IIn,
        22 IIP, 23 IIL, 32 Ib, 33 Ic. Used where SIM_COMMENT tells no type; codes <= 0 mean unknown.
    name
        The survey's name; the source's without it.

    Raises
    ------
    InputError
        For the first broken file (``on_error="stop"``), a damaged archive, no light curve at all,
        or an `out` that exists.
    """
    path, out = Path(path), Path(out)
    if on_error not in ("stop", "skip"):
        raise fail("on_error", f"must be 'stop' or 'skip', but is {on_error!r}")
    refuse_existing(out)
    types = {**tables.DEFAULT_TYPES, **(type_map or {})}
    reading = _Reading()
    for source in source_files(path):
        try:
            _take(source, reading, band_aliases or {}, types)
        except InputError as error:
            if on_error == "stop":
                raise
            reading.errors.append(str(error))
            _log.warning("skipped: %s", error)
    if not reading.curves:
        skipped = (
            f", and {len(reading.errors)} broken, the first being {reading.errors[0]}"
            if reading.errors
            else ""
        )
        raise fail(
            path, f"must hold a readable SNANA light curve, but has {reading.n_ignored} other files{skipped}"
        )
    survey = _write(path, out, name or path.name.split(".")[0] or "snana", reading)
    return IngestReport(survey, len(reading.curves), len(reading.errors), reading.n_ignored, reading.errors)


def _take(
    source: SourceFile, reading: _Reading, band_aliases: Mapping[str, str], type_map: Mapping[int, str]
) -> None:
    if source.error is not None:
        raise source.error
    if source.text is None:
        _log.debug("%s: has no SNID, VARLIST or OBS: ignored", source.where)
        reading.n_ignored += 1
        return
    curve = parse_light_curve(source.text, source.where, band_aliases)
    kind = tables.object_type(curve, type_map)
    if (other := reading.first_with.get(curve.object_id)) is not None:
        raise fail(source.where, f"SNID must be unique, but {curve.object_id!r} is also that of {other}")
    reading.first_with[curve.object_id] = source.where
    reading.curves.append(curve)
    reading.names.append(source.name)
    reading.types.append(kind)


def _write(path: Path, out: Path, name: str, reading: _Reading) -> Survey:
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
        _log.warning("%s: left out %d rows whose flux and error are -9 (no measurement)", path, undefined)
    provenance = {
        "reader": "snana",
        "source": path.name,
        "files_read": len(curves),
        "files_ignored": reading.n_ignored,
        "files_skipped": len(reading.errors),
        "skipped": reading.errors,
        "rows_without_measurement": undefined,
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
