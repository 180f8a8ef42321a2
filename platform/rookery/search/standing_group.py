"""A worker group that stays: its processes take one network after the other from the actor that started it.

To start a group takes 7 to 17 s, and to read the survey some more; so a Tune actor starts one at its first
trial, and the group ends with the actor, with an error, or when nobody has had work for it for a while. Then
its place is free for others. What goes to and from it passes a small actor beside, since Ray Train itself
knows only one training.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from rookery.search.trial_plan import STEP, TrialPlan

logger = logging.getLogger(__name__)
Row = dict[str, Any]
Work = Callable[[dict[str, Any]], None]
IDLE_SECONDS = 30.0
"""A group without work ends after this: else it could keep the place that another one waits for."""
ANSWER_SECONDS = 5.0
"""So long may a network that reported an epoch wait for the answer whether it shall stop."""
_LOOK_SECONDS = 1.0
"""So often is looked whether the group still lives."""


class Mailbox:
    """The actor between a Tune actor and its group: the network to train now, and what is said of it."""

    def __init__(self, idle_seconds: float, answer_seconds: float) -> None:
        self._idle_seconds, self._answer_seconds = idle_seconds, answer_seconds
        self._changed = asyncio.Condition()
        self._number, self._plan = 0, Row()
        self._rows: list[Row] = []
        self._heard = 0
        self._withdrawn = self._closed = False

    async def give(self, plan: Row) -> int | None:
        """Set what shall train next; return its number, or None where the group has ended."""
        if self._closed:
            return None
        self._number, self._plan, self._rows = self._number + 1, plan, []
        self._heard, self._withdrawn = 0, False
        await self._tell()
        return self._number

    async def next(self, last: int) -> tuple[int, Row] | None:
        """Return what shall train after the one numbered `last`; None after some time without any."""
        if not await self._wait(lambda: self._number > last and not self._withdrawn, self._idle_seconds):
            self._closed = True
            return None
        return self._number, self._plan

    async def say(self, number: int, row: Row) -> bool:
        """Pass a report on; return whether the network shall stop, as far as that is known in time."""
        if self._past(number):
            return True
        self._rows.append(row)
        place = len(self._rows)
        await self._tell()
        if STEP in row:
            await self._wait(lambda: self._heard >= place or self._past(number), self._answer_seconds)
        return self._past(number)

    def _past(self, number: int) -> bool:
        """Whether a network shall train no more."""
        return number != self._number or self._withdrawn

    async def hear(self, handled: int, seconds: float) -> list[Row]:
        """Return the reports after the first `handled`, for which others need to wait no longer."""
        self._heard = handled
        await self._tell()
        await self._wait(lambda: len(self._rows) > handled, seconds)
        return self._rows[handled:]

    async def withdraw(self, number: int) -> None:
        """Let a network stop, or be forgotten where it has ended."""
        if number == self._number:
            self._withdrawn = True
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, ready: Callable[[], bool], seconds: float) -> bool:
        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(ready), seconds)
            except TimeoutError:
                return ready()  # while it took back the lock, it may have become so
        return True


class StandingGroup:
    """A Ray Train worker group in the hands of this process.

    Parameters
    ----------
    plan
        Its number of workers and what each holds, and the study beside which Ray Train keeps its files.
    work
        What each worker calls, with a dictionary whose `post` is the :class:`Mailbox` as a Ray actor. It ends
        where :meth:`Mailbox.next` returns None.
    """

    def __init__(self, plan: TrialPlan, work: Work) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "scheduling_strategy": here}
        self._post = ray.remote(Mailbox).options(**options).remote(IDLE_SECONDS, ANSWER_SECONDS)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._fit, args=(plan, work), name="worker group", daemon=True)
        self._thread.start()

    def run(self, plan: TrialPlan, send: Callable[[Row], None]) -> bool:
        """Let the group train a plan, and pass its reports on; return whether it was there to do so.

        Where `send` raises, its network stops and the group stays.

        Raises
        ------
        WorkerGroupError, ControllerError
            What Ray Train says when the group has died, or never came up.
        """
        import ray

        # One that died between two networks is no network's fault.
        told = plan.model_dump(mode="json")
        number = ray.get(self._post.give.remote(told)) if self._thread.is_alive() else None
        if number is None:
            self._thread.join()  # its place must be free before another group asks for it
            return False
        handled = 0
        try:
            while True:
                alive = self._thread.is_alive()
                for row in ray.get(self._post.hear.remote(handled, _LOOK_SECONDS if alive else 0)):
                    send(row)
                    handled += 1
                    alive = True
                    if STEP not in row:
                        return True
                if not alive:
                    if self._error is None:
                        raise RuntimeError("the worker group ended before its network did")
                    raise self._error
        finally:
            ray.get(self._post.withdraw.remote(number))

    def _fit(self, plan: TrialPlan, work: Work) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from rookery.search.worker_group import GroupTrainer, ListeningTorchConfig

        resources = {"CPU": plan.cpus} | ({"GPU": plan.gpus} if plan.gpus else {})
        try:
            GroupTrainer(
                work,
                train_loop_config={"post": self._post},
                torch_config=ListeningTorchConfig(),
                scaling_config=ScalingConfig(
                    num_workers=plan.workers, use_gpu=plan.gpus > 0, resources_per_worker=resources
                ),
                run_config=RunConfig(
                    name=f"group-{uuid4().hex[:12]}",
                    storage_path=str(plan.place().mirror / "train"),
                    # A worker or node that dies ends the group; Tune runs the trial again, and it resumes.
                    failure_config=FailureConfig(max_failures=0),
                ),
            ).fit()
        except BaseException as error:  # noqa: BLE001  # raised in the thread that waits for its reports
            self._error = error


_standing: StandingGroup | None = None


def run_in_standing_group(plan: TrialPlan, send: Callable[[Row], None], work: Work) -> None:
    """Let this process's group train a plan; it is started where there is none yet, or none any more."""
    global _standing  # of this process, as the survey's tensors are of a worker's
    while True:
        group = _standing or StandingGroup(plan, work)
        _standing = None
        try:
            ran = group.run(plan, send)
        except SystemExit:  # Tune has stopped the trial
            _standing = group
            raise
        if ran:
            _standing = group
            return
