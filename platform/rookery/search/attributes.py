"""User attributes of a trial: their names, and what each must be. Light: no Optuna is loaded here."""

from collections.abc import Callable

SECONDS, JOULES = "device_seconds", "energy_joules"
"""User attributes of a trial that has ended: what it took."""
INFEASIBLE = "infeasible"
"""User attribute of a trial that was not trained: which constraints its configuration breaks, in words."""
WANTED = "wanted_trials"
"""User attribute of the study itself: how many trials the last search wanted it to have."""
PACK_GAIN = "pack_gain"
"""User attribute of the study itself: how many times as fast a pack was timed to train its networks."""
TRUST = "trust"
"""User attribute of a trial: how far each earlier study was trusted when it was proposed, from 0 to 1."""

GAIN, ENSEMBLE = "ensemble_gain", "ensemble_score"
"""User attributes of a trial of a search for the ensemble: by how much it lowered the cross-fitted log loss
of the ensemble of all that had ended, and what that then was."""


def is_whole(value: object) -> bool:
    """Whether a value that was read is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value that was read is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fractions(value: object) -> bool:
    return isinstance(value, dict) and all(is_number(trust) for trust in value.values())


RULES: dict[str, tuple[str, Callable[[object], bool]]] = {
    SECONDS: ("a number", is_number),
    JOULES: ("a number", is_number),
    "attempts": ("a whole number", is_whole),
    "error": ("text", lambda value: isinstance(value, str)),
    INFEASIBLE: ("text", lambda value: isinstance(value, str)),
    GAIN: ("a number", is_number),
    ENSEMBLE: ("a number", is_number),
    TRUST: ("numbers by path", _fractions),
}
"""By name: what a value must be, in words, and whether one is."""
