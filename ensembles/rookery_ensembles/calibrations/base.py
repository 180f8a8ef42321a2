"""What every calibration has in common, and the registry that finds it by its name."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles.errors import fail
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]
CLASSES, PDFS = "class_probability", "redshift_pdf"
"""Kinds of a target, as `Classes.kind` and `RedshiftBins.kind` say."""


@short_repr
@dataclass(frozen=True, eq=False)
class Covariates:
    """What else is known of N objects: magnitudes, extinction, anything that calibration may depend on.

    Raises
    ------
    InputError
        When there is not one column for each name, or a name occurs twice.
    """

    names: tuple[str, ...]
    """C names, each once."""
    values: FloatArray
    """(N, C) numbers, not finite where unknown."""

    def __post_init__(self) -> None:
        """Make an array of lists and check the shape."""
        object.__setattr__(self, "names", tuple(self.names))
        try:
            values = np.asarray(self.values, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise fail("covariates", f"must be an array of numbers ({error})") from error
        object.__setattr__(self, "values", values)
        if values.ndim != 2 or values.shape[1] != len(self.names):
            rule = f"there must be a column for each of the names {', '.join(self.names) or '(none)'}"
            raise fail("covariates", f"{rule}, but the shape is {values.shape}")
        if len(set(self.names)) < len(self.names):
            raise fail("covariates", f"every name must occur once, but found {', '.join(self.names)}")

    def __len__(self) -> int:
        """Return N."""
        return len(self.values)

    def take(self, rows: NDArray[Any] | slice) -> "Covariates":
        """Return some of the objects."""
        return Covariates(self.names, self.values[rows])

    def columns(self, names: Sequence[str]) -> FloatArray:
        """Return (N, len(names)) values, NaN for a covariate that is not there."""
        found = np.full((len(self), len(names)), np.nan)
        for i, name in enumerate(names):
            if name in self.names:
                found[:, i] = self.values[:, self.names.index(name)]
        return found

    def with_column(self, name: str, values_n: FloatArray) -> "Covariates":
        """Return these and one more, which replaces one of its name."""
        kept = [i for i, other in enumerate(self.names) if other != name]
        names = (*(self.names[i] for i in kept), name)
        return Covariates(names, np.column_stack([self.values[:, kept], values_n]))


class Calibration(ABC):
    """A map from pooled class probabilities, or bin masses of pooled PDFs, to calibrated ones.

    A subclass is a frozen dataclass of plain values. Its document (`to_dict`) names it by `document`.
    """

    document: ClassVar[str]
    """The `method` that stands in its document."""
    kinds: ClassVar[tuple[str, ...]]
    """What it may calibrate: `CLASSES`, `PDFS` or both."""
    covariates: tuple[str, ...] = ()
    """Names of the covariates that `apply` looks at."""

    @abstractmethod
    def apply(self, values_nk: NDArray[Any], covariates: Covariates | None = None) -> FloatArray:
        """Return calibrated (N, K) probabilities or bin masses in double precision.

        Raises
        ------
        InputError
            When the values break their rules, or there is not one row of covariates for each object.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as a plain mapping, for YAML or JSON."""

    @classmethod
    @abstractmethod
    def from_dict(cls, document: object, where: str) -> Self:
        """Read what `to_dict` returned; raises InputError, beginning with `where`, for anything else."""


class Fit(Protocol):
    """Find a calibration from pooled values of objects that no member was trained on.

    On the data of the fit the log-loss is never higher than without calibration.
    """

    def __call__(
        self,
        values_nk: NDArray[Any],
        truth_index_n: NDArray[Any],
        sample_weight: NDArray[Any] | None = None,
        *,
        sharpen: bool = True,
        covariates: Covariates | None = None,
    ) -> Calibration:
        """Return the calibration."""
        ...


@dataclass(frozen=True)
class Method:
    """A way to calibrate that can be asked for by its name."""

    name: str
    """Such as ``temperature``."""
    kind: str
    """What it calibrates: `CLASSES` or `PDFS`."""
    meaning: str
    """What it does, in a line."""
    fit: Fit
    """How it is found."""
    softens: bool = False
    """Whether it can keep to making values less certain only (``sharpen=False``)."""
    local: bool = False
    """Whether it uses covariates."""


class Registry:
    """The calibrations of all modules: the ways to fit them and the documents that hold them."""

    def __init__(self, modules: Iterable[object]) -> None:
        self._methods: dict[tuple[str, str], Method] = {}
        self._readers: dict[str, Callable[[object, str], Calibration]] = {}
        for module in modules:
            for method in getattr(module, "METHODS", ()):
                self._methods[method.kind, method.name] = method
            for found in vars(module).values():
                if isinstance(found, type) and issubclass(found, Calibration) and "document" in vars(found):
                    self._readers[found.document] = found.from_dict

    def methods(self, kind: str) -> Mapping[str, Method]:
        """Return the ways to calibrate a kind of target by their names; ``none`` comes first."""
        found = {name: method for (of, name), method in self._methods.items() if of == kind}
        return dict(sorted(found.items(), key=lambda item: (item[0] != "none", item[0])))

    def method(self, kind: str, name: str) -> Method:
        """Return one way; raises InputError where there is none of the name."""
        known = self.methods(kind)
        if name not in known:
            raise fail("calibration", f"must be one of {', '.join(known)}, but found {name!r}")
        return known[name]

    def read(self, document: object, where: str) -> Calibration:
        """Read the mapping of any calibration, by its `method`; raises InputError for anything else."""
        if not isinstance(document, dict):
            raise fail(where, f"must be a mapping with the key `method`, but found {str(document)[:80]!r}")
        method = document.get("method")
        if not isinstance(method, str) or method not in self._readers:
            rule = f"must be one of {', '.join(sorted(self._readers))}"
            raise fail(f"{where}, key `method`", f"{rule}, but found {method!r}")
        return self._readers[method](document, where)
