"""Who proposes configurations, by the name used in ``study.yaml``."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from rookery.search.parameters import CategoricalParameter, FixedParameter, FloatParameter, Scalar, Searched
from rookery.search.space import SearchSpace
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "gp", "cmaes", "nsgaii", "nsgaiii", "random", "grid"]
_CLASSES = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
    "nsgaiii": "NSGAIIISampler",
    "random": "RandomSampler",
    "grid": "RandomSampler",  # never asked: the points of a grid are enqueued
}
_PLAIN = ("bool", "int", "float", "str")
_MOST_GRID_POINTS = 100_000


def make_sampler(
    name: str, seed: int, space: SearchSpace, options: Mapping[str, Scalar] | None = None
) -> "optuna.samplers.BaseSampler":
    """Return an Optuna sampler.

    Parameters
    ----------
    options
        Arguments of Optuna's class that are plain values, such as ``n_startup_trials``.

    Raises
    ------
    InputError
        For an option that the sampler does not take, or a space without a grid or with a prior, for ``grid``.
    """
    import optuna

    from rookery.search.priors import PriorSampler, priors_of

    made: Any = getattr(optuna.samplers, _CLASSES[name])
    check_options(f"sampler {name}", made, options or {})
    priors = priors_of(space)
    if name == "grid":
        grid(space)
        for parameter in priors:
            raise fail(
                f"parameter `{parameter}`", "the sampler grid tries every point, so that no `prior` matters"
            )
    values: dict[str, Any] = dict(options or {})
    warns = inspect.signature(made).parameters.get("warn_independent_sampling")
    if warns is not None and warns.default is True:  # conditional parameters are sampled so: no news
        values.setdefault("warn_independent_sampling", False)
    sampler: optuna.samplers.BaseSampler = without_warnings(made, seed=seed, **values)
    return PriorSampler(sampler, priors, seed) if priors else sampler


def without_warnings(made: Callable[..., Any], **values: Any) -> Any:
    """Return an object of Optuna's, without its word that the class is experimental."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return made(**values)


def check_options(what: str, made: Callable[..., Any], options: Mapping[str, Scalar]) -> None:
    """Raise InputError unless a class of Optuna's takes every option, and as a plain value."""
    annotated = {
        name: parameter.annotation if isinstance(parameter.annotation, str) else parameter.annotation.__name__
        for name, parameter in inspect.signature(made).parameters.items()
    }
    known = {
        name: words
        for name, words in annotated.items()
        if name != "seed" and not {*_PLAIN}.isdisjoint(words.split(" | "))
    }
    for name, value in options.items():
        if name not in known:
            raise fail(what, f"takes no option {name!r}; those are {', '.join(known) or 'none'}")
        types = known[name].split(" | ")
        found = type(value).__name__
        if found not in types and not (found == "int" and "float" in types):
            raise fail(what, f"`{name}` must be of type {known[name]}, but is {value!r}")


def grid(space: SearchSpace) -> list[dict[str, Scalar]]:
    """Return every point of a space once, in order; parameters whose condition fails are left out.

    Raises
    ------
    InputError
        When a parameter is a range of real numbers without steps, or there are too many points.
    """
    values: dict[str, list[Scalar]] = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, FixedParameter):
            continue
        if isinstance(parameter, CategoricalParameter):
            values[name] = list(parameter.choices)
        elif isinstance(parameter, FloatParameter):
            if parameter.step is None:
                raise fail(f"parameter `{name}`", "a grid needs a `step`, or --set to one value")
            count = round((parameter.high - parameter.low) / parameter.step) + 1
            values[name] = [parameter.low + parameter.step * index for index in range(count)]
        else:
            values[name] = list(range(parameter.low, parameter.high + 1, parameter.step))
    points = 1
    for name, choices in values.items():
        points *= len(choices)
        if points > _MOST_GRID_POINTS:
            rule = f"a grid may have at most {_MOST_GRID_POINTS} points"
            raise fail(f"parameter `{name}`", f"{rule}, but with it there are more; fix some with --set")
    found: dict[str, dict[str, Scalar]] = {}
    for combination in product(*values.values()):
        searched = _searched(space, dict(zip(values, combination, strict=True)))
        found.setdefault(repr(sorted(searched.items())), searched)
    return list(found.values())


def _searched(space: SearchSpace, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return those of `values` whose conditions hold."""

    def choose(name: str, _: Searched) -> Scalar:
        return values[name]

    return space.searched(space.complete(choose))
