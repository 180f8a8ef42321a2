"""What a pack of trials does on a worker: train their members as one program, and report for each."""

import json
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from rookery.search.trial_plan import PARTS, SPENT, PackedTrial, TrialPlan, predict_surveys, words_of_error

if TYPE_CHECKING:
    from rookery.training.card import Card
    from rookery.training.members import MemberTask
    from rookery.training.progress import Metrics, Progress

logger = logging.getLogger(__name__)
Rows = list[dict[str, Any]]


class _Pack:
    """The trials of a pack, and what of them was not sent yet."""

    def __init__(self, plan: TrialPlan, send: Callable[[dict[str, Any]], None]) -> None:
        self.plan, self.place = plan, plan.place()
        self.left = list(plan.pack)
        self.cards: dict[str, list[Card]] = {trial.key: [] for trial in plan.pack}
        self._send, self._rows = send, list[dict[str, Any]]()

    def tell(self, trial: PackedTrial, **what: Any) -> None:
        """Add a row about a trial."""
        self._rows.append({"key": trial.key, **what})

    def end(self, trial: PackedTrial, **what: Any) -> None:
        """Add a trial's last row."""
        self.tell(trial, **what)
        self.left.remove(trial)

    def flush(self) -> None:
        """Send all rows in one report: each waits for the driver."""
        if self._rows:
            self._send({PARTS: json.dumps(self._rows)})
            self._rows = []

    def task(self, trial: PackedTrial, number: int) -> "MemberTask":
        """Return the training of a trial's fold or start of that number."""
        from rookery.networks.family import load_family
        from rookery.search.study import checkpoint, member_folder
        from rookery.training.members import MemberTask

        job, study = trial.jobs[number], self.place.mirror
        first = number * load_family(job.family).configure(job.configuration).epochs
        self.place.prepare(job.member)

        def report(metrics: "Metrics", progress: "Progress") -> None:
            epoch = int(metrics["epoch"])
            spent = {column: metrics[column] for column in SPENT.values() if column in metrics}
            self.place.publish_checkpoint(job.member)
            self.tell(trial, step=first + epoch, value=metrics[job.objective], spent=spent)

        def on_end(found: "Card | Exception | None") -> None:
            if found is None:
                self.end(trial)
            elif isinstance(found, Exception):
                self.end(trial, **words_of_error(self.plan, found))
            else:
                self.cards[trial.key].append(found)
                self.place.publish_member(job.member)

        return MemberTask(
            job, member_folder(study, job.member), checkpoint(study, job.member), report, on_end
        )


def run_pack(
    plan: TrialPlan,
    send: Callable[[dict[str, Any]], None],
    stopped: Callable[[], Collection[str]],
) -> None:
    """Train every member of a pack of trials, the same fold of all at once.

    `send` gets a report after each epoch: under `PARTS` a JSON list of rows, each with the `key` of a trial
    and `step`, `value` and `spent`; or its end, `values`, or `error` and `kind`, or neither where it was
    stopped; or `halted`, why no trial can go on here.

    Parameters
    ----------
    stopped
        Returns the keys of the trials that shall stop.
    """
    import torch

    from rookery.compute.faults import FOLDER_SECONDS, keep_trying, may_pass
    from rookery.compute.interruption import InterruptedTraining, leave
    from rookery.compute.memory import prepare_device
    from rookery.search.study import member_folder, trial_values
    from rookery.training.members import train_members

    torch.set_num_threads(max(1, int(plan.cpus)))
    pack = _Pack(plan, send)

    def stop() -> set[str]:
        pack.flush()
        keys = set(stopped())
        return {job.member for trial in plan.pack if trial.key in keys for job in trial.jobs}

    try:
        prepare_device(plan.gpus)
        for number in range(len(plan.pack[0].jobs)):

            def train(number: int = number) -> None:
                todo = [trial for trial in pack.left if len(pack.cards[trial.key]) == number]
                if todo:
                    tasks = [pack.task(trial, number) for trial in todo]
                    train_members(tasks, gpus=plan.gpus, on_round=stop)

            keep_trying(train, may_pass, str(pack.place.mirror), FOLDER_SECONDS)
        for trial in list(pack.left):
            cards = pack.cards[trial.key]
            member = member_folder(pack.place.mirror, trial.jobs[-1].member)
            predict_surveys(plan, trial.surveys, pack.place, member)
            pack.end(trial, values=trial_values(cards, plan.beside))
    except InterruptedTraining:
        for trial in pack.left:
            for job in trial.jobs:
                pack.place.publish_checkpoint(job.member, now=True)
        leave()
    except Exception as error:
        logger.exception("a pack of %d trials failed", len(plan.pack))
        words = words_of_error(plan, error)
        for trial in list(pack.left):
            pack.end(trial, **words)
    pack.flush()
