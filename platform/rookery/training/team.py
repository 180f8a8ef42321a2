"""The processes that train one network together, each on its share of every batch.

One process is a team of one. With more, torch's DistributedDataParallel averages the gradients, and the
process group must exist (Ray Train makes it: gloo on CPUs, NCCL on GPUs).
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rookery_ensembles.errors import InputError


@dataclass(frozen=True)
class Team:
    """This process's place among those that train the network."""

    rank: int = 0
    size: int = 1
    """Its number from 0, and how many there are."""

    @property
    def leads(self) -> bool:
        """Whether this process writes and decides for all."""
        return self.rank == 0

    def check(self, batch_size: int, n_train: int) -> None:
        """Raise InputError unless every process gets two objects of every batch (batch norm needs two)."""
        for name, value in (("batch_size", batch_size), ("training objects", n_train)):
            if value < 2 * self.size:
                rule = f"must be at least twice the {self.size} workers of a network"
                raise InputError(f"`{name}` {rule}, but is {value}")

    def share(self, rows: Tensor) -> Tensor:
        """Return this process's part of a batch."""
        return rows if self.size == 1 else rows[self.rank :: self.size]

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are averaged over the team."""
        if self.size == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(module)

    def prepare(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Let batch norm see the whole batch, where torch can do so: on GPUs."""
        if self.size > 1 and device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return network

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return means over the team."""
        if self.size == 1:
            return values
        together = torch.stack(list(values.values()))
        dist.all_reduce(together)
        return dict(zip(values, (together / self.size).unbind(), strict=True))

    def agree(self, value: Any) -> Any:
        """Return the leader's value, which plain Python can carry."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]


ALONE = Team()
"""One process."""
