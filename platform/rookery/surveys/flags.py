"""Bits of the column `flags` of a galaxy survey: what was wrong with an object and was mended by rule."""

NON_FINITE = 1
"""Pixels that were not finite were set to 0."""
SPIKE = 2
"""A saturated or spiking pixel was clipped."""
EDGE = 4
"""The cutout crosses the edge of its frame; pixels beyond it are 0."""
MISSING_MAGNITUDE = 8
"""A magnitude is missing."""
FLAGS = {"non_finite": NON_FINITE, "spike": SPIKE, "edge": EDGE, "missing_magnitude": MISSING_MAGNITUDE}
"""All of them by name, as a survey's provenance counts them."""
