"""Search spaces: a YAML file in, what to ask Optuna for out.

A search space is pure data; docs/search_spaces.md explains every key. In short::

    family: pelican
    objective: {metric: validation_log_loss, direction: minimize}
    parameters: {learning_rate: {type: float, low: 1.0e-4, high: 1.0e-2, log: true}, epochs: 40}
    published: [{learning_rate: 1.0e-3}]

Keys and their meaning are those of :mod:`optuna.distributions`. A parameter whose `when` does
not hold is left out, and the family's default stands in its place.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from rookery.documents import Document, Source, explain
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import family_folder, family_names
from rookery.search.parameters import (
    CategoricalParameter,
    FixedParameter,
    Parameter,
    Scalar,
    Searched,
    as_list,
)
from rookery.shift.options import Shift, objective_name
from rookery_ensembles import METRICS, Classes, RedshiftBins
from rookery_ensembles.errors import InputError, did_you_mean, fail

if TYPE_CHECKING:
    import optuna


OBJECTIVES = tuple(
    f"validation_{name}"
    for name in dict.fromkeys(Classes.each_epoch + RedshiftBins.each_epoch)
    if METRICS[name].goal is None
)
"""What a trial may be judged by: of the metrics of each epoch those of which high or low is good."""
if TYPE_CHECKING:
    ObjectiveMetric: TypeAlias = str
    Quantity: TypeAlias = str
else:
    ObjectiveMetric = Literal[OBJECTIVES]
    Quantity = Literal[(*OBJECTIVES, "device_seconds", "parameters")]


class Objective(Document):
    """What a trial is judged by."""

    metric: ObjectiveMetric
    """A metric that training reports for each epoch; accuracy of classes, the last three of redshifts."""
    direction: Literal["minimize", "maximize"]
    shift: Shift | None = None
    """How the metric looks past the labelled sample; None for the validation objects as they are."""

    @property
    def name(self) -> str:
        """The column of a member's history that holds the objective."""
        return objective_name(self.metric, self.shift)


class Beside(Document):
    """A further objective, beside the one that decides which epoch's weights are kept."""

    quantity: Quantity
    """A metric at that epoch (mean over a trial's networks), the device time of all, or their size."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Which way is better."""


class Constraint(Document):
    """What a configuration must keep; one that does not is not trained, and does not count as a trial."""

    quantity: Literal["parameters", "memory_gib"]
    """Trainable numbers of a network, or the estimated memory in GiB that a process takes to train it."""
    at_most: float = Field(gt=0, allow_inf_nan=False)
    """The largest value that is allowed."""


