"""Core-collapse templates as SNANA and sncosmo distribute them: rest-frame spectra of single supernovae.

A file ``*.SED``, ``*.sed``, ``*.dat`` or ``*.txt``, plain or gzipped, names its type in a comment
(``# SNTYPE: IIP``) and has three columns: days, wavelength in angstrom, flux per angstrom in any unit; all
days have the same wavelengths (Kessler et al. 2010, PASP 122, 1415; Sako et al. 2011, ApJ 738, 162).
"""

import gzip
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.simulators.filters import WAVELENGTH
from rookery.surveys.simulators.supernovae.population import CORE_COLLAPSE
from rookery.surveys.simulators.supernovae.spectra import Surface
from rookery_ensembles.errors import fail

Floats = NDArray[np.float64]

_FILES = re.compile(r"\.(sed|dat|txt)(\.gz)?$", re.IGNORECASE)
_TYPE = re.compile(r"#\s*SNTYPE\s*:\s*(\S+)", re.IGNORECASE)
_PHASES = np.arange(-60.0, 151.0)
"""Days since the maximum in B at which a surface has spectra."""
_LATE = 100.0 / (1.4 * 0.4 * np.log(10.0))  # days: e-folding time behind a template's end, as of type Ia
_MOST_BYTES = 200_000_000


@lru_cache(maxsize=2)
def template_surfaces(folder: str) -> Mapping[str, Surface]:
    """Return by type the templates of a folder as one surface, a variant a template.

    The maximum in Bessell's B is at day 0. Before its first day a template is dark; behind its last one it
    fades as 1.4 magnitudes in 100 days.

    Raises
    ------
    InputError
        When the folder is missing or has no template, or a file is of another format or of no type that
        is simulated.
    """
    path = Path(folder)
    if not path.is_dir():
        raise fail(path, "`templates` must be a folder of templates, but there is none")
    files = sorted(file for file in path.iterdir() if _FILES.search(file.name))
    if not files:
        raise fail(path, "`templates`: has no file *.SED, *.dat or *.txt, plain or gzipped")
    found: dict[str, list[Floats]] = {}
    for file in files:
        kind, days, spectra = _read(file)
        found.setdefault(kind, []).append(_around_maximum(days, spectra))
    return {
        kind: Surface(_PHASES, np.arange(float(len(each))), np.stack(each, axis=1))
        for kind, each in found.items()
    }


def _read(file: Path) -> tuple[str, Floats, Floats]:
    """Return type, days (D,) and spectra (D, L) at ``WAVELENGTH`` of a template."""
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            with gzip.open(file) as stream:
                content = stream.read(_MOST_BYTES)
        text = content.decode("ascii")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise fail(file, f"cannot be read as a template's text ({error})") from error
    named = _TYPE.search(text)
    kinds = {kind.upper(): kind for kind in CORE_COLLAPSE}
    if named is None or named.group(1).upper() not in kinds:
        word = "has no such line" if named is None else f"found {named.group(1)!r}"
        raise fail(file, f"a line `# SNTYPE: TYPE` must name one of {', '.join(CORE_COLLAPSE)}, but {word}")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        table = np.array([line.split() for line in lines], dtype=np.float64)
    except ValueError as error:
        raise fail(file, f"every line must be three numbers: days, angstrom, flux ({error})") from error
    if table.ndim != 2 or table.shape[1] != 3 or not np.isfinite(table).all():
        raise fail(file, f"every line must be three finite numbers, but the table has shape {table.shape}")
    days, wavelength = np.unique(table[:, 0]), np.unique(table[:, 1])
    ordered = table[np.lexsort((table[:, 1], table[:, 0]))]
    if len(ordered) != len(days) * len(wavelength) or not (
        (ordered[:, 1].reshape(len(days), -1) == wavelength).all() and len(days) > 1 and len(wavelength) > 1
    ):
        rule = "every day must have the same wavelengths, two days and wavelengths at least"
        found = f"{len(table)} lines of {len(days)} days and {len(wavelength)} wavelengths"
        raise fail(file, f"{rule}, but found {found}")
    flux = np.maximum(ordered[:, 2].reshape(len(days), -1), 0.0)
    spectra = np.stack([np.interp(WAVELENGTH, wavelength, row, left=0.0, right=0.0) for row in flux])
    if not spectra.any():
        low, high = WAVELENGTH[0], WAVELENGTH[-1]
        raise fail(file, f"must have light between {low:.0f} and {high:.0f} angstrom, but has none")
    return kinds[named.group(1).upper()], days, spectra


def _around_maximum(days: Floats, spectra: Floats) -> Floats:
    """Return (P, L) spectra at `_PHASES`."""
    from rookery.surveys.simulators.filters import load_filters

    blue = spectra @ load_filters(("bessell-B",)).weights[0]
    since = days - days[int(np.argmax(blue))]
    index = np.clip(np.searchsorted(since, _PHASES) - 1, 0, len(since) - 2)
    rest = np.clip((_PHASES - since[index]) / (since[index + 1] - since[index]), 0.0, 1.0)[:, None]
    found = (1 - rest) * spectra[index] + rest * spectra[index + 1]
    fading = np.exp(-np.maximum(_PHASES - since[-1], 0.0) / _LATE)
    result: Floats = found * np.where(since[0] > _PHASES, 0.0, fading)[:, None]
    return result
