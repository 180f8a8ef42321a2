"""Which networks and baselines a campaign needs, each once, whoever shares it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.document import ExperimentDocument
from rookery.campaigns.jobs import Starts, outputs, split_facts, training_job
from rookery.campaigns.prepare import ExperimentData, digest
from rookery.campaigns.rows import RowDocument
from rookery.documents import Document
from rookery.networks.configuration import configuration_hash
from rookery.search.storage.remote_folder import RemoteFolder
from rookery.training.card import CARD, CONFIG, WEIGHTS, read_card
from rookery.training.job import TrainingJob

VALIDATION, TEST = "predictions-validation.parquet", "predictions-test.parquet"


@dataclass(frozen=True)
class Folders:
    """Where a campaign keeps what it makes."""

    out: Path
    remote: RemoteFolder | None = None
    """Where it lives when it is at a URL; `out` is then its mirror on this machine."""

    @property
    def members(self) -> Path:
        """Finished networks."""
        return self.out / "members"

    @property
    def running(self) -> Path:
        """Progress of networks in training."""
        return self.out / "running"

    @property
    def failed(self) -> Path:
        """Errors of networks and baselines that failed."""
        return self.out / "failed"

    @property
    def predictions(self) -> Path:
        """Predictions of baselines, and of members for other surveys than their own."""
        return self.out / "predictions"

    @property
    def ensembles(self) -> Path:
        """Bundles of the ensemble rows."""
        return self.out / "ensembles"

    def elsewhere(self, member: str, data: ExperimentData) -> Path:
        """Return the file with a member's predictions for an experiment's test survey."""
        if not data.predicts_elsewhere:
            return self.members / member / TEST
        return self.predictions / f"{member}-{data.test_survey.checksum[:8]}.parquet"


class NetworkTask(Document):
    """One network as the driver hands it to a worker."""

    job: TrainingJob
    surveys: dict[str, str]
    """Prediction file to write, in the campaign's folder -> survey whose objects to predict, beside its own
    test objects."""
    size: int
    """Light curves that training sees, epochs times objects: what it costs, relative to others."""
    after: tuple[str, ...] = ()
    """Networks of the campaign of which the best one's weights are what this one starts from."""

    def is_finished(self, folders: Folders) -> bool:
        """Whether nothing is left to do."""
        return is_whole(folders.members / self.job.member) and all(
            (folders.out / name).is_file() for name in self.surveys
        )


@dataclass(frozen=True)
class BaselineTask:
    """One run of a classical method."""

    id: str
    baseline: str
    options: dict[str, Any]
    """Its name, that of the method, and the method's options."""
    survey: Path
    split: str
    train_on: dict[str, Any] | None
    """What it learns from and predicts; None where it trains on what the split says."""


def is_whole(member: Path) -> bool:
    """Whether a member's folder has all that a member must have."""
    return all((member / name).is_file() for name in (CARD, CONFIG, WEIGHTS, VALIDATION))


def network_tasks(
    campaign: Campaign, datasets: dict[str, ExperimentData], folders: Folders
) -> list[NetworkTask]:
    """Return every network once, the costliest first: the last ones to end shall be short."""
    tasks: dict[str, NetworkTask] = {}
    starts = Starts(campaign, datasets)
    for name, experiment, row in _network_rows(campaign):
        data = datasets[name]
        size = data.training_size(experiment.train_on)
        for seed, fold in product(campaign.seeds(experiment, row), data.folds):
            job = training_job(campaign, datasets, experiment, row, seed, fold)
            surveys = {}
            if data.predicts_elsewhere:
                out = folders.elsewhere(job.member, data).relative_to(folders.out)
                surveys[out.as_posix()] = str(data.test_survey.path.absolute())
            epochs = campaign.family_of(row).configure(job.configuration).epochs
            known = tasks.get(job.member)
            tasks[job.member] = NetworkTask(
                job=job,
                surveys={**(known.surveys if known else {}), **surveys},
                size=epochs * size,
                after=starts.members(experiment, row, seed, fold),
            )
    return sorted(tasks.values(), key=lambda task: -task.size)


def baseline_task(
    campaign: Campaign, data: ExperimentData, experiment: ExperimentDocument, row: RowDocument
) -> BaselineTask:
    """Return a baseline row's run."""
    assert row.baseline is not None
    defaults = campaign.document.defaults
    facts = {
        "baseline": row.baseline,
        "options": row.options,
        "survey": data.survey.checksum,
        "split": split_facts(data),
        "classes": outputs(campaign),
        "seed": defaults.seed,
    }
    train_on = experiment.train_on.model_dump(mode="json") if experiment.train_on is not None else None
    if train_on is not None:
        facts["train_on"] = train_on
    name = f"{row.baseline}-{digest(facts)[:12]}"
    return BaselineTask(name, row.baseline, row.options, data.survey.path, data.split.name, train_on)


def baseline_tasks(campaign: Campaign, datasets: dict[str, ExperimentData]) -> list[BaselineTask]:
    """Return every baseline run once."""
    tasks: dict[str, BaselineTask] = {}
    for name, experiment in campaign.document.experiments.items():
        for row in campaign.rows_of(experiment):
            if row.baseline is not None:
                task = baseline_task(campaign, datasets[name], experiment, row)
                tasks[task.id] = task
    return list(tasks.values())


