"""The engine of searches and campaigns: Ray Tune runs a queue's trials, as many at once as there is room."""

from contextlib import nullcontext

from rookery.compute.faults import storage_fault
from rookery.compute.placement_groups import abandoned_places_freed
from rookery.compute.resources import ResourcePlan
from rookery.search.packs import PackedQueue, Stops, pack_size
from rookery.search.trial_queue import Queue
from rookery_ensembles.errors import InputError


def run_trials(queue: Queue, plan: ResourcePlan, *, trials: int = 0) -> None:
    """Run a queue's trials until none is left, none can go on, or Ctrl-C ends it.

    Where the plan has packs, so many `trials` are given out as such.

    Tune catches Ctrl-C, and returns as if all were well, also between two trials, when none runs. A disk that
    fails under the driver halts the queue as one that fails under a worker does.
    """
    if plan.pack > 1:
        queue = PackedQueue(queue, pack_size(plan.pack, trials, plan.concurrent), Stops())
    # A session of Tune ends after some trials, and may leave some whose workers died.
    while not (queue.halted or queue.interrupted() or queue.nothing_left()):
        try:
            if not _tune(queue, plan):
                return
        except Exception as error:
            fault = None if isinstance(error, InputError) else storage_fault(error)
            if fault is None:
                raise
            queue.halted = f"{queue.folder}: cannot be written ({fault})"


def _tune(queue: Queue, plan: ResourcePlan) -> bool:
    """Run one session of Ray Tune; return False if it was interrupted."""
    from ray import tune

    from rookery.search.tune_adapters import Heartbeat, QueueScheduler, QueueSearcher
    from rookery.search.worker import run_trial

    sessions = queue.folder / "tune"
    searcher = QueueSearcher(queue, plan)
    number = 1 + sum(1 for _ in sessions.glob("session-*")) if sessions.is_dir() else 1
    tuner = tune.Tuner(
        tune.with_resources(run_trial, plan.tune_resources()),
        tune_config=tune.TuneConfig(
            num_samples=-1,  # the searcher says when it has finished
            search_alg=searcher,
            scheduler=QueueScheduler(queue),
            reuse_actors=True,
            trial_dirname_creator=lambda trial: f"trial-{trial.config['plan']['trial']:04d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"session-{number:03d}",
            storage_path=str(sessions.absolute()),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=-1),  # the queue gives trials up
            callbacks=[Heartbeat(queue)],
        ),
    )
    queue.heartbeat()
    with abandoned_places_freed() if plan.in_worker_group else nullcontext():
        tuner.fit()
    queue.heartbeat()
    return searcher.ended
