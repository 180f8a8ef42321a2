"""A session on Ray: a cluster's, or one of this process's own, watched while it lasts."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from types import FrameType

import rookery
from rookery.compute.own_ray import start_own_ray
from rookery.compute.resources import live_nodes
from rookery.compute.watchdog import watch_ray
from rookery.extras import installing
from rookery_ensembles.errors import InputError


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
    # The queue says how many trials there is room for: their actors start together, not one after the other.
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")
    if find_spec("ray") is None:  # told before an address at which nobody answers
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
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
    """Connect to the cluster at `address`, or start a Ray of this process's own."""
    import ray

    if address is None:
        start_own_ray()
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        # RuntimeError: Ray's word for another version of Ray or Python on the cluster.
        raise InputError(f"--address {address}: the Ray cluster does not let us in ({error})") from error


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


def listen_to_sigterm() -> None:
    """Take SIGTERM in the driver as Ctrl-C from now on; Ray's own handler would end it at once.

    Batch systems and preempted nodes send it. Must follow the connection to Ray; elsewhere than in the
    main thread nothing happens. A shell starts what it puts into the background with Ctrl-C ignored: there
    SIGTERM interrupts all the same.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    if not callable(signal.getsignal(signal.SIGINT)):
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGINT)  # Tune, while it runs, has a handler of its own
