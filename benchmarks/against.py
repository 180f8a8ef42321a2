"""What this checkout takes against another one: against.py OTHER [--turns 3] [--only NAME].

OTHER is a checkout of another commit with its own virtual environment in `.venv`. The same commands run in
both, turn about, so that whatever else the machine does meets both; printed are the medians, and the ratio of
the other's to this one's (of what is better when it is more, the reverse), so that more than 1 is
better here. CPU seconds are those of the command and of the processes that end before it.
"""

import argparse
import re
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "help": "bin/rookery --help",
    "status": "bin/rookery status {study}",
    "ingest SPCC": "bin/python benchmarks/ingest_snana.py",
    "B16, 20,000 queries": "bin/python benchmarks/b16.py 20000 100000 1",
    "no-op trials": "bin/python benchmarks/search_speed.py --trials 1200 --only rookery",
    "16 trials of 5 s": "bin/python benchmarks/worker_busy.py 16 5",
    "demo": "bin/rookery demo {scratch}/demo",
}
PRINTED = {
    "trials/s": r"^\| rookery \| \d+ \| ([\d.]+) \|",
    "% busy": r"busy ([\d.]+) %",
}
"""What commands print of how fast they are, the more the better: unit and pattern."""
Figures = dict[str, float]


def measure(checkout: Path, command: str) -> Figures:
    """Return the seconds and CPU seconds of a command in a checkout, and what it printed of its speed."""
    with tempfile.TemporaryDirectory() as scratch:
        words = f"{checkout}/.venv/{command.replace('{scratch}', scratch)}".split()
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=True)
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {unit: re.search(pattern, done.stdout, re.M) for unit, pattern in PRINTED.items()}
    return {"s": seconds, "CPU s": cpu, **{unit: float(match[1]) for unit, match in found.items() if match}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", choices=COMMANDS)
    parser.add_argument("--study", type=Path, help="a study that both read, for `status`")
    asked = parser.parse_args()
    print("| what | other | here | ratio |\n| --- | --- | --- | --- |")
    for name, command in COMMANDS.items():
        if asked.only not in (None, name) or ("{study}" in command and asked.study is None):
            continue
        words = command.replace("{study}", str(asked.study and asked.study.resolve()))
        pairs = [(measure(asked.other.resolve(), words), measure(HERE, words)) for _ in range(asked.turns)]
        for unit in pairs[0][0]:
            other, here = (statistics.median(pair[side][unit] for pair in pairs) for side in (0, 1))
            ratio = here / other if unit in PRINTED else other / here
            print(f"| {name}, {unit} | {other:.2f} | {here:.2f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
