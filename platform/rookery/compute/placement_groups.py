"""Places that a dead actor had reserved on Ray become free again.

Ray 2.60 keeps a placement group until its whole job ends, also where the actor that made it is dead. Ray
Train has an actor that watches for that, but it asks Ray's dashboard, which a Ray of one's own has not: each
stopped worker group would keep its place, and a search would wait for ever once all places were kept.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger(__name__)
SECONDS = 2.0
"""How often is looked for reservations of the dead."""
LAST_SECONDS = 20.0
"""So long is waited at the end for actors that are still dying."""


@contextmanager
def abandoned_places_freed() -> Iterator[None]:
    """Free, while the context lasts and at its end, what dead actors of this driver had reserved.

    Whatever actors of this driver reserve must be theirs for the time of the context alone.
    """
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(ended,), name="abandoned-places", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(ended: threading.Event) -> None:
    while not ended.wait(SECONDS):
        _free()
    last = time.monotonic() + LAST_SECONDS
    while _free() and time.monotonic() < last:
        time.sleep(0.1)


def _free() -> list[str]:
    """Free what the dead had reserved; return what the living keep, or nothing where Ray does not answer."""
    from ray.exceptions import RayError

    try:
        return free_abandoned_places().kept
    except (RayError, RuntimeError) as error:  # what ails Ray itself is the watchdog's to tell
        logger.warning("Ray was not asked for the reservations of dead actors (%s)", error)
        return []


@dataclass(frozen=True)
class Reserved:
    """Ids of the placement groups that actors of this driver's job had made."""

    freed: list[str]
    """Of dead actors."""
    kept: list[str]
    """Of actors that live."""


def free_abandoned_places() -> Reserved:
    """Remove the placement groups that dead actors of this driver's job made."""
    import ray
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    job = ray.get_runtime_context().get_job_id()
    found = Reserved([], [])
    for stored in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(stored)
        mine = group.creator_job_id.hex() == job and not group.is_detached
        # A driver's own groups have no actor that could be dead.
        by_actor = mine and ray.ActorID(group.creator_actor_id) != ray.ActorID.nil()
        if not by_actor or group.state == PlacementGroupTableData.REMOVED:
            continue
        name = group.placement_group_id.hex()
        if group.creator_actor_dead:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))
            found.freed.append(name)
        else:
            found.kept.append(name)
    return found