def count_networks(campaign: Campaign) -> list[str]:
    """Return a digest of every network that the file asks for, alike where it is the same one."""
    return [network for e in campaign.document.experiments.values() for network in _distinct(campaign, e)]


@dataclass(frozen=True)
class Price:
    """What a device costs."""

    per_device_hour: float
    currency: str
    """Of an hour of a device."""


def describe_plan(
    campaign: Campaign,
    folders: Folders,
    seconds_per_network: float | None,
    concurrent: int | None = None,
    price: Price | None = None,
) -> str:
    """Say what the campaign takes, in words, without making anything.

    The seconds of a network are those given, else the mean measured over the finished members of
    `folders`, else those that the file states.
    """
    document = campaign.document
    networks = {name: _distinct(campaign, experiment) for name, experiment in document.experiments.items()}
    asked = sum(len(found) for found in networks.values())
    distinct = {network for found in networks.values() for network in found}
    baselines = sum(
        row.baseline is not None for e in document.experiments.values() for row in campaign.rows_of(e)
    )
    lines = [
        f"{document.name}: {len(document.experiments)} experiments x {len(document.rows)} rows, "
        f"{asked} networks ({len(distinct)} different, each trained once), {baselines} baselines"
    ]
    lines += [
        f"  {name}: {_parts(campaign, name)} = {len(found)} networks" for name, found in networks.items()
    ]
    cards = [read_card(path) for path in _finished(folders)]
    if cards:
        spent = sum(card.device_seconds for card in cards) / 3600
        lines.append(f"{len(cards)} networks are finished in {folders.members}, {spent:.3g} device-hours")
    measured = sum(card.device_seconds for card in cards) / len(cards) if cards else None
    stated = document.cost.seconds_per_network if document.cost else None
    for seconds, how in (
        (seconds_per_network, "as given"),
        (measured, "measured on the finished ones"),
        (stated, f"stated by the file: {document.cost.source}" if document.cost else ""),
    ):
        if seconds is not None:
            hours = seconds * len(distinct) / 3600
            at_once = f", {hours / concurrent:.3g} h with {concurrent} at once" if concurrent else ""
            lines.append(f"{hours:.3g} device-hours at {seconds:.3g} s a network ({how}){at_once}")
            price = price or _stated_price(campaign)
            if price is not None:
                cost = f"{hours * price.per_device_hour:,.2f} {price.currency}"
                lines.append(f"{cost} at {price.per_device_hour:g} {price.currency} a device-hour")
            return "\n".join(lines)
    return "\n".join([*lines, "device-hours: state the seconds of a network, --seconds-per-network"])


def _stated_price(campaign: Campaign) -> Price | None:
    cost = campaign.document.cost
    if cost is None or cost.price_per_device_hour is None:
        return None
    return Price(cost.price_per_device_hour, cost.currency)


def _distinct(campaign: Campaign, experiment: ExperimentDocument) -> list[str]:
    """Return a digest of each network of an experiment, alike where experiments share it."""
    rows = [row for row in campaign.rows_of(experiment) if row.is_network]
    return [
        digest([*_start_facts(campaign, experiment, row, seed), fold])
        for row in rows
        for seed, fold in product(campaign.seeds(experiment, row), range(campaign.n_folds(experiment) or 1))
    ]


def _start_facts(
    campaign: Campaign, experiment: ExperimentDocument, row: RowDocument, seed: int
) -> list[Any]:
    """Return what makes a random start of a row another one, as far as the file tells."""
    family = campaign.family_of(row)
    point = configuration_hash(family.name, family.configure(dict(campaign.configuration(experiment, row))))
    train_on = experiment.train_on.model_dump(mode="json") if experiment.train_on else None
    rule = campaign.epoch_rule(experiment, campaign.n_folds(experiment))
    if (begins := campaign.begins(experiment, row)) is not None:
        seeds = campaign.start_seeds(experiment, row, seed)
        start: Any = [campaign.takes_best(row), *(_start_facts(campaign, *begins, own) for own in seeds)]
    else:
        start = row.start_from
    return [experiment.survey, experiment.split, train_on, rule, point, seed, start]


def _parts(campaign: Campaign, name: str) -> str:
    """Say how an experiment's number of networks comes about."""
    experiment = campaign.document.experiments[name]
    members = [len(campaign.seeds(experiment, row)) for row in campaign.rows_of(experiment) if row.is_network]
    alike = f"{len(members)} rows x {members[0]} members" if len(set(members)) == 1 else None
    folds = campaign.n_folds(experiment)
    text = alike or f"members of {len(members)} rows ({' + '.join(map(str, members))})"
    return f"{folds} folds x {text}" if folds else text


def _finished(folders: Folders) -> Sequence[Path]:
    return [path for path in sorted(folders.members.glob("[!.]*")) if is_whole(path)]


def _network_rows(campaign: Campaign) -> Iterator[tuple[str, ExperimentDocument, RowDocument]]:
    for name, experiment in campaign.document.experiments.items():
        for row in campaign.rows_of(experiment):
            if row.is_network:
                yield name, experiment, row
