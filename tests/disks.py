"""Small disks for tests that fill them: real ones (tmpfs)."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")


@contextmanager
def mounted(folder, size):
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "rookery-test", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    free = shutil.disk_usage(folder).free
    with (folder / "filler").open("wb", buffering=0) as stream:
        stream.write(b"0" * free)
    assert shutil.disk_usage(folder).free == 0
