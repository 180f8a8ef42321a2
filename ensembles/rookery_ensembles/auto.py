"""The recipe that serves best, found and judged by cross-fitting, beside the plain average.

Each recipe is fitted once for each fold, and the choice that is judged on a fold looks at the other folds
only; their scores come from fits that have seen the fold. What this flatters is measured: the same procedure
reports its gain where there is none (`null_gain`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery_ensembles._trials import Trials
from rookery_ensembles.blas import one_blas_thread
from rookery_ensembles.calibrations import Covariates, methods
from rookery_ensembles.errors import fail
from rookery_ensembles.pools import POOLS
from rookery_ensembles.progress import tracked
from rookery_ensembles.recipe import EQUAL, PLAIN, USUAL, Recipe
from rookery_ensembles.shown import short_repr
from rookery_ensembles.target import Target
from rookery_ensembles.weights import WEIGHTS

FloatArray = NDArray[np.float64]

ERRORS = 1.0
"""A recipe is taken when it gains more than so many standard errors over the one that it would replace."""
GATE_ERRORS = 2.0
"""Weights that depend on covariates must gain so many over the best of the others."""
MOST_POOLS = 2
"""So many of the pools that are best with equal weights are tried with the best weights."""
MOST_CALIBRATIONS = 2
"""So many of the calibrations that serve the plain average best are tried after the best pool and weights."""
LEAST_OBJECTS = 50
MOST_OBJECTS = 3_000
_STREAM = 7919  # not the draws that others make of the same seed: truths must not depend on folds
MOST_VALUES = 150_000_000
"""Of more objects, or of more members by objects by columns, a random part finds the recipe."""


@short_repr
@dataclass(frozen=True)
class Alternative:
    """A recipe, and what it gained over the plain average on objects that it was not fitted to."""

    recipe: Recipe
    """What was tried."""
    gain: float
    error: float
    """Mean drop of the log-loss in nats, and its standard error over objects."""


@short_repr
@dataclass(frozen=True)
class AutoReport:
    """What `find_recipe` chose, and why."""

    recipe: Recipe
    """What is to be served."""
    reason: str
    """Why, in a sentence."""
    gain: float
    error: float
    """What the whole procedure gains over the plain average, in nats of log score, on objects that took no
    part in it, and its standard error; NaN where it was not asked for. Where the plain average is
    served although the procedure would have chosen otherwise, they tell what this would have gained."""
    null_gain: float
    null_error: float
    """What the same procedure reports where there is nothing to be gained: with truths that are drawn
    anew from the plain average itself. Zero within its error, or the report is not to be trusted."""
    alternatives: tuple[Alternative, ...]
    """All that were compared: first the one that was taken, or would have been had it gained more, then the
    others, the best first. The gain of the first flatters where it is the best of many. It does not where the
    first is greedy selection with its usual calibration (`USUAL`), which is compared in any case: others may
    then stand behind it that gain more, but not beyond their error."""
    n_objects: int
    """Objects that took part."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for documents, None for what is not known."""
        gains = {
            "gain": self.gain,
            "gain_error": self.error,
            "null_gain": self.null_gain,
            "null_gain_error": self.null_error,
        }
        return {
            "served": str(self.recipe),
            "reason": self.reason,
            **{name: None if np.isnan(value) else value for name, value in gains.items()},
            "objects": self.n_objects,
            "alternatives": [
                {"recipe": str(each.recipe), "gain": each.gain, "error": each.error}
                for each in self.alternatives
            ],
        }


