"""Memory and speed of the PLAsTiCC reader: ingest_plasticc.py [MILLION_ROWS ...] (default 5 10).

For each number of rows a synthetic pair of CSV files is written (130 observations an object, as in
the challenge's test set, in the order of the objects), ingested in one child process and opened,
with all checks and all arrays in memory, in another. Seconds are the child's processor time (it
runs on one core), peak memory its largest resident set; the slope between the first and the last
size is extrapolated to 100 million rows.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

ROWS_PER_OBJECT = 130
TARGET = 100e6
INGEST = """
import json, resource, sys, time
from rookery.surveys import ingest_plasticc
start = time.process_time()
report = ingest_plasticc(sys.argv[1], sys.argv[2])
seconds = time.process_time() - start
"""
OPEN = """
import json, resource, sys, time
from rookery.surveys import open_survey
start = time.process_time()
arrays = open_survey(sys.argv[2]).observation_arrays()
seconds = time.process_time() - start
"""
TELL = "print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))"


def write_pair(folder: Path, rows: int) -> int:
    """Write metadata and light curves; return the size of the latter in bytes."""
    n_objects = rows // ROWS_PER_OBJECT
    generator = np.random.default_rng(rows)
    ids = np.arange(n_objects) * 7 + 13
    numbers = {
        name: generator.random(n_objects) for name in ("ra", "decl", "mwebv", "hostgal_photoz", "true_z")
    }
    labels = {
        "ddf_bool": generator.integers(0, 2, n_objects),
        "true_target": generator.choice([90, 42, 62], n_objects),
    }
    pacsv.write_csv(pa.table({"object_id": ids, **numbers, **labels}), folder / "set_metadata.csv")
    path = folder / "set.csv"
    with path.open("wb") as stream:
        for start in range(0, n_objects, 5000):
            owner = np.repeat(ids[start : start + 5000], ROWS_PER_OBJECT)
            size = len(owner)
            table = {
                "object_id": owner,
                "mjd": np.round(59580 + 1095 * generator.random(size), 4),
                "passband": generator.integers(0, 6, size),
                "flux": np.round(generator.normal(0, 100, size), 6),
                "flux_err": np.round(1 + 10 * generator.random(size), 6),
                "detected_bool": generator.integers(0, 2, size),
            }
            pacsv.write_csv(pa.table(table), stream, pacsv.WriteOptions(include_header=start == 0))
    return path.stat().st_size


def child(code: str, *arguments: Path) -> tuple[float, float]:
    """Run code in a process of its own; return its seconds and its peak memory in MB."""
    command = [sys.executable, "-c", code + TELL, *map(str, arguments)]
    seconds, megabytes = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return seconds, megabytes


def main() -> None:
    """Measure each size, then print what 100 million rows would take."""
    sizes = [int(float(text) * 1e6) for text in sys.argv[1:]] or [5_000_000, 10_000_000]
    peaks: dict[str, list[float]] = {"ingest": [], "open": []}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            start = time.perf_counter()
            gigabytes = write_pair(folder, rows) / 1e9
            seconds = time.perf_counter() - start
            print(f"{rows / 1e6:g} M rows, {gigabytes:.2f} GB of CSV (written in {seconds:.0f} s)")
            for what, code in (("ingest", INGEST), ("open", OPEN)):
                seconds, megabytes = child(code, folder / "set.csv", folder / "survey")
                peaks[what].append(megabytes)
                speed = f"{rows / seconds / 1e6:.2f} M rows/s"
                print(f"  {what}: {seconds:.1f} CPU s, {speed}, {megabytes:.0f} MB at most")
    if len(sizes) > 1:
        for what, found in peaks.items():
            slope = (found[-1] - found[0]) / (sizes[-1] - sizes[0])
            there = found[0] + slope * (TARGET - sizes[0])
            print(f"{what}: {slope * 1e6:.1f} MB per M rows; 100 M rows: {there:.0f} MB")


if __name__ == "__main__":
    main()
