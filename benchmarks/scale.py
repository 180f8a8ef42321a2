"""What predicting 10^7 to 10^9 objects takes on 10 to 1,000 devices, from figures of a run that was made.

python benchmarks/scale.py FOLDER COMPACT --rate OBJECTS_PER_SECOND [--price USD] [--share 0.9] [--start 60]

FOLDER and COMPACT are made by `rookery predict`, the second one with `--compact quantiles`: their bytes an
object are those of the table, and the time to look at a file, which the driver does at the end, one after the
other, is measured on the first. RATE is that of one device (`python benchmarks/prediction.py speed`). What
else is assumed is printed above the table.
"""

import argparse
import time
from pathlib import Path

import pyarrow.parquet as pq

from rookery.inference.whole_survey import ROWS
from rookery.words import amount, duration
from rookery_ensembles.partitions import Partitions, open_partitions
from rookery_ensembles.predictions import read_info

OBJECTS, DEVICES = (10**7, 10**8, 10**9), (10, 100, 1000)
COLUMNS = (
    "objects",
    "devices",
    "time",
    "of it the last look",
    "device-hours",
    "USD",
    "whole PDFs",
    "compact",
)


def bytes_an_object(made: Partitions) -> float:
    """Return the size of a folder's files over its objects."""
    return sum(file.stat().st_size for file in made.files) / made.objects


def look_seconds(made: Partitions) -> float:
    """Return the seconds that the last look at a file takes."""
    files = [made.files[0], *made.files]  # libraries are read at their first use
    for number, file in enumerate(files):
        if number == 1:
            begin = time.perf_counter()
        read_info(file)
        pq.read_table(file, columns=["out_of_domain"])
    return (time.perf_counter() - begin) / len(made.files)


def main() -> None:
    """Print the assumptions and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("compact", type=Path)
    parser.add_argument("--rate", type=float, required=True, help="objects a second of one device")
    parser.add_argument("--price", type=float, default=0.05, help="of a device for an hour, in USD")
    parser.add_argument("--share", type=float, default=0.9, help="of the time that devices are busy")
    parser.add_argument("--start", type=float, default=60.0, help="seconds until all workers have begun")
    asked = parser.parse_args()
    whole, compact = open_partitions(asked.folder), open_partitions(asked.compact)
    sizes, look = (bytes_an_object(whole), bytes_an_object(compact)), look_seconds(whole)
    told = [
        f"{asked.rate:,.0f} objects/s a device", f"{asked.share:.0%} busy",
        f"{asked.start:g} s until all have begun", f"{ROWS:,} objects a file",
        f"{1e3 * look:.1f} ms to look at a file at the end",
        f"{sizes[0]:,.0f} bytes an object with whole PDFs, {sizes[1]:,.0f} compact",
        f"{asked.price:g} USD for an hour of a device",
    ]  # fmt: skip
    print(f"{', '.join(told)}.\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for n in OBJECTS:
        files = -(-n // ROWS)
        for devices in DEVICES:
            # No worker can have less than a file: the last ones are waited for.
            rounds = -(-files // devices) * ROWS / asked.rate
            seconds = asked.start + max(rounds, n / (devices * asked.rate * asked.share))
            hours = devices * seconds / 3600
            cells = [
                f"{n:,}", f"{devices:,}", duration(seconds + files * look), duration(files * look),
                amount(hours), amount(hours * asked.price),
                *(f"{amount(n * size / 1e9)} GB" for size in sizes),
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
