"""How long and how much memory the SNANA reader takes: ingest_snana.py [PATH].

PATH defaults to the open files of the Supernova Photometric Classification Challenge, 8,000 light
curves. Targets: under 60 s and 2,000 MB on 2 cores.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from rookery.surveys import ingest_snana, open_survey

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data" / "spcc" / "spcc_open.tar.xz"


def main() -> None:
    """Ingest into a temporary folder, open the result, print what it took."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report = ingest_snana(path, Path(folder) / "survey")
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        rows = len(open_survey(Path(folder) / "survey").observation_arrays())
        opening = time.perf_counter() - start
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"ingest: {report.n_read} light curves, {rows} observations in {seconds:.1f} s")
    print(f"memory: {megabytes:.0f} MB at most")
    print(f"open and verify: {opening:.2f} s")


if __name__ == "__main__":
    main()
