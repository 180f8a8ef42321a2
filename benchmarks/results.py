"""Make the numbers of docs/results.md: results.py NAME..., results.py --store NAME..., or results.py --page.

`docs/results/recipes.yaml` says for each NAME which commands print its numbers and where they stand.
`results.py NAME` runs these commands (finished searches and campaigns are not run again) and stores the
numbers as `docs/results/NAME.json`, or with `printed: true` all that they print; `--store` only reads what
the commands left. `results.py --page` writes the tables of docs/results.md from what is stored, and
`tests/unit/test_results_page.py` holds every number of the page against these files.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import rookery
from rookery_ensembles.files import write_text
from rookery_ensembles.metric import METRICS

ROOT = Path(__file__).resolve().parents[1]
PAGE, STORED = ROOT / "docs" / "results.md", ROOT / "docs" / "results"
_BLOCK = re.compile(r"<!-- (table|commands|printed) (.*?) -->\n.*?<!-- end -->", re.S)
_COUNTS = {"members": "networks", "training_size": "training", "test_size": "test"}
_LABELS = ("experiment", "row", "bin", "method")


def recipes() -> dict[str, Any]:
    """Return what each result is made of."""
    found: dict[str, Any] = yaml.safe_load((STORED / "recipes.yaml").read_text(encoding="utf-8"))
    return found


def run(name: str) -> None:
    """Run a recipe's commands and store its numbers."""
    recipe = recipes()[name]
    printed = ""
    for command in recipe["commands"]:
        text = command_text(command)
        if isinstance(command, dict) and (ROOT / command["makes"]).exists():
            continue
        print(f"$ {text}", flush=True)
        done = subprocess.run(text, shell=True, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        printed += done.stdout
    store(name, printed)


def store(name: str, printed: str = "") -> None:
    """Store the numbers of a recipe whose commands were run."""
    recipe = recipes()[name]
    commands = [command_text(command) for command in recipe["commands"]]
    record = {"commands": commands, "version": rookery.__version__, "rows": list(_rows(recipe))}
    if "campaign" in recipe:
        record["differences"] = _at(f"{recipe['campaign']}:differences")
    if recipe.get("printed"):
        record["printed"] = printed.strip()
    facts = {key: _at(place) for key, place in recipe.get("facts", {}).items()}
    text = json.dumps({**record, "facts": facts}, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(STORED / f"{name}.json", text + "\n")


def command_text(command: str | Mapping[str, str]) -> str:
    """Return a command, which may stand beside what it makes: then it is not run again."""
    return command if isinstance(command, str) else command["run"]


def _rows(recipe: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each row of a recipe: those of a campaign's table, or single ones of other files."""
    if "campaign" in recipe:
        lines = json.loads((ROOT / recipe["campaign"]).read_text(encoding="utf-8"))["lines"]
        for line in lines:
            label = {key: line[key] for key in ("experiment", "row", "bin") if line.get(key)}
            if line["source"] != "this campaign":
                label["row"] += " (published)"
            kept = {key: line[key] or None for key in _COUNTS if key in line}
            kept |= {key: line[key] for key in ("baseline",) if line.get(key)}
            yield {"label": label, **kept, "metrics": line["metrics"], "errors": line.get("error") or {}}
    for row in recipe.get("rows", ()):  # in a file, or quoted from an earlier version
        values = row["quoted"] if "quoted" in row else _at(row["at"])
        metrics = {key: value["value"] if isinstance(value, dict) else value for key, value in values.items()}
        intervals = _at(row["intervals"]) if "intervals" in row else values
        errors = {
            key: (value["68"][1] - value["68"][0]) / 2
            for key, value in intervals.items()
            if isinstance(value, dict) and value.get("68")
        }
        yield {"label": row["label"], "metrics": metrics, "errors": errors}


def _at(place: str) -> Any:
    """Return the value at "FILE:KEY/KEY/NAME=VALUE"; the last form picks an item of a list."""
    file, _, keys = place.partition(":")
    found = json.loads((ROOT / file).read_text(encoding="utf-8"))
    for key in filter(None, keys.split("/")):
        if isinstance(found, list) and "=" in key:
            wanted = dict(pair.split("=", 1) for pair in key.split("&"))
            found = next(x for x in found if all(str(x[name]) == value for name, value in wanted.items()))
        else:
            found = found[int(key) if isinstance(found, list) else key]
    return found


def page(text: str) -> str:
    """Return the page with its tables and commands as they are stored."""
    return _BLOCK.sub(lambda block: _block(block.group(1), block.group(2)), text)


def _block(kind: str, words: str) -> str:
    name, _, rest = words.partition(" ")
    record = stored(name)
    if kind == "commands":
        body = "\n".join(["```", *record["commands"], "```"])
    elif kind == "printed":
        body = record["printed"]
    else:
        body = table(record["rows"], **yaml.safe_load(rest or "{}"))
    return f"<!-- {kind} {words} -->\n{body}\n<!-- end -->"


def stored(name: str) -> dict[str, Any]:
    """Return what a recipe's commands printed."""
    found: dict[str, Any] = json.loads((STORED / f"{name}.json").read_text(encoding="utf-8"))
    return found


def table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    experiments: Sequence[str] | None = None,
    bins: Mapping[str, Sequence[str]] | None = None,
    baseline: bool = False,
) -> str:
    """Return rows as a Markdown table.

    Parameters
    ----------
    columns
        Metrics.
    experiments
        Only these.
    bins
        For each experiment the rows that are shown in bins, too; by default no row is.
    baseline
        Whether the metrics of the campaign's baseline stand beside those of each row.
    """

    def shown(row: Mapping[str, Any]) -> bool:
        label = row["label"]
        within = experiments is None or label["experiment"] in experiments
        return within and ("bin" not in label or label["row"] in (bins or {}).get(label["experiment"], ()))

    kept = [row for row in rows if shown(row)]
    labels = [key for key in _LABELS if any(key in row["label"] for row in kept)]
    counts = [key for key in _COUNTS if any(row.get(key) for row in kept)]
    head = [*labels, *(_COUNTS[key] for key in counts)]
    titles = [f"{METRICS[key].short} {METRICS[key].arrow}" for key in columns]
    head += [*titles, *(f"baseline: {title}" for title in titles if baseline)]
    cells = [
        [row["label"].get(key, "all" if key == "bin" else "") for key in labels]
        + [f"{row[key]:,}" if row.get(key) else "–" for key in counts]
        + [_cell(key, row["metrics"], row["errors"]) for key in columns]
        + [_cell(key, row.get("baseline", {})) for key in columns if baseline]
        for row in kept
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *cells])


def _cell(key: str, values: Mapping[str, float], errors: Mapping[str, float] | None = None) -> str:
    value, error = values.get(key), (errors or {}).get(key)
    if value is None:
        return "–"
    text = METRICS[key].format(value)
    return text if error is None else f"{text} ± {METRICS[key].format(error)}"


def strange_numbers(text: str) -> list[str]:
    """Return the numbers with a decimal point in the page's prose that no record of their section holds.

    A section begins with "## ". A number may also be one that the recipes quote from elsewhere.
    """
    quoted = {str(number) for number in recipes().get("quoted", {})}
    found = []
    for section in re.split(r"(?m)^(?=## )", text):
        names = dict.fromkeys(match.group(2).split(" ")[0] for match in _BLOCK.finditer(section))
        values = [value for name in names for value in _numbers(stored(name))]
        prose = re.sub(r"(?s)```.*?```|`[^`]*`|\]\([^)]*\)", "", _BLOCK.sub("", section))
        for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)", prose):
            digits = len(number.partition(".")[2])
            near = any(abs(abs(value) - float(number)) <= 0.5001 * 10**-digits for value in values)
            if not near and number not in quoted:
                found.append(f"{section.splitlines()[0]}: {number}")
    return found


def _numbers(value: Any) -> Iterator[float]:
    """Yield every number of a record."""
    if isinstance(value, dict):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, str):
        yield from (float(number) for number in re.findall(r"\d+\.\d+", value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def main(arguments: Sequence[str]) -> None:
    """Run recipes, or write the page."""
    if arguments == ["--page"]:
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8")))
        return
    if arguments[:1] == ["--store"]:
        for name in arguments[1:]:
            store(name)
        return
    for name in arguments:
        run(name)


if __name__ == "__main__":
    main(sys.argv[1:])
