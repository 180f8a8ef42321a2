"""What was measured of the speed of trainings. No torch is needed."""

from dataclasses import dataclass, field

from rookery_ensembles.shown import short_repr


@dataclass(frozen=True)
class SpeedRow:
    """A network's training by one way."""

    network: str
    way: str
    """`plain` is a minimal loop of PyTorch's own parts, `compiled` and `graph` that loop compiled and as a
    CUDA graph; `loop` is the loop that trains members, `loop compiled` the same with compiled steps, `pack
    of K` K networks that train together, by the way that timed steps choose, and `pack of K, fused` and
    `pack of K, graphs` by these (:data:`rookery.training.ways.Strategy`)."""
    precision: str
    objects_per_second: float | None
    """Of all networks of a pack together."""
    relative: float | None
    """Over that of `loop` in the same precision."""
    error: str | None = None
    """Why there is no figure."""


@short_repr
@dataclass(frozen=True)
class SpeedResult:
    """What :func:`rookery.api.bench` measured."""

    device: str
    copy_bytes_per_second: float
    """Of a copy within the device's memory, read and written together."""
    product_flop_per_second: dict[str, float]
    """Of square matrices, by precision."""
    rows: list[SpeedRow] = field(default_factory=list)
    """Of each case."""
