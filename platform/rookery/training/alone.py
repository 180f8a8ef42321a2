"""Networks as a loop steps them: one by itself, which several processes may train together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.draws import Draws
from rookery.networks.family import Family, Inputs
from rookery.networks.start import keep_frozen
from rookery.training import compiled
from rookery.training.averaged import Averaged
from rookery.training.data import TrainingData, predict_there
from rookery.training.muon import Muon, with_matrices
from rookery.training.progress import MEAN, State, means_of
from rookery.training.team import Team
from rookery.training.trainee import Trainee
from rookery_ensembles.errors import InputError


class Stepped(Protocol):
    """K networks that train at once, by their places from 0."""

    def choose(self, trainees: Sequence[Trainee]) -> None:
        """Choose how steps are computed where that is to be chosen by steps that are undone, and note it."""
        ...

    def step(
        self,
        places: Sequence[int],
        rows_kb: Tensor,
        key_kb: Tensor,
        rates: Sequence[float],
        follow: Sequence[float],
    ) -> dict[str, Tensor]:
        """Take one step of some of them, and return the mean of each term of their losses (K,).

        `follow` is the part by which the averaged weights of each move to those that the step made.
        """
        ...

    def state(self, place: int) -> tuple[State, State]:
        """Return copies of a network's weights, and of its optimizer's state by flat names."""
        ...

    def set_state(self, place: int, weights: State, optimizer: State) -> None:
        """Set a network and its optimizer to what they were."""
        ...

    def keep_only(self, places: Sequence[int]) -> None:
        """Let the others go; those that stay move up."""
        ...

    def predict(self, inputs: Sequence[Inputs], rows: Sequence[Tensor]) -> list[Tensor]:
        """Return each network's predictions (V, K) of its own rows of its own inputs, on its device."""
        ...

    def fewer_at_once(self) -> bool:
        """Take less memory a step without another result; return whether that was possible."""
        ...

    def close(self) -> None:
        """Free what was compiled or recorded for its steps."""
        ...


class Loss(nn.Module):
    """A family's loss as a module: DistributedDataParallel can wrap it, a pack can give it other weights."""

    def __init__(self, family: Family[Any], network: nn.Module, configuration: TrainingConfiguration) -> None:
        super().__init__()
        self.family, self.network, self.configuration = family, network, configuration

    def forward(self, inputs: Inputs, target: Tensor, draws: Draws, weights: Inputs | None = None) -> Inputs:
        """Return each term of the loss per object.

        `weights` are numbers that stand for those of the configuration.
        """
        c = self.configuration.model_copy(update=dict(weights)) if weights else self.configuration
        return self.family.loss_terms(self.network, inputs, target, c, draws)


