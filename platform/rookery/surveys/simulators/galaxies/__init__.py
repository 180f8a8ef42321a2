"""Simulated galaxy surveys: see :mod:`~rookery.surveys.simulators.galaxies.simulate`, docs/simulations.md."""
