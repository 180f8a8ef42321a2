"""The grammar of a campaign file: pure data, checked field by field. docs/campaigns.md explains every key."""

import math
from itertools import pairwise
from typing import Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from rookery.campaigns.rows import RowDocument, Values
from rookery.compute.resources import Execution
from rookery.documents import Document
from rookery.search.space import Objective
from rookery.surveys.equal_bins import EqualBins
from rookery.surveys.train_on import TrainOn
from rookery.training.job import Compile, KeptEpoch, check_compile
from rookery_ensembles import METRICS


class SurveyDocument(Document):
    """Where a survey comes from: exactly one of `path`, `simulate`, `ingest` and `merge`.

    Every other key is an option of that verb, by its name in :mod:`rookery.api`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    path: str | None = None
    """A survey store that exists."""
    simulate: str | None = None
    """What to simulate, for example `supernovae`."""
    ingest: str | None = None
    """The format to read, for example `snana`."""
    source: str | None = Field(default=None, alias="from")
    """The files to read; goes with `ingest`."""
    merge: tuple[str, ...] | None = Field(default=None, min_length=2)
    """Surveys of the campaign to put together (docs/readers.md), the one whose `split` goes along first; that
    may be the arguments of a split, which the experiments name by the same ones."""

    @model_validator(mode="after")
    def _one_origin(self) -> "SurveyDocument":
        keys = ("path", "simulate", "ingest", "merge")
        given = [key for key in keys if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of path, simulate, ingest and merge, but has {found}")
        if self.source is not None and self.ingest is None:
            raise ValueError("`from` goes with `ingest` alone")
        if self.path is not None and self.options:
            raise ValueError(f"a survey given by its path takes no {', '.join(self.options)}")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options of the verb that makes the survey."""
        return dict(self.__pydantic_extra__ or {})

    def definition(self) -> dict[str, Any]:
        """Return everything that decides what the survey becomes."""
        keys = {"path": self.path, "simulate": self.simulate, "ingest": self.ingest, "from": self.source}
        merged = {"merge": list(self.merge)} if self.merge else {}
        return {key: value for key, value in keys.items() if value is not None} | merged | self.options


class Defaults(Document):
    """What every experiment and row shares unless it says otherwise."""

    family: str
    """Family of networks."""
    classes: tuple[str, ...] = Field(default=("Ia", "non-Ia"), min_length=2)
    """Classes to tell apart, where the family does; `non-X` takes every other type."""
    bins: EqualBins = EqualBins()
    """Bins of redshift, where the family predicts redshifts."""
    positive: str = "Ia"
    """Class whose recall at fixed precision is reported."""
    members: int = Field(default=1, ge=1)
    """Networks of each row: the same configuration with the seeds `seed`, `seed` + 1, ..."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the first member, of baselines, and of the draw of `max_test` objects."""
    objective: Objective = Objective(metric="validation_log_loss", direction="minimize")
    """By which epoch's weights are kept."""
    keep: KeptEpoch = "best"
    """Which epoch's: the best, or the `last`; patience then stops nothing."""
    inner_validation: float | None = Field(default=None, ge=0, le=0.5)
    """Part of the training objects that chooses the epoch instead of those that judge; 0 for none, and by
    default 0.1 where folds judge and the best epoch is kept."""
    execution: Execution = "actor"
    """Where a network trains: `train` is a Ray Train worker group, `actor` a process that trains one after
    the other, `auto` a worker group where it takes a GPU or several workers, `pack` a process that trains
    networks of one row as one program."""
    pack: int = Field(default=16, ge=1, le=1024)
    """With `execution` pack: at most so many networks train as one program."""
    compile: Compile = "auto"
    """Whether torch compiles the steps of networks that train by themselves."""
    workers_per_network: int = Field(default=1, ge=1)
    """Processes that train a network together, each on its share of every batch."""
    configuration: Values = Field(default_factory=dict)
    """Hyperparameters of the family; its own defaults stand for those that are absent."""

    @model_validator(mode="after")
    def _check_classes(self) -> "Defaults":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must differ, but are {', '.join(self.classes)}")
        if self.positive not in self.classes:
            raise ValueError(
                f"positive must be one of {', '.join(self.classes)}, but found {self.positive!r}"
            )
        check_compile(self.compile, self.workers_per_network)
        return self


