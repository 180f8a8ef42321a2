"""Hyperparameters of the `pelican` family. Defaults are chosen, not published, unless they say so."""

import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from rookery.networks.configuration import TrainingConfiguration
from rookery.shift.options import CopyDistance, CopySelection

MOST_COLUMNS = 20_000
"""Ten years in columns of an hour are four times as many, fifty years in columns of a day fewer."""


class PelicanConfiguration(TrainingConfiguration):
    """One point of PELICAN's search space."""

    later: ClassVar[tuple[str, ...]] = (
        *TrainingConfiguration.later,
        *("copy_distance", "copy_selection", "copy_snr"),
        *("interpolation", "interpolation_days", "flux_scale"),
        *("classification_weight", "reconstruct", "reconstruction_form"),
    )

    window_days: float = Field(default=176, gt=0, le=100_000)
    """Length of the light-curve image; 176 days hold every light curve of SPCC (published)."""
    days_per_column: float = Field(default=4, ge=0.001)
    """Days that share a column; the paper takes 1."""
    flux_softening: float = Field(default=5, gt=0)
    """Flux (FLUXCAL) below which the arcsinh scale is linear."""
    flux_scale: Literal["survey", "peak"] = "survey"
    """In which unit fluxes are: `flux_softening`, or a tenth of the light curve's own largest flux."""
    interpolation: Literal["none", "linear", "gaussian_process"] = "none"
    """What stands for the flux in empty columns: zero, as published, or an interpolation of its band."""
    interpolation_days: float = Field(default=20, gt=0)
    """Time scale of that Gaussian process."""
    redshift: Literal["none", "host_photo_z"] = "none"
    """Covariate that joins the features as a redshift: none, or the host's photometric redshift."""
    mwebv: bool = False
    """Whether the Galactic reddening E(B-V) joins the features."""

    block: Literal["inception", "convolution"] = "inception"
    """Layer along time: an inception of 7x1, 5x1, 3x1, 1x1 (published), or one convolution (faster)."""
    kernel: Literal[3, 5, 7] = 5
    """Width of that one convolution; no effect on an inception."""
    temporal_blocks: int = Field(default=1, ge=1, le=4)
    """Blocks along time, each band by itself."""
    temporal_stride: Literal[1, 2] = 1
    """Columns that the first block moves by; 2 halves what follows."""
    temporal_filters: int = Field(default=8, ge=1, le=1024)
    """Filters of each of an inception's four branches; a single convolution has four times as many."""
    band_filters: int = Field(default=64, ge=1, le=8192)
    """Filters of the convolution across bands."""
    merged_blocks: int = Field(default=2, ge=0, le=5)
    """Blocks after the bands are merged, each behind a pooling of time by two."""
    merged_filters: int = Field(default=16, ge=1, le=1024)
    """Filters of each branch of those blocks; a single convolution has four times as many."""
    pooling: Literal["mean_max", "flatten"] = "mean_max"
    """How time is summarised: mean and maximum, or every column kept."""
    features: int = Field(default=64, ge=2, le=16_384)
    """Size of the feature vector."""
    feature_activation: Literal["sigmoid", "relu"] = "relu"
    """The paper's features are sigmoid."""

    autoencoder: bool = False
    """Whether the features must also rebuild the light curve."""
    autoencoder_weight: float = Field(default=0.01, gt=0)
    """Weight of the reconstruction loss against the cross-entropy; no effect without `autoencoder`."""
    reconstruct: Literal["seen", "all"] = "seen"
    """Points that are to be rebuilt: those that the network saw, or also those that were hidden from it, and
    without the noise that was added (a denoising autoencoder)."""
    reconstruction_form: Literal["root", "squared", "absolute"] = "root"
    """Root of the sum of squares over a light curve's points (published), their mean square, or their mean
    absolute difference."""
    classification_weight: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy; with 0 the other terms alone teach, for networks that start there."""
    contrastive: bool = False
    """Whether features of one class are drawn together, whatever their sampling, and of two pushed apart."""
    contrastive_weight: float = Field(default=0.02, gt=0)
    """Weight of the contrastive loss against the cross-entropy; no effect without `contrastive`."""
    contrastive_form: Literal["distance", "squared"] = "distance"
    """Distances as published, or their squares."""
    margin: float = Field(default=2.0, gt=0)
    """Distance beyond which two classes are far enough apart."""
    thinning: float = Field(default=0.5, gt=0, lt=1)
    """Mean part of the points that a light curve's thinned copy loses."""
    kl: bool = False
    """Whether features are kept sparse by KL(rho || mean activation); needs sigmoid features."""
    kl_weight: float = Field(default=0.001, gt=0)
    """Weight of the sparsity term against the cross-entropy; no effect without `kl`."""
    rho: float = Field(default=0.2, gt=0, lt=1)
    """Mean activation that each feature should have."""
    unlabelled: bool = False
    """Whether autoencoder, contrastive and sparsity terms also see the objects to classify, unlabelled."""

    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Of the features, before the classifier."""
    observation_dropout: float = Field(default=0.3, ge=0, lt=1)
    """Mean part of a training light curve's points that is hidden; each draws its own part."""
    truncation: float = Field(default=0.0, ge=0, le=1)
    """Part of the training light curves that is cut at a random date; teaches partial light curves."""
    flux_noise: float = Field(default=0.3, ge=0)
    """Noise added to training fluxes, in units of their errors."""
    dimming: float = Field(default=0.0, ge=0)
    """Training light curves are dimmed by 0 to so many magnitudes, and noise restores their depth."""
    time_shift: int = Field(default=2, ge=0, le=10_000)
    """Largest random shift of a training light curve, in columns."""
    copies: int = Field(default=0, ge=0, le=1000)
    """Copies of each training object with the dates, bands and depth of objects to classify."""
    redshifting: bool = True
    """Whether copies also move to the redshifts of objects to classify, and to the fluxes there."""
    copy_dimming: float = Field(default=0.0, ge=0)
    """Copies are fainter than their redshift tells by 0 to so many magnitudes."""
    copy_distance: CopyDistance = "redshift"
    """How far copies go: by the redshifts of objects to classify, or until they are as bright as these."""
    copy_selection: CopySelection = "detected"
    """Copies that were detected once, with all points; or copies and points that the survey would tell of."""
    copy_snr: float = Field(default=0.0, ge=0)
    """Only training objects whose best point has such a signal-to-noise ratio are copied."""

    @property
    def n_columns(self) -> int:
        """Columns of the light-curve image."""
        return math.ceil(self.window_days / self.days_per_column)

    @property
    def n_merged_columns(self) -> int:
        """Columns that are left where the bands merge."""
        return -(-self.n_columns // self.temporal_stride)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Covariates that join the features."""
        redshift = () if self.redshift == "none" else (self.redshift,)
        return (*redshift, "mwebv") if self.mwebv else redshift

    @property
    def n_scalars(self) -> int:
        """Number of covariates that join the features."""
        return len(self.scalars)

    @model_validator(mode="after")
    def _check_columns(self) -> "PelicanConfiguration":
        if self.n_columns > MOST_COLUMNS:
            raise ValueError(
                f"a light-curve image has at most {MOST_COLUMNS} columns, but "
                f"window_days={self.window_days:g} with days_per_column={self.days_per_column:g} "
                f"gives {self.n_columns}"
            )
        return self

    @model_validator(mode="after")
    def _check_pooling(self) -> "PelicanConfiguration":
        if self.n_merged_columns < 2**self.merged_blocks:
            raise ValueError(
                f"`merged_blocks` halves time {self.merged_blocks} times, "
                f"but window_days={self.window_days:g} with days_per_column={self.days_per_column:g} "
                f"and temporal_stride={self.temporal_stride} gives {self.n_merged_columns} columns"
            )
        return self

    @model_validator(mode="after")
    def _check_terms(self) -> "PelicanConfiguration":
        if self.classification_weight == 0 and not (self.autoencoder or self.contrastive):
            raise ValueError(
                "`classification_weight=0` needs autoencoder=true or contrastive=true: nothing teaches"
            )
        return self

    @model_validator(mode="after")
    def _check_sparsity(self) -> "PelicanConfiguration":
        if self.kl and self.feature_activation != "sigmoid":
            raise ValueError(
                f"`kl` needs feature_activation=sigmoid, but feature_activation={self.feature_activation}"
            )
        return self
