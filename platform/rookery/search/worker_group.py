"""Ray Train worker groups whose processes hear SIGTERM and have the GPUs asked for; what they died of."""

from typing import Any

from ray.train import ControllerError, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from rookery.compute.interruption import listen
from rookery.compute.memory import NoDeviceError, hide_gpus
from rookery.training.data import find_device


class _ListeningTorchBackend(_TorchBackend):
    """Torch's process group, each worker's device, and SIGTERM as notice in every main thread."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        # Before NCCL is asked for, which would fail in its own words where there is no CUDA.
        worker_group.execute(_take_device, worker_group.get_resources_per_worker().get("GPU", 0))
        super().on_start(worker_group, backend_config)

    def on_training_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(listen)


class ListeningTorchConfig(TorchConfig):
    """Ray's TorchConfig with :class:`_ListeningTorchBackend`."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The backend that Ray Train shall use."""
        return _ListeningTorchBackend


class GroupTrainer(TorchTrainer):
    """Ray's TorchTrainer without its cleaner: an actor more for each trial, which only a dashboard can tell
    who is dead. The driver frees the places instead (:mod:`rookery.compute.placement_groups`).
    """

    def _create_default_callbacks(self) -> list[Any]:
        made = super()._create_default_callbacks()
        return [callback for callback in made if not isinstance(callback, PlacementGroupCleanerCallback)]


def _take_device(gpus: float) -> None:
    """Refuse to go on without the GPUs that were asked for, and hide those that were not."""
    if gpus == 0:
        hide_gpus()
    find_device(gpus=gpus)


def device_error(group: ControllerError) -> str | None:
    """Return why a worker lacked its device; None when the group did not start for another reason."""
    failure: Any = group.controller_failure
    return str(getattr(failure, "cause", failure)) if isinstance(failure, NoDeviceError) else None


def own_error(group: WorkerGroupError) -> str | None:
    """Return the error that our code raised in a worker, its last line first; None when a worker died."""
    for error in group.worker_failures.values():
        if isinstance(error, UserExceptionWithTraceback):
            text = str(error).strip()
            return f"{text.splitlines()[-1]}\n{text}"
    return None
