"""Which column of a galaxy catalogue plays which role."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rookery.surveys.bands import EFFECTIVE_WAVELENGTH, wavelength_order
from rookery.surveys.objects import OPTIONAL_TEXT
from rookery.surveys.readers._tables import missing_column
from rookery_ensembles.errors import InputError, fail

# Names under which catalogues commonly write a role, in lower case.
_SYNONYMS = {
    "object_id": ("object_id", "objid", "id", "objectid", "source_id"),
    "redshift": ("redshift", "z_spec", "zspec", "specz", "spec_z", "redshift_spec", "zs"),
    "mwebv": ("mwebv", "ebv", "e_bv", "e(b-v)", "ebv_sfd"),
    "ra": ("ra", "ra_deg", "raj2000"),
    "dec": ("dec", "decl", "dec_deg", "dej2000"),
}
_COVARIATES = ("axis_ratio", "snr_r", "psf_fwhm", "n_neighbours", "stripe82", "petro_r50_r")
_KINDS = {
    "mag": r"mag_(?!err)", "mag_err": r"mag_?err_", "flux": r"flux_(?!err|ivar)", "flux_err": r"flux_?err_",
}  # fmt: skip
_BAND = r"(?P<band>[A-Za-z][A-Za-z0-9]{0,7})"
_PHOTOMETRIC = re.compile(rf"(?P<kind>mag_err|mag|flux_err|flux)_{_BAND}")
_LETTERS, _ERROR = frozenset("ugrizyUGRIZYJHK"), re.compile(r"_?err(or)?", re.IGNORECASE)
# Columns that the survey store makes itself.
_RESERVED = ("type", "flags", *OPTIONAL_TEXT)


@dataclass(frozen=True)
class Roles:
    """Role -> column."""

    object_id: str | None
    """The id's column, or None: ids are then row numbers."""
    bands: tuple[str, ...]
    """In order of wavelength."""
    value: Mapping[str, str]
    error: Mapping[str, str]
    """Band -> column of its magnitude or flux, and of the error where there is one."""
    flux: frozenset[str]
    """The bands whose columns play the role of fluxes."""
    covariates: Mapping[str, str]
    """`redshift`, `mwebv`, `ra`, `dec` where they are known, then all others."""

    @property
    def columns(self) -> dict[str, str]:
        """All roles and their columns, for the provenance."""
        kinds = {band: "flux" if band in self.flux else "mag" for band in self.bands}
        return {
            **({} if self.object_id is None else {"object_id": self.object_id}),
            **{f"{kinds[band]}_{band}": column for band, column in self.value.items()},
            **{f"{kinds[band]}_err_{band}": column for band, column in self.error.items()},
            **self.covariates,
        }


def usual_spelling(name: str) -> str:
    """Return a band's usual spelling: u, g, r, i, z in lower case, others as they stand."""
    return name.lower() if name.lower() in ("u", "g", "r", "i", "z") else name


def plays(role: str, column: str, names: list[str]) -> bool:
    """Whether a mapped column, or one that fits its pattern, is among `names`."""
    if "{band}" not in role:
        return column in names
    try:
        return bool(_expanded(role, column, names, Path()))
    except InputError:
        return False


def match_roles(mapping: Mapping[str, str], names: list[str], where: Path, *, need_bands: bool) -> Roles:
    """Find each role's column: the one that `mapping` names, else one of the role's usual names.

    ``{band}`` in a role and its column stands for every band whose column is there:
    ``mag_{band}`` -> ``modelMag_{band}``. A column called `z` is the redshift unless `u`, `g`, `r` or
    `i` stands beside it. A role of `mapping` that is not known becomes a covariate of that name.

    Raises
    ------
    InputError
        For a mapped column that is not there, a role that two columns could play, a reserved role,
        an error without its magnitude, or no magnitude at all although one is needed.
    """
    found = _mapped(mapping, names, where)
    free = [name for name in names if name not in found.values()]
    for role, column in _usual(free, where).items():
        kind, band = _split(role)
        other = {"mag": "flux", "flux": "mag"}.get(kind.split("_")[0])
        # A band that is mapped as one of magnitude and flux is not looked for as the other.
        if role not in found and not (other and f"{other}_{band}" in found):
            found[role] = column
    value, error, flux, rest = _photometric(found, where)
    if need_bands and not value:
        raise fail(
            where,
            "must have magnitudes: map them with --column mag_BAND=NAME, or 'mag_{band}=NAME_{band}'; "
            f"its columns are {', '.join(names)}{_meant(names)}",
        )
    identity = rest.pop("object_id", None)
    return Roles(identity, tuple(wavelength_order(value)), value, error, frozenset(flux), rest)


