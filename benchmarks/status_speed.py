"""What `rookery status` takes on a study of many trials, against reading all of them through Optuna.

    python benchmarks/status_speed.py --trials 3000

Makes a study of trials with up to 60 epochs each: one half complete with a member's card each, four tenths
pruned, one tenth failed. `CPU s` is that of a process from its start, `MB` its largest resident memory.
`all trials` is what status did before it had queries of its own: `get_all_trials` of Optuna, and every card.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

DOCUMENT = """
family: pelican
split: {name: folds, digest: '', folds: 3}
space:
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {epochs: {value: 20}}
"""
BEFORE = """
import json, sys
from pathlib import Path
from rookery.search.storage.database import read_only_storage, study_url
folder = Path(sys.argv[1])
storage = read_only_storage(study_url(folder, None))
trials = storage.get_all_trials(storage.get_study_id_from_name("rookery"), deepcopy=False)
cards = [json.loads(card.read_text()) for card in folder.glob("members/*/card.json")]
print(len(trials), sum(len(trial.intermediate_values) for trial in trials), len(cards))
"""
AFTER = "import sys; from rookery.cli import main; sys.argv = ['rookery', 'status', sys.argv[1]]; main()"
MEASURED = """
import os, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)
"""


def make_study(folder: Path, trials: int) -> None:
    """Write a study as `rookery search` leaves it, without training anything."""
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.trial import TrialState

    from rookery.search.storage.database import open_database, study_url
    from rookery.search.storage.single_writer import SingleWriterStorage

    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(DOCUMENT)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_database(study_url(folder, None))
    study = optuna.create_study(study_name="rookery", storage=storage)
    one_writer, began = SingleWriterStorage(storage), datetime.now() - timedelta(hours=trials)
    with one_writer.together():
        for number in range(trials):
            kind = number % 10
            state = TrialState.COMPLETE if kind < 5 else TrialState.PRUNED if kind < 9 else TrialState.FAIL
            steps = 60 if state is TrialState.COMPLETE else 1 + number * 7 % 59
            attributes = {"device_seconds": 10.0 * steps}
            if state is TrialState.FAIL:
                attributes["error"] = (
                    f"ValueError: object {number} is bad\n" + "  a line of a traceback\n" * 20
                )
            template = optuna.trial.FrozenTrial(
                number=-1,
                trial_id=-1,
                state=state,
                value=0.5 + number * 7919 % 1000 / 1e4 if state is TrialState.COMPLETE else None,
                datetime_start=began + timedelta(hours=number),
                datetime_complete=began + timedelta(hours=number + 1),
                params={"learning_rate": 1e-3},
                distributions={"learning_rate": FloatDistribution(1e-4, 1e-1, log=True)},
                user_attrs=attributes,
                system_attrs={},
                intermediate_values={step: 1.0 / step for step in range(1, steps + 1)},
            )
            one_writer.create_new_trial(study._study_id, template)
            if state is TrialState.COMPLETE:
                member = folder / "members" / f"{number:04d}"
                member.mkdir(parents=True)
                history = [{"epoch": step, "validation_log_loss": 1.0 / step} for step in range(1, 61)]
                card = {"device_seconds": 10.0 * steps, "history": history}
                (member / "card.json").write_text(json.dumps(card))


def measure(code: str, folder: Path) -> tuple[float, float]:
    """Return CPU seconds and megabytes of a Python process."""
    command = [sys.executable, "-c", MEASURED, sys.executable, "-c", code, str(folder)]
    seconds, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=3000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "study"
        make_study(folder, arguments.trials)
        print(f"{arguments.trials} trials; {os.cpu_count()} x {platform.processor() or platform.machine()}")
        for name, code in (("all trials", BEFORE), ("status", AFTER)):
            seconds, megabytes = min(measure(code, folder) for _ in range(3))
            print(f"{name:>10} {seconds:6.2f} CPU s {megabytes:6.0f} MB")
        subprocess.run([sys.executable, "-c", AFTER, str(folder)], check=True)


if __name__ == "__main__":
    main()
