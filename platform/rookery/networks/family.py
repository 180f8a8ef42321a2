"""What a family of networks is, and how one is found by name.

A family is a folder ``networks/<name>/`` whose ``__init__`` holds ``FAMILY``, and a search space
``search_spaces/<name>.yaml``. Nothing else names it. One that another package brings is named by an entry
point, and its ``search_space.yaml`` lies beside it (docs/extending.md). A family imports torch, and its
layers, in the methods that compute: who asks for its name or checks a configuration does not wait for them.
"""

import json
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rookery.networks.configuration import TrainingConfiguration
from rookery.surveys import Survey
from rookery_ensembles import plugins
from rookery_ensembles.errors import InputError, did_you_mean, fail

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rookery.networks.draws import Draws

FREE_IN_PACKS = (
    "learning_rate",
    "schedule",
    "step_at",
    "step_factor",
    "warmup_fraction",
    "weight_decay",
    "patience",
)
"""Hyperparameters in which the networks of a pack may differ, whatever their family."""
C = TypeVar("C", bound=TrainingConfiguration)
Inputs = dict[str, "Tensor"]
GROUP = "rookery.families"
"""Entry points of families that other packages bring."""


class Family(ABC, Generic[C]):
    """One kind of network. Stateless: configuration and network are passed to every method.

    Shapes: B objects of a batch, N objects of a survey, K outputs (classes or redshift bins).
    """

    name: ClassVar[str]
    survey_kinds: ClassVar[tuple[str, ...]]
    """The kinds of survey it learns from."""
    prediction_kind: ClassVar[str]
    """``class_probability`` or ``redshift_pdf``."""
    configuration: type[C]
    """Its hyperparameters."""
    encoded_by: ClassVar[tuple[str, ...] | None] = None
    """What of a configuration :meth:`encode` looks at; None where it may be all of it. Networks that have it
    in common, and the survey, are given the same tensors."""
    packs_on_cpu: ClassVar[bool] = False
    """Whether packs of small ones may pay on a CPU: not where convolutions take the time."""
    loss_weights: ClassVar[tuple[str, ...]] = ()
    """Those of its hyperparameters that are numbers in :meth:`loss_terms` and nothing else."""
    training_only: ClassVar[tuple[str, ...]] = ()
    """Those of its hyperparameters that matter in training alone: dropout, noise, copies, terms of the loss.
    A network may differ in them, and in what every family shares, from one that it starts from."""

    @abstractmethod
    def encode(self, survey: Survey, configuration: C, bands: tuple[str, ...]) -> Inputs:
        """Return a survey as tensors of first dimension N, channels in the order of `bands`.

        Bands that the survey lacks are marked as unobserved. The first tensor holds what was measured, by
        band: explanations tell how much each of its values matters. It, and every tensor of its shape, is 0
        where nothing was observed.
        """

    @abstractmethod
    def build(self, configuration: C, n_bands: int, n_outputs: int) -> "nn.Module":
        """Return a network with fresh weights drawn from torch's global generator."""

    def fit_scale(self, network: "nn.Module", inputs: Inputs, rows: "Tensor") -> None:
        """Set the network's buffers of scale from the training rows of all inputs; by default there are none.

        Called once, on fresh weights. Buffers are part of the network's state, so that a network that
        is opened again needs no data.
        """

    def augment(self, inputs: Inputs, configuration: C, draws: "Draws") -> Inputs:
        """Return a randomly varied copy of a training batch, each object by its own draws.

        The default changes nothing.
        """
        return inputs

    def begin_epoch(self, network: "nn.Module", configuration: C, part: float) -> None:
        """Set how a network sees its training objects from now on; by default there is nothing to set.

        Parameters
        ----------
        part
            Of all its epochs that is done.
        """

    def copies(
        self,
        survey: Survey,
        configuration: C,
        bands: tuple[str, ...],
        rows: Mapping[str, NDArray[np.int64]],
        seed: int,
    ) -> tuple[Inputs, NDArray[np.int64]] | None:
        """Return further training objects made from those of a survey, or None, the default.

        Parameters
        ----------
        rows
            Row numbers of the roles `train` and `unlabelled`, the objects to classify.
        seed
            Seed of the draws.

        Returns
        -------
        inputs, source
            Tensors as :meth:`encode` makes them, first dimension C, and the row whose label each has.
        """
        return None

    def uses_unlabelled(self, configuration: C) -> bool:
        """Whether training batches shall also hold unlabelled objects; by default not."""
        return False

    def hides_bands(self, configuration: C) -> bool:
        """Whether training hides whole bands of an object, which teaches to do without; by default not."""
        return False

    @abstractmethod
    def loss_terms(
        self,
        network: "nn.Module",
        inputs: Inputs,
        target_l: "Tensor",
        configuration: C,
        draws: "Draws | None" = None,
    ) -> Inputs:
        """Return each weighted term of the loss per object; the sum of their means is minimised.

        The first L = len(target_l) of the B objects are labelled. A term is of shape (L,) or (B,). One of
        them is `cross_entropy` (L,), the term that validation is judged by. The `draws` of the B objects
        are those of dropout; without any, nothing is dropped.
        """

    @abstractmethod
    def predict(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return normalised probabilities (B, K) of a network in evaluation mode."""

    def features(self, network: "nn.Module", inputs: Inputs) -> "Tensor":
        """Return what a network in evaluation mode knows of each object (B, F) before its last layer.

        By default what that layer, a :class:`rookery.networks.precision.LastLinear`, sees as it predicts.
        """
        from rookery.networks.inside import seen_by_last_layer

        return seen_by_last_layer(network, lambda: self.predict(network, inputs))

    def fresh_for(
        self, configuration: C, n_bands: int, n_outputs: int, *, bands: bool, outputs: bool
    ) -> frozenset[str]:
        """Return the tensors of a network that cannot come from one of other bands, or of another target.

        By default those whose shapes depend on the number of bands or of outputs, and the output layers,
        which are :class:`rookery.networks.precision.LastLinear`.

        Parameters
        ----------
        bands, outputs
            Whether the bands, or the classes or bins, are other ones.
        """
        from rookery.networks.start import fresh_tensors

        build = partial(self.build, configuration)
        return fresh_tensors(build, n_bands, n_outputs, bands=bands, outputs=outputs)

    def pack_key(self, configuration: C) -> str | None:
        """Return what must be equal where networks train as a pack; None where none may train so.

        Seeds and folds may differ, and how the learning rate goes, weight decay, patience and the weights
        of the loss. Networks with copies learn from objects of their own; those with frozen parts, a rate
        of their own for weights that they start from, averaged weights or Muon have optimizers of their own.
        """
        c = configuration
        optimizer = bool(c.freeze) or c.rate_ratio != 1 or c.average_epochs > 0
        if optimizer or c.optimizer != "adamw" or getattr(configuration, "copies", False):
            return None
        values = configuration.model_dump(mode="json", exclude={*FREE_IN_PACKS, *self.loss_weights})
        return json.dumps({"family": self.name, **values}, sort_keys=True)

    def encoding_key(self, configuration: C) -> str:
        """Return what must be equal for :meth:`encode` to give the same tensors of a survey."""
        names = self.encoded_by
        values = configuration.model_dump(mode="json")
        if names is not None:
            values = {name: getattr(configuration, name) for name in names}
        return json.dumps({"family": self.name, **values}, sort_keys=True)

    def configure(self, values: dict[str, Any]) -> C:
        """Return `values` as a configuration, defaults added; pydantic's error names a wrong key."""
        return self.configuration.model_validate(values)


def family_names() -> list[str]:
    """Return the names of all families."""
    return sorted({*_own(), *plugins.installed(GROUP)})


def family_folder(name: str) -> Path | None:
    """Return the folder of a family that another package brings, where its search space lies; else None."""
    if name in _own() or name not in plugins.installed(GROUP):
        return None
    module = import_module(plugins.installed(GROUP)[name].module)
    return Path(module.__file__ or "").parent


def _own() -> list[str]:
    package = import_module("rookery.networks")
    return [module.name for module in pkgutil.iter_modules(package.__path__) if module.ispkg]


def load_family(name: str) -> Family[Any]:
    """Return the family called `name`; raises `InputError` with the names that exist."""
    if name not in family_names():
        rule = f"`{name}` is no family of networks; those are {', '.join(family_names())}"
        raise InputError(f"{rule}{did_you_mean(name, family_names())}")
    if name in _own():
        family: Family[Any] = import_module(f"rookery.networks.{name}").FAMILY
        return family
    found = plugins.load(GROUP, name)
    if not isinstance(found, Family) or found.name != name:
        rule = f"must name a `Family` called {name!r}, but names {getattr(found, 'name', found)!r}"
        raise fail(f"entry point {name!r} of {GROUP}", rule)
    return found
