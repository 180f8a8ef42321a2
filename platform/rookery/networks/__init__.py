"""Families of networks, each a folder that is found by its name."""
