"""What a process keeps from one network to the next: its survey's tensors, on their device."""

import os
import socket
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from uuid import uuid4

from rookery.networks.family import Inputs
from rookery.training.card import Process

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
