"""What a trial does on a worker: train its members and report, under Ray Train or in its own Tune actor."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rookery.documents import Document
from rookery.search.faults import storage_fault
from rookery.training.job import TrainingJob
from rookery_ensembles.errors import InputError

logger = logging.getLogger(__name__)

STEP, VALUE = "rookery_step", "rookery_value"
"""Keys of what a trial reports after each epoch."""
FINISHED, FAILED, HALTED = "rookery_finished", "rookery_failed", "rookery_halted"
"""Key of a trial's last report: its value, its error's text, or why no trial can go on here."""
Send = Callable[[dict[str, Any]], None]


class TrialPlan(Document):
    """One trial as the driver hands it to a worker."""

    trial: int
    jobs: tuple[TrainingJob, ...]
    """One job per fold."""
    study: str
    """The study's folder."""
    in_worker_group: bool
    """Whether a Ray Train worker group trains, rather than the Tune actor itself."""
    cpus: float
    gpus: float


def run_trial(config: dict[str, Any]) -> None:
    """Ray Tune's entry point: run the plan found under ``config["plan"]``."""
    plan = TrialPlan.model_validate(config["plan"])
    if plan.in_worker_group:
        _run_in_worker_group(plan)
    else:
        import ray.tune

        run_plan(plan, ray.tune.report)


def _run_in_worker_group(plan: TrialPlan) -> None:
    """Start a Ray Train worker group of one worker and pass its reports on to Tune."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    resources = {"CPU": plan.cpus} | ({"GPU": plan.gpus} if plan.gpus else {})
    TorchTrainer(
        _worker_loop,
        train_loop_config={"plan": plan.model_dump(mode="json")},
        scaling_config=ScalingConfig(num_workers=1, use_gpu=plan.gpus > 0, resources_per_worker=resources),
        run_config=RunConfig(
            name=f"trial-{plan.trial:04d}",
            storage_path=str(Path(plan.study) / "train"),
            callbacks=[TuneReportCallback()],
            # A worker or node that dies is replaced and resumes; errors of ours never come this far.
            failure_config=FailureConfig(max_failures=3),
        ),
    ).fit()


def _worker_loop(config: dict[str, Any]) -> None:
    import ray.train

    run_plan(TrialPlan.model_validate(config["plan"]), ray.train.report)


def run_plan(plan: TrialPlan, send: Send) -> None:
    """Train every member of a trial; `send` gets a value per epoch and at last the trial's value.

    Any error of the training itself is sent as text and ends the trial alone: the worker lives on
    for the next one. Steps count epochs, each fold's from where the fold before could have ended, so
    that a step means the same in every trial.
    """
    import torch

    from rookery.networks.family import load_family
    from rookery.search.study import checkpoint, member_folder, trial_value
    from rookery.training.loop import Metrics, Progress
    from rookery.training.member import train_member

    torch.set_num_threads(max(1, int(plan.cpus)))
    study = Path(plan.study)
    cards = []
    try:
        for number, job in enumerate(plan.jobs):
            first = number * load_family(job.family).configure(job.configuration).epochs

            def report(metrics: Metrics, _: Progress, job: TrainingJob = job, first: int = first) -> None:
                epoch = int(metrics["epoch"])
                send({STEP: first + epoch, VALUE: metrics[job.objective], "fold": job.fold, "epoch": epoch})

            cards.append(
                train_member(job, member_folder(study, job.member), checkpoint(study, job.member), report)
            )
    except Exception as error:
        logger.exception("trial %d failed", plan.trial)
        # Bad input here is no fault of the configuration: the survey is gone or altered on this node.
        if storage_fault(error) or isinstance(error, InputError):
            send({HALTED: str(error)})
        else:
            send({FAILED: f"{type(error).__name__}: {error}\n{traceback.format_exc()}"})
        return
    send({FINISHED: trial_value(cards), "device_seconds": sum(card.device_seconds for card in cards)})
