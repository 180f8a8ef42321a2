"""Run the command line as ``python -m rookery``."""

from rookery.cli import main

main()
