"""Simulators that write surveys."""

from rookery.surveys.simulators.galaxies.simulate import simulate_galaxies
from rookery.surveys.simulators.supernovae.simulate import simulate_supernovae

__all__ = ["simulate_galaxies", "simulate_supernovae"]
