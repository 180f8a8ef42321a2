"""Which column of a generic table plays which role."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rookery.surveys.readers._tables import missing_column
from rookery_ensembles.errors import InputError, did_you_mean

logger = logging.getLogger(__name__)

ROW_ROLES = ("mjd", "band", "flux", "flux_err", "mag", "mag_err", "zero_point")
COVARIATE_ROLES = ("ra", "dec", "mwebv", "host_photo_z", "host_photo_z_err", "deep")
ZERO_POINT_NAMES = ("zp", "zpt", "zeropt", "zero_point", "zeropoint", "zp_ab", "magzp", "mag_zp")
"""What people call the zero point of a row's flux."""
_TRUTH = ("type", "redshift")
"""A mapping that names them may also be used for a table of objects that nobody has labelled."""
_OBJECT_ROLES = ("type", "redshift", *COVARIATE_ROLES)


@dataclass(frozen=True)
class ColumnMap:
    """Role -> column, for the observations and for the objects."""

    object_id: tuple[str, str]
    """The id's column in the observations and in the object table."""
    rows: Mapping[str, str]
    """`mjd`, `band`, and `flux` with `flux_err` or `mag` with `mag_err`; `zero_point` for one per row."""
    objects: Mapping[str, str]
    """`type`, `redshift` and covariates."""
    witness: str | None
    """A column of zero points that nobody asked for."""


def match_columns(
    mapping: Mapping[str, str],
    rows: list[str],
    objects: list[str] | None,
    where: Path,
    objects_where: Path | None,
) -> ColumnMap:
    """Find each role's column: the one that `mapping` names, else one of the role's own name.

    A role of `mapping` that is not known becomes a covariate of that name.

    Parameters
    ----------
    rows, objects
        Columns of the observations, and of the object table where there is one; without it the
        objects' roles are looked for in the observations.

    Raises
    ------
    InputError
        For a mapped column that is not there (of a type or redshift: if one of a similar name is), or a role
        that has none and must.
    """
    there, place = (rows, where) if objects is None else (objects, objects_where or where)
    # The id's column may be called as mapped in one of the two tables alone.
    wanted = mapping.get("object_id", "object_id")
    in_rows = wanted if wanted in rows else "object_id"
    in_objects = wanted if wanted in there else "object_id"
    for name, names, file in ((in_rows, rows, where), (in_objects, there, place)):
        if name not in names:
            raise _missing("object_id", wanted, names, file)
    extra = [role for role in mapping if role not in (*ROW_ROLES, *_OBJECT_ROLES, "object_id")]
    found_rows = _found(ROW_ROLES, mapping, rows, where)
    found_objects = _found((*_OBJECT_ROLES, *extra), mapping, there, place)
    _check_rows(found_rows, mapping, rows, where)
    if "zero_point" not in mapping:
        found_rows.pop("zero_point", None)
    free = [name for name in rows if name.lower() in ZERO_POINT_NAMES and name not in found_rows.values()]
    asks = "zero_point" not in found_rows and "mag" not in found_rows
    witness = free[0] if free and asks else None
    return ColumnMap((in_rows, in_objects), found_rows, found_objects, witness)


def _found(
    roles: tuple[str, ...], mapping: Mapping[str, str], names: list[str], where: Path
) -> dict[str, str]:
    found = {}
    for role in roles:
        column = mapping.get(role, role)
        if column in names:
            found[role] = column
        elif role in _TRUTH and role in mapping and not did_you_mean(column, names):
            logger.warning(
                "%s: has no column %r, so that the %s of its objects is unknown", where, column, role
            )
        elif role in mapping:
            raise _missing(role, column, names, where)
    return found


def _check_rows(found: dict[str, str], mapping: Mapping[str, str], names: list[str], where: Path) -> None:
    """Hold the observations to a date, a band, and either fluxes or magnitudes with errors."""
    flux = not ("flux" not in found and "mag" in found) and not ("mag" in mapping and "flux" not in mapping)
    kept, dropped = (("flux", "flux_err"), ("mag", "mag_err"))[:: 1 if flux else -1]
    for role in dropped:
        found.pop(role, None)
    for role in ("mjd", "band", *kept):
        if role not in found:
            raise _missing(role, mapping.get(role, role), names, where)


def _missing(role: str, column: str, names: list[str], where: Path) -> InputError:
    return missing_column(role, column, names, where, f". Map one with --column {role}=NAME")
