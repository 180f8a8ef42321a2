"""Run a search: Ray Tune over a study until it has the wanted number of trials."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import optuna
from rich.console import Console

import rookery
from rookery.extras import installing
from rookery.search.coordinator import Coordinator
from rookery.search.faults import storage_fault
from rookery.search.planner import ResourcePlan, live_nodes, plan_resources
from rookery.search.progress import SearchProgress
from rookery.search.study import Study, driver_lock
from rookery.search.tally import Tally
from rookery.search.watchdog import watch_ray
from rookery_ensembles.errors import InputError
from rookery_ensembles.files import check_name
from rookery_ensembles.shown import short_repr

logger = logging.getLogger(__name__)
STARTS = 3
"""How often a Ray of this process's own is started before it counts as one that does not come up."""


@short_repr
@dataclass(frozen=True)
class SearchResult:
    """How a study stands after a search."""

    study: Study
    tally: Tally
    plan: ResourcePlan | None
    """None when nothing was left to do."""


def run_search(
    study: Study,
    *,
    n_trials: int,
    concurrent: int | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    autoscaling: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> SearchResult:
    """Bring a study to `n_trials` trials, those of earlier runs counted.

    May be killed at any moment and called again: see :mod:`rookery.search.coordinator`.

    Parameters
    ----------
    study
        From :func:`rookery.search.creation.create_or_open_study`.
    concurrent, cpus_per_trial, gpus_per_trial, autoscaling
        See :func:`rookery.search.planner.plan_resources`.
    address
        Of a running Ray cluster that this machine belongs to (``auto`` or ``HOST:6379``); by default
        a Ray of this machine's own is started and ended with the search.
    dry_run
        Say what the plan is, and train nothing.
    console
        Where progress is shown; by default standard error.

    Raises
    ------
    InputError
        When another driver holds the study, the cluster cannot be reached, no trial fits on it, or
        no trial can go on (a full disk, a survey that changed).
    KeyboardInterrupt
        At Ctrl-C; the same call goes on with the study.
    """
    console = console or Console(stderr=True)
    lag = study.document.deterministic
    if lag is not None and concurrent is not None and concurrent > lag:
        rule = f"the study is deterministic with at most {lag} trials at once"
        raise InputError(f"`concurrent`: {rule}, but {concurrent} are asked for")
    with driver_lock(study), coordinating(study, n_trials) as coordinator:
        if coordinator.alone():
            study.sweep()
        if coordinator.nothing_left():
            console.print(
                f"{study.path}: all {n_trials} trials are finished", highlight=False, soft_wrap=True
            )
            return SearchResult(study, coordinator.tally, None)
        with ray_session(address) as nodes:
            plan = plan_resources(
                nodes,
                study.document.execution,
                concurrent=concurrent,
                cpus_per_trial=cpus_per_trial,
                gpus_per_trial=gpus_per_trial,
                workers_per_network=study.document.workers_per_network,
                at_most=lag,
                trials=coordinator.left(),
                autoscaling=autoscaling,
            )
            for text in (plan.text, *plan.warnings):
                console.print(f"{study.path}: {text}", highlight=False, soft_wrap=True)
            if dry_run:
                return SearchResult(study, coordinator.tally, plan)
            listen_to_sigterm()
            with SearchProgress(n_trials, console, metric=study.space.objective.name) as progress:
                # A session of Tune ends after some trials, and may leave some whose workers died.
                while not (coordinator.halted or coordinator.interrupted() or coordinator.nothing_left()):
                    _tune_or_halt(coordinator, plan, progress)
            if coordinator.halted is not None:
                rule = "the study stopped, and the same command continues it"
                raise InputError(f"{coordinator.halted}; {rule}")
            if not coordinator.nothing_left():
                # Tune catches Ctrl-C and returns as if all were well.
                console.print(f"{study.path}: stopped; the same command goes on with it", soft_wrap=True)
                raise KeyboardInterrupt
    return SearchResult(study, coordinator.tally, plan)


@contextmanager
def planning_folder(study: str | Path) -> Iterator[str | Path]:
    """Yield where a study is, or a folder that vanishes, where one that does not exist may be planned."""
    check_name(study)
    if Path(study).exists():
        yield study
        return
    with TemporaryDirectory(prefix="rookery-plan-") as scratch:
        yield Path(scratch) / "study"


@contextmanager
def coordinating(study: Study, n_trials: int) -> Iterator[Coordinator]:
    """Yield this driver's coordinator, and let go of the study at the end."""
    coordinator = Coordinator(study, n_trials)
    try:
        yield coordinator
    finally:
        coordinator.leave()


def _tune_or_halt(coordinator: Coordinator, plan: ResourcePlan, progress: SearchProgress) -> None:
    """Run Tune; a disk that fails under the driver halts the study as one that fails under a worker does."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _tune(coordinator, plan, progress)
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        fault = storage_fault(error)
        if fault is None:
            raise
        coordinator.halted = f"{coordinator.study.path}: cannot be written ({fault})"


def listen_to_sigterm() -> None:
    """Take SIGTERM in the driver as Ctrl-C from now on; Ray's own handler would end it at once.

    Batch systems and preempted nodes send it. Must follow the connection to Ray; elsewhere than in the
    main thread nothing happens.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: os.kill(os.getpid(), signal.SIGINT))


