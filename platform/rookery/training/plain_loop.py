"""A minimal loop of PyTorch's own parts, to measure ours by: a family's layers, torch's dropout and AdamW.

It keeps nothing, validates nothing and cannot be resumed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws, Dropout
from rookery.networks.family import Family
from rookery.training.data import TrainingData

_WARM_UP = 3
"""Steps before a CUDA graph is recorded, as torch wants it."""


class PlainLoop:
    """One network and its optimizer.

    Parameters
    ----------
    compiled
        Whether torch compiles augmentation, network and loss.
    graph
        Whether the steps of a full batch are one CUDA graph; the network then needs a GPU.
    """

    def __init__(
        self,
        family: Family[Any],
        configuration: TrainingConfiguration,
        data: TrainingData,
        *,
        compiled: bool = False,
        graph: bool = False,
    ) -> None:
        self._family, self._configuration, self._data = family, configuration, data
        device = data.target_n.device
        torch.manual_seed(0)
        network = family.build(configuration, len(data.survey.bands), data.target.n_columns).to(device)
        family.fit_scale(network, data.inputs, data.rows["train"])
        _with_torch_dropout(network)
        self.network = network.train()
        self._optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=configuration.learning_rate,
            weight_decay=configuration.weight_decay,
            fused=True,
            capturable=graph,
        )
        self._loss: Callable[..., Tensor] = torch.compile(self._mean) if compiled else self._mean
        self._graph: torch.cuda.CUDAGraph | None = None
        if graph:
            self._record()

    def epoch(self) -> None:
        """Train on all objects once, in an order of torch's generator."""
        rows, c = self._data.rows["train"], self._configuration
        for some in rows[torch.randperm(len(rows), device=rows.device)].split(c.batch_size):
            if self._graph is not None and len(some) == len(self._rows):
                self._rows.copy_(some)
                self._graph.replay()
            else:
                self._step(some)

    def _step(self, some: Tensor) -> None:
        inputs = {name: values[some] for name, values in self._data.inputs.items()}
        self._optimizer.zero_grad(set_to_none=True)
        self._loss(inputs, self._data.target_n[some], some.int()).backward()
        self._optimizer.step()

    def _mean(self, inputs: dict[str, Tensor], target: Tensor, key: Tensor) -> Tensor:
        varied = self._family.augment(inputs, self._configuration, Draws(key))
        terms = self._family.loss_terms(self.network, varied, target, self._configuration)
        return torch.stack([term.mean() for term in terms.values()]).sum()

    def _record(self) -> None:
        """Record a step of a full batch, whose row numbers are then written where the graph reads them."""
        self._rows = self._data.rows["train"][: self._configuration.batch_size].clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._step(self._rows)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step(self._rows)
        self._graph = graph


def _with_torch_dropout(network: nn.Module) -> None:
    """Put torch's own dropout in place of ours."""
    for name, child in list(network.named_children()):
        if isinstance(child, Dropout):
            setattr(network, name, nn.Dropout(child.part))
        else:
            _with_torch_dropout(child)
