"""The command line: parses first, imports late."""

from rookery.cli.main import app, main

__all__ = ["app", "main"]
