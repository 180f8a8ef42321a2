"""The classical methods that each network must beat, found by name.

A baseline is one module of this folder with a function ``run_baseline``; the module
``binned_trees`` is the baseline ``binned-trees``.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from rookery.compute.pool import RayPool
from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey
    from rookery.surveys.train_on import TrainOn
    from rookery_ensembles.predictions import Predictions

__all__ = ["Baseline", "configure", "load", "names"]


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
            What one baseline takes beyond this, for example `workers`; see :func:`configure`.
        """


def names() -> list[str]:
    """Return the names of the baselines, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(module.replace("_", "-") for module in modules if not module.startswith("_"))


def load(name: str) -> Baseline:
    """Return a baseline by its name.

    Raises
    ------
    InputError
        For an unknown name; those that exist are listed.
    """
    if name not in names():
        raise fail(f"baseline {name!r}", f"is unknown; the baselines are: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    return cast(Baseline, module.run_baseline)


def configure(
    name: str,
    *,
    address: str | None = None,
    processes: int | None = None,
    **options: Any,
) -> Baseline:
    """Return a baseline with its options; those that are None are left to its defaults.

    Parameters
    ----------
    name
        The baseline's name.
    address, processes
        See :class:`rookery.compute.pool.RayPool`.
    **options
        Options of the baseline's own.

    Raises
    ------
    InputError
        For an unknown name, or an option that the baseline does not take.
    """
    run = load(name)
    given = {"address": address, "processes": processes, **options}
    taken = inspect.signature(run).parameters
    for option, value in given.items():
        if value is not None and (option if option in options else "workers") not in taken:
            raise fail(f"baseline {name!r}", f"takes no `{option}`")
    chosen = {option: value for option, value in options.items() if value is not None}
    if "workers" in taken:
        chosen["workers"] = RayPool(address, processes)
    return functools.partial(run, **chosen)
