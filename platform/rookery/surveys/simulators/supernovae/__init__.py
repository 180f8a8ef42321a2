"""Simulated supernova surveys."""
