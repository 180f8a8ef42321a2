"""What a trial trains: a job for every fold and random start."""

from typing import Any

from rookery.search.study import Study
from rookery.training.job import TrainingJob
from rookery.training.target import target_fields


def trial_jobs(study: Study, trial: int, values: dict[str, Any]) -> list[TrainingJob]:
    """Return the jobs of the trial with this number and configuration."""
    document, objective = study.document, study.space.objective
    begun = document.start_from
    minutes, n_networks = document.trial_minutes, len(study.trainings())
    # What timed steps say is not the seed's.
    chosen = "never" if document.deterministic and document.compile == "auto" else document.compile
    starts = [None] * n_networks if begun is None else begun.members
    return [
        TrainingJob(
            member=study.member_name(trial, fold, start),
            family=document.family,
            configuration=values,
            survey=document.survey.path,
            survey_checksum=document.survey.checksum,
            split=document.split.name,
            fold=fold,
            **target_fields(document.target),
            metric=objective.metric,
            direction=objective.direction,
            shift=objective.shift,
            keep=document.keep,
            inner_validation=document.inner_validation,
            start=start_from,
            compile=chosen,
            most_seconds=None if minutes is None else 60 * minutes / n_networks,
            # Folds of one start share nothing but the configuration; start 0 is as it always was.
            seed=document.seed * 1_000_003 + trial * 101 + (fold or 0) + 50_021 * start,
        )
        for (fold, start), start_from in zip(study.trainings(), starts, strict=True)
    ]
