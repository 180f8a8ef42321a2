"""The surface and the filters of a SALT fit: found on this machine or refused, never downloaded."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery_ensembles.errors import InputError, fail

if TYPE_CHECKING:
    import sncosmo

_TEMPLATES = ("salt3_template_0.dat", "salt2_template_0.dat")
# A filter's ends that let less than this share of its maximum pass are cut, as in sncosmo's own filters.
_TRIM = 0.001
# What sncosmo 2.13 takes when asked for "salt3" and "salt2".
_DEFAULTS = ("salt3/salt3-f22", "salt2/salt2-4")
_FILES = (
    "template_0.dat",
    "template_1.dat",
    "color_correction.dat",
    "color_dispersion.dat",
    "lc_dispersion_scaling.dat",
)
_VARIANCES = {
    "salt2": ("lc_relative_variance_0.dat", "lc_relative_variance_1.dat", "lc_relative_covariance_01.dat"),
    "salt3": ("lc_variance_0.dat", "lc_variance_1.dat", "lc_covariance_01.dat"),
}


def find_model(model_path: str | Path | None) -> Path:
    """Return the folder of a SALT3 or SALT2 model's files.

    It is `model_path`, or what sncosmo's data folder (``$SNCOSMO_DATA_DIR``, else sncosmo's setting
    ``data_dir``, else astropy's cache) has: its default SALT3, its default SALT2, or the only model.

    Raises
    ------
    InputError
        When there is none, with where it was looked for and how to get it; when there are several,
        none of them a default; or when a file of it is missing.
    """
    if model_path is not None:
        folder = Path(model_path)
        _check_files(folder)
        return folder
    root = _data_folder() / "models"
    found = sorted({file.parent for template in _TEMPLATES for file in root.glob(f"**/{template}")})
    found = [root / known for known in _DEFAULTS if root / known in found][:1] or found
    if not found:
        raise InputError(
            f"salt2-trees: no SALT2 or SALT3 model lies in sncosmo's data folder {root} (set by "
            "SNCOSMO_DATA_DIR), and none is downloaded here: name a model's folder by --model-path, or run "
            "python -c \"import sncosmo; sncosmo.get_source('salt3')\" where there is network and copy the "
            "folder; parametric-trees needs no model"
        )
    if len(found) > 1:
        raise fail(root, f"has several SALT models; name one by --model-path: {', '.join(map(str, found))}")
    _check_files(found[0])
    return found[0]


@functools.cache
def load_source(folder: str) -> "sncosmo.Source":
    """Read a model's files, once per process."""
    import sncosmo

    source = sncosmo.SALT3Source if (Path(folder) / _TEMPLATES[0]).is_file() else sncosmo.SALT2Source
    try:
        return source(modeldir=folder)
    except (OSError, ValueError, IndexError, RuntimeError, TypeError) as error:
        raise fail(folder, f"cannot be read as a SALT model ({error})") from error


def filter_names(filters: str | None, bands: Sequence[str]) -> tuple[str, ...]:
    """Return speclite's filter of every band.

    `filters` is a group of speclite, whose filters are then ``<group>-<band>``, or a
    comma-separated list of BAND=FILTER.

    Raises
    ------
    InputError
        When it is missing, or speclite lacks a filter.
    """
    where = "salt2-trees: --filters"
    if not filters:
        raise fail(where, f"must say how bands {' '.join(bands)} were observed, for example decam2014")
    if "=" in filters:
        pairs = [pair.partition("=") for pair in filters.split(",")]
        given = {band.strip(): name.strip() for band, _, name in pairs}
    else:
        given = {band: f"{filters}-{band}" for band in bands}
    missing = [band for band in bands if not given.get(band)]
    if missing:
        raise fail(where, f"names no filter for the band {missing[0]!r} of the survey")
    names = tuple(given[band] for band in bands)
    for name in names:
        load_filter(name)
    return names


@functools.cache
def load_filter(name: str) -> Any:
    """Return a filter of speclite as sncosmo's Bandpass."""
    import sncosmo
    import speclite.filters

    try:
        response = speclite.filters.load_filter(name)
    except (ValueError, OSError, RuntimeError) as error:
        groups = ", ".join(speclite.filters.filter_group_names)
        raise fail(
            "salt2-trees: --filters", f"speclite has no filter {name!r}; its groups: {groups}"
        ) from error
    return sncosmo.Bandpass(response.wavelength, response.response, name=name, trim_level=_TRIM)


def _check_files(folder: Path) -> None:
    kinds = [kind for kind in ("salt3", "salt2") if (folder / f"{kind}_template_0.dat").is_file()]
    if not kinds:
        rule = f"must be the folder of a SALT model, with {' or '.join(_TEMPLATES)}"
        raise fail(folder, f"{rule}, but {'has neither' if folder.is_dir() else 'is no folder'}")
    for file in (*_FILES, *_VARIANCES[kinds[0]]):
        if kinds[0] == "salt3" and file == "lc_dispersion_scaling.dat":
            continue  # SALT3 has no scaling of errors
        if not (folder / f"{kinds[0]}_{file}").is_file():
            raise fail(folder, f"lacks the file {kinds[0]}_{file} of its model")


def _data_folder() -> Path:
    """Return sncosmo's data folder; sncosmo's own function would make one."""
    import sncosmo
    from astropy.config import get_cache_dir

    configured = os.environ.get("SNCOSMO_DATA_DIR") or sncosmo.conf.data_dir
    return Path(configured) if configured else Path(get_cache_dir()) / "sncosmo"
