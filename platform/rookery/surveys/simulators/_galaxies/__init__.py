"""Parts of the galaxy simulator: see rookery.surveys.simulators.galaxies and docs/simulations.md."""
