"""A study folder: what was asked (``study.yaml``), what is known (``study.db``), what was trained."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd
from pydantic import Field, field_validator, model_validator

from rookery.compute.lock import held
from rookery.compute.resources import Execution
from rookery.documents import Document, Source
from rookery.search.parameters import Scalar
from rookery.search.pruners import Pruner
from rookery.search.samplers import Sampler
from rookery.search.space import SearchSpace
from rookery.search.storage.remote_folder import RemoteFolder, is_url, open_remote_folder
from rookery.search.study_facts import STUDY_DOCUMENT, Training, member_name, trainings_of
from rookery.shift.options import ImportanceWeighting
from rookery.surveys.equal_bins import EqualBins
from rookery.training.card import Card, read_card
from rookery.training.epochs_file import epochs_file, stop_epochs
from rookery.training.job import Compile, KeptEpoch, StartFrom, check_compile
from rookery.training.target import make_target
from rookery_ensembles import Target
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sweep
from rookery_ensembles.shown import short_repr

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

logger = logging.getLogger(__name__)

OPTUNA_NAME = "rookery"
"""Name of the Optuna study in a SQLite file of its own."""

Aim = Literal["member", "ensemble"]
"""What is searched for."""


class SurveyReference(Document):
    """Which survey a study learns from."""

    path: str
    checksum: str
    """Its folder, and its checksum: the folder may move."""


class SplitReference(Document):
    """Which split of the survey, and the digest of its file."""

    name: str
    digest: str
    folds: int = Field(ge=0)
    """Number of folds; 0 for a split with a validation role."""


class EarlierTrial(Document):
    """A trial of an earlier study, as the new one understands it."""

    trial: int
    """Its number there."""
    point: dict[str, Scalar]
    """What the new space searches: names and values."""
    score: tuple[float, ...]
    """Normal score of its rank in each objective, in the objective's own direction."""


class EarlierStudy(Document):
    """An earlier study that a new one starts from."""

    study: str
    """Its folder or URL."""
    trials: tuple[EarlierTrial, ...] = Field(default=())
    """What was learned from it."""


class StartsFrom(Document):
    """The finished members that the networks of a study start from."""

    source: str
    """What was named when the study was made: a member, a study or a bundle."""
    members: tuple[StartFrom, ...]
    """One for each network of a trial, in the order of :meth:`Study.trainings`."""


