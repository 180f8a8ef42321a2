"""Each network of a pack as a CUDA graph on a stream of its own: small kernels of several run side by side.

A graph repeats the kernels of a step with what lies in the same memory then: rows, words and rate are written
there before each. What records and repeats is given from outside, so that all but CUDA's own part runs
anywhere.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

_WARM_UP = 3
"""Steps before a graph is recorded, as torch wants it: what is worked out once is worked out then."""

Work = Callable[[int, Tensor, Tensor, Tensor], dict[str, Tensor]]
"""Takes a step of a network: its place, rows and words (1, B), rate (); returns means (1,) of the loss."""
Hold = Callable[[int], Callable[[], None]]
"""Holds what a network is; calling what it returns makes it that again, in the same memory."""


class Recorder(Protocol):
    """Records what is computed, for one network."""

    def warm_up(self, work: Callable[[], object]) -> None:
        """Do it, where it will be recorded."""
        ...

    def record(self, work: Callable[[], object]) -> None:
        """Record it, and compute nothing."""
        ...

    def replay(self) -> None:
        """Do what was recorded, once what was asked for before is done."""
        ...

    def join(self) -> None:
        """Let what is asked for from now on come after it."""
        ...


class CudaRecorder:
    """A CUDA graph with its stream."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream, self._graph = device, torch.cuda.Stream(device), torch.cuda.CUDAGraph()

    def warm_up(self, work: Callable[[], object]) -> None:
        """See :class:`Recorder`."""
        self._begin()
        with torch.cuda.stream(self._stream):
            work()
        self.join()

    def record(self, work: Callable[[], object]) -> None:
        """See :class:`Recorder`. Another thread, which saves a checkpoint, may use the GPU meanwhile."""
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode="thread_local"):
            work()

    def replay(self) -> None:
        """See :class:`Recorder`."""
        self._begin()
        with torch.cuda.stream(self._stream):
            self._graph.replay()

    def _begin(self) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))

    def join(self) -> None:
        """See :class:`Recorder`."""
        torch.cuda.current_stream(self._device).wait_stream(self._stream)


class _Network:
    """One network's graph, and the memory that it reads."""

    def __init__(self, place: int, rows: Tensor, key: Tensor, work: Work, recorder: Recorder) -> None:
        self._rows, self._key, self._recorder = rows.clone(), key.clone(), recorder
        self._rate = torch.zeros((), dtype=torch.float32, device=rows.device)
        self.means: dict[str, Tensor] = {}

        def step() -> None:
            self.means = work(place, self._rows, self._key, self._rate)

        for _ in range(_WARM_UP):
            recorder.warm_up(step)
        recorder.record(step)

    def begin(self, rows: Tensor, key: Tensor, rate: float) -> None:
        """Take a step, beside what other networks do."""
        self._rows.copy_(rows)
        self._key.copy_(key)
        self._rate.fill_(rate)
        self._recorder.replay()

    def end(self) -> dict[str, Tensor]:
        """Return the means of that step's loss, in memory that the next one overwrites."""
        self._recorder.join()
        return self.means


class Graphs:
    """Graphs of the networks of a pack, recorded when they are wanted first.

    Parameters
    ----------
    work
        Computes, changing what a network is where it lies.
    hold
        Undoes the steps that warm up.
    recorder
        Makes one for a network.
    """

    def __init__(self, work: Work, hold: Hold, recorder: Callable[[], Recorder]) -> None:
        self._work, self._hold, self._recorder = work, hold, recorder
        self._networks: dict[int, _Network] = {}
        self.objects = 0
        """Of the steps that are recorded."""

    def expect(self, objects: int) -> None:
        """Record steps of so many objects from now on."""
        if objects != self.objects:
            self.forget()
            self.objects = objects

    def step(
        self, places: Sequence[int], rows_kb: Tensor, key_kb: Tensor, rates: Sequence[float]
    ) -> dict[str, Tensor]:
        """Take a step of each, side by side; return the means (K,). All are recorded before one begins."""
        for number, place in enumerate(places):
            if place not in self._networks:
                self._record(place, rows_kb[number : number + 1], key_kb[number : number + 1])
        for number, (place, rate) in enumerate(zip(places, rates, strict=True)):
            some = slice(number, number + 1)
            self._networks[place].begin(rows_kb[some], key_kb[some], rate)
        means = [self._networks[place].end() for place in places]
        return {name: torch.cat([each[name] for each in means]) for name in means[0]}

    def _record(self, place: int, rows: Tensor, key: Tensor) -> None:
        again = self._hold(place)
        try:
            self._networks[place] = _Network(place, rows, key, self._work, self._recorder())
        finally:
            again()

    def forget(self) -> None:
        """Free the graphs: what they compute with lies elsewhere now, or they are not wanted any more."""
        self._networks = {}