class ExperimentDocument(Document):
    """Who trains and who tests."""

    survey: str
    """A name under `surveys`: where the network learns."""
    split: str | dict[str, Any]
    """Arguments of `rookery split`, or the name of a split that the survey has."""
    folds: int | None = Field(default=None, ge=0)
    """Folds of a split given by its name, which the dry run counts without opening the survey."""
    test_survey: str | None = None
    """Another survey, whose objects are the test objects instead."""
    test_split: str | dict[str, Any] | None = None
    """A split of `test_survey`: only its test objects count; without it, every object of known type."""
    max_test: int | None = Field(default=None, ge=1)
    """Judge at most so many test objects, drawn at random."""
    test_where: tuple[str, ...] = ()
    """Judge only the test objects that meet these conditions, such as ``stripe82=1``."""
    train_on: TrainOn | None = None
    """Train only on some of the objects that could; validation and test objects stay."""
    keep: KeptEpoch | None = None
    """Which epoch's weights are kept here."""
    inner_validation: float | None = Field(default=None, ge=0, le=0.5)
    """Part of the training objects that chooses the epoch here."""
    configuration: Values = Field(default_factory=dict)
    """Hyperparameters of this experiment, over the defaults and under those of the rows."""
    members: int | None = Field(default=None, ge=1)
    """Members of each row here."""
    rows: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Only these rows."""

    @model_validator(mode="after")
    def _check_test(self) -> "ExperimentDocument":
        if self.test_split is not None and self.test_survey is None:
            raise ValueError("`test_split` goes with `test_survey` alone; `split` has its own test objects")
        return self


class Bins(Document):
    """Bins of one column of the test objects."""

    column: str
    """A column of the objects or of the truth table, for example `redshift`."""
    edges: tuple[float, ...] = Field(default=(), min_length=2)
    """Edges that increase; a value belongs to the bin [low, high)."""
    parts: int | None = Field(default=None, ge=2, le=20)
    """Instead of edges: so many bins of equally many of an experiment's test objects."""

    @field_validator("edges")
    @classmethod
    def _increase(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        for low, high in pairwise(edges):
            if not low < high:
                raise ValueError(f"edges must increase, but found {low:g}, {high:g}")
        return edges

    @model_validator(mode="after")
    def _one_kind(self) -> "Bins":
        if bool(self.edges) == (self.parts is not None):
            raise ValueError("needs one of `edges` and `parts`")
        return self


class TableDocument(Document):
    """What the table shows."""

    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Metrics, in the order of the columns; by default those that papers show of classes or redshifts."""
    baseline: str | None = None
    """A baseline row whose metrics stand in columns beside every other row's, as in the paper's tables."""
    bins: Bins | None = None
    """Judge also in bins of a column of the test objects."""
    differences: tuple[tuple[str, str], ...] = ()
    """Pairs of rows: the first minus the second, on the same objects, in each experiment that has both."""
    between: tuple[tuple[str, str], ...] = ()
    """Pairs of experiments that judge the same objects: each row of the first minus that of the second."""
    replicates: int = Field(default=200, ge=0)
    """Draws of the bootstrap over objects; 0 for no errors and no differences."""

    @model_validator(mode="after")
    def _drawn(self) -> "TableDocument":
        if self.replicates < 20 and (self.replicates or self.differences or self.between):
            rule = "`replicates` must be at least 20, or 0 without `differences` and `between`"
            raise ValueError(f"{rule}, but is {self.replicates}")
        return self

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in columns or ():
            if name not in METRICS:
                raise ValueError(f"must be metrics ({', '.join(METRICS)}), but found {name!r}")
        return columns


class PublishedRow(Document):
    """Numbers that others published for one of the experiments."""

    experiment: str
    training_size: int = Field(ge=1)
    test_size: int | None = Field(default=None, ge=1)
    metrics: dict[str, float]
    baseline: dict[str, float] = Field(default_factory=dict)
    """The same metrics of their baseline."""

    @field_validator("metrics", "baseline")
    @classmethod
    def _known(cls, values: dict[str, float]) -> dict[str, float]:
        for name, value in values.items():
            if name not in METRICS:
                raise ValueError(f"must be metrics ({', '.join(METRICS)}), but found {name!r}")
            if not math.isfinite(value):
                raise ValueError(f"`{name}` must be a finite number, but is {value}")
        return values


class PublishedDocument(Document):
    """Published numbers to stand beside ours."""

    name: str
    """What the rows are called."""
    source: str
    """Where the numbers are from."""
    rows: tuple[PublishedRow, ...] = Field(min_length=1)
    """The numbers, by experiment and row."""


class Cost(Document):
    """What a network costs, for the dry run."""

    seconds_per_network: float = Field(gt=0, allow_inf_nan=False)
    source: str
    """How that is known."""
    price_per_device_hour: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """What an hour of a device costs."""
    currency: str = "USD"
    """Of that price."""


class CampaignDocument(Document):
    """A validated campaign file."""

    name: str = Field(min_length=1)
    """Title of the table."""
    description: str = ""
    """One or two sentences under the table's title."""
    surveys: dict[str, SurveyDocument] = Field(min_length=1)
    """Where the data are from, by name."""
    defaults: Defaults
    """What all experiments share."""
    experiments: dict[str, ExperimentDocument] = Field(min_length=1)
    """Who trains and who tests, by name."""
    rows: tuple[RowDocument, ...] = Field(min_length=1)
    """Lines of comparison, in the table's order."""
    table: TableDocument = TableDocument()
    """What the table shows."""
    published: PublishedDocument | None = None
    """Published numbers to stand beside ours."""
    cost: Cost | None = None
    """What a network costs; for the dry run."""
