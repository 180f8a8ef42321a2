"""Ray Train worker groups whose processes hear SIGTERM, and what they died of."""

from __future__ import annotations

from typing import Any

from ray.train import WorkerGroupError
from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend
from ray.train.v2._internal.exceptions import UserExceptionWithTraceback

from rookery.training.interruption import listen


class _ListeningTorchBackend(_TorchBackend):
    """Torch's process group, and SIGTERM as notice in every worker's main thread."""

    def on_training_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        super().on_training_start(worker_group, backend_config)
        worker_group.execute(listen)


class ListeningTorchConfig(TorchConfig):
    """Ray's TorchConfig with :class:`_ListeningTorchBackend`."""

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The backend that Ray Train shall use."""
        return _ListeningTorchBackend


def own_error(group: WorkerGroupError) -> str | None:
    """Return the error that our code raised in a worker, its last line first; None when a worker died."""
    for error in group.worker_failures.values():
        if isinstance(error, UserExceptionWithTraceback):
            text = str(error).strip()
            return f"{text.splitlines()[-1]}\n{text}"
    return None