class AloneNetwork:
    """One network, trained by one process or by a team of them."""

    def __init__(self, family: Family[Any], trainee: Trainee, team: Team) -> None:
        self._family, self._team = family, team
        self._network, self._data, self._configuration = trainee.network, trainee.data, trainee.configuration
        self._frozen = self._configuration.frozen
        self._optimizer = _optimizer(trainee)
        place = {id(parameter): number for number, parameter in enumerate(self._network.parameters())}
        self._places = [place[id(p)] for group in self._optimizer.param_groups for p in group["params"]]
        """Of the optimizer's parameters, in its order, among the network's."""
        self._loss = team.wrap(Loss(family, self._network, self._configuration))
        self._averaged = Averaged(self._network) if self._configuration.average_epochs else None
        self._asked = trainee.job.compile
        self._compiled: compiled.Compute | None = None
        self._whole = 0
        """Objects of the steps that are compiled: all but the last ones of epochs have so many."""
        self._chosen_for: tuple[int, dict[str, Any]] | None = None
        """Of which steps it was chosen how they run."""
        self._let_learn()

    def choose(self, trainees: Sequence[Trainee]) -> None:
        """See :class:`Stepped`; once for each size of steps, and of what a family lets its network see;
        without a GPU only where it is asked for.
        """
        (trainee,), device = trainees, self._data.target_n.device
        size = trainee.sizes(2)[0]
        if self._asked == "never" or (self._asked == "auto" and device.type != "cuda"):
            return
        chosen_for = size, compiled.constants(self._network)
        if chosen_for == self._chosen_for:
            return
        if self._team.size > 1:
            if self._asked == "always":
                rule = "needs networks that one process trains, but this one has"
                raise InputError(f"`compile` always: {rule} {self._team.size} workers")
            return
        self.close()
        self._whole, self._chosen_for = size, chosen_for
        state, epoch = self.state(0), trainee.next_epoch(2)
        rows, key = (some[None, :size] for some in (epoch.rows, epoch.key))
        rate, follow = trainee.rate(epoch, 0), trainee.follow(epoch, 0)

        def step() -> dict[str, Tensor]:
            return self.step([0], rows, key, [rate], [follow])

        def make() -> Callable[[], dict[str, Tensor]]:
            self._compiled = compiled.compiled(self._means, device)
            return step

        try:
            steps = compiled.choose(
                self._asked,
                device,
                self._configuration.precision,
                trainee.steps_left(),
                trainee.seconds_left(),
                step,
                make,
                lambda: self.set_state(0, *state),
            )
        except BaseException:
            self.close()
            self._chosen_for = None
            raise
        if steps.way == "plain":
            self.close()
        trainee.progress.steps = steps

    def _let_learn(self) -> None:
        """Set the network to training, as prediction leaves it not."""
        self._network.train()
        keep_frozen(self._network, self._frozen)

    def step(
        self,
        places: Sequence[int],
        rows_kb: Tensor,
        key_kb: Tensor,
        rates: Sequence[float],
        follow: Sequence[float],
    ) -> dict[str, Tensor]:
        """See :class:`Stepped`; the mean over the team of the means is that over the whole batch."""
        if not self._network.training:
            self._let_learn()
        for group in self._optimizer.param_groups:
            group["lr"] = rates[0] * group["ratio"]
        team, rows, key = self._team, rows_kb[0], key_kb[0]
        unlabelled, their_key = draw_unlabelled(self._family, self._configuration, self._data, rows, key)
        labelled = mine = team.share(rows)
        words = team.share(key)
        if len(unlabelled):
            mine = torch.cat([labelled, team.share(unlabelled)])
            words = torch.cat([words, team.share(their_key)])
        self._optimizer.zero_grad(set_to_none=True)  # before: a CUDA graph writes where gradients lay
        given = self._data.batch(mine), self._data.target_n[labelled], words
        if self._compiled is not None and len(rows) == self._whole:
            # What a CUDA graph returns lies where its next run writes.
            if rows.device.type == "cuda":
                torch.compiler.cudagraph_mark_step_begin()
            means = {name: mean.clone() for name, mean in self._compiled(*given).items()}
        else:
            means = self._means(*given, {len(mine): len(rows) + len(unlabelled), len(labelled): len(rows)})
        torch.autograd.backward(list(means.values()))
        self._optimizer.step()
        if self._averaged is not None:
            self._averaged.move(follow[0])
        return {name: mean.detach()[None] for name, mean in means.items()}

    def _means(
        self, inputs: Inputs, target: Tensor, words: Tensor, whole: Mapping[int, int] | None = None
    ) -> dict[str, Tensor]:
        """Return the mean of each term of the loss; `whole` are a team's objects by this process's own."""
        draws = Draws(words)
        varied = self._family.augment(inputs, self._configuration, draws)
        terms = self._loss(varied, target, draws)
        means = {name: term.mean() for name, term in terms.items()}
        if self._team.size > 1 and whole is not None:
            parts = {name: len(term) * self._team.size / whole[len(term)] for name, term in terms.items()}
            means = {name: mean * parts[name] for name, mean in means.items()}
        return means

    def state(self, place: int) -> tuple[State, State]:
        """See :class:`Stepped`."""
        weights = {name: value.detach().clone() for name, value in self._network.state_dict().items()}
        state = self._optimizer.state_dict()["state"]
        optimizer = {
            f"{self._places[index]}.{name}": value.detach().clone()
            for index, values in state.items()
            for name, value in values.items()
        }
        if self._averaged is not None:
            means = self._averaged.network.state_dict()
            optimizer |= {f"{MEAN}{name}": value.detach().clone() for name, value in means.items()}
        return weights, optimizer

    def set_state(self, place: int, weights: State, optimizer: State) -> None:
        """See :class:`Stepped`."""
        self._optimizer.zero_grad(set_to_none=True)
        self._network.load_state_dict(weights)
        if self._averaged is not None:
            self._averaged.network.load_state_dict(means_of(optimizer) or weights)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in optimizer.items():
            if key.startswith(MEAN):
                continue
            among, name = key.split(".", 1)
            index = self._places.index(int(among))
            state.setdefault(index, {})[name] = value.clone()  # steps change the optimizer's in place
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})

    def keep_only(self, places: Sequence[int]) -> None:
        """See :class:`Stepped`."""

    def predict(self, inputs: Sequence[Inputs], rows: Sequence[Tensor]) -> list[Tensor]:
        """See :class:`Stepped`."""
        network = self._network if self._averaged is None else self._averaged.network
        return [
            predict_there(network, self._family, some, index)
            for some, index in zip(inputs, rows, strict=True)
        ]

    def fewer_at_once(self) -> bool:
        """See :class:`Stepped`: one network is the least."""
        return False

    def close(self) -> None:
        """See :class:`Stepped`."""
        if self._compiled is not None:
            self._compiled = None
            compiled.forget()


def _optimizer(trainee: Trainee) -> torch.optim.Optimizer:
    """Return the optimizer that a network's configuration names."""
    c, groups = trainee.configuration, _parameter_groups(trainee)
    if c.optimizer == "muon":
        groups = with_matrices(groups, trainee.network)
        return Muon(groups, lr=c.learning_rate, weight_decay=c.weight_decay, fused=True)
    return torch.optim.AdamW(groups, lr=c.learning_rate, weight_decay=c.weight_decay, fused=True)


def _parameter_groups(trainee: Trainee) -> list[dict[str, Any]]:
    """Return what trains, in groups of one rate: fresh weights, then those that another network gave.

    Frozen ones ask for no gradient from now on, and are in none.
    """
    beginning, ratio = trainee.beginning, trainee.configuration.rate_ratio
    fresh: list[nn.Parameter] = []
    given: list[nn.Parameter] = []
    for name, parameter in trainee.network.named_parameters():
        parameter.requires_grad_(name not in beginning.frozen)
        if name not in beginning.frozen:
            (given if name in beginning.started and ratio != 1 else fresh).append(parameter)
    groups = [{"params": fresh, "ratio": 1.0}, {"params": given, "ratio": ratio}]
    return [group for group in groups if group["params"]]


def draw_unlabelled(
    family: Family[Any], configuration: TrainingConfiguration, data: TrainingData, rows: Tensor, key: Tensor
) -> tuple[Tensor, Tensor]:
    """Return an unlabelled object for each of a batch, and the words of what they draw; none without need."""
    if not family.uses_unlabelled(configuration) or not len(data.rows["unlabelled"]):
        return rows[:0], key[:0]
    draws, among = Draws(key), data.rows["unlabelled"]
    found = among[draws.integers("unlabelled", len(among))]
    return found, draws.of_others(found).key_b
