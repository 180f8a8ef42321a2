"""Energy that a device has taken, and how busy it is: GPUs by NVML, CPUs by powercap (RAPL) and own time.

A counter belongs to a whole device: with other work on a CPU it is the package's energy, all of it, and on a
shared GPU the trial is charged its part. Where nothing tells, energy is unknown, never guessed.
"""

import logging
import time
from pathlib import Path

import torch

logger = logging.getLogger(__name__)
POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Reads what was taken since the last reading.

    Parameters
    ----------
    device
        The device that trains.
    part
        Part of it that this trial holds.
    powercap
        Where Linux shows the CPU packages' counters.
    """

    def __init__(self, device: torch.device, part: float = 1.0, powercap: Path = POWERCAP) -> None:
        self._part = min(part, 1.0) if part > 0 else 1.0
        self._counters = _gpu_counters(device) if device.type == "cuda" else _cpu_counters(powercap)
        self._last = self._read()

    def joules(self) -> float | None:
        """Return the energy in joules since the last call, or the beginning; None where it is unknown."""
        now, before = self._read(), self._last
        self._last = now
        if now is None or before is None:
            return None
        spans = zip(now, before, self._counters, strict=True)
        return self._part * sum((new - old) % counter.wrap for new, old, counter in spans)

    def _read(self) -> list[float] | None:
        if not self._counters:
            return None
        try:
            return [counter.joules() for counter in self._counters]
        except (OSError, ValueError) as error:
            logger.info("energy cannot be read (%s)", error)
            self._counters = []
            return None


class _Package:
    """The energy counter of one CPU package."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "energy_uj"
        self.wrap = float((folder / "max_energy_range_uj").read_text()) / 1e6

    def joules(self) -> float:
        return float(self._file.read_text()) / 1e6


class _Gpu:
    """The energy counter of one NVIDIA GPU, in millijoules since the driver was loaded."""

    wrap = float("inf")

    def __init__(self, index: int) -> None:
        import pynvml

        uuid = f"GPU-{torch.cuda.get_device_properties(index).uuid}"
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error
        self.joules()

    def joules(self) -> float:
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error


def _cpu_counters(powercap: Path) -> list[_Package | _Gpu]:
    """Return the packages' counters; none where one of them cannot be read, as often for all but root."""
    folders = sorted(folder for folder in powercap.glob("intel-rapl:*") if folder.name.count(":") == 1)
    try:
        found = [_Package(folder) for folder in folders]
        for package in found:
            package.joules()
    except (OSError, ValueError) as error:
        logger.info("energy of the CPU cannot be read (%s)", error)
        return []
    return list(found)


def _gpu_counters(device: torch.device) -> list[_Package | _Gpu]:
    try:
        return [_Gpu(device.index or 0)]
    except (ImportError, OSError) as error:  # no `nvidia-ml-py`, or a GPU that does not tell
        logger.info("energy of %s cannot be read (%s)", device, error)
        return []


_EPOCHS, _BUSY = 5, 50.0
"""Epochs that are looked at, and percent below which a GPU counts as idle."""


class Utilisation:
    """Reads how busy a device was since the last reading."""

    def __init__(self, device: torch.device) -> None:
        self._clocks = time.monotonic(), time.process_time()
        self._on_gpu = device.type == "cuda"
        self._gpu = _handle(device) if self._on_gpu else None

    def percent(self) -> float | None:
        """Return percent of the GPU in its driver's last period (up to 1 s), or of one core since the last
        reading; None where the device does not tell.
        """
        if self._on_gpu:
            return self._gpu_percent()
        (wall, cpu), self._clocks = self._clocks, (time.monotonic(), time.process_time())
        return 100 * (self._clocks[1] - cpu) / max(self._clocks[0] - wall, 1e-9)

    def _gpu_percent(self) -> float | None:
        if self._gpu is None:
            return None
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu)
        except pynvml.NVMLError as error:  # a part of a GPU (MIG) does not tell
            logger.info("how busy the GPU is cannot be read (%s)", error)
            self._gpu = None
            return None


class IdleWatch:
    """Tells once when a network leaves its GPU mostly idle: batch systems end such jobs."""

    def __init__(self) -> None:
        self._seen: list[float] = []

    def see(self, percent: float) -> str | None:
        """Take note of how busy the GPU was in an epoch; return advice where it is due, once."""
        self._seen.append(percent)
        if len(self._seen) != _EPOCHS or (mean := sum(self._seen) / _EPOCHS) >= _BUSY:
            return None
        rule = f"the GPU was busy {mean:.0f} % of the time in {_EPOCHS} epochs"
        more = "let networks train as packs (`--execution pack`) or share it (`--gpus-per-trial 0.25`)"
        return f"{rule}: {more}, or give it back and train on CPUs (`--gpus-per-trial 0`)"


def _handle(device: torch.device) -> object | None:
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    try:
        import pynvml

        pynvml.nvmlInit()
        handle: object = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return handle
    except ImportError as error:  # no `nvidia-ml-py`
        logger.info("how busy %s is cannot be read (%s)", device, error)
    except pynvml.NVMLError as error:
        logger.info("how busy %s is cannot be read (%s)", device, error)
    return None
