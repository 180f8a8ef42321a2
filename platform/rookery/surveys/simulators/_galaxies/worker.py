"""A simulating process: ``python -m rookery.surveys.simulators._galaxies.worker TASK``, the task in JSON."""

import sys

from rookery.surveys.simulators._galaxies.chunks import serve

if __name__ == "__main__":
    serve(sys.argv[1])
