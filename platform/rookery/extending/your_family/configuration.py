"""Hyperparameters of `your_family`: each stands in ``search_space.yaml`` too, searched or fixed."""

from pydantic import Field

from rookery.networks.configuration import TrainingConfiguration


class YourFamilyConfiguration(TrainingConfiguration):
    """One point of the search space of `your_family`; rate, epochs and the like are there already."""

    hidden_layers: int = Field(default=2, ge=1, le=12)
    """Layers between the inputs and the output."""
    width: int = Field(default=64, ge=2, le=65_536)
    """Units of each hidden layer."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of the units of each hidden layer."""
