"""What a network has learned: features and their maps, activations, attributions, invariance."""

from rookery.explanation.explain import explain

__all__ = ["explain"]
