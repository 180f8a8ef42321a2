"""Each class by itself, and the confusion matrix, of reports: class_tables.py NAME=REPORT...

REPORT is a folder that `rookery evaluate --report` wrote. Precision, recall and F1 are of the most probable
class; "calibration" is the mean distance between a class's predicted probability and its frequency over the
bins of its reliability diagram, weighted by their objects. ± is half of the central 68 % of draws of
the objects.
"""

import json
import sys
from pathlib import Path
from typing import Any


def number(found: dict[str, Any]) -> str:
    """Return an estimate as text with half its 68 % interval; a dash where it is undefined."""
    if found["value"] is None:
        return "–"
    interval = found.get("68")
    error = "" if not interval else f" ± {(interval[1] - interval[0]) / 2:.3f}"
    return f"{found['value']:.3f}{error}"


def calibration_error(curve: dict[str, list[float | None]]) -> float:
    """Return the mean distance of probability and frequency over the bins of a reliability diagram."""
    bins = zip(curve["count"], curve["score"], curve["frequency"], strict=True)
    parts = [
        (count, abs(score - frequency))
        for count, score, frequency in bins
        if count and score is not None and frequency is not None
    ]
    return sum(count * distance for count, distance in parts) / sum(count for count, _ in parts)


def lines(name: str, found: dict[str, Any]) -> list[str]:
    """Return the rows of a report, a class each."""
    made = []
    for true, counts in zip(found["class_names"], found["confusion"], strict=True):
        one = found["per_class"][true]
        error = calibration_error(found["reliability_by_class"][true])
        cells = [
            name,
            true,
            f"{one['n']:,}",
            *(number(one[key]) for key in ("precision", "recall", "f1", "auc")),
        ]
        made.append("| " + " | ".join([*cells, f"{error:.3f}", *(f"{count:,}" for count in counts)]) + " |")
    return made


def main() -> None:
    """Print a Markdown table."""
    reports = []
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition("=")
        reports.append((name, json.loads((Path(folder) / "metrics.json").read_text())))
    classes = reports[0][1]["class_names"]
    head = ["method", "class", "objects", "precision", "recall", "F1", "AUC", "calibration"]
    head += [f"called {one}" for one in classes]
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))
    for name, found in reports:
        print("\n".join(lines(name, found)))


if __name__ == "__main__":
    main()
