"""Simulators that write surveys."""

from rookery.surveys.simulators.supernovae import simulate_supernovae

__all__ = ["simulate_supernovae"]
