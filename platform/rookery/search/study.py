"""A study folder: what was asked (``study.yaml``), what is known (``study.db``), what was trained."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import pandas as pd
from pydantic import Field, field_validator

from rookery.documents import Document, Source, build, dump
from rookery.networks.family import load_family
from rookery.search.home import WEIGHTS, Home, is_url, open_home
from rookery.search.lock import held
from rookery.search.parameters import Scalar
from rookery.search.pruners import Pruner, make_pruner
from rookery.search.samplers import Sampler, make_sampler
from rookery.search.space import SearchSpace
from rookery.search.warm_start import EarlierStudy, take_trials
from rookery.surveys import Survey, open_split
from rookery.surveys.redshift_bins import RedshiftBins
from rookery.surveys.shift import warn_if_few
from rookery.surveys.shift_options import ImportanceWeighting
from rookery.training.data import role_rows
from rookery.training.member import Card, read_card
from rookery.training.target import Target, make_target
from rookery.training.validation import check_shift, shift_weights
from rookery_ensembles.errors import InputError, fail
from rookery_ensembles.files import atomic_file, is_partial, sha256, write_new_text

if TYPE_CHECKING:
    import optuna
    import sqlalchemy

logger = logging.getLogger(__name__)

OPTUNA_NAME = "rookery"
"""Name of the Optuna study in a SQLite file of its own."""
Execution = Literal["auto", "train", "actor"]


class SurveyReference(Document):
    """Which survey a study learns from."""

    path: str
    checksum: str


class SplitReference(Document):
    """Which split of the survey, and the digest of its file."""

    name: str
    digest: str
    folds: int = Field(ge=0)
    """Number of folds; 0 for a split with a validation role."""


class StudyDocument(Document):
    """What ``study.yaml`` says: everything that must stay the same while a study grows."""

    family: str
    survey: SurveyReference
    split: SplitReference
    class_names: tuple[str, ...] | None = Field(default=None, min_length=2)
    redshift_bins: RedshiftBins | None = None
    starts: int = Field(default=1, ge=1, le=100)
    """Networks of each trial and fold, which differ by their random start; their PDFs are averaged."""
    sampler: Sampler
    sampler_options: dict[str, Scalar] = Field(default_factory=dict)
    """Arguments of Optuna's sampler."""
    pruner: Pruner
    pruner_options: dict[str, Scalar] = Field(default_factory=dict)
    """Arguments of Optuna's pruner."""
    seed: int = Field(ge=0, lt=2**31)
    execution: Execution
    """Where a network trains: `train` is a Ray Train worker group, `actor` the trial's own process."""
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

    @field_validator("class_names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f"classes must differ, but are {', '.join(names)}")
        return names

    @property
    def target(self) -> Target:
        """What the networks' outputs mean."""
        return make_target(self.class_names, self.redshift_bins)


@dataclass(frozen=True)
class Study:
    """An opened study folder."""

    path: Path
    document: StudyDocument
    given_storage: str | None = None
    """URL of the database as it was given now, password included."""
    home: Home | None = None
    """Where the study lives when it is at a URL; `path` is then its mirror on this machine."""

    @property
    def url(self) -> sqlalchemy.URL:
        """Where the Optuna study is."""
        from rookery.search.database import study_url

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
        name = f"{trial:04d}" if fold is None else f"{trial:04d}-f{fold}"
        return name if self.document.starts == 1 else f"{name}-s{start}"

    def trainings(self) -> list[tuple[int | None, int]]:
        """Return fold and start of each network of a trial; the fold is None for a validation role."""
        folds: list[int | None] = [*range(self.document.split.folds)] or [None]
        return [(fold, start) for start in range(self.document.starts) for fold in folds]

    def finished(self, trial: int) -> list[Card] | None:
        """Return the cards of a trial's members, or None unless all are finished."""
        folders = [member_folder(self.path, self.member_name(trial, *each)) for each in self.trainings()]
        if self.home is not None and not all(self.home.fetch_member(folder.name) for folder in folders):
            return None
        if not all((folder / "card.json").is_file() for folder in folders):
            return None
        return [read_card(folder) for folder in folders]

    def complete_trials(self) -> dict[int, list[Card]]:
        """Return the cards of the members of every COMPLETE trial, by the trial's number."""
        found = {trial.number: self.finished(trial.number) for trial in self.complete_optuna_trials()}
        return {number: cards for number, cards in found.items() if cards is not None}

    def complete_optuna_trials(self) -> list[optuna.trial.FrozenTrial]:
        """Return the COMPLETE trials as Optuna keeps them."""
        import optuna

        if not self.shared and not Path(self.url.database or "").is_file():
            return []
        return self.optuna_study().get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))

    def sweep(self) -> None:
        """Remove what a killed worker left half written. Only the driver that holds the lock may."""
        for folder in (self.members_folder, self.path / "running"):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if is_partial(entry):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def optuna_study(
        self, sampler: Any = None, pruner: Any = None, *, one_writer: bool = False
    ) -> optuna.Study:
        """Open the Optuna study, or create it.

        `sampler` and `pruner` are Optuna's own objects. With `one_writer` nobody else writes to it for as
        long as it is open.
        """
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        from rookery.search.database import open_database
        from rookery.search.one_writer import OneWriterStorage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        url = self.url
        backend = open_database(url)
        storage = OneWriterStorage(backend) if one_writer else backend
        try:
            return optuna.create_study(
                study_name=self.document.storage_name,
                storage=storage,
                sampler=sampler,
                pruner=pruner,
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
    """Remove the progress of a member whose trial has ended."""
    checkpoint(study.path, member).unlink(missing_ok=True)
    if study.home is not None:
        study.home.remove(f"running/{member}.safetensors")


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
    home = open_home(str(path)) if is_url(path) else None
    path = Path(path) if home is None else home.mirror
    if not (path / "study.yaml").is_file():
        raise fail(path, "is no study: it has no study.yaml (`rookery search` makes one)")
    return Study(path, Source.read(path / "study.yaml").validate(StudyDocument), storage, home)


def create_or_open_study(
    path: str | Path,
    space: SearchSpace,
    survey: Survey,
    split: str,
    *,
    class_names: tuple[str, ...] | None = None,
    redshift_bins: RedshiftBins | None = None,
    starts: int = 1,
    sampler: Sampler = "tpe",
    pruner: Pruner = "percentile",
    sampler_options: Mapping[str, Scalar] | None = None,
    pruner_options: Mapping[str, Scalar] | None = None,
    seed: int = 0,
    execution: Execution = "auto",
    workers_per_network: int = 1,
    storage: str | None = None,
    deterministic: int | None = None,
    warm_start: Sequence[str | Path] = (),
) -> Study:
    """Open the study at `path` to go on with it, or create it.

    `warm_start` are folders or URLs of earlier studies, read when the study is made and not again.

    Raises
    ------
    InputError
        When the family cannot learn from survey and split, or the folder holds a study of another
        survey, split, search space or settings: the message names the key and both values, and
        nothing is changed.
    """
    home = Home(str(path)) if is_url(path) else None
    path = Path(path) if home is None else home.mirror
    if home is not None:
        storage = check_home(home, storage, workers_per_network)
    kept = storage and _checked_storage(storage)
    if kept and deterministic is not None and not kept.startswith("sqlite"):
        raise fail(path, "`deterministic` needs a study of one driver, but PostgreSQL lets in several")
    opened = open_split(survey, split)
    split_file = survey.path / "splits" / f"{split}.parquet"
    values = {
        "family": space.family,
        "survey": {"path": str(survey.path.absolute()), "checksum": survey.checksum},
        "split": {"name": split, "digest": sha256(split_file), "folds": opened.n_folds},
        "class_names": class_names,
        "redshift_bins": redshift_bins,
        "starts": starts,
        "sampler": sampler,
        "sampler_options": dict(sampler_options or {}),
        "pruner": pruner,
        "pruner_options": dict(pruner_options or {}),
        "seed": seed,
        "execution": execution,
        "workers_per_network": workers_per_network,
        "deterministic": deterministic,
        "storage": kept,
        "storage_name": f"rookery-{uuid4().hex[:12]}" if kept else OPTUNA_NAME,
        "space": space,
        "warm_start": [{"study": _absolute(earlier)} for earlier in warm_start],
    }
    wanted = build(StudyDocument, values, path)
    family = load_family(wanted.family)
    _check_metric(wanted)
    make_sampler(wanted.sampler, wanted.seed, space, wanted.sampler_options)
    make_pruner(wanted.pruner, wanted.pruner_options)
    for fold in range(opened.n_folds) or (None,):
        role_rows(survey, split, fold, wanted.target, family)
    if space.objective.shift is not None:
        check_shift(survey, split, space.objective.shift)
    if home is not None:
        return _create_or_open_at(home, wanted, survey, storage)
    if (path / "study.yaml").is_file():
        return _continued(path, wanted, survey, storage)
    if path.exists() and not path.is_dir():
        raise fail(path, "is a file; a study needs a folder")
    if path.exists() and any(not is_partial(entry) for entry in path.iterdir()):
        raise fail(path, "is not empty and holds no study.yaml; a new study needs a folder of its own")
    wanted = _with_trials(wanted)
    if not write_new_text(path / "study.yaml", dump(wanted.model_dump(mode="json"))):
        return _continued(path, wanted, survey, storage)  # another driver was faster
    study = Study(path, wanted, storage)
    _write_weights(study, survey)
    return study


def _create_or_open_at(home: Home, wanted: StudyDocument, survey: Survey, storage: str | None) -> Study:
    """Open or create a study at a URL. Its mirror is made first, and study.yaml is put last."""
    if not home.fetch_document():
        assert storage is not None
        with home.turn(storage):
            if not home.fetch_document():  # else another driver was faster
                if names := [name for name in home.names() if name != WEIGHTS]:
                    rule = "holds no study.yaml, but is not empty"
                    raise fail(home.url, f"{rule} ({names[0]}); a new study needs a place of its own")
                wanted = _with_trials(wanted)
                study = Study(home.mirror, wanted, storage, home)
                _write_weights(study, survey)
                if study.weights_file.is_file():
                    home.put(study.weights_file.name, study.weights_file.read_bytes())
                text = dump(wanted.model_dump(mode="json"))
                home.put("study.yaml", text.encode())
                home.fetch_document()
                return study
    found = Source.read(home.mirror / "study.yaml").validate(StudyDocument)
    study = Study(home.mirror, found, storage, home)
    _refuse_other(study, wanted)
    return replace(study, document=found.model_copy(update={"survey": wanted.survey}))


def check_home(home: Home, storage: str | None, workers_per_network: int) -> str | None:
    """Return the URL of the database of a study at a URL, which a new one cannot do without.

    Raises
    ------
    InputError
        When the URL cannot be reached, the study is new and has no database, or networks train in groups.
    """
    from rookery.search.database import ENVIRONMENT

    home.check()
    if workers_per_network > 1:
        rule = "needs a study folder that every node sees, but this study is at"
        raise InputError(f"--workers-per-network {workers_per_network}: {rule} {home.url}")
    if storage is None and not home.fetch_document():
        storage = os.environ.get(ENVIRONMENT)
        if not storage:
            rule = "SQLite cannot lie on object storage; give --storage postgresql://user@host/name, or"
            what = "sqlite:////folder/study.db on this machine for one driver"
            raise fail(home.url, f"{rule} {what}")
    return storage


def _checked_storage(storage: str) -> str:
    """Return the URL of a database as study.yaml keeps it."""
    from rookery.search.database import parse_storage, without_password

    parse_storage(storage)
    return without_password(storage)


def _continued(path: Path, wanted: StudyDocument, survey: Survey, storage: str | None) -> Study:
    """Return the study that is there, to go on with it under the same terms."""
    study = open_study(path, storage)
    _refuse_other(study, wanted)
    _write_weights(study, survey)
    return Study(path, study.document.model_copy(update={"survey": wanted.survey}), storage)


def _absolute(study: str | Path) -> str:
    return str(study) if is_url(study) else str(Path(study).absolute())


def _with_trials(wanted: StudyDocument) -> StudyDocument:
    """Read what a new study shall learn from earlier ones."""
    family = load_family(wanted.family)
    earlier = tuple(
        take_trials(named.study, open_study(named.study), wanted.space, family) for named in wanted.warm_start
    )
    return wanted.model_copy(update={"warm_start": earlier})


def _check_metric(document: StudyDocument) -> None:
    space, target = document.space, document.target
    metric = space.objective.metric
    names = [f"validation_{name}" for name in target.metric_names]
    where = f"search space of `{document.family}`"
    for other in space.beside:
        if other.quantity.startswith("validation_") and other.quantity not in names:
            rule = f"`beside.quantity` of {target.kind} must be one of {', '.join(names)}"
            raise fail(where, f"{rule}, device_seconds or parameters, but is {other.quantity}")
    if len(set(space.objectives)) < len(space.objectives):
        raise fail(where, f"objectives must differ, but are {', '.join(space.objectives)}")
    if space.beside and document.pruner != "none":
        rule = "with several objectives no trial can be stopped early"
        raise fail(where, f"{rule}: `pruner` must be none, but is {document.pruner}")
    if document.warm_start and document.sampler == "grid":
        raise fail(where, "`sampler` grid tries every point: it cannot be warm-started")
    if space.beside and document.sampler == "cmaes":
        raise fail(where, "`sampler` cmaes knows one objective alone, but there are several")
    if metric not in names:
        rule = f"`objective.metric` of {target.kind} must be one of {', '.join(names)}"
        raise fail(where, f"{rule}, but is {metric}")


def _write_weights(study: Study, survey: Survey) -> None:
    """Write the importance weights of all labelled objects, where the objective has any, for the ensemble."""
    shift = study.space.objective.shift
    if not isinstance(shift, ImportanceWeighting) or study.weights_file.is_file():
        return
    name = study.document.split.name
    split = open_split(survey, name)
    weights = shift_weights(survey, name, shift)
    judged = "train" if split.n_folds else "validation"
    effective = warn_if_few(weights.of(split.indices(judged)), f"{study.path}, validation objects")
    logger.info("%s: %.0f effective validation objects", study.path, effective)
    columns = {
        "object_id": survey.objects["object_id"].to_numpy()[weights.rows],
        "role": split.role[weights.rows],
        "weight": weights.weight,
    }
    with atomic_file(study.weights_file) as partial:
        pd.DataFrame(columns).to_parquet(partial, index=False)


def _refuse_other(study: Study, wanted: StudyDocument) -> None:
    """Refuse to go on with a study under other terms. The survey's folder may have moved."""
    old, new = study.document, wanted
    where = study.path / "study.yaml"
    if old.survey.checksum != new.survey.checksum:
        raise fail(
            where,
            f"`survey.checksum`: the study belongs to another survey ({old.survey.path}, checksum "
            f"{old.survey.checksum[:12]}), not to {new.survey.path} (checksum {new.survey.checksum[:12]})",
        )
    if old.split != new.split:
        raise fail(where, f"`split`: the study was made with {old.split}, not with {new.split}")
    told = {"survey", "split", "storage_name", "warm_start"}
    before, now = ([named.study for named in document.warm_start] for document in (old, new))
    if before != now:
        raise fail(where, f"`warm_start`: the study was made with {before}, not with {now}")
    if new.storage is None:  # as study.yaml or the environment says
        told.add("storage")
    for key in (name for name in StudyDocument.model_fields if name not in told):
        before, now = getattr(old, key), getattr(new, key)
        if before != now and key == "space":
            changes = _changes(old.space, new.space)
            raise fail(where, f"`space`: the study was made with another search space ({changes})")
        if before != now:
            raise fail(where, f"`{key}`: the study was made with {before!r}, not with {now!r}")


def _changes(before: SearchSpace, now: SearchSpace) -> str:
    """Name what differs between two search spaces."""
    old, new = before.parameters, now.parameters
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    keys = ("objective", "beside", "constraints", "published")
    names += [key for key in keys if getattr(before, key) != getattr(now, key)]
    return f"changed: {', '.join(names)}"


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
