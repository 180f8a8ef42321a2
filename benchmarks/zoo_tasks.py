"""The tasks of zoo.py: objects of open catalogues and of scikit-learn, in three parts."""

import gzip
import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles import Classes, RedshiftBins
from rookery_ensembles.target import Target

Floats = NDArray[np.float64]
MOST_TESTED = 2_000
MEMBERS, VALIDATION = (5, 10, 20, 30, 50), (150, 400, 1_000)
SETS = {"mgs": 12, "boss": 14, "des_vvds": 12, "deep": 12, "spcc": 14, "digits": 6, "cancer": 4, "wine": 2,
        "mgs_mlp": 3, "boss_mlp": 3, "des_vvds_mlp": 3, "deep_mlp": 3}  # fmt: skip
"""Tasks of each set: 76, and 12 whose pools are networks of this platform (`_mlp`)."""
NETWORKS = "_mlp"
TRAINING = {"digits": (200, 500), "cancer": (80, 160), "wine": (50,)}
_ASTRONOMY, _NETWORKS = (200, 600, 1_500), (600, 1_000, 1_500)


@dataclass(frozen=True)
class Objects:
    """What is known of the objects of a set."""

    features: Floats
    """(N, F), NaN where unknown."""
    target: Target
    truth: NDArray[Any]
    """(N,) classes or redshifts."""
    order: Floats
    """(N,) how hard an object is: a magnitude, say."""


@dataclass(frozen=True)
class Task:
    """Some objects of a set in three parts, and a pool of models to be trained."""

    name: str
    of: str
    number: int

    @property
    def seed(self) -> int:
        """Return the seed of all that is drawn."""
        return zlib.crc32(self.name.encode())

    def rows(self, objects: Objects) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows that train, choose and judge.

        In every third task the training objects are drawn from the brighter or easier half, as spectroscopic
        samples are; those that choose and judge are always alike.
        """
        rng = np.random.default_rng(self.seed)
        sizes, n = _NETWORKS if self.networks else TRAINING.get(self.of, _ASTRONOMY), len(objects.truth)
        train = min(sizes[self.number % len(sizes)], n // 2)
        shuffled = rng.permutation(n)
        if self.number % 3 == 2:
            easy = objects.order[shuffled] <= np.median(objects.order)
            shuffled = np.concatenate([shuffled[easy], shuffled[~easy]])
        rest = rng.permutation(shuffled[train:])
        validation = min(VALIDATION[self.number // 2 % len(VALIDATION)], len(rest) // 2)
        return shuffled[:train], rest[:validation], rest[validation:][:MOST_TESTED]

    @property
    def networks(self) -> bool:
        """Return whether the pool is networks of this platform."""
        return self.of.endswith(NETWORKS)

    @property
    def members(self) -> int:
        """Return the size of the pool."""
        return MEMBERS[self.number % len(MEMBERS)]


def all_tasks() -> list[Task]:
    """Return every task."""
    return [Task(f"{of}-{number:02d}", of, number) for of, count in SETS.items() for number in range(count)]


def load(of: str, data: Path, cache: Path) -> Objects:
    """Return the objects of a set; `data` is the folder of the open catalogues."""
    of = of.removesuffix(NETWORKS)
    if of in ("digits", "cancer", "wine"):
        return _bundled(of)
    if of == "spcc":
        return _supernovae(data / "spcc" / "spcc_open.tar.xz", cache)
    magnitude, error, z, top = _CATALOGUES[of](data)
    known = np.isfinite(magnitude) & (magnitude > 5) & (magnitude < 40) & (error > 0)
    magnitude = np.where(known, magnitude, np.nan)
    features = np.hstack([magnitude, np.diff(magnitude, axis=1), np.log(np.where(known, error, np.nan))])
    inside = (z > 0) & (z < top) & known.any(axis=1)
    middle = magnitude[:, magnitude.shape[1] // 2]
    middle = np.where(np.isfinite(middle), middle, np.nanmax(middle))
    target = RedshiftBins.equal(0.0, top, 30)
    return Objects(features[inside], target, z[inside], middle[inside])


def _mgs(data: Path) -> tuple[Floats, Floats, Floats, float]:
    table = np.loadtxt(data / "sdss_mgs" / "SDSS_MGS.train")
    return table[:, 1:6], table[:, 10:15], table[:, 0], 0.35


def _boss(data: Path) -> tuple[Floats, Floats, Floats, float]:
    files = sorted((data / "boss_dr10").glob("*.csv"))
    table = np.vstack([np.loadtxt(file, delimiter=",") for file in files])
    return table[:, 0:10:2], table[:, 1:10:2], table[:, 10], 0.9


def _des_vvds(data: Path) -> tuple[Floats, Floats, Floats, float]:
    import pandas as pd

    table = pd.read_csv(data / "des_vvds" / "training_set.csv")
    magnitude = table[[f"mag_auto_{band}_dered" for band in "grizy"]].to_numpy()
    return (
        magnitude,
        table[[f"magerr_auto_{band}" for band in "grizy"]].to_numpy(),
        table["z"].to_numpy(),
        1.5,
    )


def _deep(data: Path) -> tuple[Floats, Floats, Floats, float]:
    from astropy.table import Table

    with gzip.open(data / "deep_photoz" / "deep_photoz_open.fits.gz") as file:
        table = Table.read(io.BytesIO(file.read()), format="fits")
    bands = ("u", "g", "r", "i", "i2", "z", "y")
    magnitude = np.column_stack([np.asarray(table[band], float) for band in bands])
    error = np.column_stack([np.asarray(table[f"{band}err"], float) for band in bands])
    return magnitude, error, np.asarray(table["redshift"], float), 2.0


_CATALOGUES: dict[str, Callable[[Path], tuple[Floats, Floats, Floats, float]]] = {
    "mgs": _mgs, "boss": _boss, "des_vvds": _des_vvds, "deep": _deep,
}  # fmt: skip


def _supernovae(archive: Path, cache: Path) -> Objects:
    """Return the challenge's supernovae by the features of `parametric-trees`, fitted once."""
    from rookery.baselines.parametric_trees import parametric_features
    from rookery.compute.pool import RayPool
    from rookery.surveys import open_survey
    from rookery.surveys.readers.light_curves.snana import ingest_snana

    kept = cache / "spcc.npz"
    if not kept.is_file():
        if not (cache / "spcc").is_dir():
            ingest_snana(archive, cache / "spcc")
        survey = open_survey(cache / "spcc")
        features, names, _ = parametric_features(survey, RayPool(processes=0))
        np.savez(
            kept, features=features, order=-features[:, names.index("snr")],
            type=survey.objects["type"].to_numpy().astype(str),
        )  # fmt: skip
    with np.load(kept) as given:
        features, order, types = given["features"], given["order"], given["type"]
    main = np.where(types == "Ia", "Ia", np.where(np.char.startswith(types, "II"), "II", "Ibc"))
    return Objects(features, Classes(("Ia", "II", "Ibc")), main.astype(object), np.nan_to_num(order))


def _bundled(of: str) -> Objects:
    from sklearn import datasets

    made = {"digits": datasets.load_digits, "cancer": datasets.load_breast_cancer, "wine": datasets.load_wine}
    found = made[of]()
    classes = Classes(tuple(str(name) for name in found.target_names))
    truth = np.array(classes.names, dtype=object)[found.target]
    return Objects(found.data.astype(float), classes, truth, np.zeros(len(truth)))
