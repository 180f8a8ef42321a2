"""How busy a device is: GPUs as NVML measures them, CPUs by the time that this process took."""

import logging
import time

import torch

logger = logging.getLogger(__name__)


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
