"""What the readers of galaxies share: files in, objects and cutouts into a survey."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.compute.progress import tracked
from rookery.surveys.galaxies import FLAGS, ZERO_POINT, GalaxyWriter, new_galaxy_survey
from rookery.surveys.ingest import Faults, Ingest, IngestReport, Paths
from rookery.surveys.readers.galaxies._catalogue import Galaxies, dereddened
from rookery.surveys.readers.galaxies._pixels import Images, clean
from rookery.surveys.readers.galaxies.settings import CatalogueSettings, ImageSettings
from rookery_ensembles.errors import InputError, fail

SDSS_PIXEL_SCALE = 0.396


@dataclass(frozen=True)
class ImageBlock:
    """Consecutive cutouts of a source."""

    images: Images
    """(n, bands, rows, columns), float32, in the source's unit."""
    flags: NDArray[np.int64] | int = 0
    """Bits that the reader itself sets, one for each cutout or one for all."""
    wrong: Mapping[int, InputError] = field(default_factory=dict)
    """Cutout in the block -> what spoils it."""


class GalaxyIngest(Ingest):
    """One ingest of galaxies; see :class:`rookery.surveys.ingest.Ingest`."""

    def __init__(self, reader: str, path: Paths, out: str | Path, settings: CatalogueSettings) -> None:
        faults = Faults(settings.on_error)
        super().__init__(reader, path, out, faults, settings.name, overwrite=settings.overwrite)
        self.remember(**settings.given())

    def files(self, endings: Sequence[tuple[str, ...]], *, what: str) -> list[Path]:
        """Return the files that the paths mean: files as they stand, of folders all with a fitting ending.

        Parameters
        ----------
        endings
            Of a folder the first of these groups counts that some file in it has.

        Raises
        ------
        InputError
            For a path that does not exist, or a folder without such a file.
        """
        found: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                entries = [
                    one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")
                ]
                groups = [[one for one in entries if one.name.lower().endswith(group)] for group in endings]
                inside = next((group for group in groups if group), None)
                if inside is None:
                    told = ", ".join(ending for group in endings for ending in group)
                    raise fail(path, f"must hold {what} ({told}), but holds none")
                found += inside
            elif path.is_file():
                found.append(path)
            else:
                raise fail(path, f"must be {what} or a folder of them, but does not exist")
        return found

    def write_catalogue(
        self, galaxies: Galaxies, settings: CatalogueSettings, files: Sequence[Path], **notes: Any
    ) -> IngestReport:
        """Write the objects that break no rule as a survey without images; `notes` are for the provenance.

        Raises
        ------
        InputError
            For the first broken row, unless it is left out, or when none is left.
        """
        galaxies = dereddened(galaxies, settings, files[0])
        kept = galaxies.take(galaxies.kept(self.faults))
        with self._survey(galaxies.bands) as writer:
            writer.finish(
                objects=kept.frame,
                truth=kept.truth,
                provenance={
                    "reader": self.reader,
                    "options": self.options,
                    "source": files[0].name if len(files) == 1 else files[0].parent.name,
                    "files": [file.name for file in files][:1000],
                    **_told(galaxies, settings),
                    **self._numbers(len(kept.frame)),
                    **notes,
                },
            )
        return self.report(len(kept.frame))

    def write_images(
        self,
        galaxies: Galaxies,
        blocks: Iterable[ImageBlock],
        settings: ImageSettings,
        place: Callable[[int], str],
        *,
        n_ignored: int = 0,
        **notes: Any,
    ) -> IngestReport:
        """Stream cutouts, in the order of the objects, into a survey; broken ones are raised or left out.

        Parameters
        ----------
        blocks
            Together as many cutouts as there are objects.
        place
            Returns the place of a cutout for messages, by its number.
        notes
            For the provenance.

        Raises
        ------
        InputError
            For the first broken cutout or row, unless it is left out, or when none is left.
        """
        kept_rows = np.zeros(len(galaxies.frame), dtype=bool)
        good = galaxies.kept(self.faults)
        kept_rows[good[good < len(kept_rows)]] = True
        flags = galaxies.frame["flags"].to_numpy().astype(np.int64)
        zero_point = ZERO_POINT if settings.zero_point is None else settings.zero_point
        scale = np.float32(10 ** (0.4 * (ZERO_POINT - zero_point)))
        start = 0
        with self._survey(settings.bands) as writer:
            writer.open_images(
                size=settings.size, pixel_scale=settings.pixel_scale or SDSS_PIXEL_SCALE, dtype=settings.dtype
            )
            for block in tracked(blocks, "cutouts", len(flags), size=lambda block: len(block.images)):
                images = block.images if scale == 1 else block.images * scale
                images, found, wrong = clean(
                    images, tuple(settings.bands), spike_ratio=settings.spike_ratio, limit=settings.limit
                )
                rows = slice(start, start + len(images))
                errors = {row: fail(place(start + row), rule) for row, rule in wrong.items()} | dict(
                    block.wrong
                )
                for row, error in sorted(errors.items()):
                    if kept_rows[start + row]:
                        self.faults.add(("image", start + row), error)
                        kept_rows[start + row] = False
                flags[rows] |= found | block.flags
                writer.add_images(images[kept_rows[rows]])
                start += len(images)
            if not kept_rows.any():
                raise InputError(
                    f"no galaxy is left: every cutout breaks a rule, the first: {self.faults.errors[0]}"
                )
            keep = np.flatnonzero(kept_rows)
            kept = galaxies.take(keep)
            flagged = {word: int(((flags[keep] & bit) > 0).sum()) for word, bit in FLAGS.items()}
            writer.finish(
                objects=kept.frame.assign(flags=flags[keep].astype(np.float64)),
                truth=kept.truth,
                provenance={
                    "reader": self.reader,
                    "options": self.options,
                    **notes,
                    **_told(galaxies, settings),
                    "catalogue": None if settings.catalogue is None else Path(settings.catalogue).name,
                    "zero_point": zero_point,
                    "spike_ratio": settings.spike_ratio,
                    "saturation": settings.saturation,
                    "flagged": flagged,
                    **self._numbers(len(keep)),
                },
            )
        return self.report(len(keep), n_ignored=n_ignored)

    def _survey(self, bands: Sequence[str]) -> AbstractContextManager[GalaxyWriter]:
        return new_galaxy_survey(self.out, name=self.name, bands=bands, replace=self.overwrite)

    def _numbers(self, n_read: int) -> dict[str, Any]:
        errors = self.faults.errors
        return {"objects_read": n_read, "objects_skipped": len(errors), "skipped": errors[:1000]}


def _told(galaxies: Galaxies, settings: CatalogueSettings) -> Mapping[str, Any]:
    """Return what a survey's provenance says of its catalogue."""
    flux = {band for band in galaxies.bands if f"flux_{band}" in galaxies.roles}
    return {
        "columns": dict(galaxies.roles),
        "ids": "column" if galaxies.has_ids else "row numbers",
        "units": {band: settings.unit_of(band, is_flux=band in flux) for band in galaxies.bands},
        "offsets": dict(settings.offsets or {}),
        "dereddened": (
            {band: settings.coefficient(band) for band in galaxies.bands} if settings.deredden else False
        ),
        **({"missing": list(settings.missing)} if settings.missing else {}),
        "without_some_magnitude": int(np.count_nonzero(galaxies.frame["flags"])),
    }