class StudyDocument(Document):
    """What ``study.yaml`` says: everything that must stay the same while a study grows."""

    family: str
    survey: SurveyReference
    split: SplitReference
    class_names: tuple[str, ...] | None = Field(default=None, min_length=2)
    redshift_bins: EqualBins | None = None
    search_for: Aim = "member"
    """What a trial is worth to the sampler: its own objective, or what it adds to the ensemble of all."""
    starts: int = Field(default=1, ge=1, le=100)
    """Networks of each trial and fold, which differ by their random start; their PDFs are averaged."""
    keep: KeptEpoch = "best"
    """Which epoch gives a network's weights; with `last` nothing stops a network early but the pruner."""
    inner_validation: float | None = Field(default=None, gt=0, le=0.5)
    """Part of the training objects that chooses epochs and is a trial's value, instead of the validation
    objects, which then only judge; None for none."""
    sampler: Sampler = "tpe"
    sampler_options: dict[str, Scalar] = Field(default_factory=dict)
    """Arguments of Optuna's sampler."""
    pruner: Pruner = "percentile"
    pruner_options: dict[str, Scalar] = Field(default_factory=dict)
    """Arguments of Optuna's pruner."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    trial_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Device-minutes of a trial, shared evenly by its networks, each of which ends with the epoch in which
    its share is over and keeps what it has; None for no limit."""
    execution: Execution = "auto"
    """Where a network trains: `train` is a Ray Train worker group, `actor` the trial's own process,
    `pack` one that it shares with trials of the same architecture."""
    pack: int = Field(default=16, ge=1, le=1024)
    """With `execution` pack: at most so many trials of one architecture train as one program."""
    compile: Compile = "auto"
    """Whether torch compiles the steps of networks that train by themselves."""
    workers_per_network: int = Field(default=1, ge=1)
    """Processes that train a network together, each on its share of every batch."""
    deterministic: int | None = Field(default=None, ge=1)
    """At most so many trials at once, each proposed from those that ended so many before it: the study then
    depends on its seed alone."""
    storage: str | None = None
    """URL of the database, without its password; None for the SQLite file `study.db` of the folder."""
    storage_name: str = OPTUNA_NAME
    """Name of the Optuna study in the database, which may hold others."""
    space: SearchSpace
    """The search space as it was read."""
    warm_start: tuple[EarlierStudy, ...] = ()
    """Earlier studies, with what this one learned from them when it was made."""
    start_from: StartsFrom | None = None
    """Members that networks start from, chosen when the study was made; None for fresh weights."""

    @field_validator("class_names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f"classes must differ, but are {', '.join(names)}")
        return names

    @model_validator(mode="after")
    def _compiled_by_one(self) -> "StudyDocument":
        check_compile(self.compile, self.workers_per_network)
        return self

    @property
    def target(self) -> Target:
        """What the networks' outputs mean."""
        return make_target(self.class_names, self.redshift_bins)

    def trainings(self) -> list[Training]:
        """Return fold and start of each network of a trial; the fold is None for a validation role."""
        return trainings_of(self.split.folds, self.starts)


@short_repr
@dataclass(frozen=True)
class Study:
    """An opened study folder."""

    path: Path
    document: StudyDocument
    given_storage: str | None = None
    """URL of the database as it was given now, password included."""
    remote: RemoteFolder | None = None
    """Where the study lives when it is at a URL; `path` is then its mirror on this machine."""

    @property
    def url(self) -> "sqlalchemy.URL":
        """Where the Optuna study is."""
        from rookery.search.storage.database import study_url

        return study_url(self.path, self.document.storage, self.given_storage)

    @property
    def shared(self) -> bool:
        """Whether several drivers may work on the study at the same time."""
        return self.url.get_backend_name() != "sqlite"

    @property
    def space(self) -> SearchSpace:
        """What the study searches."""
        return self.document.space

    @property
    def members_folder(self) -> Path:
        """Where finished members lie."""
        return self.path / "members"

    @property
    def weights_file(self) -> Path:
        """Where the importance weights of the labelled objects lie, when the objective has any."""
        return self.path / "importance-weights.parquet"

    def importance_weights(self) -> dict[str, float] | None:
        """Return the labelled objects' importance weights by id, or None when the objective has none."""
        if not isinstance(self.space.objective.shift, ImportanceWeighting):
            return None
        try:
            table = pd.read_parquet(self.weights_file, columns=["object_id", "weight"])
        except (OSError, ValueError, KeyError) as error:
            rule = "cannot be read as the importance weights of the study"
            raise fail(self.weights_file, f"{rule} ({error}); `rookery search` writes them again") from error
        return dict(zip(table["object_id"].tolist(), table["weight"].tolist(), strict=True))

    def member_name(self, trial: int, fold: int | None, start: int = 0) -> str:
        """Return a member's name from its trial's number, its fold and its random start."""
        return member_name(trial, (fold, start), self.document.starts)

    def trainings(self) -> list[Training]:
        """Return fold and start of each network of a trial; the fold is None for a validation role."""
        return self.document.trainings()

    def finished(self, trial: int) -> list[Card] | None:
        """Return the cards of a trial's members, or None unless all are finished."""
        folders = [member_folder(self.path, self.member_name(trial, *each)) for each in self.trainings()]
        if self.remote is not None and not all(self.remote.fetch_member(folder.name) for folder in folders):
            return None
        if not all((folder / "card.json").is_file() for folder in folders):
            return None
        return [read_card(folder) for folder in folders]

    def complete_trials(self) -> dict[int, list[Card]]:
        """Return the cards of the members of every COMPLETE trial, by the trial's number."""
        found = {trial.number: self.finished(trial.number) for trial in self.complete_optuna_trials()}
        return {number: cards for number, cards in found.items() if cards is not None}

    def complete_optuna_trials(self) -> "list[optuna.trial.FrozenTrial]":
        """Return the COMPLETE trials as Optuna keeps them."""
        import optuna

        opened = self.reader()
        complete = (optuna.trial.TrialState.COMPLETE,)
        return [] if opened is None else opened.get_trials(deepcopy=False, states=complete)

    def reader(self) -> "optuna.Study | None":
        """Open the Optuna study so that nothing is written; None where no search has begun."""
        import optuna

        from rookery.search.storage.database import read_only_storage

        storage = read_only_storage(self.url)
        if storage is None:
            return None
        try:
            return optuna.load_study(study_name=self.document.storage_name, storage=storage)
        except KeyError:
            return None

    def sweep(self) -> None:
        """Remove what a killed worker left half written. Only the driver that holds the lock may."""
        for folder in (self.path, self.members_folder, self.path / "running"):
            sweep(folder, alone=True)

    def optuna_study(self, *, single_writer: bool = False) -> "optuna.Study":
        """Open the Optuna study, or create it; as its `single_writer` nobody else writes while it is open."""
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        from rookery.search.storage.database import open_database
        from rookery.search.storage.single_writer import SingleWriterStorage
        from rookery.search.storage.sqlite_file import make_or_mend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        url = self.url
        if not self.shared:
            make_or_mend(Path(url.database or ""), self.document.storage_name, self.space.directions)
        backend = open_database(url)
        storage = SingleWriterStorage(backend) if single_writer else backend
        try:
            return optuna.create_study(
                study_name=self.document.storage_name,
                storage=storage,
                directions=self.space.directions,
                load_if_exists=True,
            )
        except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            shown = url.database if not self.shared else url.render_as_string(hide_password=True)
            raise fail(str(shown), f"cannot be used as a database ({error.__cause__ or error})") from error


def member_folder(study: Path, member: str) -> Path:
    """Return where a study keeps a finished member."""
    return study / "members" / member


def checkpoint(study: Path, member: str) -> Path:
    """Return where a study keeps the progress of a member in training."""
    return study / "running" / f"{member}.safetensors"


def forget_checkpoint(study: Study, member: str) -> None:
    """Remove the progress of a member whose trial has ended; its epochs go to ``stopped/``."""
    path = checkpoint(study.path, member)
    path.unlink(missing_ok=True)
    stop_epochs(path)
    if study.remote is not None:
        for name in (path.name, epochs_file(path).name):
            study.remote.remove(f"running/{name}")


def trial_values(cards: list[Card], beside: Sequence[str] = ()) -> list[float]:
    """Return a trial's objectives: means over its networks, but for the device time of all together."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    found = [mean([card.value for card in cards])]
    for quantity in beside:
        if quantity == "device_seconds":
            found.append(sum(card.device_seconds for card in cards))
        elif quantity == "parameters":
            found.append(mean([float(card.parameters) for card in cards]))
        else:
            found.append(mean([card.metrics[quantity] for card in cards]))
    return found


def open_study(path: str | Path, storage: str | None = None) -> Study:
    """Open an existing study folder; raises `InputError` when it is none.

    `storage` is the URL of its database where that of ``study.yaml`` does not suffice.
    """
    remote = open_remote_folder(str(path)) if is_url(path) else None
    path = Path(path) if remote is None else remote.mirror
    if not (path / STUDY_DOCUMENT).is_file():
        raise fail(path, "is no study: it has no study.yaml (`rookery search` makes one)")
    return Study(path, Source.read(path / STUDY_DOCUMENT).validate(StudyDocument), storage, remote)


@contextmanager
def driver_lock(study: Study) -> Iterator[None]:
    """Hold the study for one driver; the operating system frees it however the driver ends.

    A study on PostgreSQL takes several at the same time: their trials have an owner each.
    """
    if study.shared:
        yield
        return
    with held(study.path, "another `rookery search` is running on this study"):
        yield
