"""What the dashboard's pages take, in time and memory: `python benchmarks/dashboard.py [STUDIES TRIALS]`.

Makes 50 studies with 10,000 trials of 100 epochs together (random numbers, written straight into Optuna's
tables), serves them in a process of its own, and asks for pages as a browser does: the server's part alone.
`--running [MINUTES]` instead tells what ten open pages cost a search that runs (`dashboard_running.py`).
"""

import argparse
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dashboard_running
import optuna
import psutil

EPOCHS = 100
STUDY = """
family: photoz_mlp
space:
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {epochs: {value: 100}}
"""
SERVE = """
import sys
from rookery.dashboard import serve
serve(sys.argv[1:], port=0, announce=lambda url: print(url, flush=True))
"""
FLOAT = '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}'


def make_study(folder: Path, trials: int, seed: int) -> None:
    """Write a study of finished trials, and one that runs."""
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY)
    url = f"sqlite:///{folder}/study.db"
    optuna.create_study(storage=url, study_name="rookery")
    rng, began = random.Random(seed), datetime(2026, 1, 1)
    with sqlite3.connect(folder / "study.db") as database:
        for number in range(trials):
            one, start = number + 1, began + timedelta(minutes=number)
            state = "RUNNING" if number + 1 == trials else "PRUNED" if number % 3 == 2 else "COMPLETE"
            end = None if state == "RUNNING" else str(start + timedelta(minutes=30))
            database.execute(
                "INSERT INTO trials VALUES (?, ?, 1, ?, ?, ?)", (one, number, state, str(start), end)
            )
            point = [(one, f"parameter_{i}", rng.random(), FLOAT) for i in range(10)]
            insert = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
            database.executemany(insert + "VALUES (?,?,?,?)", point)
            level = point[0][2]
            steps = [(one, step, level + 3 / step + 0.02 * rng.gauss(0, 1)) for step in range(1, EPOCHS + 1)]
            insert = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
            database.executemany(insert + "intermediate_value_type) VALUES (?,?,?,'FINITE')", steps)
            if state != "RUNNING":
                insert = "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                database.execute(insert + "VALUES (?,0,?,'FINITE')", (one, steps[-1][2]))
                insert = "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
                database.execute(insert + "VALUES (?,'device_seconds','60.0')", (one,))


def add_epoch(folder: Path, trial: int) -> None:
    """Let the running trial tell one more epoch."""
    with sqlite3.connect(folder / "study.db") as database:
        insert = "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
        database.execute(insert + "intermediate_value_type) VALUES (?,101,0.5,'FINITE')", (trial,))


def ask(url: str, output: str, inputs: dict[str, Any], state: dict[str, Any]) -> tuple[float, Any, int]:
    """Ask for a callback's outputs; return seconds, answer and bytes."""
    with urllib.request.urlopen(f"{url}_dash-dependencies") as answer:
        (key,) = [one["output"] for one in json.load(answer) if output in one["output"]]

    def place(name: str) -> dict[str, Any]:
        identity, prop = name.rsplit(".", 1)
        return {"id": json.loads(identity) if identity.startswith("{") else identity, "property": prop}

    outputs = [place(one) for one in key.strip(".").split("...")]
    asked = {
        "output": key,
        "outputs": outputs,
        "changedPropIds": list(inputs),
        "inputs": [place(name) | {"value": value} for name, value in inputs.items()],
        "state": [place(name) | {"value": value} for name, value in state.items()],
    }
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}_dash-update-component", json.dumps(asked).encode(), headers)
    began = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        content = answer.read()
    seconds = time.perf_counter() - began
    return seconds, json.loads(content)["response"] if content else {}, len(content)


def page(url: str, path: str, search: str = "") -> tuple[float, Any, int]:
    """Ask for a page; return seconds, answer and bytes."""
    inputs = {"url.pathname": path, "url.search": search}
    return ask(url, "page.children", inputs, {"page-shown.data": None})


