"""Rows of a campaign: what a line of comparison is, and which rows it stands on."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from rookery.documents import Document
from rookery.search.parameters import Scalar
from rookery_ensembles.errors import InputError
from rookery_ensembles.recipe import Combining

Values = dict[str, Scalar]
Key = tuple[str | int, ...]
"""Where something stands in a campaign file."""


class RowStart(Document):
    """Networks of the campaign whose weights a row's networks start from."""

    row: str
    """A row that trains networks of the same family."""
    experiment: str | None = None
    """The experiment that they are of; by default the same one."""
    take: Literal["each", "best"] = "each"
    """Each random start and fold takes its own, the next where there are fewer; or all take the one with the
    best value of the objective."""


def _start_kind(value: Any) -> str:
    """Tell a mapping from a word, so that a mistake in one is not told of the other."""
    return "a path" if isinstance(value, str) else "a row"


class RowDocument(Document):
    """One line of comparison: a baseline, a network of several seeds, an average or an ensemble of others."""

    name: str = Field(min_length=1)
    baseline: str | None = None
    """A classical method, for example `binned-trees`."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further options of the baseline, as `rookery baseline` has them."""
    configuration: Values | None = None
    """Hyperparameters over the defaults."""
    family: str | None = None
    """Another family of networks, which starts from its own defaults alone; goes with `configuration`."""
    add: Values | None = None
    """Hyperparameters over those of the row `from`, by default the network row above."""
    start: str | None = Field(default=None, alias="from")
    """The row that `add` starts from."""
    start_from: (
        Annotated[
            Annotated[str, Tag("a path")] | Annotated[RowStart, Tag("a row")], Discriminator(_start_kind)
        ]
        | None
    ) = None
    """Whose weights the networks start from: a row of the campaign, or a member, study or bundle
    (docs/transfer.md). The hyperparameters that they share with it stand above those of defaults and
    experiments, and below the row's."""
    ensemble_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Rows whose members are selected, averaged and calibrated on the validation objects."""
    by: Combining = "greedy"
    """How an ensemble's members are combined, as `rookery ensemble --by` does it. The published tables have
    greedy selection, and so have files that do not say."""
    calibration: str | None = None
    """Another calibration than that has, as `rookery ensemble --calibration`."""
    covariates: tuple[str, ...] = ()
    """Columns of the experiment's survey that weights and calibration look at, instead of the usual ones."""
    groups: str | None = None
    """A covariate whose thirds have conformal limits of their own in the bundle."""
    average_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Rows whose networks are averaged, all with the same weight and without a calibration. With baselines
    among them each row has the same weight, however many networks it has."""
    correct_priors: bool = False
    """Judge the row's class probabilities corrected for the class fractions that they tell of the test
    objects, each prediction by itself; see :mod:`rookery_ensembles.priors`."""
    without_widest: float | None = Field(default=None, gt=0, lt=1)
    """Judge without this part of the objects, those of the widest PDFs of redshift."""
    members: int | None = Field(default=None, ge=1)
    """Members of this row."""

    @model_validator(mode="after")
    def _one_kind(self) -> "RowDocument":
        kinds = ("baseline", "ensemble_of", "average_of", "configuration", "add")
        given = [key for key in kinds if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValueError(f"needs exactly one of {', '.join(kinds)}, but has {found}")
        if self.start is not None and self.add is None:
            raise ValueError("`from` goes with `add` alone")
        if self.family is not None and self.configuration is None:
            raise ValueError("`family` goes with `configuration` alone")
        if self.start_from is not None and not self.is_network:
            raise ValueError(f"`start_from` goes with networks alone, and this row is {given[0]}")
        if self.options and self.baseline is None:
            raise ValueError("`options` goes with `baseline` alone")
        for key in ("by", "calibration", "covariates", "groups"):
            if key in self.model_fields_set and self.ensemble_of is None:
                raise ValueError(f"`{key}` goes with `ensemble_of` alone")
        if self.members is not None and not self.is_network:
            raise ValueError(f"`members` goes with networks alone, and this row is {given[0]}")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """Rows that an ensemble or an average is made of."""
        return self.ensemble_of or self.average_of or ()

    @property
    def is_network(self) -> bool:
        """Whether the row trains networks."""
        return self.configuration is not None or self.add is not None


def row_chain(rows: Sequence[RowDocument], row: RowDocument) -> list[RowDocument]:
    """Return a network row behind those that it starts from, the earliest first.

    Raises
    ------
    InputError
        When a row starts from none, from one that trains no network, or in a circle.
    """
    chain = [row]
    while chain[0].configuration is None:
        start = _start(rows, rows.index(chain[0]))
        if start in chain:
            names = [*(each.name for each in reversed(chain)), start.name]
            raise InputError(f"starts from itself ({' <- '.join(names)})")
        chain.insert(0, start)
    return chain


def _start(rows: Sequence[RowDocument], position: int) -> RowDocument:
    row = rows[position]
    if row.start is None:
        above = [other for other in rows[:position] if other.is_network]
        if not above:
            raise InputError(f"`add` of `{row.name}` needs a network row above it, or `from`")
        return above[-1]
    networks = {other.name: other for other in rows if other.is_network}
    if row.start not in networks:
        raise InputError(f"`{row.start}` is no row that trains networks; those are {', '.join(networks)}")
    return networks[row.start]
