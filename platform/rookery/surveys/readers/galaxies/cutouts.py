"""Reader for cutouts with a file per galaxy (``.npy`` or FITS) and a manifest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from rookery.signature import OutPath
from rookery.surveys.ingest import IngestReport
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest, ImageBlock
from rookery.surveys.readers.galaxies._join import labelled
from rookery.surveys.readers.galaxies._manifest import (
    Manifest,
    find_manifest,
    manifest_of_names,
    read_manifest,
)
from rookery.surveys.readers.galaxies.settings import ImageOptions, ImageSettings
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.fits_units import check_units, open_fits
from rookery_ensembles.npy_files import array_of
from rookery_ensembles.unpacked import reading, unpacked

_ENDINGS = (".npy", ".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz")
_BLOCK = 64


def ingest_cutouts(
    path: str | Path,
    out: OutPath,
    *,
    manifest: str | Path | None = None,
    path_column: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cutouts with a file per galaxy, as a stream.

    The manifest names each galaxy's file and whatever is known of it; its columns play roles as
    those of a catalogue do (`ingest catalogue`). A file is looked for where the manifest says,
    from its own folder, and then by its name beside it. Without a manifest the files' names are the
    galaxies': ``1237.fits`` is 1237, and a catalogue (``--catalogue``) may tell more of them.

    Parameters
    ----------
    path
        The folder, with a ``manifest.json``, ``.csv``, ``.parquet`` or ``.fits`` (or one other table), or
        with files that are named ID.fits or ID.npy; or the manifest itself.
    out
        Survey store to make.
    manifest
        The manifest; by default manifest.json, .csv, ... in `path`.
    path_column
        The manifest's column of files; by default npy, path, file, filename, image, cutout or fits.
    options
        See :class:`rookery.surveys.readers.galaxies.ImageOptions`. With ``on_error="skip"`` cutouts that the
        manifest does not name are ignored and counted, and galaxies without a file left out.

    Raises
    ------
    InputError
        For the first file or row that breaks a rule, files and manifest of different number, or a catalogue
        with other objects.
    """
    place, settings = Path(path), ImageSettings(**options)
    folder = place if place.is_dir() else place.parent
    ingest = GalaxyIngest("cutouts", folder, out, settings)
    ingest.remember(path_column=path_column)
    catalogue = None if settings.catalogue is None else Path(settings.catalogue)
    found = None
    if manifest is None and path_column is None:
        found = manifest_of_names(place, _ENDINGS, catalogue)
    if found is None:
        found = read_manifest(find_manifest(place, manifest), path_column=path_column, names=settings.names)
    files = [found.file(row) for row in range(len(found.paths))]
    surplus = _surplus(found, files, settings)
    if surplus:
        rule = (
            f"names {len(files)} cutouts, but {len(surplus)} more lie beside it, the first {surplus[0].name}"
        )
        ingest.faults.add("surplus", fail(found.path, rule))
    own, galaxies = labelled([found.table], [found.path], settings, found.path)
    return ingest.write_images(
        galaxies,
        _blocks(found, files, settings),
        settings,
        lambda row: f"{files[row] or found.path} (object {own.frame['object_id'][row]!r})",
        n_ignored=len(surplus),
        source=place.name,
        manifest=found.path.name,
    )


def _surplus(manifest: Manifest, files: list[Path | None], settings: ImageSettings) -> list[Path]:
    """Return the cutouts in the manifest's folders that it does not name."""
    named = {file.resolve() for file in files if file is not None} | {manifest.path.resolve()}
    if settings.catalogue is not None:
        named.add(Path(settings.catalogue).resolve())
    folders = sorted({file.parent for file in files if file is not None})
    return [
        one
        for folder in folders
        for one in sorted(folder.iterdir())
        if one.name.lower().endswith(_ENDINGS) and not one.name.startswith(".")
        if one.is_file() and one.resolve() not in named
    ]


def _blocks(manifest: Manifest, files: list[Path | None], settings: ImageSettings) -> Iterator[ImageBlock]:
    for start in range(0, len(files), _BLOCK):
        rows = range(start, min(start + _BLOCK, len(files)))
        # What cannot be read holds its place with ones, and is left out.
        images = np.ones((len(rows), *settings.shape), dtype=np.float32)
        wrong: dict[int, InputError] = {}
        for local, row in enumerate(rows):
            file = files[row]
            try:
                if file is None:
                    rule = f"names {manifest.paths[row]!r}, but there is no such file"
                    raise fail(f"{manifest.path}, row {row + 1}", rule)
                images[local] = _read_cutout(file, settings)
            except InputError as error:
                wrong[local] = error
        yield ImageBlock(images, wrong=wrong)


def _read_cutout(path: Path, settings: ImageSettings) -> NDArray[np.float32]:
    """Return a cutout (bands, rows, columns).

    A FITS file holds one image of three dimensions, or as many images of two as there are bands.

    Raises
    ------
    InputError
        When the file is damaged, or is of another size or number of bands.
    """
    with reading(path):
        content = unpacked(path)
        array = _from_fits(path, content) if content[:6] == b"SIMPLE" else array_of(content)
    if array.dtype.kind not in "fiu":
        raise fail(path, f"must hold numbers, but has type {array.dtype}")
    if array.ndim != 3:
        raise fail(path, f"must have rows, columns and bands, but has the shape {array.shape}")
    return np.array(settings.to_bands_first(array, str(path)), dtype=np.float32, order="C")


def _from_fits(path: Path, content: bytes) -> NDArray[Any]:
    with open_fits(content) as units:
        check_units(units, path, len(content))
        images = [np.asarray(unit.data) for unit in units if unit.is_image and unit.data is not None]
    if not images:
        raise fail(path, "must hold an image, but holds none")
    if images[0].ndim == 3:
        return images[0]
    flat = [image for image in images if image.ndim == 2]
    if len({image.shape for image in flat}) != 1:
        raise fail(path, f"its images must have one size, but have {[image.shape for image in images]}")
    return np.stack(flat)
