"""Share of time in which two workers of a search are busy: worker_busy.py [TRIALS] [SECONDS].

The real path of `rookery search` (see search_speed.py); a trial sleeps SECONDS, by default 30, and reports.
Busy is that sleep alone, over the time from the first trial's start to the last one's end.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import search_speed

from rookery.search.study import open_study


def main(trials: int = 8, seconds: float = 30.0) -> None:
    """Run the search and print the share."""

    def sleep(config: dict[str, Any]) -> None:
        import ray.tune

        from rookery.search.trial_plan import FINISHED, STEP, VALUE

        time.sleep(seconds)
        ray.tune.report({STEP: 1, VALUE: 1.0})
        ray.tune.report({FINISHED: 1.0})

    search_speed._nothing = sleep
    with tempfile.TemporaryDirectory(prefix="rookery-bench-") as scratch:
        search_speed.rookery(Path(scratch), trials, "random", search_speed.Times())
        found = open_study(Path(scratch) / "study").optuna_study().get_trials(deepcopy=False)
    spans = [(t.datetime_start, t.datetime_complete) for t in found if t.datetime_start]
    begun = min(start for start, _ in spans)
    span = (max(end for _, end in spans if end) - begun).total_seconds()
    print(f"{len(found)} trials of {seconds:g} s, 2 at once: busy {50 * len(found) * seconds / span:.1f} %")


if __name__ == "__main__":
    main(*[kind(value) for kind, value in zip((int, float), sys.argv[1:], strict=False)])
