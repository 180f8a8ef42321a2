"""The engine of searches and campaigns on a real Ray, with trials that only say where they ran."""

import os
import signal
import time
from pathlib import Path

import pytest

import rookery.search.worker
from rookery.compute.resources import plan_resources
from rookery.compute.session import ray_session as session
from rookery.search.engine import run_trials
from rookery.search.trial_queue import LiveTrial, Queue

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]


class Errands(Queue[LiveTrial]):
    """So many trials that need nothing; `values` are what they came to."""

    def __init__(self, folder: Path, wanted: int) -> None:
        super().__init__()
        self._folder, self._left = folder, wanted
        self.values = []

    @property
    def folder(self) -> Path:
        return self._folder

    def suggest(self, key):
        if not self._left:
            return None
        self._left -= 1
        self._live[key] = LiveTrial()
        return {"trial": self._left}

    def report(self, key, step, value, spent=None):
        return False

    def _wait_again(self, live):
        self._left += 1

    def _end(self, live, value, error, kind):
        self.values.append(value)

    def nothing_left(self):
        return not (self._left or self._live)


def test_trials_shorter_than_the_start_of_a_worker_use_every_place(ray_session, tmp_path, monkeypatch):
    def errand(config):
        import os

        import ray.tune

        from rookery.search.trial_plan import FINISHED

        time.sleep(0.05)
        ray.tune.report({FINISHED: os.getpid()})

    monkeypatch.setattr(rookery.search.worker, "run_trial", errand)
    queue = Errands(tmp_path, wanted=200)
    with session(None) as nodes:
        run_trials(queue, plan_resources(nodes, "actor", trials=200))
    assert len(queue.values) == 200
    assert len(set(queue.values)) == 2  # one actor took all while the other one's start was called off


class Interrupted(Errands):
    """The first of them that ends is the only one that runs; then comes Ctrl-C."""

    def _end(self, live, value, error, kind):
        super()._end(live, value, error, kind)
        if len(self.values) == 1:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interruption_between_two_trials_ends_the_search_too(ray_session, tmp_path, monkeypatch):
    def errand(config):
        import ray.tune

        from rookery.search.trial_plan import FINISHED

        ray.tune.report({FINISHED: 0})

    monkeypatch.setattr(rookery.search.worker, "run_trial", errand)
    queue = Interrupted(tmp_path, wanted=5)
    with session(None) as nodes:
        plan = plan_resources(nodes, "actor", trials=5, concurrent=1)
        run_trials(queue, plan)
    assert len(queue.values) == 1
    assert not queue.nothing_left()
