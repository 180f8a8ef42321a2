"""The extras of the distribution: what each brings, and how a user gets it.

An optional package is imported where it is used; its absence is explained there in these words, or by
the command line.
"""

from typing import TYPE_CHECKING

from rookery import DISTRIBUTION

if TYPE_CHECKING:
    from rookery_ensembles.errors import InputError

MODULES = {
    "search": ("ray", "torch", "cmaes", "optuna", "sqlalchemy", "safetensors", "captum"),
    "simulate": ("galsim", "sncosmo", "speclite"),
    "qp": ("h5py",),
    "rail": ("rail",),
    "mlflow": ("mlflow",),
    "energy": ("pynvml",),
    "postgresql": ("psycopg",),
    "dashboard": ("dash", "dash_ag_grid", "waitress", "optuna_dashboard"),
}
"""The modules that each extra brings; one of several is listed where it is told first."""


def installing(extra: str, version: str = "") -> str:
    """Return how an extra is installed, in words that end a sentence; `version` names the index's."""
    wanted = f"{DISTRIBUTION}[{extra}]" + (f"=={version}" if version else "")
    return (
        f"in Rookery's checkout `pip install -c constraints.txt '.[{extra}]'`, "
        f"or from an index that has it `pip install '{wanted}'`"
    )


def extra_of(module: str) -> str | None:
    """Return the extra that brings a module, also by the name of one inside it; None if none does."""
    top = module.split(".")[0]
    return next((extra for extra, modules in MODULES.items() if top in modules), None)


def missing(what: str, extra: str, module: str) -> "InputError":
    """Build the error that `what` needs a `module` of an `extra` that is not installed."""
    from rookery_ensembles.errors import InputError  # not above: it loads numpy

    return InputError(f"{what} needs `{module}`, of the extra `{extra}`: {installing(extra)}")


def require(what: str, *extras: str) -> None:
    """Raise InputError where some extras are not installed, which tells all of them at once."""
    from importlib.util import find_spec

    absent = [extra for extra in extras if find_spec(MODULES[extra][0]) is None]
    if absent:
        raise missing(what, ",".join(absent), MODULES[absent[0]][0])