def overview(url: str, key: str, shown: tuple[str | None, str | None]) -> tuple[float, Any, int]:
    """Ask for the facts and figures of a study's overview; return seconds, versions and bytes."""
    tick, study = {"study-tick.n_intervals": 1}, {"study-key.data": key}
    facts, told, size = ask(url, "study-facts", tick, {**study, "study-shown.data": shown[0]})
    chosen = {f'{{"name":"{name}","type":"state"}}.value': "" for name in ("training", "column")}
    zoom = {"best-so-far.relayoutData": None, "learning-curves.relayoutData": None}
    state = {**study, "study-drawn.data": shown[1], **zoom}
    drawn, figures, more = ask(url, "learning-curves", {**tick, **chosen}, state)
    versions = [told.get("study-shown", {}).get("data"), figures.get("study-drawn", {}).get("data")]
    return facts + drawn, versions, size + more


def look(url: str, versions: list[Any]) -> list[Any]:
    """Ask for what the open overview of the study `x` asks for at a tick."""
    _, told, _ = overview(url, "x", (versions[0], versions[1]))
    return [new or old for new, old in zip(told, versions, strict=True)]


def main() -> None:
    """Make, serve, ask, and print a table."""
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("studies", type=int, nargs="?", default=50)
    told.add_argument("trials", type=int, nargs="?", default=10_000)
    told.add_argument("--running", type=float, nargs="?", const=4.0, metavar="MINUTES")
    given = told.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if given.running is not None:
        with tempfile.TemporaryDirectory() as folder:
            dashboard_running.run(Path(folder), given.running, look)
        return
    studies, trials = given.studies, given.trials
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        for seed in range(studies):
            make_study(runs / f"study-{seed:03d}", trials // studies, seed)
        make_study(runs / "large", trials, 99)
        server = subprocess.Popen([sys.executable, "-c", SERVE, str(runs)], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url, process = server.stdout.readline().strip(), psutil.Process(server.pid)
            measure(url, process, runs)
        finally:
            server.terminate()
            server.wait()


def measure(url: str, process: psutil.Process, runs: Path) -> None:
    """Ask for each page and print what it took."""
    rows: list[tuple[str, float, float, int]] = []

    def take(words: str, *asked: Callable[[], tuple[float, Any, int]]) -> Any:
        """Ask, note wall time, the server's own seconds of a processor, and size; return what came last."""
        before, seconds, size, told = sum(process.cpu_times()[:2]), 0.0, 0, None
        for one in asked:
            spent, told, more = one()
            seconds, size = seconds + spent, size + more
        rows.append((words, seconds, sum(process.cpu_times()[:2]) - before, size))
        return told

    take("fleet, the first time", lambda: page(url, "/"))
    take("fleet, again", lambda: page(url, "/"))
    for key in ("study-000", "large"):
        search = f"?at={key}"
        version = take(
            f"{key}: page and figures, the first time",
            lambda search=search: page(url, "/study", search),
            lambda key=key: overview(url, key, (None, None)),
        )
        take(f"{key}: nothing new", lambda key=key, known=version: overview(url, key, known))
        add_epoch(runs / key, _last(runs / key))
        take(f"{key}: one more epoch", lambda key=key, known=version: overview(url, key, known))
        take(
            f"{key}: table of networks", lambda search=search: page(url, "/study", f"{search}&view=networks")
        )
    print("| asked for | seconds | of a processor | kB |\n|---|---|---|---|")
    for words, seconds, spent, size in rows:
        print(f"| {words} | {seconds:.2f} | {spent:.2f} | {size / 1000:,.0f} |")
    print(f"\nserver: {process.memory_info().rss / 1e6:.0f} MB")


def _last(folder: Path) -> int:
    """Return the identity of the trial that runs."""
    with sqlite3.connect(folder / "study.db") as database:
        return int(database.execute("SELECT max(trial_id) FROM trials").fetchone()[0])


if __name__ == "__main__":
    main()
