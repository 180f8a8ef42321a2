"""Reader for light curves in SNANA's ascii format: a folder of files, or a tar archive of one."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

import numpy as np

from rookery.compute.progress import tracked
from rookery.signature import OutPath
from rookery.surveys.bands import BandAliases
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers.light_curves import _snana_tables as tables
from rookery.surveys.readers.light_curves._ingest import CodedOptions, LightCurveIngest
from rookery.surveys.readers.light_curves._snana_files import SourceFile, number_of_files, source_files
from rookery.surveys.readers.light_curves._snana_text import LightCurve, parse_light_curve
from rookery.surveys.store import write_survey
from rookery_ensembles.errors import fail

logger = logging.getLogger(__name__)


@dataclass
class _Found:
    """One light curve, the base name of its file, and its type."""

    curve: LightCurve
    file: str
    type: str | None


def ingest_snana(
    path: str | Path,
    out: OutPath,
    **options: Unpack[CodedOptions],
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
        Survey store to make.
    options
        See :class:`rookery.surveys.readers.light_curves.CodedOptions`. The types known are the
        challenge's SNTYPE: 1 Ia, 2 II, 3 Ibc, 21 IIn, 22 IIP, 23 IIL, 32 Ib, 33 Ic, used where SIM_COMMENT
        tells no type; codes <= 0 mean unknown. `type_column` is a header key (a code of the types, or
        a name) that tells instead of both.

    Raises
    ------
    InputError
        For the first broken file (``on_error="stop"``), a damaged archive, no light curve at all,
        or an `out` that exists.
    """
    ingest = LightCurveIngest("snana", path, out, types=tables.DEFAULT_TYPES, **options)
    found: dict[str, _Found] = {}
    n_ignored, aliases = 0, BandAliases(ingest.band_aliases)
    for source in tracked(source_files(ingest.path), "files", number_of_files(ingest.path)):
        with ingest.faults.noting(source.where):
            if source.error is not None:
                raise source.error
            if source.text is None:
                logger.debug("%s: has no SNID, VARLIST or OBS: ignored", source.where)
                n_ignored += 1
            else:
                _take(source, source.text, found, aliases, ingest)
    errors = ingest.faults.errors
    if not found:
        skipped = f", and {len(errors)} broken, the first being {errors[0]}" if errors else ""
        raise fail(
            ingest.path, f"must hold a readable SNANA light curve, but has {n_ignored} other files{skipped}"
        )
    for one in found.values():
        one.curve = _in_mjd(one.curve, ingest)
    ingest.dates.finish()
    _check_zero_points(ingest.path, [one.curve for one in found.values()])
    # One order whatever the archive's: the same files give the same checksum.
    _write(ingest, sorted(found.values(), key=lambda one: (one.file, one.curve.object_id)), n_ignored)
    return ingest.report(len(found), n_ignored=n_ignored)


def _take(
    source: SourceFile, text: str, found: dict[str, _Found], aliases: BandAliases, ingest: LightCurveIngest
) -> None:
    curve = parse_light_curve(text, source.where, aliases, ingest.faults)
    kind = tables.object_type(curve, ingest.types, ingest.type_column)
    if (other := found.get(curve.object_id)) is not None:
        rule = f"SNID must be unique, but {curve.object_id!r} is also that of {other.curve.where}"
        raise fail(source.where, rule)
    found[curve.object_id] = _Found(curve, source.name, kind)


def _in_mjd(curve: LightCurve, ingest: LightCurveIngest) -> LightCurve:
    return replace(curve, mjd=ingest.dates.to_mjd(curve.mjd, lambda _: curve.where))


def _check_zero_points(path: Path, curves: list[LightCurve]) -> None:
    """Refuse headers that give the fluxes another zero point than FLUXCAL's, or several."""
    for key in tables.HEADER_ZERO_POINTS:
        values = [curve.number(key) for curve in curves if key in curve.header]
        if values:
            tables.check_zero_points(key, np.array(values), path)


def _write(ingest: LightCurveIngest, found: list[_Found], n_ignored: int) -> None:
    curves, errors = [one.curve for one in found], ingest.faults.errors
    undefined = sum(curve.n_undefined for curve in curves)
    if undefined:
        text = "%s: left out %d rows whose flux and error are -9 (no measurement)"
        logger.warning(text, ingest.path, undefined)
    write_survey(
        ingest.out,
        name=ingest.name,
        bands=tables.bands_of(curves),
        objects=tables.objects_table(curves, [one.file for one in found], [one.type for one in found]),
        observations=tables.observations_table(curves),
        truth=tables.truth_table(curves),
        provenance={
            "reader": ingest.reader,
            "source": ingest.path.name,
            "objects_read": len(curves),
            "objects_skipped": len(errors),
            "files_read": len(curves),
            "files_ignored": n_ignored,
            "files_skipped": len(errors),
            "skipped": errors,
            "rows_without_measurement": undefined,
            **ingest.faults.notes(),
        },
    )