def _meant(names: Sequence[str]) -> str:
    """Return the options that columns suggest, such as ``modelMag_u`` and ``modelMag_g``, or nothing."""
    stems = Counter(name[:-1] for name in names if name[-1:] in _LETTERS)
    several = [stem for stem, bands in stems.items() if bands > 1 and "mag" in stem.lower()]
    errors = {_ERROR.sub("", stem).lower(): stem for stem in several if _ERROR.search(stem)}
    values = [stem for stem in several if not _ERROR.search(stem)]
    if not values:
        return ""
    found = f"--column 'mag_{{band}}={values[0]}{{band}}'"
    if (error := errors.get(values[0].lower())) is not None:
        found += f" --column 'mag_err_{{band}}={error}{{band}}'"
    return f"; did you mean {found}?"


def _split(role: str) -> tuple[str, str]:
    """Return what a role tells of a band, and the band; of another role itself, and nothing."""
    found = _PHOTOMETRIC.fullmatch(role)
    return (found["kind"], found["band"]) if found else (role, "")


def _mapped(mapping: Mapping[str, str], names: list[str], where: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, column in mapping.items():
        if role in _RESERVED:
            rule = "is made by the survey store itself; give the covariate another name"
            raise fail(f"role {role!r}", rule)
        if "{band}" in role:
            for band, name in _expanded(role, column, names, where).items():
                found.setdefault(role.replace("{band}", band), name)
        elif column in names:
            found[role] = column
        else:
            raise missing_column(role, column, names, where)
    return found


def _expanded(role: str, column: str, names: list[str], where: Path) -> dict[str, str]:
    if column.count("{band}") != 1:
        raise fail(f"column {column!r} for role {role!r}", "must hold {band} once, as its role does")
    before, after = column.split("{band}")
    pattern = re.compile(re.escape(before) + _BAND + re.escape(after))
    found = {usual_spelling(match["band"]): name for name in names if (match := pattern.fullmatch(name))}
    # A pattern as open as "{band}" also fits "ra": letters of known bands then go first.
    known = {band: name for band, name in found.items() if band in EFFECTIVE_WAVELENGTH}
    if not found:
        raise missing_column(role, column, names, where)
    return known or found


def _usual(names: list[str], where: Path) -> dict[str, str]:
    """Return the roles that columns play by their names alone."""
    candidates: dict[str, list[str]] = {}
    for name in names:
        lower = name.lower().strip()
        for role, words in _SYNONYMS.items():
            if lower in words:
                candidates.setdefault(role, []).append(name)
        if lower in _COVARIATES:
            candidates.setdefault(lower, []).append(name)
        for kind, pattern in _KINDS.items():
            if match := re.fullmatch(pattern + _BAND, name, re.IGNORECASE):
                candidates.setdefault(f"{kind}_{usual_spelling(match['band'])}", []).append(name)
    lower_names = {name.lower() for name in names}
    if "redshift" not in candidates and not lower_names & {"u", "g", "r", "i"}:
        letters = [name for name in names if name.lower() == "z"]
        if letters:
            candidates["redshift"] = letters
    found = {}
    for role, columns in candidates.items():
        exact = [name for name in columns if name == role]
        if len(columns) > 1 and not exact:
            rule = f"columns {' and '.join(map(repr, columns[:2]))} could both be {role}"
            raise fail(where, f"{rule}. Say which with --column {role}=NAME")
        found[role] = (exact or columns)[0]
    return found


def _photometric(
    found: Mapping[str, str], where: Path
) -> tuple[dict[str, str], dict[str, str], set[str], dict[str, str]]:
    value: dict[str, str] = {}
    error: dict[str, str] = {}
    flux: set[str] = set()
    rest: dict[str, str] = {}
    kinds: dict[str, dict[str, str]] = {}
    for role, column in found.items():
        kind, band = _split(role)
        if band:
            kinds.setdefault(band, {})[kind] = column
        else:
            rest[role] = column
    for band, columns in kinds.items():
        if "mag" in columns and "flux" in columns:
            columns = {kind: column for kind, column in columns.items() if kind.startswith("mag")}
        kind = "flux" if "flux" in columns else "mag"
        if kind not in columns:
            (orphan, column), *_ = columns.items()
            raise fail(
                where, f"column {column!r} is {orphan}_{band}, but no column is mag_{band} or flux_{band}"
            )
        value[band] = columns[kind]
        if kind == "flux":
            flux.add(band)
        if f"{kind}_err" in columns:
            error[band] = columns[f"{kind}_err"]
    return value, error, flux, rest
