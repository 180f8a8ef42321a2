"""A survey's tensors while networks see them: where they are, and what a process keeps for the next one.

They are on their device, or on the host if they do not fit: from there each batch is gathered and copied
when its step comes. The numbers are the same.
"""

import logging
import math
import os
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from uuid import uuid4

import torch
from torch import Tensor

from rookery.networks.family import Inputs
from rookery.training.card import Process

logger = logging.getLogger(__name__)
SURVEY_PART = 0.5
"""Part of the free memory that a survey may fill; the rest is for weights, gradients and activations."""


def survey_room(device: torch.device) -> float:
    """Return the bytes that a survey may take of a device."""
    if device.type != "cuda":
        return math.inf
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_allocated(device)
    kept = torch.cuda.memory_reserved(device) - own  # free, but in torch's own hands
    allowed = torch.cuda.get_per_process_memory_fraction(device) * total - own
    return SURVEY_PART * min(free + kept, allowed)


def place(inputs: Inputs, device: torch.device, room: float) -> Inputs:
    """Return tensors on `device`, or as they are when they take more than `room` bytes."""
    size = sum(values.numel() * values.element_size() for values in inputs.values())
    if size <= room:
        return {name: values.to(device) for name, values in inputs.items()}
    need, have = size / 2**30, room / 2**30
    logger.warning("%.3g GiB of a survey exceed the %.3g GiB for it on %s: it streams", need, have, device)
    return inputs


def place_of(inputs: Inputs) -> torch.device:
    """Return where tensors are."""
    return next(iter(inputs.values())).device


def gather(inputs: Inputs, rows: Tensor, device: torch.device) -> Inputs:
    """Return some rows of each tensor on `device`."""
    rows = rows.to(place_of(inputs))
    return {name: _gather(values, rows, device) for name, values in inputs.items()}


def _gather(values: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    if values.device == device or device.type != "cuda":
        return values[rows].to(device)
    # From page-locked memory the copy goes on while the host prepares the next one.
    locked = torch.empty((len(rows), *values.shape[1:]), dtype=values.dtype, pin_memory=True)
    torch.index_select(values, 0, rows, out=locked)
    return locked.to(device, non_blocking=True)


_TOKEN = uuid4().hex[:8]  # numbers of processes come again


@dataclass
class Resident:
    """The tensors that were encoded last, which the next network takes where it wants the same."""

    networks: int = 0
    """Networks that were given tensors."""
    loads: int = 0
    """How often a survey was encoded and put on its device for them."""
    _held: tuple[Hashable, Inputs] | None = field(default=None, repr=False)

    def take(self, key: Hashable, load: Callable[[], Inputs]) -> Inputs:
        """Return the tensors that `key` stands for; those of another key are let go before others come."""
        self.networks += 1
        if self._held is None or self._held[0] != key:
            self._held = None
            self._held = key, self._load(load)
        return self._held[1]

    def take_own(self, load: Callable[[], Inputs]) -> Inputs:
        """Return tensors that are of use to one network alone."""
        self.networks += 1
        self._held = None
        return self._load(load)

    def _load(self, load: Callable[[], Inputs]) -> Inputs:
        self.loads += 1
        return load()

    def process(self) -> Process:
        """Return what a card tells of this process."""
        name = f"{socket.gethostname()}-{os.getpid()}-{_TOKEN}"
        return Process(name=name, networks=self.networks, survey_loads=self.loads)


RESIDENT = Resident()
"""That of this process."""
