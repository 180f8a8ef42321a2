"""What a driver does whose Ray goes, on ports of the test's own; test_ray_lost.py kills a real Ray."""

import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal, socket, sys, threading, time
from rookery.compute import watchdog
from rookery.compute.watchdog import Watchdog, Watched
watchdog.REFUSED_SECONDS, watchdog.END_SECONDS = 0.5, 3.0

servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
names = ("the head", "the raylet")
watched = [Watched(name, *server.getsockname()) for name, server in zip(names, servers)]

def session(work):
    dog = Watchdog("here: ", watched)
    try:
        work()
        print("worked")
    except BaseException:
        dog.judge()
        raise
    finally:
        dog.stop()

def lose_the_raylet():
    servers[1].close()
    time.sleep(60)

def heed_nothing():
    servers[1].close()
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass

def a_call_into_ray_that_fails_first():
    servers[1].close()
    raise RuntimeError("actor died")

def another_error():
    raise RuntimeError("a bug")

try:
    WORK
except ValueError as error:
    print("caught", error)
"""
LOST = "here: the raylet has not answered for "


def run(work):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("WORK", work)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert time.monotonic() - began < 40
    return done


@pytest.mark.parametrize("work", ["lose_the_raylet", "a_call_into_ray_that_fails_first"])
@pytest.mark.slow
def test_work_in_the_main_thread_ends_in_order_with_an_error_that_its_caller_may_catch(work):
    done = run(f"session({work})")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"caught {LOST}")
    assert done.stderr == ""


@pytest.mark.parametrize(
    "work",
    [
        "session(heed_nothing)",
        "t = threading.Thread(target=session, args=(lose_the_raylet,)); t.start(); t.join()",
        "signal.signal(signal.SIGINT, signal.SIG_IGN); session(lose_the_raylet)",
    ],
    ids=["work that heeds no interruption", "another thread", "interruptions ignored"],
)
@pytest.mark.slow
def test_work_that_cannot_be_interrupted_ends_with_its_process_and_one_error(work):
    done = run(work)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip().startswith(f"error: {LOST}")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_work_beside_a_sound_ray_is_left_alone_and_its_own_errors_are_kept():
    assert run("session(lambda: time.sleep(3))").stdout == "worked\n"
    done = run("session(another_error)")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("RuntimeError: a bug")
