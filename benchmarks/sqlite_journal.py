"""Milliseconds a commit takes SQLite by its journal: sqlite_journal.py [FOLDER] [COMMITS].

A row a commit, durable (`synchronous` FULL), in blocks of both journals by turns; FOLDER (by default the
working directory) tells which disk. A study's database takes TRUNCATE, as safe as SQLite's own DELETE.
"""

import sqlite3
import sys
import tempfile
import time
from pathlib import Path

JOURNALS = ("DELETE", "TRUNCATE")
BLOCK = 50


def milliseconds(connection: sqlite3.Connection, commits: int) -> float:
    """Return the mean time of a commit."""
    start = time.perf_counter()
    for _ in range(commits):
        connection.execute("INSERT INTO rows VALUES (1, 'a value of some length')")
        connection.commit()
    return (time.perf_counter() - start) / commits * 1000


def main() -> None:
    """Print a line for each journal, and their ratio."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    commits = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    times: dict[str, list[float]] = {journal: [] for journal in JOURNALS}
    with tempfile.TemporaryDirectory(prefix="rookery-bench-", dir=folder) as scratch:
        connections = {}
        for journal in JOURNALS:
            connections[journal] = sqlite3.connect(Path(scratch) / f"{journal}.db")
            connections[journal].execute(f"PRAGMA journal_mode = {journal}")
            connections[journal].execute("CREATE TABLE rows (number INTEGER, text TEXT)")
        for _ in range(max(1, commits // BLOCK)):
            for journal in JOURNALS:
                times[journal].append(milliseconds(connections[journal], BLOCK))
    means = {journal: sum(found) / len(found) for journal, found in times.items()}
    for journal, mean in means.items():
        print(f"{journal}: {mean:.2f} ms a commit")
    print(f"ratio: {means['DELETE'] / means['TRUNCATE']:.2f}")


if __name__ == "__main__":
    main()
