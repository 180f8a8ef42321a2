"""Hyperparameters of the `photoz_mlp` family. Defaults are chosen by trials of this project."""

from typing import Literal

from pydantic import Field, model_validator

from rookery.networks.configuration import TrainingConfiguration, scalar_names


class PhotozMlpConfiguration(TrainingConfiguration):
    """One point of the search space of `photoz_mlp`."""

    magnitudes: bool = True
    """Whether the magnitudes are inputs."""
    colours: bool = True
    """Whether the colours of neighbouring bands are inputs."""
    errors: bool = True
    """Whether the logarithms of the magnitudes' errors are inputs; they tell of size and brightness too."""
    mwebv: bool = False
    """Whether the Galactic reddening E(B-V) is an input."""
    covariates: str = Field(default="", max_length=10_000)
    """Further covariates of the survey as inputs, with commas between them."""
    clip: float = Field(default=6.0, gt=0)
    """Scaled inputs beyond this (half-widths of the central 68 % of the training objects) are cut there."""

    hidden_layers: int = Field(default=3, ge=1, le=12)
    """Layers between the inputs and the head."""
    width: int = Field(default=256, ge=2, le=65_536)
    """Units of each hidden layer."""
    activation: Literal["relu", "silu", "tanh"] = "silu"
    """What follows each hidden layer."""
    norm: Literal["none", "batch", "layer"] = "none"
    """Normalisation of each hidden layer, before its activation."""
    residual: bool = False
    """Whether each hidden layer but the first adds to what it is given."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of the units of each hidden layer."""

    head: Literal["mixture", "softmax"] = "mixture"
    """The PDF: Gaussians whose mass in each bin is taken, or every bin by itself."""
    components: int = Field(default=4, ge=1, le=10_000)
    """Gaussians of a mixture; no effect on a softmax."""
    label_smoothing: float = Field(default=2.0, ge=0)
    """Bins by which the true bin is blurred in training (Gaussian sigma); no effect on a mixture."""

    magnitude_noise: float = Field(default=0.0, ge=0)
    """Noise added to training magnitudes, in units of their errors (those above 1 mag count as 1)."""
    band_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a band of a training object is hidden: teaches missing magnitudes."""

    @property
    def scalars(self) -> tuple[str, ...]:
        """Covariates that are inputs."""
        return scalar_names(self.covariates, mwebv=self.mwebv)

    @model_validator(mode="after")
    def _check_inputs(self) -> "PhotozMlpConfiguration":
        if not (self.magnitudes or self.colours or self.errors or self.scalars):
            raise ValueError(
                "one of magnitudes, colours, errors, mwebv or covariates must be an input, but none is"
            )
        if len(set(self.scalars)) < len(self.scalars):
            raise ValueError(f"covariates must differ, but are {', '.join(self.scalars)}")
        return self