def find_recipe(
    target: Target,
    values_mnk: NDArray[Any] | Sequence[NDArray[Any]],
    truth_n: NDArray[Any],
    weight_n: FloatArray | None = None,
    *,
    covariates: Covariates | None = None,
    sharpen: bool = True,
    honest: bool = True,
    seed: int = 0,
) -> AutoReport:
    """Find the pool, weights and calibration of the best log score.

    The objects are divided into five folds. A recipe is fitted to four and judged on the fifth, in turn.
    First all weights are tried in the linear pool, of which those that depend on covariates must gain more
    than `GATE_ERRORS` standard errors over the best of the others; then the other pools with equal weights
    and the best of them with the best weights; then all calibrations after the plain average, and those that
    serve it best after the best of these and after weights that depend on covariates. Then a ladder is
    climbed: from the plain average to greedy selection with the usual calibration, and to the best recipe.
    Each step is taken where it gains more than `ERRORS` standard errors, paired by objects, over what was
    taken before: of few objects a choice among many recipes costs what it brings. The choice is made five
    times more, each time without looking at the objects of one fold, and what it chose, fitted to the other
    folds, is judged on that fold: the gain that is reported. Where this is negative, the plain average is
    served all the same.

    Parameters
    ----------
    target
        What is predicted.
    values_mnk
        M arrays (N, K), stacked or in a list, of objects that no member was trained on.
    truth_n
        (N,) true classes or redshifts, all known and in a bin.
    weight_n
        (N,) what each object counts; 1 by default.
    covariates
        Of the N objects, for weights and calibrations that depend on them.
    sharpen
        Whether the ensemble may be more certain than the linear pool; see `choose`.
    honest
        Whether to report the gain, and the gain where there is none, which takes about three times as long.
    seed
        Of the folds and of all that is drawn.

    Raises
    ------
    InputError
        When values, truth, weights or covariates break their rules.
    """
    nan = float("nan")
    rng = np.random.default_rng([seed, _STREAM])
    n, m = len(truth_n), len(values_mnk)
    if covariates is not None and len(covariates) != n:
        rule = f"there must be one row for each of {n} objects"
        raise fail("covariates", f"{rule}, but found {len(covariates)}")
    some = chosen_objects(n, m * target.n_columns, seed)
    if len(some) < LEAST_OBJECTS:
        why = f"{n} objects are too few to tell whether anything is better than the plain average"
        return AutoReport(PLAIN, why, nan, nan, nan, nan, (), n)
    parts = [np.asarray(values[some]) for values in values_mnk]
    weight = None if weight_n is None else weight_n[some]
    known = None if covariates is None or not covariates.names else covariates.take(some)

    def trials(truth: NDArray[Any]) -> Trials:
        return Trials(target, parts, truth, weight, covariates=known, sharpen=sharpen, seed=seed)

    with one_blas_thread():
        return _find(trials, truth_n[some], rng, honest=honest)


def _find(
    trials_of: Callable[[NDArray[Any]], Trials],
    truth_n: NDArray[Any],
    rng: np.random.Generator,
    *,
    honest: bool,
) -> AutoReport:
    trials = trials_of(truth_n)
    recipe, alternatives = select(trials)
    gain = error = null_gain = null_error = float("nan")
    reason = _reason(trials, recipe, alternatives)
    if honest:
        gain, error = honest_gain(trials)
        null_gain, null_error = honest_gain(trials_of(drawn_truth(trials.target, trials.plain, rng)))
        if recipe != PLAIN and not gain > 0:
            reason = f"{recipe} was chosen, but judged on other objects it does not beat the plain average"
            recipe = PLAIN
    return AutoReport(recipe, reason, gain, error, null_gain, null_error, alternatives, len(truth_n))


