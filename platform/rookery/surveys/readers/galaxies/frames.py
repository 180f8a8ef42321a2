"""Reader that cuts galaxies out of FITS frames, around the positions of a catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np

from rookery.signature import OutPath
from rookery.surveys.ingest import Faults, IngestReport, Paths
from rookery.surveys.readers.galaxies._catalogue import Galaxies, dereddened
from rookery.surveys.readers.galaxies._frame_files import ENDINGS, PixelCache, Plane, find_planes
from rookery.surveys.readers.galaxies._ingest import GalaxyIngest, ImageBlock
from rookery.surveys.readers.galaxies._join import read_catalogue
from rookery.surveys.readers.galaxies._stamps import Coverage, Resample, cut, find_coverage
from rookery.surveys.readers.galaxies.settings import ImageOptions, ImageSettings
from rookery_ensembles.errors import fail

_BLOCK = 64


def ingest_frames(
    path: Paths,
    out: OutPath,
    *,
    frames: Mapping[str, str] | None = None,
    resample: Resample = "auto",
    **options: Unpack[ImageOptions],
) -> IngestReport:
    """Cut stamps out of FITS frames around the positions (`ra`, `dec`) of a catalogue, by WCS.

    Each object is cut from the frame, in each band, in which it is farthest from an edge; pixels
    beyond the edge are 0 (flag ``EDGE``). All bands come onto the grid of the reference band (r,
    else the middle one); see :func:`rookery.surveys.readers.galaxies._stamps.cut`. Objects come in the
    order of the reference band's frames, so that every frame is opened about once; plain frames are
    memory-mapped.

    Parameters
    ----------
    path
        FITS frames (also gzip, bzip2, ``.fz``), or folders of them: an image per band, HDUs, or stacks.
    out
        Survey store to make.
    frames
        BAND=PATTERN of file names, where neither header (FILTER) nor file name tells the band; repeatable.
    resample
        Interpolate bands onto one grid: where theirs differ, never, or always.
    options
        See :class:`rookery.surveys.readers.galaxies.ImageOptions`; `catalogue` must be given. The pixel
        scale is that of the frames. Objects that some band shows nowhere count as broken.

    Raises
    ------
    InputError
        For the first object or row that breaks a rule, a damaged frame, one without WCS, band
        or known unit, and a band without a frame.
    """
    settings = ImageSettings(**options)
    ingest = GalaxyIngest("frames", path, out, settings)
    ingest.remember(frames=dict(frames or {}), resample=resample)
    if resample not in ("auto", "never", "always"):
        raise fail("resample", f"must be auto, never or always, but is {resample!r}")
    for band in frames or {}:
        if band not in settings.bands:
            raise fail(f"frame {band!r}", f"must be one of the bands {', '.join(settings.bands)}")
    catalogue = read_catalogue(settings, [])
    if catalogue is None:
        raise fail("catalogue", "must be given: it tells where to cut")
    where = str(settings.catalogue)
    galaxies = _with_positions(dereddened(catalogue, settings, where), where)
    bands = list(settings.bands)
    files = ingest.files(ENDINGS, what="a FITS frame")
    planes = find_planes(files, bands, frames or {}, any_unit=settings.zero_point is not None)
    galaxies, coverage = _covered(galaxies, planes, bands, ingest.faults, where)
    reference = bands.index("r") if "r" in bands else len(bands) // 2
    settings = replace(settings, pixel_scale=_pixel_scale(planes, bands[reference], settings))
    order = np.argsort(coverage.plane[:, reference], kind="stable")
    galaxies, coverage = galaxies.take(order), Coverage(coverage.plane[order], coverage.pixel[order])
    ids = galaxies.frame["object_id"].to_numpy()
    return ingest.write_images(
        galaxies,
        _blocks(planes, coverage, reference, settings, resample),
        settings,
        lambda row: f"{planes[coverage.plane[row, reference]].path} (object {ids[row]!r})",
        source=ingest.paths[0].name,
        files=[file.name for file in files][:1000],
        reference_band=bands[reference],
        resample=resample,
    )


def _with_positions(galaxies: Galaxies, where: str) -> Galaxies:
    """Note the objects without a position."""
    for role in ("ra", "dec"):
        if role not in galaxies.frame.columns:
            raise fail(
                where, f"must tell where to cut, but no column is {role!r}. Map it with --column {role}=NAME"
            )
    wrong = dict(galaxies.wrong)
    lost = galaxies.frame["ra"].isna() | galaxies.frame["dec"].isna()
    for row in np.flatnonzero(lost):
        place = f"{where} (object {galaxies.frame['object_id'].iloc[row]!r})"
        wrong.setdefault(int(row), fail(place, "has no position: 'ra' or 'dec' is missing"))
    return replace(galaxies, wrong=wrong)


def _covered(
    galaxies: Galaxies, planes: Sequence[Plane], bands: Sequence[str], faults: Faults, where: str
) -> tuple[Galaxies, Coverage]:
    """Return the objects that every band shows, and their frames; others are raised or left out."""
    good = np.setdiff1d(np.arange(len(galaxies.frame)), np.array(sorted(galaxies.wrong), dtype=np.int64))
    positions = galaxies.frame[["ra", "dec"]].to_numpy()[good]
    coverage = find_coverage(planes, bands, positions[:, 0], positions[:, 1])
    wrong = dict(galaxies.wrong)
    for place in np.flatnonzero((coverage.plane < 0).any(axis=1)):
        band = bands[int((coverage.plane[place] < 0).argmax())]
        row = int(good[place])
        ra, dec = positions[place]
        rule = f"lies outside all frames of band {band!r} (ra {ra:g}, dec {dec:g})"
        wrong[row] = fail(f"{where} (object {galaxies.frame['object_id'].iloc[row]!r})", rule)
    keep = replace(galaxies, wrong=wrong).kept(faults)
    local = np.searchsorted(good, keep)
    return galaxies.take(keep), Coverage(coverage.plane[local], coverage.pixel[local])


def _pixel_scale(planes: Sequence[Plane], band: str, settings: ImageSettings) -> float:
    """Return the reference frames' pixel scale, which must be one, and the one given if one is."""
    mine = [plane for plane in planes if plane.band == band]
    first = mine[0].pixel_scale()
    expected = first if settings.pixel_scale is None else settings.pixel_scale
    for plane in mine:
        if abs(plane.pixel_scale() / expected - 1) > 0.02:
            rule = f"the pixel scale must be {expected:.4g} arcsec, as elsewhere or as given"
            raise fail(plane.path, f"{rule}, but is {plane.pixel_scale():.4g}")
    return round(expected, 6)


def _blocks(
    planes: Sequence[Plane], coverage: Coverage, reference: int, settings: ImageSettings, resample: Resample
) -> Iterator[ImageBlock]:
    # Twice the bands: neighbours in the order may still ask for a frame of the one before.
    cache = PixelCache(2 * len(settings.bands))
    n = len(coverage.plane)
    for start in range(0, n, _BLOCK):
        rows = range(start, min(start + _BLOCK, n))
        images = np.empty((len(rows), *settings.shape), dtype=np.float32)
        flags = np.zeros(len(rows), dtype=np.int64)
        for local, row in enumerate(rows):
            mine = [planes[index] for index in coverage.plane[row]]
            images[local], flags[local] = cut(
                mine, coverage.pixel[row], reference, settings.size, cache, resample
            )
        yield ImageBlock(images, flags)
