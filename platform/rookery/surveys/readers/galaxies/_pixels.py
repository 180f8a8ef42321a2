"""The rules that cutouts are held to: finite pixels, an exposure in every band, no spikes."""

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.galaxies import NON_FINITE, SPIKE

# A pixel must stand out of its neighbours by so many sigma of the sky to be called a spike.
SPIKE_SIGMA = 10.0
# A spike of several pixels is eaten from its corners, once a pass.
_PASSES = 5
_STEPS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]

Images = NDArray[np.float32]


def clean(
    images_nbhw: Images, bands: tuple[str, ...], *, spike_ratio: float | None, limit: float
) -> tuple[Images, NDArray[np.int64], dict[int, str]]:
    """Mend cutouts by rule.

    * A pixel that is not finite becomes 0: flag ``NON_FINITE``.
    * A pixel beyond `limit` (saturation, or what the store's type holds) is clipped to it: ``SPIKE``.
    * A pixel that no neighbour outshines, above both ``spike_ratio * m`` and ``m + 10 s``, is clipped to
      the larger of the two, where `m` is the median of its (up to 8) neighbours, at least 0, and `s` the
      band's sky noise in this cutout; up to five times, so that a small group of hot pixels goes too:
      ``SPIKE``. With
      the ratio 4 a star stays as it is if its width (FWHM) is 2.3 pixels or more: 0.9 arcsec in SDSS.
    * A pixel below all its neighbours and ``min(m, 0) - 10 s`` is clipped to that: ``SPIKE``.
    * A band that is 0 everywhere has no exposure: an error.

    Parameters
    ----------
    images_nbhw
        Cutouts in nanomaggies; changed in place.
    spike_ratio
        See above; None leaves spikes alone.
    limit
        In nanomaggies per pixel.

    Returns
    -------
    tuple
        The cutouts, their flags, and cutout -> the rule that it breaks.
    """
    flags = np.zeros(len(images_nbhw), dtype=np.int64)
    bad = ~np.isfinite(images_nbhw)
    if bad.any():
        images_nbhw[bad] = 0.0
        flags[bad.any(axis=(1, 2, 3))] |= NON_FINITE
    empty = ~np.any(images_nbhw, axis=(2, 3))
    wrong = {
        int(row): f"band {bands[int(empty[row].argmax())]!r} has no exposure: every pixel is 0"
        + (" (or was not finite)" if flags[row] & NON_FINITE else "")
        for row in np.flatnonzero(empty.any(axis=1))
    }
    beyond = (np.abs(images_nbhw) > limit).any(axis=(1, 2, 3))
    if beyond.any():
        images_nbhw[beyond] = np.clip(images_nbhw[beyond], -limit, limit)
        flags[beyond] |= SPIKE
    if spike_ratio is not None:
        flags[_clip_spikes(images_nbhw, spike_ratio)] |= SPIKE
    return images_nbhw, flags, wrong


def sky_noise(images_nbhw: Images) -> NDArray[np.float32]:
    """Return each band's standard deviation of the sky, (n, bands), from differences along rows.

    1.4826 / sqrt(2) times the median absolute difference of neighbours, which galaxies hardly change
    unless they fill the cutout (the noise is then too large, and the rule the milder). Pixels that
    are exactly 0 (padded, masked) do not count.
    """
    n, n_bands = images_nbhw.shape[:2]
    differences = np.abs(np.diff(images_nbhw, axis=3)).reshape(n, n_bands, -1)
    noise = np.asarray(np.median(differences, axis=2), dtype=np.float32)
    zero = images_nbhw == 0
    for row, band in zip(*np.nonzero(zero.any(axis=(2, 3))), strict=True):
        masked = (zero[row, band, :, 1:] | zero[row, band, :, :-1]).ravel()
        noise[row, band] = 0.0 if masked.all() else np.median(differences[row, band][~masked])
    return noise * np.float32(1.4826 / np.sqrt(2.0))


def _clip_spikes(images_nbhw: Images, ratio: float) -> NDArray[np.int64]:
    """Clip spikes in place; return the cutouts that had some."""
    reach = (SPIKE_SIGMA * sky_noise(images_nbhw))[:, :, None, None]
    places = np.stack(np.nonzero(np.abs(images_nbhw) > reach))
    touched: set[int] = set()
    for _ in range(_PASSES):
        row, band, y, x = places
        value, local = images_nbhw[row, band, y, x], reach[row, band, 0, 0]
        least, middle, most = _neighbours(images_nbhw, places)
        high = np.maximum(ratio * np.maximum(middle, 0), np.maximum(middle, 0) + local)
        low = np.minimum(middle, 0) - local
        spiking = ((value > high) & (value >= most)) | ((value < low) & (value <= least))
        if not spiking.any():
            break
        clipped = np.clip(value, low, high)
        images_nbhw[row[spiking], band[spiking], y[spiking], x[spiking]] = clipped[spiking]
        touched |= set(row[spiking].tolist())
        places = places[:, np.isin(row, row[spiking])]
    return np.array(sorted(touched), dtype=np.int64)


def _neighbours(
    images_nbhw: Images, places: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the least, the median and the largest of each pixel's neighbours; at an edge fewer than 8."""
    row, band, y, x = places
    height, width = images_nbhw.shape[2:]
    around = np.empty((len(row), len(_STEPS)), dtype=np.float32)
    for place, (dy, dx) in enumerate(_STEPS):
        inside = (y + dy >= 0) & (y + dy < height) & (x + dx >= 0) & (x + dx < width)
        found = images_nbhw[row, band, np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
        around[:, place] = np.where(inside, found, np.inf)
    around.sort(axis=1)
    # An image of a single pixel has no neighbours: it is then its own.
    count = np.maximum(np.isfinite(around).sum(axis=1), 1)
    around = np.where(np.isfinite(around), around, images_nbhw[row, band, y, x][:, None])
    each = np.arange(len(row))
    middle = (around[each, (count - 1) // 2] + around[each, count // 2]) / np.float32(2.0)
    return around[:, 0], middle, around[each, count - 1]
