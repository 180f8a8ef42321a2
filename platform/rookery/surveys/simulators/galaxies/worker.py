"""A simulating process: ``python -m rookery.surveys.simulators.galaxies.worker TASK``, the task in JSON."""

import sys

from rookery.surveys.simulators.galaxies.chunks import serve

if __name__ == "__main__":
    serve(sys.argv[1])
