"""What `rookery doctor` asks each node. Runs there by value: it needs Python alone, not this package.

Nothing here may import Rookery: a node that lacks it, or has another version, must still answer.
"""

import hashlib
import json
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("rookery-astro", "ray", "torch", "optuna", "numpy")
_EDGE = 1 << 20
_TORCH = """
import json, torch
found = []
for i in range(torch.cuda.device_count()):
    try:
        error = None if float(torch.ones(8, device=f"cuda:{i}").sum()) == 8 else "a sum of ones is wrong"
    except Exception as failure:
        error = str(failure).splitlines()[0]
    found.append({"name": torch.cuda.get_device_name(i), "error": error})
print(json.dumps(found))
"""


class Probe:
    """One node's answers. An actor on a cluster, a plain object on a machine alone."""

    def facts(self, scratch: str) -> dict[str, Any]:
        """Return what this node is; `scratch` is the folder where Ray keeps its temporary files."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return {
            "host": socket.gethostname(),
            "versions": versions(),
            "torch_devices": torch_devices(),
            "driver_gpus": driver_gpus(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "shm_bytes": disk("/dev/shm").get("total"),
            "open_files": {"soft": soft, "hard": hard},
            "scratch": disk(scratch),
        }

    def clock(self) -> float:
        """Return this node's time, in seconds since 1970."""
        return time.time()

    def disk(self, folder: str) -> dict[str, Any]:
        """Return what is free under a folder that exists."""
        return disk(folder)

    def write_token(self, folder: str, name: str, token: str) -> str | None:
        """Write this node's token file in the shared folder; return the error if there is one."""
        try:
            path = Path(folder) / name
            with path.open("x") as stream:
                stream.write(token)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            return error.strerror or str(error)
        return None

    def read_tokens(self, folder: str, expected: dict[str, str], patience: float) -> dict[str, str]:
        """Return, by file name, why a token file cannot be read or is not what was written.

        Network file systems show new files with a delay, so a missing one is looked for again
        until `patience` seconds have passed.
        """
        end = time.monotonic() + patience
        while True:
            wrong = {}
            for name, token in expected.items():
                try:
                    sum(1 for _ in Path(folder).iterdir())  # makes NFS ask the server again
                    found = (Path(folder) / name).read_text()
                    if found != token:
                        wrong[name] = "holds something else than was written"
                except OSError as error:
                    wrong[name] = error.strerror or str(error)
            if not wrong or time.monotonic() > end:
                return wrong
            time.sleep(0.2)

    def survey(self, folder: str) -> dict[str, Any]:
        """Return what this node sees of a survey: the digest of its document, and of its tables' edges.

        Whole tables are compared by the driver; here sizes, first and last megabytes are, which tell
        another copy and a broken file without moving gigabytes to every node.
        """
        try:
            path = Path(folder)
            document = (path / "survey.json").read_bytes()
            names = sorted(json.loads(document).get("files", {}))
            return {
                "checksum": json.loads(document).get("checksum"),
                "document": hashlib.sha256(document).hexdigest(),
                "tables": {name: edges(path / name) for name in names},
            }
        except OSError as error:
            where = error.filename or folder
            return {"error": f"{where}: {error.strerror or error}"}
        except (ValueError, AttributeError) as error:
            return {"error": f"{folder}/survey.json: is not readable JSON ({error})"}


def versions() -> dict[str, str | None]:
    """Return Python's version and that of each package that matters, None where it is missing."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def torch_devices() -> dict[str, Any]:
    """Return the GPUs that torch sees, each after a small sum on it; in a process of its own.

    Ray may hide GPUs from a worker that asked for none, so the process gets the devices that the
    node's Ray itself was started with.
    """
    environment = dict(os.environ)
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    environment.update(outer_devices())
    try:
        asked = subprocess.run(
            [sys.executable, "-c", _TORCH],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"devices": [], "error": "torch did not answer within 120 s"}
    if asked.returncode != 0:
        lines = asked.stderr.strip().splitlines() or [f"exit status {asked.returncode}"]
        return {"devices": [], "error": lines[-1]}
    return {"devices": json.loads(asked.stdout.strip().splitlines()[-1]), "error": None}


def outer_devices() -> dict[str, str]:
    """Return CUDA_VISIBLE_DEVICES as this worker's raylet has it, or nothing where it has none."""
    if "RAY_RAYLET_PID" not in os.environ:
        mine = os.environ.get("CUDA_VISIBLE_DEVICES")
        return {} if mine is None else {"CUDA_VISIBLE_DEVICES": mine}
    try:
        block = Path(f"/proc/{os.environ['RAY_RAYLET_PID']}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.split("=", 1) for item in block.decode(errors="replace").split("\0") if "=" in item)
    return {name: value for name, value in pairs if name == "CUDA_VISIBLE_DEVICES"}


def driver_gpus() -> int:
    """Return how many GPUs the NVIDIA kernel driver knows, 0 without one."""
    try:
        return sum(1 for _ in Path("/proc/driver/nvidia/gpus").iterdir())
    except OSError:
        return 0


def disk(folder: str) -> dict[str, Any]:
    """Return path, total and free bytes and free inodes of the file system of `folder`.

    The nearest parent that exists stands for a folder that does not exist yet.
    """
    path = Path(folder).absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        usage, inodes = shutil.disk_usage(path), os.statvfs(path)
    except OSError as error:
        return {"path": str(path), "error": error.strerror or str(error)}
    # A file system without a fixed number of inodes says 0 of 0.
    free_inodes = inodes.f_favail if inodes.f_files else None
    return {"path": str(path), "total": usage.total, "free": usage.free, "free_inodes": free_inodes}


def edges(path: Path) -> list[Any]:
    """Return a file's size and the digest of its first and last megabyte."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        digest.update(stream.read(_EDGE))
        stream.seek(max(0, size - _EDGE))
        digest.update(stream.read(_EDGE))
    return [size, digest.hexdigest()]
