"""SIGTERM interrupts a driver as Ctrl-C does, also where its shell has it ignore Ctrl-C."""

import subprocess
import sys

import pytest

DRIVER = """
import os, signal, sys, time
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
from rookery.compute.session import listen_to_sigterm
listen_to_sigterm()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("ctrl_c", ["default_int_handler", "SIG_IGN"], ids=["in front", "in the background"])
def test_sigterm_interrupts(ctrl_c: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, ctrl_c], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "interrupted\n", done.stderr
