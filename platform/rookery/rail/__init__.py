"""Stages of RAIL (https://github.com/LSSTDESC/rail): networks of Rookery in its pipelines, and ensembles.

``RookeryInformer`` and ``RookeryEstimator`` train `photoz_mlp` networks and predict with their bundle.
``RookeryPoolInformer2`` and ``RookeryPoolEstimator2`` (to 12) pool and recalibrate what any two (to twelve)
estimators of RAIL wrote; ``...1`` recalibrates one. They need the extra `rail`. A model is the bundle
itself in an uncompressed zip: data that anyone can open, never pickle.
"""

try:
    import rail.core  # noqa: F401
except ModuleNotFoundError as error:
    from rookery.extras import missing

    raise ModuleNotFoundError(str(missing("rookery.rail", "rail", "pz-rail-base"))) from error

from rookery.rail.model import BundleHandle, BundleModel
from rookery.rail.networks import RookeryEstimator, RookeryInformer
from rookery.rail.pool import POOL_STAGES, pool_stages

__all__ = [
    "POOL_STAGES",
    "BundleHandle",
    "BundleModel",
    "RookeryEstimator",
    "RookeryInformer",
    "pool_stages",
]


def __getattr__(name: str) -> type:
    """Return a stage of pools by its name."""
    for stages in POOL_STAGES.values():
        for stage in stages:
            if stage.__name__ == name:
                return stage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
