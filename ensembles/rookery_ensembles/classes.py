"""Classes of objects, of which a network predicts the probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.calibrations import Calibration, Covariates, fit_calibration, methods
from rookery_ensembles.conformal import ConformalSets
from rookery_ensembles.errors import fail
from rookery_ensembles.metric import CLASS_METRICS, Metric
from rookery_ensembles.metrics import accuracy, classification_metrics, log_loss
from rookery_ensembles.object_types import class_of_types, spoken_types
from rookery_ensembles.probabilities import Floating, class_indices, normalised, true_likelihood
from rookery_ensembles.shown import short_repr
from rookery_ensembles.weighted import WeightedSample

FloatArray = NDArray[np.float64]
Weights = NDArray[np.float64] | None


@short_repr
@dataclass(frozen=True)
class Classes:
    """K classes, in the order of the columns; see `rookery_ensembles.target` for what a target tells."""

    names: tuple[str, ...]
    """Of the classes. One may be ``non-X``: it takes every type of a survey that has no class of its own."""

    kind: ClassVar[str] = "class_probability"
    key: ClassVar[str] = "class_names"
    spoken: ClassVar[str] = "class probabilities"
    truth_name: ClassVar[str] = "class"
    column: ClassVar[str] = "probability"
    truth_column: ClassVar[str] = "type"
    truth_type: ClassVar[str] = "string"
    truth_dtype: ClassVar[type] = object
    has_pdfs: ClassVar[bool] = False
    edges: ClassVar[tuple[float, ...]] = ()
    calibrations: ClassVar[tuple[str, ...]] = tuple(methods(kind))
    metrics: ClassVar[tuple[Metric, ...]] = CLASS_METRICS
    each_epoch: ClassVar[tuple[str, ...]] = ("log_loss", "accuracy")
    published: ClassVar[tuple[str, ...]] = (
        *("accuracy", "recall_at_precision_0.95", "recall_at_precision_0.98"),
        *("auc", "log_loss"),
    )
    compared: ClassVar[tuple[str, ...]] = (
        *("accuracy", "auc", "log_loss", "brier", "ece"),
        *("recall_at_precision_0.95", "recall_at_precision_0.98"),
    )
    headline: ClassVar[tuple[str, ...]] = tuple(name for name in compared if name != "brier")
    brief: ClassVar[tuple[str, ...]] = ("accuracy", "auc", "recall_at_precision_0.98", "log_loss")
    decisive: ClassVar[str] = "log_loss"

    def __post_init__(self) -> None:
        """Keep names as a tuple."""
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))

    @staticmethod
    def shown(names: Sequence[str], k: int) -> tuple[str, ...]:
        """Return names of metrics and, of more than two classes, behind the first those of many classes."""
        many = [metric.name for metric in CLASS_METRICS if 2 < metric.least_classes <= k]
        return (*names[:1], *many, *names[1:])

    @property
    def n_columns(self) -> int:
        """K."""
        return len(self.names)

    @property
    def widths(self) -> FloatArray:
        """(K,) ones: what values are multiplied by to be probabilities."""
        return np.ones(self.n_columns)

    def check(self, where: str) -> None:
        """Raise InputError unless there are two or more different, non-empty names."""
        names = self.names
        if len(names) < 2 or len(set(names)) < len(names) or "" in names:
            rule = "`class_names` must be two or more different, non-empty names"
            raise fail(where, f"{rule}, but found {', '.join(map(repr, names))}")

    def require_pdfs(self, where: str | Path, rule: str) -> None:
        """Refuse what works on redshift PDFs alone: raise InputError with this rule."""
        raise fail(where, rule)

    def index(self, truth_n: Sequence[Any] | NDArray[Any], where: str = "truth") -> NDArray[np.intp]:
        """Return (N,) columns of the true classes, -1 where unknown; InputError for what is no class."""
        return class_indices(truth_n, self.names, where)

    def truth_of(self, types: Any, where: str = "object types") -> NDArray[Any]:
        """Return (N,) classes of a survey's types, None where unknown; InputError for one that fits none."""
        return np.array([*self.names, None], dtype=object)[class_of_types(types, self.names, where)]

    def check_types(self, types: Sequence[str] | None, where: str = "object types") -> None:
        """Raise InputError where a survey's types, if it tells them, are not those of the classes."""
        if types is not None:
            self.truth_of(np.array(types, dtype=object), where)

    def unknown_truth(self, n: int) -> NDArray[Any]:
        """Return (n,) truths of which none is known."""
        return np.full(n, None, dtype=object)

    def read_truth(self, values_n: NDArray[Any], where: str, column: str) -> NDArray[Any]:
        """Return (N,) classes of a table's column, None where unknown; InputError for one that fits none."""
        import pandas as pd

        known = [value is not None and value == value and str(value) != "" for value in values_n.tolist()]
        told = zip(values_n.tolist(), known, strict=True)
        types = pd.Series([str(value) if is_known else None for value, is_known in told])
        return self.truth_of(types, f"{where}, column `{column}`")

    def foreign_truth(self, values_n: NDArray[Any]) -> NDArray[Any] | None:
        """Return (N,) truths that a foreign file tells; None for numbers, which are no names of classes."""
        if values_n.dtype.kind in "fiu":
            return None
        if values_n.dtype.kind == "S":
            values_n = np.char.decode(values_n, "utf-8", "replace")
        return np.array([text if text else None for text in values_n.tolist()], dtype=object)

    def truth_in(self, index_n: NDArray[np.intp], rng: np.random.Generator) -> NDArray[Any]:
        """Return (N,) the classes of columns."""
        return np.asarray(np.array(self.names, dtype=object)[index_n])

    def check_truth(self, truth_n: NDArray[Any], where: str) -> NDArray[Any] | None:
        """Return truths as predictions hold them, None where none is known; InputError for no class."""
        index = self.index(truth_n, f"{where}, `truth`")
        return None if (index < 0).all() else np.array([*self.names, None], dtype=object)[index]

    def contradicts(self, one_n: NDArray[Any], other_n: NDArray[Any]) -> NDArray[np.bool_]:
        """Return (N,) whether two truths of an object, both known, differ."""
        return np.asarray(one_n != other_n)

    def check_survey(self, index_n: NDArray[np.intp], types: Any, where: str) -> None:
        """Refuse a class that no object of a survey with known types is of."""
        absent = [name for number, name in enumerate(self.names) if not (index_n == number).any()]
        if absent and types.notna().any():
            rule = f"no object is of the class {' or '.join(absent)}; its types are {spoken_types(types)}"
            raise fail(where, rule)

    def check_role(self, index_n: NDArray[np.intp], objects: Any, role: str, where: str) -> None:
        """Refuse objects to learn from whose type is unknown."""
        if unknown := int((index_n < 0).sum()):
            raise fail(where, f"every object of role {role} needs a type, but {unknown} have none")

    def check_training(self, index_n: NDArray[np.intp], where: str) -> None:
        """Refuse classes without a training object."""
        missing = sorted(set(range(self.n_columns)) - set(index_n.tolist()))
        if missing:
            names = ", ".join(self.names[number] for number in missing)
            raise fail(where, f"every class needs training objects, but there are none of {names}")

    def normalised(
        self,
        values_nk: NDArray[Floating],
        where: str,
        object_id: NDArray[Any] | None = None,
        first_row: int = 0,
    ) -> NDArray[Floating]:
        """Return probabilities that sum to 1; see `rookery_ensembles.probabilities.normalised`."""
        return normalised(values_nk, where, object_id=object_id, first_row=first_row)

    def from_probabilities(self, probability_nk: NDArray[Floating]) -> NDArray[Floating]:
        """Return a network's probabilities as predictions hold them: unchanged."""
        return probability_nk

    def of_foreign(self, values_nk: NDArray[Any]) -> NDArray[Any]:
        """Return a foreign file's values as predictions hold them: unchanged."""
        return values_nk

    def answer(self, values_nk: NDArray[Any]) -> NDArray[Any]:
        """Return (N,) most probable classes."""
        return np.asarray(np.array(self.names, dtype=object)[np.argmax(values_nk, axis=1)])

    def width(self, values_nk: NDArray[Any]) -> FloatArray:
        """Return (N,) how little the answer is certain of: entropies, in nats."""
        return self.spread(np.asarray(values_nk, dtype=np.float64))

    def likelihood(
        self, values_nk: NDArray[Any], index_n: NDArray[Any], where: str = "probability"
    ) -> FloatArray:
        """Return (N,) probabilities of the true classes."""
        return true_likelihood(values_nk, index_n, where)

    def residuals(self, values_nk: NDArray[Any], truth_n: NDArray[Any]) -> FloatArray:
        """Return (N, K) probabilities less the outcome; the sum of an object's squares is its Brier score."""
        return np.asarray(values_nk, dtype=np.float64) - np.eye(self.n_columns)[self.index(truth_n)]

    def spread(self, mass_nk: FloatArray) -> FloatArray:
        """Return (N,) entropies of probabilities, in nats."""
        from scipy.special import entr

        return np.asarray(entr(mass_nk).sum(axis=1))

    def spread_between(
        self, pooled_nk: FloatArray, members: Sequence[tuple[float, FloatArray]]
    ) -> FloatArray:
        """Return (N,) the pool's entropy less the members' mean one, 0 where rounding makes it negative."""
        own = sum(weight * self.spread(mass_nk) for weight, mass_nk in members)
        return np.maximum(self.spread(pooled_nk) - own, 0.0)

    def errors(self, mass_nk: FloatArray, truth_n: NDArray[Any], index_n: NDArray[np.intp]) -> FloatArray:
        """Return (N,) 1 less the probabilities of the true classes."""
        return np.asarray(1 - mass_nk[np.arange(len(mass_nk)), index_n])

    def at_end(self, values_nk: NDArray[Any]) -> FloatArray:
        """Return (N,) zeros: classes have no first and last one."""
        return np.zeros(len(values_nk))

    def log_loss(self, values_nk: NDArray[Any], index_n: NDArray[np.intp], weight_n: Weights = None) -> float:
        """Return the mean of -ln of the true class's probability, in nats."""
        return log_loss(values_nk, index_n, weight_n)

    def score(
        self,
        values_nk: NDArray[Any],
        truth_n: NDArray[Any] | None,
        *,
        positive: str = "Ia",
        unseen: bool = False,
    ) -> dict[str, float]:
        """Return `classification_metrics`."""
        truth = [None] * len(values_nk) if truth_n is None else truth_n
        return classification_metrics(self.names, truth, values_nk, positive)

    def score_epoch(
        self,
        probability_nk: NDArray[Any],
        index_n: NDArray[np.intp],
        truth_n: NDArray[Any],
        weight_n: Weights = None,
    ) -> dict[str, float]:
        """Return what a network is judged by after an epoch: the metrics of `each_epoch`."""
        return {
            "log_loss": log_loss(probability_nk, index_n, weight_n),
            "accuracy": accuracy(probability_nk, index_n, weight_n),
        }

    def sample(
        self, values_nk: NDArray[Any], truth_n: NDArray[Any], *, positive: str = "Ia"
    ) -> WeightedSample:
        """Return objects of known class, ready to be scored under any weights."""
        return WeightedSample(self.names, self.index(truth_n), values_nk, positive)

    def fit_calibration(
        self,
        values_nk: NDArray[Any],
        index_n: NDArray[Any],
        weight_n: Weights = None,
        *,
        sharpen: bool = True,
        method: str = "temperature",
        covariates: Covariates | None = None,
    ) -> Calibration:
        """Return a calibration of pooled probabilities.

        See `rookery_ensembles.calibrations.fit_calibration`; `method` is one of `calibrations`.
        """
        return fit_calibration(
            self.kind, method, values_nk, index_n, weight_n, sharpen=sharpen, covariates=covariates
        )

    def calibrate(
        self,
        calibration: Calibration | None,
        values_nk: NDArray[Any],
        covariates: Covariates | None = None,
    ) -> FloatArray:
        """Return calibrated probabilities."""
        if calibration is None:
            return np.asarray(values_nk, dtype=np.float64)
        return calibration.apply(values_nk, covariates)

    def check_calibration(self, calibration: Calibration | None, where: str) -> None:
        """Refuse a calibration of redshift PDFs."""
        if calibration is not None and self.kind not in calibration.kinds:
            rule = (
                f"class probabilities must have a calibration of their own ({', '.join(self.calibrations)})"
            )
            raise fail(where, f"{rule}, but found `{calibration.document}`, one of redshift PDFs")

    def fit_limits(
        self,
        values_nk: NDArray[Any],
        truth_n: NDArray[Any] | None,
        index_n: NDArray[np.intp],
        *,
        levels: Sequence[float],
        groups: NDArray[np.str_] | None = None,
    ) -> ConformalSets:
        """Return conformal limits of calibrated probabilities; see `ConformalSets.fit`."""
        return ConformalSets.fit(values_nk, index_n, levels=levels, groups=groups)

    def fractions(self, index_n: NDArray[np.intp]) -> dict[str, float] | None:
        """Return the fraction of objects in each class."""
        counts = np.bincount(index_n, minlength=self.n_columns) / len(index_n)
        return dict(zip(self.names, counts.tolist(), strict=True))
