"""A pack: K networks of one shape that train as one program on one device.

Their weights lie in one tensor (K, P), of which each network's layers are views; torch's vmap turns every
operation of a network into one of all K. Inputs are gathered from the one survey by the rows (K, B) of each
network's own order, and what they draw comes from the words of the same shape.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim.adamw import adamw
from torch.utils._pytree import tree_map

from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs
from rookery.training.alone import Loss, draw_unlabelled
from rookery.training.card import Steps
from rookery.training.data import TrainingData
from rookery.training.graphs import CudaRecorder, Graphs
from rookery.training.progress import State
from rookery.training.resident import place_of
from rookery.training.trainee import Trainee
from rookery.training.ways import Strategy, Ways, slices

_BETAS, _EPSILON = (0.9, 0.999), 1e-8
"""AdamW's, as torch has them by default."""
_PREDICTED_AT_ONCE = 1024
"""Objects of one pass in prediction, of each network."""


class _Predict(nn.Module):
    """A family's prediction as a module whose weights can be given from outside."""

    def __init__(self, family: Family[Any], network: nn.Module) -> None:
        super().__init__()
        self.family, self.network = family, network

    def forward(self, inputs: Inputs) -> Tensor:
        """Return probabilities (B, K)."""
        return self.family.predict(self.network, inputs)


