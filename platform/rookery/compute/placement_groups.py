"""Places that a dead actor had reserved on Ray become free again.

Ray 2.60 keeps a placement group until its whole job ends, also where the actor that made it is dead. Ray
Train has an actor that watches for that, but it asks Ray's dashboard, which a Ray of one's own has not: each
stopped worker group would keep its place, and a search would wait for ever once all places were kept.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)
SECONDS = 2.0
"""How often is looked for reservations of the dead."""


@contextmanager
def abandoned_places_freed() -> Iterator[None]:
    """Free, while the context lasts, what dead actors of this driver had reserved."""
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(ended,), name="abandoned-places", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(ended: threading.Event) -> None:
    from ray.exceptions import RayError

    while not ended.wait(SECONDS):
        try:
            free_abandoned_places()
        except (RayError, RuntimeError) as error:  # what ails Ray itself is the watchdog's to tell
            logger.warning("Ray was not asked for the reservations of dead actors (%s)", error)


def free_abandoned_places() -> list[str]:
    """Remove the placement groups that dead actors of this driver's job made; returns their ids."""
    import ray
    from ray._private.state import state
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    job = ray.get_runtime_context().get_job_id()
    freed = []
    for stored in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(stored)
        mine = group.creator_job_id.hex() == job and not group.is_detached
        # A driver's own groups have no actor that could be dead.
        abandoned = (
            mine and ray.ActorID(group.creator_actor_id) != ray.ActorID.nil() and group.creator_actor_dead
        )
        if abandoned and group.state != PlacementGroupTableData.REMOVED:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))
            freed.append(group.placement_group_id.hex())
    return freed