class SearchSpace(Document):
    """A validated search space. `parameters` keeps the file's names; parents come before children."""

    family: str
    """Whose networks are searched."""
    objective: Objective
    """What a trial is judged by."""
    beside: tuple[Beside, ...] = ()
    """Further objectives; the search then looks for the trials that none beats in all of them."""
    constraints: tuple[Constraint, ...] = ()
    """What configurations must keep."""
    parameters: dict[str, Parameter] = Field(min_length=1)
    """By name, in the file's order."""
    published: list[dict[str, Scalar]] = Field(default_factory=list)
    """Points that are tried first."""

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """Of every objective."""
        return [self.objective.direction, *(other.direction for other in self.beside)]

    @property
    def objectives(self) -> list[str]:
        """Names of every objective."""
        return [self.objective.name, *(other.quantity for other in self.beside)]

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

    def suggest(self, trial: "optuna.Trial") -> dict[str, Scalar]:
        """Ask an Optuna trial for every active parameter and add the fixed values.

        Returns
        -------
        dict
            The configuration's values by name; inactive parameters are absent.
        """
        return self.complete(lambda name, parameter: parameter.suggest(trial, name))

    def complete(self, choose: Callable[[str, Searched], Scalar]) -> dict[str, Scalar]:
        """Return the fixed values, and what `choose` says of every active parameter, parents first."""
        chosen: dict[str, Scalar] = {}
        for name in self.order():
            parameter = self.parameters[name]
            if isinstance(parameter, FixedParameter):
                chosen[name] = parameter.value
            elif parameter.active(chosen):
                chosen[name] = choose(name, parameter)
        return chosen

    def with_fixed(self, point: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return `point` and the values that are fixed: a whole configuration."""
        fixed = {n: p.value for n, p in self.parameters.items() if isinstance(p, FixedParameter)}
        return fixed | point

    def searched(self, point: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return `point` without the values that are fixed: what Optuna may enqueue."""
        return {n: v for n, v in point.items() if not isinstance(self.parameters[n], FixedParameter)}

    def fix(self, values: dict[str, Scalar], known: type[BaseModel] | None = None) -> "SearchSpace":
        """Return a copy in which some parameters have one value only, in published points too.

        Raises `InputError` for a name that is no parameter, a value that is not plain, or one that
        the family's configuration, `known`, refuses. The value may lie outside the range.
        """
        later = getattr(known, "later", TrainingConfiguration.later)
        for name, value in values.items():
            if name not in self.parameters and name not in later:
                raise InputError(f"`{name}` {_no_parameter(name, self.parameters)}")
            if not isinstance(value, bool | int | float | str):
                raise InputError(f"`{name}` must be fixed at a plain value, not at {value!r}")
            if known is not None and (problem := _refusal(known, name, value)):
                raise InputError(f"`{name}` cannot be fixed: {problem}")
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
    shipped = shipped_spaces()
    if path.suffix in ("", ".yaml") and path.stem in shipped and path.parent.name in ("", "search_spaces"):
        return shipped[path.stem]
    rule = f"is no search space: neither a file nor one that ships ({', '.join(shipped) or 'none'})"
    raise fail(path, f"{rule}{did_you_mean(path.stem, shipped)}")


def shipped_spaces() -> dict[str, Path]:
    """Return the search spaces that ship, by name, and those of families that other packages bring."""
    own = {file.stem: file for folder in _shipped_folders() for file in sorted(folder.glob("*.yaml"))}
    brought = {name: family_folder(name) for name in family_names()}
    return {name: folder / "search_space.yaml" for name, folder in brought.items() if folder} | own


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


def _no_parameter(name: str, parameters: Iterable[str]) -> str:
    return f"is no parameter; those are {', '.join(parameters)}{did_you_mean(name, parameters)}"


def _check_conditions(source: Source, space: SearchSpace) -> None:
    for name, parameter in space.parameters.items():
        if isinstance(parameter, FixedParameter):
            continue
        for parent, wanted in parameter.when.items():
            key = ("parameters", name, "when", parent)
            if parent not in space.parameters:
                raise source.error(key, _no_parameter(parent, space.parameters))
            rule = space.parameters[parent]
            for value in as_list(wanted):
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
                raise source.error(key, _no_parameter(name, space.parameters))
            rule = space.parameters[name]
            if not rule.contains(value):
                raise source.error(key, f"must be {rule.describe()}, but found {value!r}")


def _check_fields(source: Source, space: SearchSpace, known: type[BaseModel]) -> None:
    """Hold every name, and every value that the file spells out, against the family's configuration."""
    for name, parameter in space.parameters.items():
        if name not in known.model_fields:
            names = ", ".join(known.model_fields)
            rule = f"is no hyperparameter of `{space.family}`; those are {names}"
            raise source.error(("parameters", name), rule)
        named: dict[tuple[str | int, ...], Scalar]
        if isinstance(parameter, FixedParameter):
            named = {(): parameter.value}
        elif isinstance(parameter, CategoricalParameter):
            named = {("choices", n): choice for n, choice in enumerate(parameter.choices)}
        else:
            named = {("low",): parameter.low, ("high",): parameter.high}
        for key, value in named.items():
            if problem := _refusal(known, name, value):
                raise source.error(("parameters", name, *key), problem)


def _refusal(known: type[BaseModel], name: str, value: Scalar) -> str | None:
    """Return why a configuration refuses `value` for a field, whatever the other fields hold."""
    try:
        known.model_validate({name: value})
    except ValidationError as error:
        problems = [problem for problem in error.errors() if problem["loc"][:1] == (name,)]
        return explain(problems[0], known) if problems else None
    return None
