"""What a trial does on a worker: train its members and report, under Ray Train or in its own Tune actor."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rookery.compute.faults import FOLDER_SECONDS, keep_trying, may_pass
from rookery.search.trial_plan import (
    FAILED,
    FINISHED,
    HALTED,
    KIND,
    SPENT,
    STEP,
    VALUE,
    TrialPlan,
    predict_surveys,
    words_of_error,
)
from rookery.training.job import TrainingJob

if TYPE_CHECKING:
    from rookery.training.team import Team

logger = logging.getLogger(__name__)

Send = Callable[[dict[str, Any]], None]


class ListeningActor:
    """Mixed into the trial's Tune actor: it hears SIGTERM from its start, in its main thread."""

    def setup(self, config: dict[str, Any]) -> None:
        """Listen, then set up as Tune does."""
        from rookery.compute.interruption import listen

        listen()
        super().setup(config)  # type: ignore[misc]


def run_trial(config: dict[str, Any]) -> None:
    """Ray Tune's entry point: run the plan found under ``config["plan"]``."""
    from rookery.compute.memory import hide_gpus

    plan = TrialPlan.model_validate(config["plan"])
    if plan.in_worker_group or plan.gpus == 0:  # this process holds none, and Ray shows it all
        hide_gpus()
    if plan.in_worker_group:
        _run_in_worker_group(plan)
    else:
        import ray.tune

        if plan.pack:
            from rookery.search.pack_worker import run_pack
            from rookery.search.packs import stopped_trials

            run_pack(plan, ray.tune.report, partial(stopped_trials, plan.stops))
        else:
            run_plan(plan, ray.tune.report)


run_trial.__mixins__ = (ListeningActor,)  # type: ignore[attr-defined]


def _run_in_worker_group(plan: TrialPlan) -> None:
    """Let this actor's worker group train, and pass the reports of its first worker on to Tune."""
    import ray.tune
    from ray.train import ControllerError, WorkerGroupError

    from rookery.search.standing_group import run_in_standing_group
    from rookery.search.worker_group import device_error, own_error

    try:
        run_in_standing_group(plan, ray.tune.report, _work)
    except WorkerGroupError as group:
        text = own_error(group)
        if text is None:
            raise
        ray.tune.report({FAILED: text, KIND: text.splitlines()[0]})
    except ControllerError as group:
        reason = device_error(group)
        if reason is None:
            raise
        ray.tune.report({HALTED: reason})


def _work(config: dict[str, Any]) -> None:
    """Train what comes, in a worker of the group, until nothing comes any more."""
    import ray
    import ray.train

    from rookery.training.team import Team
    from rookery.training.trainee import StoppedTrainingError

    context, post = ray.train.get_context(), config["post"]
    team = Team(context.get_world_rank(), context.get_world_size())
    number = 0
    while (found := team.agree(ray.get(post.next.remote(number)) if team.leads else None)) is not None:
        number, plan = found

        def send(row: dict[str, Any], number: int = number) -> None:
            if team.agree(ray.get(post.say.remote(number, row)) if team.leads else None) and STEP in row:
                raise StoppedTrainingError

        run_plan(TrialPlan.model_validate(plan), send, team)


def run_plan(plan: TrialPlan, send: Send, team: "Team | None" = None) -> None:
    """Train every member of a trial; `send` gets a value per epoch and at last the trial's value.

    A process that was told to end does so here, once its checkpoint is saved. Any error of the training
    itself is sent as text and ends the trial alone: the worker lives on for the next one. Steps count
    epochs, each fold's from where the fold before could have ended, so that a step means the same in
    every trial.
    """
    import torch

    from rookery.compute.interruption import InterruptedTraining, leave
    from rookery.compute.memory import prepare_device
    from rookery.networks.family import load_family
    from rookery.search.study import checkpoint, member_folder, trial_values
    from rookery.training.member import train_member
    from rookery.training.progress import Metrics, Progress
    from rookery.training.team import ALONE
    from rookery.training.trainee import StoppedTrainingError

    team = team or ALONE
    torch.set_num_threads(max(1, int(plan.cpus)))
    place = plan.place()
    study = place.mirror
    cards = []
    member = ""
    try:
        prepare_device(plan.gpus)
        for number, job in enumerate(plan.jobs):
            first = number * load_family(job.family).configure(job.configuration).epochs

            def report(metrics: Metrics, _: Progress, job: TrainingJob = job, first: int = first) -> None:
                epoch = int(metrics["epoch"])
                # Tune flattens what is nested, so this is not.
                spent = {key: metrics[column] for key, column in SPENT.items() if column in metrics}
                value = metrics[job.objective]
                place.publish_checkpoint(job.member)
                send({STEP: first + epoch, VALUE: value, "fold": job.fold, "epoch": epoch, **spent})

            member = job.member
            places = member_folder(study, member), checkpoint(study, member)
            place.prepare(member)
            train = partial(train_member, job, *places, report, gpus=plan.gpus, team=team)
            # It resumes where its folder went away. Of a team, all would have to begin again.
            alone = team.size == 1
            cards.append(keep_trying(train, may_pass, str(study), FOLDER_SECONDS) if alone else train())
            place.publish_member(member)
        if team.leads:
            predict_surveys(plan, plan.surveys, place, member_folder(study, member))
    except InterruptedTraining:
        place.publish_checkpoint(member, now=True)
        leave()
    except StoppedTrainingError:
        logger.info("trial %d was stopped", plan.trial)
        return
    except Exception as error:
        if team.size > 1:  # the others of the team wait for this one: only its end frees them
            raise
        logger.exception("trial %d failed", plan.trial)
        send(_last_words(plan, error))
        return
    send(
        {
            FINISHED: trial_values(cards, plan.beside),
            "device_seconds": sum(card.device_seconds for card in cards),
        }
    )


def _last_words(plan: TrialPlan, error: Exception) -> dict[str, str]:
    """Return a trial's last report after an error."""
    names = {"halted": HALTED, "error": FAILED, "kind": KIND}
    return {names[name]: text for name, text in words_of_error(plan, error).items()}
