"""The classical methods that each network must beat, found by name.

A baseline is one module of this folder with a function ``run_baseline``; the module
``binned_trees`` is the baseline ``binned-trees``.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from rookery.compute.pool import RayPool
from rookery_ensembles import plugins
from rookery_ensembles.errors import did_you_mean, fail

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey
    from rookery.surveys.train_on import TrainOn
    from rookery_ensembles.predictions import Predictions

__all__ = ["Baseline", "load", "names", "option_names", "run_baseline"]

GROUP = "rookery.baselines"
"""Entry points of baselines that other packages bring: functions as `run_baseline` of a module here."""
_POOL = ("address", "processes")


class Baseline(Protocol):
    """Trains on a split's training and validation objects and writes predictions, out of fold with folds."""

    def __call__(
        self,
        survey: "Survey",
        split: "Split",
        out: Path,
        *,
        name: str = ...,
        classes: Sequence[str] = ...,
        seed: int = ...,
        redshift: str | None = ...,
        role: str = ...,
        train_on: "TrainOn | None" = ...,
        **options: Any,
    ) -> "Predictions":
        """Run the baseline.

        Parameters
        ----------
        survey, split
            The light curves, and who trains and who is predicted.
        out
            Parquet file of predictions to write.
        name
            Name that the predictions carry: their member is ``baseline-<name>``.
        classes
            Class names, in the order of the columns; see :class:`rookery_ensembles.Classes`.
        seed
            Seed of everything random.
        redshift
            Covariate of the survey to use as a redshift, never the truth; None: no redshift.
        role
            Who is predicted: ``test``, ``unlabelled``, or ``validation``, whose objects then do not train;
            folds: see :func:`rookery.baselines._rounds.plan_rounds`.
        train_on
            Only these of the training objects train, the same ones as train a network.
        **options
            What one baseline takes beyond this, for example `workers`; see :func:`run_baseline`.
        """


def names() -> list[str]:
    """Return the names of the baselines, sorted."""
    return sorted({*_own(), *plugins.installed(GROUP)})


def _own() -> list[str]:
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return [module.replace("_", "-") for module in modules if not module.startswith("_")]


def load(name: str) -> Baseline:
    """Return a baseline by its name.

    Raises
    ------
    InputError
        For an unknown name; those that exist are listed.
    """
    if name not in names():
        rule = f"is unknown; the baselines are: {', '.join(names())}"
        raise fail(f"baseline {name!r}", f"{rule}{did_you_mean(name, names())}")
    if name not in _own():
        return cast(Baseline, plugins.load(GROUP, name))
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast(Baseline, module.run_baseline)


def option_names(name: str) -> list[str]:
    """Return what a baseline takes beyond survey, split and what all share, as :func:`run_baseline` does."""
    shared = ("survey", "split", "out", "name", "classes", "seed", "train_on")
    own = [option for option in inspect.signature(load(name)).parameters if option not in shared]
    return [*(option for option in own if option != "workers"), *(_POOL if "workers" in own else ())]


def run_baseline(
    name: str,
    out: str | Path,
    *,
    survey: str | Path,
    split: str,
    class_names: Sequence[str],
    seed: int = 0,
    train_on: "Mapping[str, Any] | TrainOn | None" = None,
    address: str | None = None,
    processes: int | None = None,
    **options: Any,
) -> "Predictions":
    """Train a baseline on a split and predict its test objects.

    Parameters
    ----------
    name
        The baseline's name.
    out
        Parquet file of predictions to write.
    survey, split
        Survey store, and the name of a split.
    class_names, seed, train_on
        See :class:`Baseline`.
    address, processes
        See :class:`rookery.compute.pool.RayPool`.
    **options
        Options of the baseline's own; those that are None are left to its defaults.

    Raises
    ------
    InputError
        For an unknown name, an option that the baseline does not take, and whatever it refuses.
    """
    from rookery.documents import build
    from rookery.surveys import open_split, open_survey
    from rookery.surveys.train_on import TrainOn
    from rookery_ensembles.predictions import check_predictions_path

    check_predictions_path(out)
    run = load(name)
    taken = inspect.signature(run).parameters
    for option, value in {"address": address, "processes": processes, **options}.items():
        if value is not None and (option if option in options else "workers") not in taken:
            raise fail(f"baseline {name!r}", f"takes no `{option}`")
    chosen = {option: value for option, value in options.items() if value is not None}
    if "workers" in taken:
        chosen["workers"] = RayPool(address, processes)
    if isinstance(train_on, Mapping):
        train_on = build(TrainOn, dict(train_on), "train_on")
    opened = open_survey(survey)
    classes, divided = tuple(class_names), open_split(opened, split)
    return run(opened, divided, Path(out), classes=classes, seed=seed, train_on=train_on, **chosen)
