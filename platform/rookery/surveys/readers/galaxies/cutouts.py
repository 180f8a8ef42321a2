"""Reader for cutouts with a file per galaxy (``.npy`` or FITS) and a manifest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import numpy as np

from rookery.surveys._report import Faults, IngestReport, OnError, survey_name
from rookery.surveys.readers.galaxies._catalogue import Rows, galaxies_from_columns
from rookery.surveys.readers.galaxies._cutout_file import read_cutout
from rookery.surveys.readers.galaxies._manifest import Manifest, find_manifest, read_manifest
from rookery.surveys.readers.galaxies._roles import match_roles
from rookery.surveys.readers.galaxies.images import (
    ImageBlock,
    ImageOptions,
    ImageSettings,
    joined,
    own_settings,
    read_catalogue,
    write_images,
)
from rookery.surveys.store import refuse_existing
from rookery_ensembles.errors import InputError, fail

_ENDINGS = (".npy", ".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz")
_BLOCK = 64


def ingest_cutouts(
    path: str | Path,
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    path_column: str | None = None,
    on_error: OnError = "stop",
    name: str | None = None,
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Read cutouts with a file per galaxy, as a stream.

    The manifest names each galaxy's file and whatever is known of it; its columns play roles as
    those of a catalogue do (:func:`ingest_catalogue`). A file is looked for where the manifest says,
    from its own folder, and then by its name beside it.

    Parameters
    ----------
    path
        The folder, with a ``manifest.json``, ``.csv``, ``.parquet`` or ``.fits`` (or one other table), or the
        manifest itself.
    manifest
        The manifest, if it is elsewhere.
    path_column
        The manifest's column of files; by default npy, path, file, filename, image, cutout or fits.
    out, on_error, name
        As for :func:`ingest_catalogue`. With ``"skip"`` cutouts that the manifest does not name are
        ignored and counted, and galaxies without a file left out.
    options
        See :class:`rookery.surveys.readers.galaxies.ImageSettings`.

    Raises
    ------
    InputError
        For the first file or row that breaks a rule, files and manifest of different number, or a catalogue
        with other objects.
    """
    place = Path(path)
    settings, faults = ImageSettings(**options), Faults(on_error)
    refuse_existing(Path(out))
    found = read_manifest(find_manifest(place, manifest), path_column=path_column, names=settings.names)
    files = [found.file(row) for row in range(len(found.paths))]
    surplus = _surplus(found, files, settings)
    if surplus:
        rule = (
            f"names {len(files)} cutouts, but {len(surplus)} more lie beside it, the first {surplus[0].name}"
        )
        faults.add("surplus", fail(found.path, rule))
    names = list(found.table.columns)
    mapped = own_settings(settings, names)
    n = len(files)
    rows = Rows([found.path], np.zeros(n, dtype=np.int64), np.arange(1, n + 1))
    own = galaxies_from_columns(
        found.table, match_roles(mapped.mapping, names, found.path, need_bands=False), mapped, rows
    )
    galaxies = joined(own, read_catalogue(settings, names), settings, found.path)
    report = write_images(
        galaxies,
        _blocks(found, files, settings),
        settings,
        faults,
        out=Path(out),
        name=survey_name(place if place.is_dir() else place.parent, name),
        place=lambda row: f"{files[row] or found.path} (object {own.frame['object_id'][row]!r})",
        provenance={"reader": "cutouts", "source": place.name, "manifest": found.path.name},
        n_ignored=len(surplus),
    )
    return report


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
        if one.name.lower().endswith(_ENDINGS) and one.is_file() and one.resolve() not in named
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
                images[local] = read_cutout(file, settings)
            except InputError as error:
                wrong[local] = error
        yield ImageBlock(images, np.zeros(len(rows), dtype=np.int64), wrong)
