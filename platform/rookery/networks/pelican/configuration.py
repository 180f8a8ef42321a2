"""Hyperparameters of the `pelican` family. Defaults are chosen, not published, unless they say so."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from rookery.networks.configuration import TrainingConfiguration


class PelicanConfiguration(TrainingConfiguration):
    """One point of PELICAN's search space."""

    window_days: float = Field(default=176, gt=0)
    """Length of the light-curve image; 176 days hold every light curve of SPCC (published)."""
    days_per_column: float = Field(default=4, gt=0)
    """Days that share a column; the paper takes 1."""
    flux_softening: float = Field(default=5, gt=0)
    """Flux (FLUXCAL) below which the arcsinh scale is linear."""
    temporal_blocks: int = Field(default=1, ge=1, le=4)
    """Inception blocks along time, each band by itself."""
    temporal_filters: int = Field(default=8, ge=1)
    """Filters of each of an inception's four branches, 7x1, 5x1, 3x1 and 1x1 (kernels published)."""
    band_filters: int = Field(default=64, ge=1)
    """Filters of the convolution across bands."""
    merged_blocks: int = Field(default=2, ge=0, le=5)
    """Inception blocks after the bands are merged, each behind a pooling of time by two."""
    merged_filters: int = Field(default=16, ge=1)
    """Filters of each branch of those blocks."""
    pooling: Literal["mean_max", "flatten"] = "mean_max"
    """How time is summarised: mean and maximum, or every column kept."""
    features: int = Field(default=64, ge=2)
    """Size of the feature vector."""
    feature_activation: Literal["sigmoid", "relu"] = "relu"
    """The paper's features are sigmoid."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Of the features, before the classifier."""
    observation_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Mean part of a training light curve's points that is hidden; each draws its own part."""
    flux_noise: float = Field(default=0.3, ge=0)
    """Noise added to training fluxes, in units of their errors."""
    time_shift: int = Field(default=2, ge=0)
    """Largest random shift of a training light curve, in columns."""
    autoencoder: bool = False
    """Whether the features must also rebuild the light curve."""
    autoencoder_weight: float = Field(default=0.01, gt=0)
    """Weight of the reconstruction loss against the cross-entropy; no effect without `autoencoder`."""

    @property
    def n_columns(self) -> int:
        """Columns of the light-curve image."""
        return math.ceil(self.window_days / self.days_per_column)

    @model_validator(mode="after")
    def _check_pooling(self) -> PelicanConfiguration:
        if self.n_columns < 2**self.merged_blocks:
            raise ValueError(
                f"`merged_blocks` halves time {self.merged_blocks} times, "
                f"but window_days={self.window_days:g} with days_per_column={self.days_per_column:g} "
                f"gives {self.n_columns} columns"
            )
        return self
