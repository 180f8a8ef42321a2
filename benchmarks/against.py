"""What this checkout takes against another one: against.py OTHER [--turns 3] [--only NAME].

OTHER is a checkout of another commit with its own virtual environment in `.venv`. The same commands run in
both, turn about, so that whatever else the machine does meets both; printed are the medians, and the ratio of
the other's to this one's (trials/s: of this one's to the other's), so that more than 1 is better here. CPU
seconds are those of the command and all that it starts.
"""

import argparse
import re
import resource
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "help": "bin/rookery --help",
    "status": "bin/rookery status {study}",
    "ingest SPCC": "bin/python benchmarks/ingest_snana.py",
    "B16, 20,000 queries": "bin/python benchmarks/b16.py 20000 100000 1",
    "no-op trials": "bin/python benchmarks/search_speed.py --trials 300 --only rookery",
}


def measure(checkout: Path, command: str) -> tuple[float, float | None]:
    """Return the CPU seconds of a command in a checkout, and the trials/s that it printed, if it did."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = f"{checkout}/.venv/{command}".split()
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = re.search(r"^\| rookery \| \d+ \| ([\d.]+) \|", done.stdout, re.M)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, float(printed[1]) if printed else None


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
        words = command.format(study=asked.study and asked.study.resolve())
        pairs = [(measure(asked.other.resolve(), words), measure(HERE, words)) for _ in range(asked.turns)]
        other, here = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        print(f"| {name}, CPU s | {other:.2f} | {here:.2f} | {other / here:.2f} |", flush=True)
        if pairs[0][0][1] is not None:
            other, here = (statistics.median(pair[side][1] or 0.0 for pair in pairs) for side in (0, 1))
            print(f"| {name}/s | {other:.1f} | {here:.1f} | {here / other:.2f} |", flush=True)


if __name__ == "__main__":
    main()
