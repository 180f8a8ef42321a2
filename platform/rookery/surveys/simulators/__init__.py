"""Simulators that write surveys."""

from collections.abc import Callable, Mapping

from rookery.surveys.simulators.galaxies.simulate import simulate_galaxies
from rookery.surveys.simulators.supernovae.simulate import simulate_supernovae
from rookery.surveys.store import Survey

__all__ = ["SIMULATORS", "simulate_galaxies", "simulate_supernovae"]

SIMULATORS: Mapping[str, Callable[..., Survey]] = {
    "supernovae": simulate_supernovae,
    "galaxies": simulate_galaxies,
}
"""Every simulator, by the name of its verb."""
