"""Galaxies per second of `rookery simulate galaxies`: simulate_galaxies.py [N] [PROCESSES] [SIZE].

Prints galaxies per second of wall time, starting the processes included, and per second of
processor time, children included: the second is what a core does when nobody else uses it, or
nearly, since caches and hyperthreads are shared.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from rookery import api


def main() -> None:
    given = [int(argument) for argument in sys.argv[1:]]
    n, processes, size = given + [8192, 2, 64][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        before, start = _processor_time(), time.perf_counter()
        survey = api.simulate_galaxies(Path(folder) / "survey", n=n, size=size, processes=processes)
        wall, processor = time.perf_counter() - start, _processor_time() - before
        rejected = survey.info.provenance["rejected"]
    largest = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"{n} galaxies of {size} x {size} x 5 in {processes} processes; rejected: {rejected}")
    print(f"wall {wall:.1f} s: {n / wall:.0f} galaxies/s")
    print(f"processor {processor:.1f} s: {1e3 * processor / n:.2f} ms a galaxy")
    print(f"two free cores at that rate: {2 * n / processor:.0f} galaxies/s")
    print(f"largest process: {largest / 1024:.0f} MB")


def _processor_time() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


if __name__ == "__main__":
    main()
