"""Trials given out as packs: several of one architecture to a worker, each a trial of its own."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from rookery.networks.family import load_family
from rookery.search.trial_queue import LiveTrial, Queue

logger = logging.getLogger(__name__)
Plan = dict[str, Any]
_HELD = 1
"""So many trials of another architecture are put aside until a pack is given out as it is."""


class PackedQueue(Queue[LiveTrial]):
    """A queue whose trials are packs of another queue's.

    The inner queue knows each trial by a key of its own, and hears of each alone: its values, whether it
    shall stop, its end, its worker's death.

    Parameters
    ----------
    inner
        Gives out the trials.
    size
        Most trials of a pack.
    stops
        Tells workers which trials shall stop.
    """

    def __init__(self, inner: Queue[Any], size: int, stops: "Stops") -> None:
        super().__init__()
        self.inner, self._size, self.stops = inner, size, stops
        self._packs: dict[str, list[str]] = {}
        self._held: list[tuple[str, Plan]] = []
        self._next = 0

    @property
    def folder(self) -> Path:
        """That of the inner queue."""
        return self.inner.folder

    @property
    def n_running(self) -> int:
        """Packs that run now."""
        return len(self._packs)

    @property
    def halted(self) -> str | None:
        """Why no trial can go on here."""
        return self.inner.halted

    @halted.setter
    def halted(self, reason: str | None) -> None:
        if reason is not None:
            self.inner.halted = self.inner.halted or reason

    def waits(self) -> bool:
        """Whether there is nothing to suggest now, but may be soon."""
        return not self._held and self.inner.waits()

    def suggest(self, key: str) -> Plan | None:
        """Return the plan of the next pack."""
        first = self._held.pop(0) if self._held else self._one()
        if first is None or self.halted is not None:
            return None
        pack, wanted = [first], pack_key(first[1])
        for other in [held for held in self._held if wanted is not None and pack_key(held[1]) == wanted]:
            if len(pack) < self._size:
                self._held.remove(other)
                pack.append(other)
        while wanted is not None and len(pack) < self._size and len(self._held) < _HELD:
            found = self._one(like=first[0])
            if found is None:
                break
            (pack if pack_key(found[1]) == wanted else self._held).append(found)
        self._packs[key] = [own for own, _ in pack]
        plan = first[1]
        trials = [
            {name: each[name] for name in ("trial", "jobs", "surveys") if name in each} | {"key": own}
            for own, each in pack
        ]
        return {**plan, "jobs": [], "surveys": {}, "pack": trials, "stops": self.stops.name}

    def _one(self, like: str | None = None) -> tuple[str, Plan] | None:
        """Return a trial of the inner queue under a new key."""
        if self.inner.waits():
            return None
        self._next += 1
        own = f"{self._next}"
        plan = self.inner.suggest(own) if like is None else self.inner.suggest_like(own, like)
        return None if plan is None else (own, plan)

    def hear(self, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Hear what became of a pack's trials; see :func:`rookery.search.pack_worker.run_pack`."""
        stopped = []
        for row in rows:
            own = row["key"]
            if own not in self._packs.get(key, ()):
                continue  # heard before its worker died
            if "step" in row:
                if self.inner.report(own, row["step"], row["value"], row["spent"]):
                    stopped.append(own)
            elif "halted" in row:
                self.halt(key, row["halted"])
            else:
                self._packs[key].remove(own)
                self.inner.finish(own, value=row.get("values"), error=row.get("error"), kind=row.get("kind"))
        if stopped:
            self.stops.add(stopped)

    def report(self, key: str, step: int, value: float, spent: Mapping[str, float] | None = None) -> bool:
        """Packs do not report as a whole."""
        return False

    def note_death(self, key: str, error: str) -> bool:
        """Hear what a pack's worker died of; return whether another one may take all its trials up."""
        heard = [self.inner.note_death(own, error) for own in self._packs.get(key, ())]
        return all(heard)

    def give_up(self, key: str) -> None:
        """Hear that a pack's workers are gone: each trial failed, or waits to be taken up again."""
        for own in self._packs.pop(key, ()):
            self.inner.give_up(own)

    def halt(self, key: str, reason: str) -> None:
        """Hear why no trial can go on; those of the pack, and those put aside, are left for a later run."""
        for own in (*self._packs.pop(key, ()), *(held for held, _ in self._held)):
            self.inner.halt(own, reason)
        self._held = []

    def finish(
        self,
        key: str,
        *,
        value: float | Sequence[float] | None = None,
        error: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Hear that a pack ended; trials of which it did not tell the end have failed with its error."""
        for own in self._packs.pop(key, ()):
            self.inner.finish(own, error=error or "its pack ended without its result", kind=kind)

    def heartbeat(self) -> None:
        """Let the inner queue hear that the driver lives."""
        self.inner.heartbeat()

    def interrupted(self) -> bool:
        """Whether trials were left running."""
        return bool(self._packs)

    def nothing_left(self) -> bool:
        """Whether every trial has ended."""
        return self.inner.nothing_left()

    def _wait_again(self, live: LiveTrial) -> None:
        raise AssertionError("the inner queue's trials wait")

    def _end(
        self, live: LiveTrial, value: float | Sequence[float] | None, error: str | None, kind: str | None
    ) -> None:
        raise AssertionError("the inner queue's trials end")


def pack_key(plan: Plan) -> str | None:
    """Return what plans have in common whose networks may train as a pack; None where they may not."""
    job = plan["jobs"][0]
    family = load_family(job["family"])
    try:
        key = family.pack_key(family.configure(job["configuration"]))
    except ValidationError:
        return None
    same = ("survey_checksum", "split", "class_names", "redshift_bins")
    return key and f"{key} {[job.get(name) for name in same]} {len(plan['jobs'])}"


def pack_size(most: int, trials: int, at_once: int) -> int:
    """Return how many trials a pack gets, so that all workers have some."""
    return max(1, min(most, math.ceil(trials / max(1, at_once))))


class Stops:
    """A Ray actor that knows which trials shall stop: workers ask it after each epoch.

    Ray Tune can end a worker, not one of the trials that it trains.
    """

    def __init__(self) -> None:
        import ray

        self.name = f"rookery-stops-{uuid4().hex}"
        self._actor = ray.remote(num_cpus=0)(_Stopped).options(name=self.name).remote()

    def add(self, keys: Sequence[str]) -> None:
        """Let trials stop."""
        import ray

        ray.get(self._actor.add.remote(list(keys)))


class _Stopped:
    """What the actor holds."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def add(self, keys: list[str]) -> None:
        self._keys.update(keys)

    def all(self) -> set[str]:
        return self._keys


def stopped_trials(name: str) -> set[str]:
    """Return the keys of the trials that shall stop, on a worker; none while nobody can be asked."""
    import ray

    try:
        found: set[str] = ray.get(ray.get_actor(name).all.remote(), timeout=30)
    except (ValueError, ray.exceptions.RayError) as error:
        logger.warning("which trials shall stop is not known now (%s)", str(error).splitlines()[0])
        return set()
    return found
