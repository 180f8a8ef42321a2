"""What a network's outputs mean: classes of supernovae, or bins of redshift."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery.surveys import Survey
from rookery.surveys.labels import class_indices, spoken_types
from rookery.surveys.redshift_bins import RedshiftBins
from rookery_ensembles.errors import fail
from rookery_ensembles.metrics import accuracy, log_loss
from rookery_ensembles.photoz_metrics import known_sample
from rookery_ensembles.redshift_pdf import bin_indices

Weights = NDArray[np.float64] | None


class Target(ABC):
    """Turns a survey's truth into what a network learns, and its outputs into predictions."""

    kind: str
    """Of the predictions: ``class_probability`` or ``redshift_pdf``."""
    metric_names: tuple[str, ...]
    """What `metrics` returns."""
    class_names: tuple[str, ...] | None = None
    bin_edges: tuple[float, ...] | None = None

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """K, the number of a network's outputs."""

    @abstractmethod
    def index(self, survey: Survey) -> NDArray[np.int64]:
        """Return every object's output (N,), -1 where unknown."""

    @abstractmethod
    def truth(self, objects: pd.DataFrame) -> NDArray[Any]:
        """Return the truth of some rows of an object table, as predictions hold it."""

    @abstractmethod
    def check(self, where: str, objects: pd.DataFrame, index: NDArray[np.int64], role: str) -> None:
        """Raise InputError unless every object of a role can be learned from."""

    @abstractmethod
    def check_training(self, where: str, index: NDArray[np.int64]) -> None:
        """Raise InputError when the training objects cannot teach the target."""

    @abstractmethod
    def values(self, probability_nk: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a network's probabilities (N, K) as predictions hold them."""

    @abstractmethod
    def metrics(
        self,
        probability_nk: NDArray[np.float32],
        index_n: NDArray[np.int64],
        truth_n: NDArray[Any],
        weight: Weights = None,
    ) -> dict[str, float]:
        """Return what a network is judged by after an epoch, without the prefix `validation_`."""


@dataclass(frozen=True)
class ClassTarget(Target):
    """Classes, in the order of the outputs."""

    class_names: tuple[str, ...]
    kind = "class_probability"
    metric_names = ("log_loss", "accuracy")

    @property
    def n_outputs(self) -> int:
        """K, the number of classes."""
        return len(self.class_names)

    def index(self, survey: Survey) -> NDArray[np.int64]:
        """Return every object's class; raises InputError for a class that no object of the survey is of."""
        types = survey.objects["type"]
        index = class_indices(types, self.class_names, survey.path)
        absent = [name for number, name in enumerate(self.class_names) if not (index == number).any()]
        if absent and types.notna().any():
            rule = f"no object is of the class {' or '.join(absent)}; its types are {spoken_types(types)}"
            raise fail(survey.path, rule)
        return index

    def truth(self, objects: pd.DataFrame) -> NDArray[np.object_]:
        """Return class names, None where unknown."""
        names = np.array([*self.class_names, None], dtype=object)  # index -1 is the last: unknown
        return names[class_indices(objects["type"], self.class_names)]

    def check(self, where: str, objects: pd.DataFrame, index: NDArray[np.int64], role: str) -> None:
        """Refuse objects without a type."""
        unknown = int((index < 0).sum())
        if unknown:
            raise fail(where, f"every object of role {role} needs a type, but {unknown} have none")

    def check_training(self, where: str, index: NDArray[np.int64]) -> None:
        """Refuse classes without a training object."""
        missing = sorted(set(range(self.n_outputs)) - set(index.tolist()))
        if missing:
            names = ", ".join(self.class_names[number] for number in missing)
            raise fail(where, f"every class needs training objects, but there are none of {names}")

    def values(self, probability_nk: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities."""
        return probability_nk

    def metrics(
        self,
        probability_nk: NDArray[np.float32],
        index_n: NDArray[np.int64],
        truth_n: NDArray[Any],
        weight: Weights = None,
    ) -> dict[str, float]:
        """Return log-loss and accuracy."""
        return {
            "log_loss": log_loss(probability_nk, index_n, weight),
            "accuracy": accuracy(probability_nk, index_n, weight),
        }


@dataclass(frozen=True)
class RedshiftTarget(Target):
    """Bins of redshift."""

    bins: RedshiftBins
    kind = "redshift_pdf"
    metric_names = ("log_loss", "crps", "bias", "sigma_mad", "eta")

    @property
    def bin_edges(self) -> tuple[float, ...]:  # type: ignore[override]
        """The K + 1 edges."""
        return self.bins.edges()

    @property
    def n_outputs(self) -> int:
        """K, the number of bins."""
        return self.bins.number

    def index(self, survey: Survey) -> NDArray[np.int64]:
        """Return every object's bin, -1 where its redshift is unknown or outside of all bins."""
        return bin_indices(survey.objects["redshift"].to_numpy(), self.bin_edges).astype(np.int64)

    def truth(self, objects: pd.DataFrame) -> NDArray[np.float64]:
        """Return redshifts, NaN where unknown."""
        return objects["redshift"].to_numpy()

    def check(self, where: str, objects: pd.DataFrame, index: NDArray[np.int64], role: str) -> None:
        """Refuse objects whose redshift is unknown or in no bin."""
        bad = np.flatnonzero(index < 0)
        if not bad.size:
            return
        first = objects.iloc[int(bad[0])]
        rule = f"every object of role {role} needs a redshift from {self.bins.low:g} to {self.bins.high:g}"
        found = (
            f"but {bad.size} have none there, the first being {first['object_id']!r} at {first['redshift']:g}"
        )
        raise fail(where, f"{rule}, {found}: take other --bins, or split with --train-where 'redshift<Z'")

    def check_training(self, where: str, index: NDArray[np.int64]) -> None:
        """Refuse training objects that all lie in one bin."""
        if len(set(index.tolist())) < 2:
            raise fail(where, "all training objects lie in one bin of redshift: take other --bins")

    def values(self, probability_nk: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return densities per unit redshift."""
        widths_k: NDArray[np.float32] = np.diff(self.bin_edges).astype(np.float32)
        return np.divide(probability_nk, widths_k)

    def metrics(
        self,
        probability_nk: NDArray[np.float32],
        index_n: NDArray[np.int64],
        truth_n: NDArray[Any],
        weight: Weights = None,
    ) -> dict[str, float]:
        """Return log-loss (nats, of the bin), CRPS, and of z_mean bias, sigma_MAD and eta (percent)."""
        sample = known_sample(self.values(probability_nk), self.bin_edges, truth_n)
        found = sample.metrics(None if weight is None else weight[None])
        scores = {name: float(found[name][0]) for name in self.metric_names if name in found}
        return {"log_loss": log_loss(probability_nk, index_n, weight), **scores}


def make_target(class_names: tuple[str, ...] | None, redshift_bins: RedshiftBins | None) -> Target:
    """Return the target of a job, study or card: classes or bins of redshift, exactly one of the two."""
    if class_names is not None and redshift_bins is None:
        return ClassTarget(class_names)
    if redshift_bins is not None and class_names is None:
        return RedshiftTarget(redshift_bins)
    raise ValueError("exactly one of `class_names` and `redshift_bins` must be given")
