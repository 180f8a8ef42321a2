"""Failures that no configuration explains: the first trials of a study all fail alike."""

from __future__ import annotations

from optuna.trial import FrozenTrial

from rookery.search.trial_counts import Tally

SYSTEMATIC = 5
"""So many first trials that fail alike stop a study."""


class FirstFailures:
    """Watches how the trials of a driver fail until one of them comes to anything, or fails otherwise."""

    def __init__(self) -> None:
        self._alike: list[FrozenTrial] = []
        self._kind: str | None = None

    def add(self, failed: FrozenTrial, kind: str | None, tally: Tally) -> list[FrozenTrial]:
        """Note a failure; return the trials that are to be tried again, since the cause is not theirs.

        `kind` is alike in errors of one cause.
        """
        if tally.complete or tally.pruned or kind is None or self._kind not in (None, kind):
            self._kind = ""  # what follows is no longer alike
            return []
        self._kind = kind
        self._alike.append(failed)
        if len(self._alike) < SYSTEMATIC:
            return []
        return self._alike if len(self._alike) == SYSTEMATIC else [failed]
