"""Shift: another sample than the labelled one. Copies, weights, degraded light curves, and who is unlike."""
