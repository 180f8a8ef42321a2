"""A simulating process: ``python -m rookery.surveys.simulators.supernovae.worker TASK``, the task in JSON."""

import json
import sys

from rookery.surveys.simulators.supernovae.chunks import run_worker

if __name__ == "__main__":
    run_worker(json.loads(sys.argv[1]))