def _tune(coordinator: Coordinator, plan: ResourcePlan, progress: SearchProgress) -> None:
    """Run Ray Tune until the coordinator has no trial left."""
    from ray import tune

    from rookery.search.telemetry import Telemetry
    from rookery.search.trial import run_trial
    from rookery.search.tune_adapters import ProgressCallback, PrunerScheduler, StudySearcher

    study = coordinator.study
    telemetry = Telemetry(study.path.name, study.document.family, coordinator.n_trials)
    sessions = study.path / "tune"
    number = 1 + sum(1 for _ in sessions.glob("session-*")) if sessions.is_dir() else 1
    tuner = tune.Tuner(
        tune.with_resources(run_trial, plan.tune_resources()),
        tune_config=tune.TuneConfig(
            num_samples=-1,  # the searcher says when it has finished
            search_alg=StudySearcher(coordinator, plan, progress),
            scheduler=PrunerScheduler(coordinator, telemetry),
            # A Tune actor that waits for a stopped worker group cannot be reused.
            reuse_actors=not plan.in_worker_group,
            trial_dirname_creator=lambda trial: f"trial-{trial.config['plan']['trial']:04d}-{trial.trial_id}",
        ),
        run_config=tune.RunConfig(
            name=f"session-{number:03d}",
            storage_path=str(sessions.absolute()),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=-1),  # the coordinator gives trials up
            callbacks=[ProgressCallback(coordinator, progress, telemetry)],
        ),
    )
    progress.update(coordinator.tally, coordinator.going())
    tuner.fit()
    progress.update(coordinator.tally, coordinator.going())
    telemetry.show(coordinator.tally, last=True)


@contextmanager
def ray_session(address: str | None, *, any_version: bool = False) -> Iterator[list[dict[str, float]]]:
    """Connect to a cluster, or start a Ray of this process's own; yields the nodes' resources.

    A Ray that this process is already connected to is used and left running. Workers with another
    version of Rookery, or none, are refused unless `any_version`.

    Raises
    ------
    InputError
        When no cluster answers at `address`, or it refuses this user's token, or its head or this
        node's raylet dies meanwhile.
    """
    # Read when Ray is imported: no TensorBoard, CSV and JSON logs beside the study's own.
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Tune's snapshots are never read: the study itself says what there is. It writes one at the end.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "86400")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    if address is not None:
        _check_address(address)
        _learn_authentication(address)
    import ray

    mine = not ray.is_initialized()
    if mine:
        _connect(address)
    watchdog = watch_ray(address)
    try:
        if address is not None and not any_version:
            _refuse_strangers(address)
        yield live_nodes(ray.nodes())
    except BaseException as error:
        if not isinstance(error, InputError):
            watchdog.judge()
        raise
    finally:
        if mine:
            ray.shutdown()
        watchdog.stop()


def _connect(address: str | None) -> None:
    """Connect to the cluster at `address`, or start a Ray, again where its raylet does not come up."""
    import ray

    own = {"include_dashboard": False} if address is None else {}
    for start in range(1, STARTS + 1):
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
            return
        except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
            # RuntimeError: Ray's word for another version of Ray or Python on the cluster.
            raise InputError(f"--address {address}: the Ray cluster does not let us in ({error})") from error
        except Exception as error:
            # Ray 2.60 raises a bare Exception where its raylet does not answer within 30 s.
            if type(error) is not Exception:
                raise
            ray.shutdown()
            if start == STARTS:
                rule = f"did not come up in {STARTS} tries; this machine may be overloaded"
                raise InputError(f"Ray: {rule} ({error}); the same command tries again") from error
            logger.warning("Ray did not come up on this machine (%s); starting it again", error)


def _check_address(address: str) -> None:
    """Fail at once where nobody listens: Ray itself would try for two minutes."""
    if address == "auto":
        return  # Ray finds the cluster by its own files
    if address.startswith("ray://"):
        rule = "the driver of a search must run on a node of the cluster, not at the end of Ray Client"
        raise InputError(f"--address {address}: {rule}; take HOST:6379 or auto")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--address {address}: must be `auto` or HOST:PORT")
    try:
        with socket.create_connection((host, int(port)), timeout=10):
            pass
    except OSError as error:
        raise InputError(f"--address {address}: no Ray cluster answers there ({error})") from error


def _learn_authentication(address: str) -> None:
    """Find out whether the cluster asks for this user's Ray token, unless RAY_AUTH_MODE says so.

    Ray 2.60 starts a cluster with a token where the user has one, but joins a cluster without
    showing it; and a driver that shows it to a cluster without loses its workers. So we ask first.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    command = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    try:
        asked = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"--address {address}: no Ray cluster answers there within {error.timeout:.0f} s"
        ) from error
    if "AuthenticationError" in asked.stderr:
        os.environ["RAY_AUTH_MODE"] = "token"


def _refuse_strangers(address: str) -> None:
    """Fail when a worker of the cluster has no Rookery, or another version of it."""
    import ray

    here = rookery.__version__
    if here == rookery.NOT_INSTALLED:
        return
    try:
        there = ray.get(ray.remote(num_cpus=0)(metadata.version).remote(rookery.DISTRIBUTION))
    except metadata.PackageNotFoundError as error:
        rule = f"its workers have no `{rookery.DISTRIBUTION}`; on every node {installing('search', here)}"
        raise InputError(f"--address {address}: {rule}") from error
    if there != here:
        raise InputError(
            f"--address {address}: its workers have {rookery.DISTRIBUTION} {there}, but this is {here}"
        )
