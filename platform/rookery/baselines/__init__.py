"""The classical methods that each network must beat, found by name.

A baseline is one module of this folder with a function ``run_baseline``; the module
``binned_trees`` is the baseline ``binned-trees``.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from rookery_ensembles.errors import fail

if TYPE_CHECKING:
    from rookery.surveys.splits import Split
    from rookery.surveys.store import Survey
    from rookery_ensembles.predictions import Predictions

__all__ = ["Baseline", "load", "names"]


class Baseline(Protocol):
    """Trains on a split's training part, writes predictions of its test objects, and returns them."""

    def __call__(
        self,
        survey: "Survey",
        split: "Split",
        out: Path,
        *,
        name: str = ...,
        classes: Sequence[str] = ...,
        seed: int = ...,
    ) -> "Predictions":
        """Run the baseline."""


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
