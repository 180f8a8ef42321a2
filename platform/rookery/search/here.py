"""The trials of a queue one by one in this process: for small networks, and where Ray does not run."""

from itertools import count
from typing import Any

from rookery.search.trial_plan import FAILED, FINISHED, HALTED, KIND, SPENT, STEP, VALUE, TrialPlan
from rookery.search.trial_queue import Queue
from rookery.search.worker import run_plan


def run_here(queue: Queue[Any], cpus: float, gpus: float) -> None:
    """Train what a queue suggests until nothing is left, or none can go on.

    Parameters
    ----------
    queue
        Hears of every epoch and end, as it does from Ray; its word that a trial shall stop is not asked.
    cpus, gpus
        What a network may use.
    """
    for number in count():
        key = f"here-{number}"
        suggested = queue.suggest(key)
        if suggested is None:
            return
        where = {"study": str(queue.folder.absolute()), "in_worker_group": False, "cpus": cpus, "gpus": gpus}

        def send(row: dict[str, Any], key: str = key) -> None:
            if HALTED in row:
                queue.halt(key, row[HALTED])
            elif FINISHED in row or FAILED in row:
                queue.finish(key, value=row.get(FINISHED), error=row.get(FAILED), kind=row.get(KIND))
            else:
                spent = {column: float(row[name]) for name, column in SPENT.items() if name in row}
                queue.report(key, int(row[STEP]), float(row[VALUE]), spent)
                queue.heartbeat()

        run_plan(TrialPlan.model_validate(suggested | where), send)
