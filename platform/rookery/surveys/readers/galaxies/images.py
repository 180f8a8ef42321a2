"""What all readers of galaxy images share: options, the join with a catalogue, the stream into a store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys._report import Faults, IngestReport
from rookery.surveys.flags import EDGE, MISSING_MAGNITUDE, NON_FINITE, SPIKE
from rookery.surveys.galaxies import ZERO_POINT, new_galaxy_survey
from rookery.surveys.readers.galaxies._catalogue import Galaxies, dereddened, read_galaxies
from rookery.surveys.readers.galaxies._pixels import Images, clean
from rookery.surveys.readers.galaxies._roles import plays
from rookery.surveys.readers.galaxies._tables import open_table
from rookery.surveys.readers.galaxies.catalogue import galaxy_notes
from rookery.surveys.readers.galaxies.settings import CatalogueOptions, CatalogueSettings
from rookery.surveys.store import open_survey
from rookery_ensembles.errors import InputError, fail

SDSS_PIXEL_SCALE = 0.396
FLAGS = {
    "non_finite": NON_FINITE,
    "spike": SPIKE,
    "edge": EDGE,
    "missing_magnitude": MISSING_MAGNITUDE,
}
# How far numbers may differ that tell the same of one galaxy in two sources without common ids.
_SAME = {"redshift": 1e-3, "ra": 1e-3, "dec": 1e-3}


class ImageOptions(CatalogueOptions, total=False):
    """Keyword arguments of the readers of images; see :class:`ImageSettings`."""

    catalogue: str | Path | None
    bands: Sequence[str]
    size: int
    pixel_scale: float | None
    dtype: Literal["float16", "float32"]
    zero_point: float | None
    spike_ratio: float | None
    saturation: float | None


@dataclass(frozen=True)
class ImageSettings(CatalogueSettings):
    """Options of a reader of images, checked.

    Raises
    ------
    InputError
        As :class:`CatalogueSettings`, and for numbers out of range.
    """

    catalogue: str | Path | None = None
    """A table of the galaxies (magnitudes, redshifts, ...), read with the same roles and units."""
    bands: Sequence[str] = ("u", "g", "r", "i", "z")
    """The images' bands, in their order."""
    size: int = 64
    """Rows and columns of a cutout."""
    pixel_scale: float | None = None
    """Arcseconds along a pixel's side; by default the frames', or SDSS's 0.396."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the pixels in the store."""
    zero_point: float | None = None
    """AB magnitude of pixel value 1, by default 22.5: nanomaggies, to which pixels are converted."""
    spike_ratio: float | None = 4.0
    """How many times the median of its neighbours a pixel may reach; None leaves spikes alone."""
    saturation: float | None = None
    """Largest pixel in nanomaggies; larger ones are clipped. Half precision's limit is 65504."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise fail("bands", f"must be unique, but are {', '.join(self.bands) or 'none'}")
        if self.size < 1:
            raise fail("size", f"must be at least 1 pixel, but is {self.size}")
        if self.dtype not in ("float16", "float32"):
            raise fail("dtype", f"must be float16 or float32, but is {self.dtype!r}")
        if self.zero_point is not None and not np.isfinite(self.zero_point):
            raise fail("zero_point", f"must be a finite magnitude, but is {self.zero_point!r}")
        for name, value in (("pixel_scale", self.pixel_scale), ("saturation", self.saturation)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise fail(name, f"must be a positive number, but is {value!r}")
        if self.spike_ratio is not None and not self.spike_ratio > 1:
            raise fail("spike_ratio", f"must be greater than 1, but is {self.spike_ratio!r}")

    @property
    def limit(self) -> float:
        """Largest pixel that is kept, in nanomaggies."""
        largest = float(np.finfo(self.dtype).max)
        return largest if self.saturation is None else min(self.saturation, largest)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows and columns of a cutout."""
        return len(self.bands), self.size, self.size

    def to_bands_first(self, image: NDArray[Any], where: str) -> NDArray[Any]:
        """Return one cutout or several with bands before rows and columns, whichever way they came.

        Raises
        ------
        InputError
            When neither way gives the expected bands and size.
        """
        n_bands, size, _ = self.shape
        last, first = (size, size, n_bands), (n_bands, size, size)
        if image.shape[-3:] == first:
            return image
        if image.shape[-3:] == last:
            return np.moveaxis(image, -1, -3)
        found = " x ".join(map(str, image.shape[-3:])) or "one value"
        raise fail(
            where,
            f"a cutout must have {size} x {size} pixels in {n_bands} bands ({', '.join(self.bands)}), "
            f"but is {found}; --size and --bands say what is expected",
        )