def chosen_objects(n: int, values_each: int, seed: int = 0) -> NDArray[np.intp]:
    """Return the places of the objects that find a recipe: all, or of many a random part.

    Parameters
    ----------
    n
        Objects.
    values_each
        Values of all members that each of them has.
    seed
        Of the draw.
    """
    most = min(MOST_OBJECTS, max(LEAST_OBJECTS, MOST_VALUES // values_each))
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng([seed, _STREAM]).choice(n, most, replace=False))


def select(trials: Trials, outer: int | None = None) -> tuple[Recipe, tuple[Alternative, ...]]:
    """Return the recipe that suits the objects of all folds but `outer`, and what it was compared with."""
    tried: dict[Recipe, Alternative] = {}

    def attempt(recipe: Recipe) -> None:
        if recipe not in tried:
            tried[recipe] = Alternative(recipe, *trials.gain(recipe, outer))

    def best() -> Recipe:
        return max(tried.values(), key=lambda each: each.gain).recipe

    several = len(trials.values_m) > 1
    for name in _weights(local=False) if several else (EQUAL,):
        attempt(Recipe(weights=name))
    flat = best()
    aside: list[Alternative] = []
    for gate in _gates(trials):
        attempt(gate)
        gain, error = trials.gain(gate, outer, over=flat)
        if not gain > GATE_ERRORS * error:
            aside.append(tried.pop(gate))
    pools = [p for p in POOLS.values() if several and p.takes(trials.target) and trials.sharpen]
    for pool in pools:
        attempt(Recipe(pool.name))
    pools.sort(key=lambda pool: -tried[Recipe(pool.name)].gain)
    for pool in pools[:MOST_POOLS]:
        attempt(Recipe(pool.name, flat.weights))
    tops = dict.fromkeys([best(), *(gate for gate in _gates(trials) if gate in tried)])
    able = [name for name, m in methods(trials.target.kind).items() if trials.sharpen or m.softens]
    for name in able:
        attempt(Recipe(calibration=name))
    able.sort(key=lambda name: -tried[Recipe(calibration=name)].gain)
    for name in [name for name in able if name != "none"][:MOST_CALIBRATIONS]:
        for top in tops:
            attempt(replace(top, calibration=name))
    if several:
        attempt(USUAL)
    served = _climbed(trials, outer, [recipe for recipe in (USUAL, best()) if recipe in tried])
    first = tried.pop(best() if served == PLAIN else served)
    ordered = (first, *sorted([*tried.values(), *aside], key=lambda each: -each.gain))
    return served, ordered


def _climbed(trials: Trials, outer: int | None, steps: Sequence[Recipe]) -> Recipe:
    """Return the last step that gains more than `ERRORS` errors over the one before it that was taken."""
    taken = PLAIN
    for step in steps:
        gain, error = trials.gain(step, outer, over=taken)
        if gain > ERRORS * error:
            taken = step
    return taken


def _weights(*, local: bool) -> list[str]:
    return [way.name for way in WEIGHTS.values() if way.local == local]


def _gates(trials: Trials) -> list[Recipe]:
    """Return the recipes whose weights depend on covariates, where any are known of several members."""
    if trials.covariates is None or len(trials.values_m) < 2:
        return []
    return [Recipe(weights=name) for name in _weights(local=True)]


def honest_gain(trials: Trials) -> tuple[float, float]:
    """Return what `select` gains on folds that it does not see, and the standard error."""
    gain_n = np.empty(len(trials.fold_n))
    for outer in tracked(range(trials.n_folds), "folds"):
        recipe, _ = select(trials, outer)
        here = trials.fold_n == outer
        gain_n[here] = trials.plain_loss[here] - trials.loss(recipe)[here]
    return trials.mean_and_error(gain_n)


def drawn_truth(target: Target, values_nk: FloatArray, rng: np.random.Generator) -> NDArray[Any]:
    """Return (N,) truths drawn from predictions, so that nothing can have a better score than these."""
    cdf = np.cumsum(values_nk * target.widths, axis=1)
    k = (cdf < rng.uniform(size=(len(cdf), 1)) * cdf[:, -1:]).sum(axis=1).clip(max=target.n_columns - 1)
    return target.truth_in(k, rng)


def _reason(trials: Trials, recipe: Recipe, alternatives: tuple[Alternative, ...]) -> str:
    first = alternatives[0]
    if first.recipe == PLAIN:
        return "nothing has a better log score than the plain average"
    told = f"{first.recipe} gains {first.gain:.4f} +- {first.error:.4f} nats over the plain average"
    if recipe == PLAIN:
        return f"nothing beats the plain average beyond its error; the best, {told}"
    if recipe == USUAL and any(each.gain > first.gain for each in alternatives):
        return f"{told}, and the best of {len(alternatives)} ways does not beat that beyond its error"
    told = f"{told}, the most of {len(alternatives)} ways"
    gate = Recipe(weights=recipe.weights)
    if trials.covariates is None or gate not in _gates(trials):
        return told
    others = {Recipe(weights=name) for name in _weights(local=False)}
    flat = next(each.recipe for each in alternatives if each.recipe in others)
    gain, error = trials.gain(gate, None, over=flat)
    names = ", ".join(trials.covariates.names)
    return (
        f"{told}; weights that depend on {names} gain {gain:.4f} +- {error:.4f} over {flat.weights} weights"
    )