class Pack:
    """K networks that train at once; see :class:`rookery.training.alone.Stepped`.

    Raises
    ------
    InputError
        With the strategy `graphs`, where a step cannot be a CUDA graph.
    """

    def __init__(self, family: Family[Any], trainees: Sequence[Trainee], strategy: Strategy = "auto") -> None:
        self._family = family
        self._data: TrainingData = trainees[0].data
        self._shape = trainees[0].network
        """Whose layers compute, with the weights of each; its own are not used."""
        self._configurations = [trainee.configuration for trainee in trainees]
        networks = [trainee.network for trainee in trainees]
        self._parameters = {name: value.shape for name, value in self._shape.named_parameters()}
        self._sizes = [shape.numel() for shape in self._parameters.values()]
        with torch.no_grad():
            self._weights = torch.stack(
                [torch.cat([value.flatten() for value in network.parameters()]) for network in networks]
            )
            self._buffers = {
                name: torch.stack([dict(network.named_buffers())[name] for network in networks])
                for name, _ in self._shape.named_buffers()
            }
        self._first, self._second = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
        self._steps = torch.zeros(len(networks), dtype=torch.float32, device=self._weights.device)
        self._progress = [trainee.progress for trainee in trainees]
        self._own = self._own_numbers()
        self._graphs = Graphs(self._recorded, self._held, lambda: CudaRecorder(self._weights.device))
        places = self._weights.device, place_of(self._data.inputs)
        self._ways = Ways(strategy, len(networks), *places, self._step, self._graphs, self._note)

    def _note(self, steps: Steps) -> None:
        """Keep for the cards how steps are computed."""
        for progress in self._progress:
            progress.steps = steps

    def _recorded(self, place: int, rows: Tensor, key: Tensor, rate: Tensor) -> dict[str, Tensor]:
        return self._step([place], rows, key, [rate])

    def _held(self, place: int) -> Callable[[], None]:
        """Return what sets a network to what it is now, where it lies."""
        lie = [self._weights, self._first, self._second, self._steps, *self._buffers.values()]
        held = [values[place].clone() for values in lie]

        @torch.no_grad()
        def again() -> None:
            for values, value in zip(lie, held, strict=True):
                values[place].copy_(value)

        return again

    def choose(self, trainees: Sequence[Trainee]) -> None:
        """Nothing is undone: the first steps of all count, whichever way they are timed."""
        objects = trainees[0].sizes(2)[0]
        if objects != self._graphs.objects:
            self._graphs.expect(objects)
            self._ways.begin_again(len(self._weights))

    def step(
        self,
        places: Sequence[int],
        rows_kb: Tensor,
        key_kb: Tensor,
        rates: Sequence[float],
        follow: Sequence[float],
    ) -> dict[str, Tensor]:
        """Take one step of some of them, at most so many at once as memory holds; no weights are averaged."""
        return self._ways.step(places, rows_kb, key_kb, rates, whole=len(places) == len(self._weights))

    def _step(
        self, places: Sequence[int], rows_kb: Tensor, key_kb: Tensor, rates: Sequence[float | Tensor]
    ) -> dict[str, Tensor]:
        data, c, number = self._data, self._configurations[places[0]], len(places)
        rows, key = rows_kb.flatten(), key_kb.flatten()
        all_rows, all_key = rows_kb, key_kb
        unlabelled, their_key = draw_unlabelled(self._family, c, data, rows, key)
        if len(unlabelled):
            all_rows = torch.cat([rows_kb, unlabelled.view(number, -1)], dim=1)
            all_key = torch.cat([key_kb, their_key.view(number, -1)], dim=1)
        gathered = data.batch(all_rows.flatten())
        inputs = {name: values.unflatten(0, all_rows.shape) for name, values in gathered.items()}
        target = data.target_n[rows].view(rows_kb.shape)
        loss = Loss(self._family, self._shape, c).train()

        def terms(
            weights: State, buffers: State, own: Inputs, some: Inputs, target: Tensor, key: Tensor
        ) -> Any:
            draws = Draws(key)
            varied = self._family.augment(some, c.model_copy(update=dict(own)), draws)
            found = functional_call(loss, _of_network(weights | buffers), (varied, target, draws, own))
            return {name: term.mean() for name, term in found.items()}

        flat = _chosen(self._weights, places).requires_grad_()
        buffers = {name: _chosen(values, places) for name, values in self._buffers.items()}
        own = {name: _chosen(values, places) for name, values in self._own.items()}
        given = (self._views(flat), buffers, own, inputs, target, all_key)
        means = vmap(terms)(*given) if number > 1 else _batched(terms(*_only(given)))
        (gradient,) = torch.autograd.grad(torch.stack(list(means.values())).sum(), flat)
        self._optimize(places, gradient, rates)
        if not _follow(places):
            for name, values in buffers.items():
                for place, value in zip(places, values.unbind(), strict=True):
                    self._buffers[name][place].copy_(value)
        return {name: mean.detach() for name, mean in means.items()}

    @torch.no_grad()
    def _optimize(self, places: Sequence[int], gradient: Tensor, rates: Sequence[float | Tensor]) -> None:
        """Take AdamW's step, each network by its own rate and decay; a graph's rate lies on the device."""
        for place, grad, rate in zip(places, gradient.unbind(), rates, strict=True):
            adamw(
                [self._weights[place]],
                [grad],
                [self._first[place]],
                [self._second[place]],
                [],
                [self._steps[place]],
                fused=True,
                capturable=isinstance(rate, Tensor),
                amsgrad=False,
                beta1=_BETAS[0],
                beta2=_BETAS[1],
                lr=rate,
                weight_decay=self._configurations[place].weight_decay,
                eps=_EPSILON,
                maximize=False,
            )

    def state(self, place: int) -> tuple[State, State]:
        """Return copies of a network's weights, and of AdamW's state, as a network alone has them."""
        names = list(self._parameters)
        weights = self._views(self._weights[place].clone()[None])
        state = {name: value[0] for name, value in weights.items()}
        state |= {name: values[place].clone() for name, values in self._buffers.items()}
        if self._steps[place] == 0:
            return state, {}
        moments = {"exp_avg": self._first, "exp_avg_sq": self._second}
        optimizer = {f"{index}.step": self._steps[place].clone() for index in range(len(names))}
        for kind, values in moments.items():
            views = self._views(values[place].clone()[None])
            optimizer |= {f"{index}.{kind}": views[name][0] for index, name in enumerate(names)}
        return state, optimizer

    @torch.no_grad()
    def set_state(self, place: int, weights: State, optimizer: State) -> None:
        """Set a network and its optimizer to what they were."""
        names = list(self._parameters)
        for name, values in self._buffers.items():
            values[place].copy_(weights[name])
        self._weights[place].copy_(_flat([weights[name] for name in names]))
        self._steps[place] = optimizer.get("0.step", 0)
        for kind, values in (("exp_avg", self._first), ("exp_avg_sq", self._second)):
            if optimizer:
                values[place].copy_(_flat([optimizer[f"{index}.{kind}"] for index in range(len(names))]))
            else:
                values[place].zero_()

    @torch.no_grad()
    def keep_only(self, places: Sequence[int]) -> None:
        """Let the others go, and their memory."""
        self._graphs.forget()
        pick = list(places)
        self._ways.begin_again(len(pick))
        self._progress = [self._progress[place] for place in places]
        self._weights, self._first, self._second, self._steps = (
            values[pick].clone() for values in (self._weights, self._first, self._second, self._steps)
        )
        self._buffers = {name: values[pick].clone() for name, values in self._buffers.items()}
        self._configurations = [self._configurations[place] for place in places]
        self._own = self._own_numbers()

    def predict(self, inputs: Sequence[Inputs], rows: Sequence[Tensor]) -> list[Tensor]:
        """Return each network's predictions; those of as many objects are worked out together."""
        found: list[Tensor | None] = [None] * len(rows)
        groups: dict[int, list[int]] = {}
        for place, some in enumerate(rows):
            groups.setdefault(len(some), []).append(place)
        for group in groups.values():
            for part in slices(len(group), self._ways.most):
                places = group[part]
                values = self._predict(places, [inputs[p] for p in places], [rows[p] for p in places])
                for place, value in zip(places, values, strict=True):
                    found[place] = value
        return [values for values in found if values is not None]

    @torch.no_grad()
    def _predict(self, places: list[int], inputs: Sequence[Inputs], rows: Sequence[Tensor]) -> Tensor:
        module = _Predict(self._family, self._shape).eval()
        views = self._views(_chosen(self._weights, places))
        weights = views | {name: _chosen(values, places) for name, values in self._buffers.items()}
        shared = all(some is inputs[0] for some in inputs) and all(index is rows[0] for index in rows)

        def probability(weights: State, some: Inputs) -> Any:
            return functional_call(module, _of_network(weights), (some,))

        blocks = []
        run = vmap(probability, in_dims=(0, None if shared else 0))
        for part in slices(len(rows[0]), _PREDICTED_AT_ONCE):
            if shared:
                batch = self._data.gather(inputs[0], rows[0][part])
            else:
                each = [self._data.gather(i, r[part]) for i, r in zip(inputs, rows, strict=True)]
                batch = {name: torch.stack([one[name] for one in each]) for name in each[0]}
            if len(places) > 1:
                blocks.append(run(weights, batch))
            else:
                blocks.append(probability(_only(weights), batch)[None])
        return torch.cat(blocks, dim=1)

    def fewer_at_once(self) -> bool:
        """Step half as many at once from now on, unless it is one already; instead of graphs, one."""
        return self._ways.fewer(len(self._weights))

    def close(self) -> None:
        """Free what was recorded."""
        self._graphs.forget()

    def _views(self, flat_kp: Tensor) -> State:
        """Return each parameter (K, *shape) of weights (K, P)."""
        parts = flat_kp.split_with_sizes(self._sizes, dim=1)
        pairs = zip(self._parameters.items(), parts, strict=True)
        return {name: part.view(len(flat_kp), *shape) for (name, shape), part in pairs}

    def _own_numbers(self) -> Inputs:
        """Return the loss weights (K,) that differ between the networks."""
        found = {}
        for name in self._family.loss_weights:
            values = [float(getattr(c, name)) for c in self._configurations]
            if len(set(values)) > 1:
                found[name] = torch.tensor(values, device=self._weights.device)
        return found


def _only(values: Any) -> Any:
    """Return what one network is given, without the dimension of the networks."""
    return tree_map(lambda value: value[0], values)


def _batched(values: Inputs) -> Inputs:
    """Return one network's values with the dimension of the networks."""
    return {name: value[None] for name, value in values.items()}


def _of_network(weights: State) -> State:
    """Return weights by their names in a module whose `network` has them."""
    return {f"network.{name}": value for name, value in weights.items()}


def _flat(values: Sequence[Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in values])


def _chosen(values: Tensor, places: Sequence[int]) -> Tensor:
    """Return some rows: those that follow each other as they are, in the same memory."""
    if _follow(places):
        return values[places[0] : places[-1] + 1].detach()
    return torch.stack([values[place] for place in places])


def _follow(places: Sequence[int]) -> bool:
    """Whether each place is the next one of that before it."""
    return places[-1] - places[0] == len(places) - 1