@dataclass(frozen=True)
class ImageBlock:
    """Consecutive cutouts of a source.

    Attributes
    ----------
    images
        (n, bands, rows, columns), float32, in the source's unit.
    flags
        Bits that the reader itself sets.
    wrong
        Cutout in the block -> what spoils it.
    """

    images: Images
    flags: NDArray[np.int64]
    wrong: Mapping[int, InputError]


def own_settings(settings: ImageSettings, names: list[str]) -> CatalogueSettings:
    """Return how to read the images' own labels, with columns `names`.

    Beside a catalogue the roles whose columns are not among them are the catalogue's.
    """
    mapping = settings.mapping
    if settings.catalogue is not None:
        mapping = {role: column for role, column in mapping.items() if plays(role, column, names)}
    return _with_mapping(settings, mapping)


def read_catalogue(settings: ImageSettings, own_names: list[str]) -> Galaxies | None:
    """Return the catalogue that belongs to the images, or None without one.

    Roles whose columns are among the images' labels (`own_names`) alone are not looked for in it.

    Raises
    ------
    InputError
        As :func:`read_galaxies`.
    """
    if settings.catalogue is None:
        return None
    table = open_table(Path(settings.catalogue), names=settings.names)
    mapping = {
        role: column
        for role, column in settings.mapping.items()
        if plays(role, column, table.names) or not plays(role, column, own_names)
    }
    return read_galaxies([table], _with_mapping(settings, mapping), need_bands=False)


def _with_mapping(settings: ImageSettings, mapping: Mapping[str, str]) -> CatalogueSettings:
    return CatalogueSettings(
        columns=mapping,
        unit=settings.unit,
        softening=settings.softening,
        offsets=settings.offsets,
        missing=settings.missing,
    )


def joined(own: Galaxies, catalogue: Galaxies | None, settings: ImageSettings, where: Path) -> Galaxies:
    """Return the images' objects with what the catalogue tells of them, in the images' order.

    Where both have ids these must be the same, in any order; else numbers must agree, and so must
    redshifts and positions where both tell them.

    Raises
    ------
    InputError
        When numbers differ, or rows without ids tell of different galaxies.
    """
    if catalogue is None:
        return dereddened(own, settings, where)
    table = str(settings.catalogue)
    wrong = dict(own.wrong)
    n, m = len(own.frame), len(catalogue.frame)
    if own.has_ids and catalogue.has_ids:
        place_of = {name: row for row, name in reversed(list(enumerate(catalogue.frame["object_id"])))}
        places = np.array([place_of.get(name, -1) for name in own.frame["object_id"]], dtype=np.int64)
        same = f"images and catalogue must have the same objects ({n} and {m})"
        for row in np.flatnonzero(places < 0).tolist():
            rule = f"object {own.frame['object_id'].iloc[row]!r} has no row there"
            wrong.setdefault(row, fail(table, f"{rule}: {same}"))
        lonely = np.setdiff1d(np.arange(m), places).tolist()
        extra = {
            n + number: error for number, (row, error) in enumerate(catalogue.wrong.items()) if row in lonely
        }
        lonely = [row for row in lonely if row not in catalogue.wrong]
        if lonely:
            first = catalogue.frame["object_id"].iloc[lonely[0]]
            rule = f"{len(lonely)} of its objects have no image in {where}, the first {first!r}: {same}"
            extra[n + m] = fail(table, rule)
    else:
        if n != m:
            rule = f"there must be as many rows as images in {where}, since ids do not tell which is whose"
            raise fail(table, f"{rule}, but there are {m} rows and {n} images")
        _require_same_galaxies(own, catalogue, table, where)
        places, extra = np.arange(n), {}
    for row, place in enumerate(places.tolist()):
        if place in catalogue.wrong:
            wrong.setdefault(row, catalogue.wrong[place])
    told = catalogue.frame.iloc[np.maximum(places, 0)].reset_index(drop=True)
    frame = own.frame.copy()
    identity = ["object_id"] if own.has_ids or not catalogue.has_ids else []
    for name in told.columns.drop([*identity, "type", "flags", "source_file"], errors="ignore"):
        known = frame[name] if name in frame.columns and name != "object_id" else None
        frame[name] = told[name] if known is None else told[name].fillna(known)
    bands = tuple(dict.fromkeys([*own.bands, *catalogue.bands]))
    absent = np.zeros(n, dtype=bool)
    for band in bands:
        absent |= frame[f"mag_{band}"].isna().to_numpy()
    frame["flags"] = np.where(absent, float(MISSING_MAGNITUDE), 0.0)
    ids = frame["object_id"].to_numpy()
    truth = _joined_truth(own.truth, catalogue.truth, places, ids)
    has_ids = own.has_ids or catalogue.has_ids
    roles = {**own.roles, **catalogue.roles}
    whole = Galaxies(frame, truth, bands, {**wrong, **extra}, has_ids, roles)
    return dereddened(whole, settings, table)


