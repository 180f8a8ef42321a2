"""The training job of each network of a campaign, and the networks whose weights it starts from."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.document import ExperimentDocument
from rookery.campaigns.prepare import ExperimentData, digest
from rookery.campaigns.rows import RowDocument
from rookery.networks.configuration import configuration_hash
from rookery.surveys import Survey
from rookery.surveys.parts import shared_objects
from rookery.training.job import StartFrom, TrainingJob
from rookery.training.target import target_fields

Datasets = Mapping[str, ExperimentData]
"""The data of each experiment, by its name."""
_Place = tuple[ExperimentDocument, RowDocument]


def training_job(
    campaign: Campaign,
    datasets: Datasets,
    experiment: ExperimentDocument,
    row: RowDocument,
    seed: int,
    fold: int | None = None,
) -> TrainingJob:
    """Return the job of one network; its name is a digest of all that decides what it becomes.

    Without a fold, where the split has some, the name is that of the random start. The job of a network that
    starts from others of the campaign lacks its `start`: their weights are not known before they are trained.
    """
    defaults, data = campaign.document.defaults, datasets[campaign.name_of(experiment)]
    family, configuration = campaign.family_of(row), campaign.configuration(experiment, row)
    objective = {
        key: value
        for key, value in defaults.objective.model_dump().items()
        if key in TrainingJob.model_fields
    }
    facts = {
        "configuration": configuration_hash(family.name, family.configure(dict(configuration))),
        "survey": data.survey.checksum,
        "split": split_facts(data),
        "classes": outputs(campaign),
        "objective": defaults.objective.model_dump(mode="json"),
    }
    rule = campaign.epoch_rule(experiment, data.split.n_folds)
    facts |= {key: value for key, value in rule.items() if value != TrainingJob.model_fields[key].default}
    if experiment.train_on is not None:
        facts["train_on"] = experiment.train_on.model_dump(mode="json")
    start, started = _start(campaign, datasets, experiment, row, seed, fold)
    if started is not None:
        facts["start"] = started
    return TrainingJob(
        member=fold_name(f"{digest(facts)[:12]}-s{seed}", fold),
        family=family.name,
        configuration=dict(configuration),
        survey=str(data.survey.path.absolute()),
        survey_checksum=data.survey.checksum,
        split=data.split.name,
        fold=fold,
        train_on=experiment.train_on,
        start=start,
        compile=defaults.compile,
        # Members of one seed start alike in every fold.
        seed=seed,
        **rule,
        **target_fields(campaign.target),
        **objective,
    )


def _start(
    campaign: Campaign,
    datasets: Datasets,
    experiment: ExperimentDocument,
    row: RowDocument,
    seed: int,
    fold: int | None,
) -> tuple[StartFrom | None, Any]:
    """Return the finished member that a network starts from, and what a digest holds of the start.

    The digest is the same for every fold: it holds all that may be taken, of which a fold takes its own.
    """
    data = datasets[campaign.name_of(experiment)]
    if (begins := campaign.begins(experiment, row)) is not None:
        seeds = campaign.start_seeds(experiment, row, seed)
        names = [training_job(campaign, datasets, *begins, one).member for one in seeds]
        return None, ["best", *names] if campaign.takes_best(row) else names
    sources = campaign.sources(row)
    if sources is None:
        return None, None
    every = [card.weights for card in sources.cards]
    if fold is None and data.split.n_folds:
        return None, every
    from rookery.search.starting import choose_starts  # not above: it loads Optuna, and status needs none

    family, number = campaign.family_of(row), campaign.seeds(experiment, row).index(seed)
    what = sources, data.survey, data.split.name, [(fold, number)], campaign.target, family
    start = choose_starts(*what).members[0]
    return start, every if data.split.n_folds else start.weights


class Starts:
    """The networks of a campaign that others start from.

    Nobody starts from a network that may have learned from the objects that judge it. What a network may have
    learned from is every object of its survey but those that validate or test in its fold.
    """

    def __init__(self, campaign: Campaign, datasets: Datasets) -> None:
        self._campaign, self._datasets = campaign, datasets
        self._fit: dict[tuple[str, int | None, str], list[int | None]] = {}

    def members(
        self, experiment: ExperimentDocument, row: RowDocument, seed: int, fold: int | None
    ) -> tuple[str, ...]:
        """Return the names of the networks of which the best one is what a network starts from.

        Raises
        ------
        InputError
            When each of them may have seen objects that validate or test in the fold.
        """
        campaign = self._campaign
        begins = campaign.begins(experiment, row)
        if begins is None:
            return ()
        folds = self._folds(row, experiment, begins, fold)
        if not campaign.takes_best(row):
            folds = [fold if fold in folds else folds[(fold or 0) % len(folds)]]
        jobs = [
            training_job(campaign, self._datasets, *begins, one)
            for one in campaign.start_seeds(experiment, row, seed)
        ]
        return tuple(fold_name(job.member, own) for job, own in product(jobs, folds))

    def _folds(
        self, row: RowDocument, experiment: ExperimentDocument, begins: _Place, fold: int | None
    ) -> list[int | None]:
        """Return the folds of the source whose networks have not seen what judges a network of `fold`."""
        campaign = self._campaign
        names = campaign.name_of(experiment), campaign.name_of(begins[0])
        key = (names[0], fold, names[1])
        if key not in self._fit:
            data, source = (self._datasets[name] for name in names)
            seen = {own: _seen(data, fold, source, own) for own in source.folds}
            self._fit[key] = [own for own, number in seen.items() if not number]
            if not self._fit[key]:
                where = names[0] if fold is None else f"fold {fold} of {names[0]}"
                rule = f"`{begins[1].name}` of {names[1]} may have learned from objects that judge {where}"
                place = ("rows", campaign.document.rows.index(row), "start_from")
                raise campaign.source.error(place, f"{rule}: {min(seen.values())} of them")
        return self._fit[key]


def _seen(data: ExperimentData, fold: int | None, source: ExperimentData, own: int | None) -> int:
    """Return how many objects that judge a network of `data` one of the source may have learned from."""
    learned = np.setdiff1d(np.arange(len(source.survey)), source.held(own))
    return sum(
        int(shared_objects(survey, source.survey, learned)[rows].sum())
        for survey, rows in _judges(data, fold)
    )


def _judges(data: ExperimentData, fold: int | None) -> Iterator[tuple[Survey, NDArray[np.int64]]]:
    """Yield surveys and the rows of their objects that judge a network."""
    yield data.survey, data.held(fold)
    if data.predicts_elsewhere:
        ids = data.test_survey.objects["object_id"].to_numpy(dtype=object).astype(str)
        yield data.test_survey, np.flatnonzero(np.isin(ids, data.test_id))


def fold_name(start: str, fold: int | None) -> str:
    """Return the name of a random start's network for a fold; None for a validation role."""
    return start if fold is None else f"{start}-f{fold}"


def outputs(campaign: Campaign) -> Any:
    """Return what a digest holds of the outputs: the classes, or the bins of redshift."""
    return campaign.target.names or campaign.document.defaults.bins.model_dump()


def split_facts(data: ExperimentData) -> str:
    """Return a digest of who has which role, so that a split made anew under its name is another one."""
    split = data.split
    facts = [split.name, split.object_id.tolist(), split.role.tolist(), split.fold.tolist()]
    return digest(facts if split.group is None else [*facts, split.group.tolist()])
