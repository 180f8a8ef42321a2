"""Memory and speed of the reader of image cubes: ingest_cubes.py [GALAXIES ...] (default 5000 10000 20000).

For each number of galaxies a synthetic .npz (64 x 64 pixels, five bands, float32, 30 labels; stored or,
with --packed, compressed) is written, itself as a stream, and ingested in a child process. Seconds
are the child's processor time (it runs on one core), peak memory its largest resident set; the slope
between the first and the last size is extrapolated to 500,000 galaxies.
"""

import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

SIZE, BANDS, BLOCK = 64, 5, 256
TARGET = 500_000
N_LABELS = 30
INGEST = """
import json, resource, sys, time
from rookery.surveys import ingest_cubes
start = time.process_time()
ingest_cubes(sys.argv[1], sys.argv[2])
seconds = time.process_time() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def labels(n: int) -> np.ndarray:
    """Return what is known of the galaxies: an id, a redshift, reddening and other numbers."""
    generator = np.random.default_rng(n)
    names = ["z", "EBV", *(f"label_{number}" for number in range(N_LABELS - 3))]
    table = np.zeros(n, dtype=[("objID", "<i8"), *((name, "<f8") for name in names)])
    table["objID"] = 1237651752359329943 + np.arange(n)
    for name in names:
        table[name] = 0.4 * generator.random(n)
    return table


def write_cube(path: Path, n: int, packing: int) -> None:
    """Write an .npz of n galaxies: sky noise and an exponential disk of random size and flux."""
    generator = np.random.default_rng(n)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    radius = np.hypot(x, y).astype(np.float32)
    sky = np.array([0.0426, 0.0174, 0.0297, 0.0423, 0.1846], dtype=np.float32)
    with zipfile.ZipFile(path, "w", packing, allowZip64=True) as archive:
        with archive.open("cube.npy", "w", force_zip64=True) as stream:
            fields = {"descr": "<f4", "fortran_order": False, "shape": (n, SIZE, SIZE, BANDS)}
            npy.write_array_header_1_0(stream, fields)
            for start in range(0, n, BLOCK):
                count = min(BLOCK, n - start)
                block = generator.standard_normal((count, SIZE, SIZE, BANDS), dtype=np.float32) * sky
                scale = generator.uniform(2, 8, (count, 1, 1)).astype(np.float32)
                block += np.exp(-radius / scale)[..., None] * generator.uniform(0.5, 5, (count, 1, 1, 1))
                stream.write(block.astype("<f4").tobytes())
        with archive.open("labels.npy", "w") as stream:
            npy.write_array(stream, labels(n), allow_pickle=False)


def main() -> None:
    """Measure each size, then print what half a million galaxies would take."""
    packing = zipfile.ZIP_DEFLATED if "--packed" in sys.argv else zipfile.ZIP_STORED
    sizes = [int(float(text)) for text in sys.argv[1:] if text != "--packed"] or [5_000, 10_000, 20_000]
    peaks = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "x.npz"
            start = time.perf_counter()
            write_cube(path, n, packing)
            seconds = time.perf_counter() - start
            gigabytes = path.stat().st_size / 1e9
            print(f"{n} galaxies, {gigabytes:.2f} GB (written in {seconds:.0f} s)", flush=True)
            command = [sys.executable, "-c", INGEST, str(path), str(Path(name) / "survey")]
            seconds, megabytes = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            peaks.append(megabytes)
            speed = f"{n / seconds:.0f} galaxies/s"
            print(f"  {seconds:.1f} CPU s, {speed}, {megabytes:.0f} MB at most", flush=True)
    if len(sizes) > 1:
        slope = (peaks[-1] - peaks[0]) / (sizes[-1] - sizes[0])
        there = peaks[0] + slope * (TARGET - sizes[0])
        print(f"{slope * 1e3:.2f} MB per 1,000 galaxies; {TARGET} galaxies: {there:.0f} MB")


if __name__ == "__main__":
    main()
