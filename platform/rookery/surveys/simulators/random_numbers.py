"""Surveys of random numbers: of any kind and size in a moment, for measurements of speed alone."""

from pathlib import Path

import numpy as np
import pandas as pd

from rookery.surveys.galaxies import new_galaxy_survey
from rookery.surveys.store import Survey, open_survey, write_survey

CLASSES = ("Ia", "II")
LARGEST_REDSHIFT = 0.4
_GALAXY_BANDS, _SUPERNOVA_BANDS = tuple("ugriz"), tuple("griz")
_OBSERVATIONS, _DAYS = 80, 120
_CHUNK = 1024


def random_survey(path: Path, kind: str, n: int, *, size: int = 64, seed: int = 0) -> Survey:
    """Write a survey whose objects tell nothing of their truths.

    Parameters
    ----------
    kind
        `light_curves` (80 observations within 120 days, in griz), `images` (ugriz, with magnitudes) or
        `catalogue` (magnitudes alone).
    n
        Objects.
    size
        Pixels of an image's side.
    """
    rng = np.random.default_rng(seed)
    objects = pd.DataFrame({"object_id": [f"r{i}" for i in range(n)]})
    provenance = {"generator": "random numbers", "seed": seed}
    if kind == "light_curves":
        objects["type"] = rng.choice(CLASSES, n)
        observations = _observations(objects["object_id"], rng)
        return write_survey(
            path,
            name="random numbers",
            bands=_SUPERNOVA_BANDS,
            objects=objects,
            observations=observations,
            provenance=provenance,
        )
    objects["redshift"] = rng.uniform(0, LARGEST_REDSHIFT, n)
    objects["mwebv"] = rng.uniform(0, 0.1, n)
    for band in _GALAXY_BANDS:
        objects[f"mag_{band}"], objects[f"mag_err_{band}"] = rng.normal(18, 1, n), rng.uniform(0.01, 0.2, n)
    with new_galaxy_survey(path, name="random numbers", bands=_GALAXY_BANDS) as writer:
        if kind == "images":
            writer.open_images(size=size, pixel_scale=0.396)
            for start in range(0, n, _CHUNK):
                shape = min(_CHUNK, n - start), len(_GALAXY_BANDS), size, size
                writer.add_images(rng.standard_normal(shape, dtype=np.float32))
        writer.finish(objects=objects, provenance=provenance)
    return open_survey(path)


def _observations(ids: pd.Series, rng: np.random.Generator) -> pd.DataFrame:
    n, total = len(ids), len(ids) * _OBSERVATIONS
    return pd.DataFrame(
        {
            "object_id": pd.Categorical.from_codes(np.repeat(np.arange(n), _OBSERVATIONS), pd.Index(ids)),
            "mjd": 57000 + np.sort(rng.uniform(0, _DAYS, (n, _OBSERVATIONS)), axis=1).ravel(),
            "band": pd.Categorical.from_codes(rng.integers(0, 4, total), pd.Index(_SUPERNOVA_BANDS)),
            "flux": rng.normal(20, 30, total).astype(np.float32),
            "flux_err": rng.uniform(1, 5, total).astype(np.float32),
        }
    )
