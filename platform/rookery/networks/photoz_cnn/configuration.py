"""Hyperparameters of the `photoz_cnn` family. Defaults of the architecture are the published ones."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from rookery.networks.configuration import TrainingConfiguration, scalar_names

FILTERS = ((48, 64), (64, 92), (92, 128), (92, 128), (92, 128))
"""Published filters (S1, S2) of the blocks; S1 of the reductions, S2 of each convolution."""
MOST_BRANCHES = 64
"""Ten times those of the published multimodality."""
_KERNELS = r"[3579](\+[3579])*"
_BRANCH = r"(all|runs-[1-9]\d*|\d+(,\d+)*)"


class PhotozCnnConfiguration(TrainingConfiguration):
    """One point of the search space of `photoz_cnn`."""

    later: ClassVar[tuple[str, ...]] = (*TrainingConfiguration.later, "turns", "coarse_part")

    image_size: int = Field(default=64, ge=8, le=4096)
    """Side of the square that the network sees, in pixels, cut from the middle of each image."""
    compression: Literal["none", "sqrt", "log", "arcsinh"] = "none"
    """Of a pixel value x: none (published), sign(x)(sqrt(|x|+1)-1), sign(x)log(|x|+1), or arcsinh(x)."""
    softening: float = Field(default=1.0, gt=0)
    """Flux (nanomaggies) that x is divided by before it is compressed; no effect without compression."""
    standardise: bool = False
    """Whether each band (and E(B-V)) gets mean 0 and deviation 1 over the training images; not published."""
    mwebv: bool = True
    """Whether the Galactic reddening E(B-V) joins the features (published)."""
    covariates: str = Field(default="", max_length=10_000)
    """Further covariates of the survey that join the features, standardised, with commas between them."""

    branches: str = Field(default="all", pattern=rf"^{_BRANCH}(\+{_BRANCH})*$", max_length=1000)
    """Band subsets that are processed side by side, joined by +. Each is `all`, `runs-K` (every run of K
    neighbouring bands) or positions like 0,1,2,3. For ugriz, runs-2 is ug+gr+ri+iz; 0,1,2,3+1,2,3,4 is
    ugri+griz. Each costs as much as the whole (multimodality of Ait Ouahmed et al. 2024)."""
    joint_blocks: int = Field(default=0, ge=0)
    """How many of the last blocks come after branches merge; 0 merges them in the head."""
    block: Literal["inception", "convolution", "residual"] = "inception"
    """Inception (published), one convolution, or two with a shortcut around them."""
    kernels: str = Field(default="3+5", pattern=rf"^{_KERNELS}$", max_length=100)
    """Widths of an inception's convolutions beside its 1x1, joined by +. Those above half the side of the
    map are left out, but for the smallest; so the published last block has no 5x5."""
    kernel: Literal[3, 5] = 3
    """Width of the other blocks' convolutions; no effect on an inception."""
    blocks: int = Field(default=5, ge=1, le=12)
    """Number of blocks; those beyond the fifth are like the fifth."""
    pool_every: int = Field(default=2, ge=1, le=100)
    """Blocks between two poolings, each of which halves the map; none after the last block."""
    pooling: Literal["average", "max"] = "average"
    """How a pooling summarises 2x2 pixels."""
    width: float = Field(default=1.0, gt=0, le=32)
    """Multiplies the number of filters of stem and blocks."""
    stem_filters: int = Field(default=64, ge=2, le=4096)
    """Filters of the first convolution, before `width`."""
    stem_kernel: Literal[3, 5, 7] = 5
    """Width of the first convolution, behind which the map is halved."""
    activation: Literal["prelu", "relu", "gelu", "silu"] = "prelu"
    """After each convolution; prelu has a slope per channel, from 0. Dense layers take relu in its place."""
    batch_norm: bool = False
    """Whether batch norm stands between each convolution and its activation; not published."""
    head: Literal["flatten", "global"] = "flatten"
    """Features are every pixel of the last map, or the mean of each channel."""
    units: int = Field(default=1096, ge=2, le=65_536)
    """Units of each dense layer."""
    dense_layers: int = Field(default=2, ge=0, le=4)
    """Dense layers before the output."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of the features and behind each dense layer."""

    label_smoothing: float = Field(default=0.0, ge=0)
    """Width, in bins, of the Gaussian that stands for a galaxy's bin in the loss; 0 for the bin alone."""
    flips: bool = True
    """Whether training images are flipped and turned by quarters at random (published)."""
    turns: Literal["drawn", "alternated"] = "drawn"
    """Which of the eight turns an image gets in an epoch: a drawn one, or, from a drawn one on, each in its
    turn, so that eight epochs see all; no effect without flips."""
    coarse_part: float = Field(default=0.0, ge=0, lt=1)
    """Part of all epochs, the first ones, in which training images have half the side: the mean of 2 x 2
    pixels. Needs head=global, which takes maps of any size."""
    shift: int = Field(default=0, ge=0, le=4096)
    """Largest random shift of a training image in each direction, in pixels."""
    noise: float = Field(default=0.0, ge=0)
    """Gaussian noise added to training images, in units of each image's own pixel noise."""

    @property
    def scalars(self) -> tuple[str, ...]:
        """Covariates that join the features, E(B-V) first."""
        return scalar_names(self.covariates, mwebv=self.mwebv)

    @property
    def block_sides(self) -> tuple[int, ...]:
        """Side of the map that each block sees, in pixels."""
        sides, side = [], -(-self.image_size // 2)
        for number in range(self.blocks):
            sides.append(side)
            side = -(-side // 2) if self.pools_after(number) else side
        return tuple(sides)

    def pools_after(self, block: int) -> bool:
        """Whether the map is halved behind the block of that number, from 0."""
        return (block + 1) % self.pool_every == 0 and block + 1 < self.blocks

    def filters(self, published: int) -> int:
        """Return a published number of filters times `width`; at least 2."""
        return max(2, round(self.width * published))

    def block_kernels(self, side: int) -> tuple[int, ...]:
        """Return the kernels of an inception on a map of that side, smallest first."""
        smallest, *larger = sorted({int(kernel) for kernel in self.kernels.split("+")})
        return (smallest, *(kernel for kernel in larger if kernel <= side // 2))

    @model_validator(mode="after")
    def _check_map(self) -> "PhotozCnnConfiguration":
        halved = (side for number, side in enumerate(self.block_sides) if self.pools_after(number))
        if min(halved, default=2) < 2:
            raise ValueError(
                f"a map of one pixel cannot be halved, but image_size={self.image_size} with "
                f"blocks={self.blocks} and pool_every={self.pool_every} leads to one"
            )
        return self

    @model_validator(mode="after")
    def _check_coarse(self) -> "PhotozCnnConfiguration":
        if self.coarse_part > 0 and self.head != "global":
            raise ValueError(
                f"`coarse_part` needs head=global, but coarse_part={self.coarse_part:g} and head={self.head}"
            )
        return self

    @model_validator(mode="after")
    def _check_scalars(self) -> "PhotozCnnConfiguration":
        if len(set(self.scalars)) < len(self.scalars):
            raise ValueError(
                f"covariates must differ, but with mwebv={self.mwebv} they are {', '.join(self.scalars)}"
            )
        return self

    @model_validator(mode="after")
    def _check_joint(self) -> "PhotozCnnConfiguration":
        if self.joint_blocks > self.blocks:
            raise ValueError(
                f"`joint_blocks <= blocks` must hold, but joint_blocks={self.joint_blocks}, "
                f"blocks={self.blocks}"
            )
        return self


def branch_bands(branches: str, n_bands: int) -> tuple[tuple[int, ...], ...]:
    """Return the band positions of each branch, without repetition, in the order given.

    A run longer than the number of bands is all of them. Raises ValueError for a position that is none, and
    for more than `MOST_BRANCHES`.
    """
    found: dict[tuple[int, ...], None] = {}
    for part in branches.split("+"):
        if part == "all" or part.startswith("runs-"):
            length = n_bands if part == "all" else min(n_bands, int(part.removeprefix("runs-")))
            runs = [tuple(range(start, start + length)) for start in range(n_bands - length + 1)]
        else:
            runs = [tuple(dict.fromkeys(int(position) for position in part.split(",")))]
        for run in runs:
            if max(run) >= n_bands:
                raise ValueError(
                    f"`branches`: positions are 0 to {n_bands - 1} for {n_bands} bands, "
                    f"but {part} has {max(run)}"
                )
            found[run] = None
        if len(found) > MOST_BRANCHES:
            raise ValueError(
                f"`branches`: at most {MOST_BRANCHES} are processed side by side, but {part} leads to more"
            )
    return tuple(found)
