"""How busy a device is: GPUs as NVML measures them, CPUs by the time that this process took."""

import logging
import time

import torch

logger = logging.getLogger(__name__)
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
