"""The kinds of parameters that a search space may hold."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from rookery.documents import Document

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str


class Region(Document):
    """Where good values of a number are believed to be."""

    center: float = Field(allow_inf_nan=False)
    """The most probable value, in the range."""
    width: float = Field(gt=0, allow_inf_nan=False)
    """Two thirds of the first trials lie within so much of it; on a log scale within this factor."""


class Weights(Document):
    """How probable each choice is believed to be."""

    weights: list[float] = Field(min_length=1)
    """A number of at least 0 for each choice, in their order: how often it is among the first trials."""


class _Searched(Document):
    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """Values of other parameters under which this one is searched."""

    def active(self, chosen: dict[str, Any]) -> bool:
        """Whether every condition holds among the values `chosen` so far."""
        return all(
            parent in chosen and any(_same(chosen[parent], value) for value in as_list(wanted))
            for parent, wanted in self.when.items()
        )


class FloatParameter(_Searched):
    """A real number in [low, high]."""

    type: Literal["float"]
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    log: bool = False
    prior: Region | None = None

    @model_validator(mode="after")
    def _check(self) -> "FloatParameter":
        _check_range(self.low, self.high, self.step, self.log)
        _check_region(self.prior, self.low, self.high, self.log)
        return self

    def distribution(self) -> "optuna.distributions.FloatDistribution":
        """Return it as Optuna knows it."""
        import optuna

        return optuna.distributions.FloatDistribution(self.low, self.high, step=self.step, log=self.log)

    def suggest(self, trial: "optuna.Trial", name: str) -> float:
        """Ask `trial` for a value."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: Any) -> bool:
        """Whether `value` is a number in the range, and on its grid where there is one."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and _on_grid(value, self.low, self.step)

    def describe(self) -> str:
        """Return the range in words."""
        return f"a number in [{self.low}, {self.high}]" + (f" in steps of {self.step}" if self.step else "")


class IntParameter(_Searched):
    """A whole number in [low, high]."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(default=1, gt=0)
    log: bool = False
    prior: Region | None = None

    @model_validator(mode="after")
    def _check(self) -> "IntParameter":
        _check_range(self.low, self.high, None if self.step == 1 else self.step, self.log)
        _check_region(self.prior, self.low, self.high, self.log)
        return self

    def distribution(self) -> "optuna.distributions.IntDistribution":
        """Return it as Optuna knows it."""
        import optuna

        return optuna.distributions.IntDistribution(self.low, self.high, step=self.step, log=self.log)

    def suggest(self, trial: "optuna.Trial", name: str) -> int:
        """Ask `trial` for a value."""
        return trial.suggest_int(name, self.low, self.high, step=self.step, log=self.log)

    def contains(self, value: Any) -> bool:
        """Whether `value` is a whole number in the range and on its grid."""
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and self.low <= value <= self.high and _on_grid(value, self.low, self.step)

    def describe(self) -> str:
        """Return the range in words."""
        grid = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number in [{self.low}, {self.high}]{grid}"


class CategoricalParameter(_Searched):
    """One of a list of values."""

    type: Literal["categorical"]
    choices: list[Scalar] = Field(min_length=1)
    prior: Weights | None = None

    @model_validator(mode="after")
    def _check(self) -> "CategoricalParameter":
        if self.prior is None:
            return self
        weights = self.prior.weights
        if len(weights) != len(self.choices):
            raise ValueError(
                f"`prior.weights` must be one for each of {len(self.choices)} choices, but are {len(weights)}"
            )
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise ValueError(f"`prior.weights` must be at least 0, one of them above, but are {weights}")
        return self

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: list[Scalar]) -> list[Scalar]:
        for position, value in enumerate(choices):
            if value in choices[:position]:  # true and 1 too: Optuna's storage does not tell them apart
                raise ValueError(f"choices must differ, but {value!r} stands twice in {choices}")
        return choices

    def distribution(self) -> "optuna.distributions.CategoricalDistribution":
        """Return it as Optuna knows it."""
        import optuna

        return optuna.distributions.CategoricalDistribution(self.choices)

    def suggest(self, trial: "optuna.Trial", name: str) -> Scalar:
        """Ask `trial` for a value."""
        chosen = trial.suggest_categorical(name, self.choices)
        assert chosen is not None
        return chosen

    def contains(self, value: Any) -> bool:
        """Whether `value` is one of the choices, of the same type."""
        return any(_same(value, choice) for choice in self.choices)

    def describe(self) -> str:
        """Return the choices in words."""
        return f"one of {self.choices}"


class FixedParameter(Document):
    """A plain value of the file: not searched."""

    value: Scalar
    """What every trial has."""

    def contains(self, value: Any) -> bool:
        """Whether `value` is the fixed one."""
        return _same(value, self.value)

    def describe(self) -> str:
        """Return the value in words."""
        return f"{self.value!r} (it is fixed)"


def _kind(value: Any) -> str:
    """Tell which parameter a plain or already validated value is."""
    found = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return str(found or "fixed")


Searched = FloatParameter | IntParameter | CategoricalParameter
"""What is asked for, if its conditions hold."""
Parameter = Annotated[
    Annotated[FloatParameter, Tag("float")]
    | Annotated[IntParameter, Tag("int")]
    | Annotated[CategoricalParameter, Tag("categorical")]
    | Annotated[FixedParameter, Tag("fixed")],
    Discriminator(_kind),
]


def _check_range(low: float, high: float, step: float | None, log: bool) -> None:
    if not low <= high:
        raise ValueError(f"`low <= high` must hold, but low={low}, high={high}")
    if log and low <= 0:
        raise ValueError(f"`low > 0` must hold on a log scale, but low={low}")
    if log and step is not None:
        raise ValueError(f"`step` and `log` exclude each other, but step={step}, log=true")
    if not _on_grid(high, low, step):
        raise ValueError(f"`high` must be `low` plus whole steps, but low={low}, high={high}, step={step}")


def _check_region(prior: Region | None, low: float, high: float, log: bool) -> None:
    if prior is None:
        return
    if not low <= prior.center <= high:
        raise ValueError(f"`prior.center` must lie in [{low}, {high}], but is {prior.center}")
    if log and not prior.width > 1:
        raise ValueError(f"`prior.width` is a factor on a log scale, above 1, but is {prior.width}")


def _on_grid(value: float, low: float, step: float | None) -> bool:
    """Whether whole steps lead from `low` to `value`, within Optuna's tolerance."""
    return step is None or abs((value - low) / step - round((value - low) / step)) < 1e-8


def _same(a: Any, b: Any) -> bool:
    """Equality that tells True from 1, as YAML and Optuna do."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def as_list(value: Scalar | list[Scalar]) -> list[Scalar]:
    """Return one value or several as a list."""
    return value if isinstance(value, list) else [value]
