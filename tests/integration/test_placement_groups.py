"""Ray keeps what a dead actor had reserved; a driver frees it, and nothing else."""

import pytest

from processes import wait_for
from rookery.compute.placement_groups import abandoned_places_freed, free_abandoned_places

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]


def test_only_what_dead_actors_had_reserved_becomes_free(ray_session):
    from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

    @ray_session.remote(num_cpus=0)
    class Owner:
        def reserve(self):
            made = placement_group([{"memory": 1000.0}])
            ray_session.get(made.ready())
            return made.id.hex()

    mine = placement_group([{"memory": 1000.0}])
    ray_session.get(mine.ready())
    dead, alive = Owner.remote(), Owner.remote()
    left, kept = ray_session.get([dead.reserve.remote(), alive.reserve.remote()])

    def states():
        table = placement_group_table()
        return [table[name]["state"] for name in (left, kept, mine.id.hex())]

    try:
        found = free_abandoned_places()
        assert (found.freed, set(found.kept)) == ([], {left, kept})
        with abandoned_places_freed():
            ray_session.kill(dead)
            wait_for(lambda: states() == ["REMOVED", "CREATED", "CREATED"], 60)
            ray_session.kill(alive)  # its end comes only as the context ends
        assert states() == ["REMOVED", "REMOVED", "CREATED"]
        found = free_abandoned_places()
        assert (found.freed, found.kept) == ([], [])
    finally:
        remove_placement_group(mine)
