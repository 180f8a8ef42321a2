"""How a pack steps: as one program, some networks at once, one after the other, or by a graph of each."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from rookery.compute.peaks import clock
from rookery.training.at_once import GRAPHS, AtOnce, name_of
from rookery.training.card import Steps
from rookery.training.graphs import Graphs
from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)
Strategy = Literal["auto", "fused", "loop", "graphs"]
"""All networks as one program, one after the other, a CUDA graph and a stream of each; or what is the fastest
of these by timed steps, on a CPU also of some networks at once."""
Step = Callable[[Sequence[int], Tensor, Tensor, Sequence[float]], dict[str, Tensor]]
"""Takes a step of some networks at once: places, rows and words (K, B), rates; returns means (K,)."""


class Ways:
    """The ways of a pack, of which timed steps choose one.

    Parameters
    ----------
    networks
        Of the pack.
    device, where
        Where it trains, and where its inputs lie.
    step, graphs
        Take steps of it.
    note
        Is told what was chosen.

    Raises
    ------
    InputError
        With the strategy `graphs`, where a step cannot be a CUDA graph.
    """

    def __init__(
        self,
        strategy: Strategy,
        networks: int,
        device: torch.device,
        where: torch.device,
        step: Step,
        graphs: Graphs,
        note: Callable[[Steps], None],
    ) -> None:
        self._networks, self._step, self._graphs, self._note = networks, step, graphs, note
        if strategy == "graphs":
            _check_graphs(device, where)
        self.most = 1 if strategy in ("loop", "graphs") else networks
        """Networks at once, at most."""
        self.by_graphs = strategy == "graphs"
        self._device, self._graph_ways = device, [GRAPHS] if where == device else []
        self.trial: AtOnce | None = None
        """What times the ways; None once one was chosen."""
        if strategy != "auto":
            note(Steps(way=strategy, why="asked for"))
        else:
            self.trial = self._new_trial()

    def _new_trial(self) -> AtOnce | None:
        if self._device.type == "cpu":
            return AtOnce(self._networks)
        if self._device.type == "cuda":
            ways = [self._networks, 1, *self._graph_ways]
            return AtOnce(self._networks, partial(clock, self._device), ways)
        return None

    def begin_again(self, networks: int) -> None:
        """Steps are of so many networks now, or of another size: what was not chosen is timed anew."""
        self._networks, self.most = networks, min(self.most, networks)
        if self.trial is not None:
            self.trial = self._new_trial()

    def step(
        self, places: Sequence[int], rows_kb: Tensor, key_kb: Tensor, rates: Sequence[float], *, whole: bool
    ) -> dict[str, Tensor]:
        """Take one step of some networks; only those of the `whole` pack and of the size that graphs expect
        are timed, for a shorter one, as the last of an epoch, would be the fastest of its way.
        """
        given = places, rows_kb, key_kb, rates
        if self.trial is None or not whole or rows_kb.shape[1] != self._graphs.objects:
            return self._step_by(GRAPHS if self.by_graphs else self.most, *given)
        found, trial = None, self.trial
        with trial.timed() as way:
            try:
                found = self._step_by(way, *given)
            except RuntimeError as error:
                if way != GRAPHS:
                    raise
                text = (str(error).strip().splitlines() or ["without a message"])[0]
                logger.warning("packs: no CUDA graphs of the networks (%s: %s)", type(error).__name__, text)
                self._graphs.forget()
        if found is None:
            trial.drop(GRAPHS)
            self._graph_ways = []
        if trial.decided:
            self._decide(trial)
        return self.step(*given, whole=whole) if found is None else found

    def _decide(self, trial: AtOnce) -> None:
        self.trial, self.by_graphs = None, trial.best == GRAPHS
        self.most = 1 if self.by_graphs else min(self.most, trial.best)
        if not self.by_graphs:
            self._graphs.forget()
        way = name_of(GRAPHS if self.by_graphs else self.most, self._networks)
        self._note(Steps(way=way, milliseconds=trial.milliseconds, why="timed"))

    def _step_by(
        self, way: int, places: Sequence[int], rows_kb: Tensor, key_kb: Tensor, rates: Sequence[float]
    ) -> dict[str, Tensor]:
        if way == GRAPHS and self._graphs.objects == rows_kb.shape[1]:
            return self._graphs.step(places, rows_kb, key_kb, rates)
        parts = [
            self._step(places[some], rows_kb[some], key_kb[some], rates[some])
            for some in slices(len(places), max(1, min(way, self.most)))
        ]
        return parts[0] if len(parts) == 1 else {n: torch.cat([part[n] for part in parts]) for n in parts[0]}

    def fewer(self, networks: int) -> bool:
        """Step half as many of the networks at once, of graphs none; return whether that was possible."""
        if self.by_graphs:
            self.by_graphs = False
            self._graphs.forget()
            return True
        if self.most == 1:
            return False
        self.most = -(-min(self.most, networks) // 2)
        return True


def _check_graphs(device: torch.device, where: torch.device) -> None:
    if device.type != "cuda":
        raise InputError(f"`graphs` of a pack are CUDA graphs, which need a GPU, but it trains on `{device}`")
    if where != device:
        raise InputError(f"`graphs` of a pack need a survey on the GPU, but this one streams from `{where}`")


def slices(number: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` of `number`."""
    for start in range(0, number, size):
        yield slice(start, start + size)