def _require_same_galaxies(own: Galaxies, catalogue: Galaxies, table: str, where: Path) -> None:
    for name, tolerance in _SAME.items():
        if name in own.frame.columns and name in catalogue.frame.columns:
            ours, theirs = own.frame[name].to_numpy(), catalogue.frame[name].to_numpy()
            differ = np.abs(ours - theirs) > tolerance
            if differ.any():
                row = int(differ.argmax())
                raise fail(
                    f"{table}, row {row + 1}",
                    f"{name} must be that of image {row + 1} of {where} ({ours[row]:g}), but is "
                    f"{theirs[row]:g}: images and catalogue are in different orders",
                )


def _joined_truth(
    own: pd.DataFrame | None, other: pd.DataFrame | None, places: NDArray[np.int64], ids: NDArray[Any]
) -> pd.DataFrame | None:
    parts = {}
    for table, rows in ((own, np.arange(len(places))), (other, np.maximum(places, 0))):
        if table is not None:
            parts.update(table.iloc[rows].reset_index(drop=True).to_dict("series"))
    return pd.DataFrame({**parts, "object_id": ids}) if parts else None


def write_images(
    galaxies: Galaxies,
    blocks: Iterable[ImageBlock],
    settings: ImageSettings,
    faults: Faults,
    *,
    out: Path,
    name: str,
    place: Any,
    provenance: Mapping[str, Any],
    n_ignored: int = 0,
) -> IngestReport:
    """Stream cutouts, in the order of the objects, into a survey; broken ones are raised or left out.

    Parameters
    ----------
    blocks
        Together as many cutouts as there are objects.
    place
        Returns the place of a cutout for messages, by its number.

    Raises
    ------
    InputError
        For the first broken cutout or row, unless `faults` leaves it out, or when none is left.
    """
    kept_rows = np.zeros(len(galaxies.frame), dtype=bool)
    good = galaxies.kept(faults)
    kept_rows[good[good < len(kept_rows)]] = True
    flags = galaxies.frame["flags"].to_numpy().astype(np.int64)
    zero_point = ZERO_POINT if settings.zero_point is None else settings.zero_point
    scale = np.float32(10 ** (0.4 * (ZERO_POINT - zero_point)))
    start = 0
    with new_galaxy_survey(out, name=name, bands=settings.bands) as writer:
        writer.open_images(
            size=settings.size, pixel_scale=settings.pixel_scale or SDSS_PIXEL_SCALE, dtype=settings.dtype
        )
        for block in blocks:
            images = block.images if scale == 1 else block.images * scale
            images, found, wrong = clean(
                images, tuple(settings.bands), spike_ratio=settings.spike_ratio, limit=settings.limit
            )
            rows = slice(start, start + len(images))
            errors = {row: fail(place(start + row), rule) for row, rule in wrong.items()} | dict(block.wrong)
            for row, error in sorted(errors.items()):
                if kept_rows[start + row]:
                    faults.add(("image", start + row), error)
                    kept_rows[start + row] = False
            flags[rows] |= found | block.flags
            writer.add_images(images[kept_rows[rows]])
            start += len(images)
        if not kept_rows.any():
            raise InputError(f"no galaxy is left: every cutout breaks a rule, the first: {faults.errors[0]}")
        keep = np.flatnonzero(kept_rows)
        frame = galaxies.frame.assign(flags=flags.astype(np.float64)).iloc[keep].reset_index(drop=True)
        flagged = {word: int(((flags[keep] & bit) > 0).sum()) for word, bit in FLAGS.items()}
        writer.finish(
            objects=frame,
            truth=None if galaxies.truth is None else galaxies.truth.iloc[keep].reset_index(drop=True),
            provenance={
                **provenance,
                **galaxy_notes(galaxies, settings),
                "catalogue": None if settings.catalogue is None else Path(settings.catalogue).name,
                "zero_point": zero_point,
                "spike_ratio": settings.spike_ratio,
                "saturation": settings.saturation,
                "flagged": flagged,
                "objects_read": len(keep),
                "objects_skipped": len(faults.errors),
                "skipped": faults.errors[:1000],
            },
        )
    return IngestReport(
        open_survey(out, verify=False), len(keep), len(faults.errors), n_ignored, faults.errors
    )
