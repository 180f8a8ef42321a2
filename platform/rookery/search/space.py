"""The grammar of search spaces: YAML in, validated parameters out.

A search space is pure data::

    family: pelican
    objective: {metric: validation_log_loss, direction: minimize}

Parameters
----------
      learning_rate: {type: float, low: 1.0e-4, high: 1.0e-2, log: true}
      depth: {type: int, low: 1, high: 4}
      autoencoder: {type: categorical, choices: [true, false]}
      autoencoder_weight: {type: float, low: 0.01, high: 1, log: true, when: {autoencoder: true}}
      epochs: 40                       # a plain value is fixed
    published:                         # points tried before any other
      - {learning_rate: 1.0e-3, depth: 2}

Keys and their meaning are those of :mod:`optuna.distributions`. A parameter whose `when` does
not hold is left out, and the family's default stands in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag, field_validator, model_validator

from rookery.documents import Document, Source
from rookery_ensembles.errors import InputError, fail

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str


class _Searched(Document):
    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """Values of other parameters under which this one is searched."""

    def active(self, chosen: dict[str, Any]) -> bool:
        """Whether every condition holds among the values `chosen` so far."""
        return all(
            parent in chosen and any(_same(chosen[parent], value) for value in _as_list(wanted))
            for parent, wanted in self.when.items()
        )


class FloatParameter(_Searched):
    """A real number in [low, high]."""

    type: Literal["float"]
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> FloatParameter:
        _check_range(self.low, self.high, self.step, self.log)
        return self

    def suggest(self, trial: optuna.Trial, name: str) -> float:
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

    @model_validator(mode="after")
    def _check(self) -> IntParameter:
        _check_range(self.low, self.high, None if self.step == 1 else self.step, self.log)
        return self

    def suggest(self, trial: optuna.Trial, name: str) -> int:
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

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: list[Scalar]) -> list[Scalar]:
        for position, value in enumerate(choices):
            if value in choices[:position]:  # true and 1 too: Optuna's storage does not tell them apart
                raise ValueError(f"choices must differ, but {value!r} stands twice in {choices}")
        return choices

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
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


Parameter = Annotated[
    Annotated[FloatParameter, Tag("float")]
    | Annotated[IntParameter, Tag("int")]
    | Annotated[CategoricalParameter, Tag("categorical")]
    | Annotated[FixedParameter, Tag("fixed")],
    Discriminator(_kind),
]


class Objective(Document):
    """What a trial is judged by."""

    metric: Literal["validation_log_loss", "validation_accuracy"]
    """A metric that training reports for each epoch."""
    direction: Literal["minimize", "maximize"]


class SearchSpace(Document):
    """A validated search space. `parameters` keeps the file's names; parents come before children."""

    family: str
    objective: Objective
    parameters: dict[str, Parameter] = Field(min_length=1)
    published: list[dict[str, Scalar]] = Field(default_factory=list)

    def order(self) -> list[str]:
        """Names with every parent before its children."""
        done: list[str] = []
        while len(done) < len(self.parameters):
            ready = [n for n in self.parameters if n not in done and set(self._parents(n)) <= set(done)]
            if not ready:
                stuck = ", ".join(sorted(set(self.parameters) - set(done)))
                raise InputError(f"the conditions of {stuck} lead in a circle or to no parameter")
            done += ready
        return done

    def _parents(self, name: str) -> list[str]:
        parameter = self.parameters[name]
        return [] if isinstance(parameter, FixedParameter) else list(parameter.when)

    def suggest(self, trial: optuna.Trial) -> dict[str, Scalar]:
        """Ask an Optuna trial for every active parameter and add the fixed values.

        Returns
        -------
        dict
            The configuration's values by name; inactive parameters are absent.
        """
        chosen: dict[str, Scalar] = {}
        for name in self.order():
            parameter = self.parameters[name]
            if isinstance(parameter, FixedParameter):
                chosen[name] = parameter.value
            elif parameter.active(chosen):
                chosen[name] = parameter.suggest(trial, name)
        return chosen

    def searched(self, point: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return `point` without the values that are fixed: what Optuna may enqueue."""
        return {n: v for n, v in point.items() if not isinstance(self.parameters[n], FixedParameter)}

    def fix(self, values: dict[str, Scalar]) -> SearchSpace:
        """Return a copy in which some parameters have one value only, in published points too.

        Raises `InputError` for a name that is no parameter or a value that is not plain. The value may
        lie outside the range.
        """
        for name, value in values.items():
            if name not in self.parameters:
                raise InputError(f"`{name}` is no parameter; those are {', '.join(self.parameters)}")
            if not isinstance(value, bool | int | float | str):
                raise InputError(f"`{name}` must be fixed at a plain value, not at {value!r}")
        fixed = {name: FixedParameter(value=value) for name, value in values.items()}
        kept = [{n: v for n, v in point.items() if n not in values} for point in self.published]
        return self.model_copy(update={"parameters": {**self.parameters, **fixed}, "published": kept})


def load_space(path: str | Path, known: type[BaseModel] | None = None) -> SearchSpace:
    """Read and check a search space.

    Parameters
    ----------
    path
        A YAML file in the grammar of this module.
    known
        The family's configuration; every parameter must be one of its fields.

    Raises
    ------
    InputError
        Names the file, the line, the key, the rule and the value found.
    """
    source = Source.read(path)
    _wrap_fixed(source)
    space = source.validate(SearchSpace)
    _check_conditions(source, space)
    _check_published(source, space)
    if known is not None:
        _check_fields(source, space, known)
    return space


def find_space(name_or_path: str | Path) -> Path:
    """Return the path of a search space given as a file or as the name of one that ships.

    Raises `InputError` with the names that exist when there is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = {file.stem: file for folder in _shipped_folders() for file in sorted(folder.glob("*.yaml"))}
    if path.suffix in ("", ".yaml") and path.stem in shipped and path.parent.name in ("", "search_spaces"):
        return shipped[path.stem]
    raise fail(
        path, f"is no search space: neither a file nor one that ships ({', '.join(shipped) or 'none'})"
    )


def _shipped_folders() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return [f for f in (package / "search_spaces", package.parents[1] / "search_spaces") if f.is_dir()]


def _wrap_fixed(source: Source) -> None:
    """Write the short form of a fixed parameter, `name: value`, as `name: {value: value}`."""
    parameters = source.data.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        rule = f"must map at least one parameter's name to its range, but found {parameters!r}"
        raise source.error(("parameters",), rule)
    for name, value in parameters.items():
        if value is None or isinstance(value, list):
            rule = f"must be a plain value or a mapping with a `type`, but found {value!r}"
            raise source.error(("parameters", name), rule)
        if not isinstance(value, dict):
            parameters[name] = {"value": value}
        elif value.get("type") not in ("float", "int", "categorical"):
            rule = f"must be one of float, int, categorical, but found {value.get('type')!r}"
            raise source.error(("parameters", name, "type"), rule)


def _check_range(low: float, high: float, step: float | None, log: bool) -> None:
    if not low <= high:
        raise ValueError(f"`low <= high` must hold, but low={low}, high={high}")
    if log and low <= 0:
        raise ValueError(f"`low > 0` must hold on a log scale, but low={low}")
    if log and step is not None:
        raise ValueError(f"`step` and `log` exclude each other, but step={step}, log=true")
    if not _on_grid(high, low, step):
        raise ValueError(f"`high` must be `low` plus whole steps, but low={low}, high={high}, step={step}")


def _on_grid(value: float, low: float, step: float | None) -> bool:
    """Whether whole steps lead from `low` to `value`, within Optuna's tolerance."""
    return step is None or abs((value - low) / step - round((value - low) / step)) < 1e-8


def _check_conditions(source: Source, space: SearchSpace) -> None:
    for name, parameter in space.parameters.items():
        if isinstance(parameter, FixedParameter):
            continue
        for parent, wanted in parameter.when.items():
            key = ("parameters", name, "when", parent)
            if parent not in space.parameters:
                raise source.error(key, f"is no parameter; those are {', '.join(space.parameters)}")
            rule = space.parameters[parent]
            for value in _as_list(wanted):
                if not rule.contains(value):
                    raise source.error(key, f"`{parent}` is {rule.describe()}, so it is never {value!r}")
    for name in space.parameters:
        _refuse_cycle(source, space, name)


def _refuse_cycle(source: Source, space: SearchSpace, start: str) -> None:
    path, open_ends = [start], space._parents(start)
    while open_ends:
        path.append(open_ends.pop())
        if path[-1] == start:
            raise source.error(("parameters", start, "when"), f"depends on itself ({' <- '.join(path)})")
        if path.count(path[-1]) == 1:
            open_ends += space._parents(path[-1])


def _check_published(source: Source, space: SearchSpace) -> None:
    for number, point in enumerate(space.published):
        for name, value in point.items():
            key = ("published", number, name)
            if name not in space.parameters:
                raise source.error(key, f"is no parameter; those are {', '.join(space.parameters)}")
            rule = space.parameters[name]
            if not rule.contains(value):
                raise source.error(key, f"must be {rule.describe()}, but found {value!r}")


def _check_fields(source: Source, space: SearchSpace, known: type[BaseModel]) -> None:
    for name in space.parameters:
        if name not in known.model_fields:
            names = ", ".join(known.model_fields)
            raise source.error(
                ("parameters", name), f"is no hyperparameter of `{space.family}`; those are {names}"
            )


def _same(a: Any, b: Any) -> bool:
    """Equality that tells True from 1, as YAML and Optuna do."""
    return isinstance(a, bool) == isinstance(b, bool) and a == b


def _as_list(value: Scalar | list[Scalar]) -> list[Scalar]:
    return value if isinstance(value, list) else [value]
