"""A campaign file that was read and checked: its rows, families and configurations."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rookery.campaigns.document import CampaignDocument, ExperimentDocument
from rookery.campaigns.rows import Key, RowDocument, RowStart, Values, row_chain
from rookery.documents import Source
from rookery.networks.family import Family, load_family
from rookery.training.job import inner_part
from rookery.training.start import inherited
from rookery.training.target import chosen_target
from rookery_ensembles import Target
from rookery_ensembles.errors import InputError

if TYPE_CHECKING:
    from rookery.search.starting import Sources

Layer = tuple[Key, Values]
"""Some hyperparameters, and the key under which the file holds them."""


@dataclass(frozen=True)
class Campaign:
    """A campaign file that was read and checked."""

    source: Source
    document: CampaignDocument
    family: Family[Any]
    """The family of every row that names no other."""
    _sources: "dict[str, Sources]" = field(default_factory=dict)

    @property
    def target(self) -> Target:
        """What the networks' outputs mean: the classes of the file, or its bins of redshift."""
        defaults = self.document.defaults
        return chosen_target(self.family.prediction_kind, defaults.classes, defaults.bins)

    @property
    def columns(self) -> tuple[str, ...]:
        """Metrics that the table shows."""
        return self.document.table.columns or self.target.published

    def row(self, name: str) -> RowDocument:
        """Return the row called `name`."""
        return next(row for row in self.document.rows if row.name == name)

    def rows_of(self, experiment: ExperimentDocument) -> list[RowDocument]:
        """Return the rows of an experiment, in the file's order."""
        wanted = experiment.rows
        return [row for row in self.document.rows if wanted is None or row.name in wanted]

    def family_of(self, row: RowDocument) -> Family[Any]:
        """Return the family of a network row: its own, or that of the row it starts from."""
        named = row_chain(self.document.rows, row)[0].family
        return self.family if named is None else load_family(named)

    def configuration(self, experiment: ExperimentDocument, row: RowDocument) -> Values:
        """Return a network row's hyperparameters: see :meth:`layers`, of which the last counts most."""
        merged: Values = {}
        for _, values in self.layers(experiment, row):
            merged |= values
        return merged

    def layers(self, experiment: ExperimentDocument, row: RowDocument) -> list[Layer]:
        """Return where a network row's hyperparameters come from: defaults, the experiment, its rows.

        Defaults and experiments speak of the campaign's family, and not of a row's own.
        """
        rows = self.document.rows
        chain = row_chain(rows, row)
        shared: list[Layer] = [
            (("defaults", "configuration"), self.document.defaults.configuration),
            (("experiments", self.name_of(experiment), "configuration"), experiment.configuration),
        ]
        own: list[Layer] = [
            (("rows", rows.index(each), "add" if each.configuration is None else "configuration"), values)
            for each in chain
            if (values := each.configuration if each.add is None else each.add) is not None
        ]
        if chain[0].family is not None:
            shared.clear()
        if row.start_from is not None:
            shared.append((("rows", rows.index(row), "start_from"), self._inherited(experiment, row)))
        return shared + own

    def _inherited(self, experiment: ExperimentDocument, row: RowDocument) -> Values:
        """Return the hyperparameters that a row's networks share with those that they start from."""
        family = self.family_of(row)
        if (begins := self.begins(experiment, row)) is not None:
            theirs = family.configure(dict(self.configuration(*begins)))
            return inherited(theirs.model_dump(mode="json"), family)
        sources = self.sources(row)
        return {} if sources is None else sources.inherited(family)

    def row_start(self, row: RowDocument) -> RowStart | None:
        """Return the row of the campaign whose networks a row's networks start from; None for no such row."""
        start = row.start_from
        if isinstance(start, str):
            return RowStart(row=start) if start in [other.name for other in self.document.rows] else None
        return start

    def takes_best(self, row: RowDocument) -> bool:
        """Return whether all networks of a row start from the best one of another row."""
        start = self.row_start(row)
        return start is not None and start.take == "best"

    def begins(
        self, experiment: ExperimentDocument, row: RowDocument
    ) -> tuple[ExperimentDocument, RowDocument] | None:
        """Return the experiment and row that :meth:`row_start` names."""
        start = self.row_start(row)
        if start is None:
            return None
        there = experiment if start.experiment is None else self.document.experiments[start.experiment]
        return there, self.row(start.row)

    def start_seeds(self, experiment: ExperimentDocument, row: RowDocument, seed: int) -> list[int]:
        """Return the seeds of the networks that one of a row's may start from."""
        begins = self.begins(experiment, row)
        if begins is None:
            return []
        seeds = self.seeds(*begins)
        number = self.seeds(experiment, row).index(seed)
        return seeds if self.takes_best(row) else [seeds[number % len(seeds)]]

    def sources(self, row: RowDocument) -> "Sources | None":
        """Return the finished members that a row's networks start from; None where they start elsewhere."""
        start = row.start_from
        if not isinstance(start, str) or self.row_start(row) is not None:
            return None
        from rookery.search.starting import find_sources  # not above: it loads Optuna, and status needs none

        if start not in self._sources:
            try:
                self._sources[start] = find_sources(start, self.family_of(row))
            except InputError as error:
                key = ("rows", self.document.rows.index(row), "start_from")
                names = [other.name for other in self.document.rows if other.is_network]
                row_or = "" if Path(start).exists() else f"; nor is it a row ({', '.join(names)})"
                raise self.source.error(key, f"{error}{row_or}") from error
        return self._sources[start]

    def name_of(self, experiment: ExperimentDocument) -> str:
        """Return the name of an experiment."""
        return next(name for name, each in self.document.experiments.items() if each is experiment)

    def epoch_rule(self, experiment: ExperimentDocument, folds: int) -> dict[str, Any]:
        """Return a training job's `keep` and `inner_validation`."""
        defaults = self.document.defaults
        keep, part = experiment.keep or defaults.keep, experiment.inner_validation
        part = defaults.inner_validation if part is None else part
        return {"keep": keep, "inner_validation": inner_part(part, keep, folds)}

    def n_folds(self, experiment: ExperimentDocument) -> int:
        """Return the folds that the file asks of an experiment's split; 0 for none, or a split by name."""
        split = experiment.split
        folds = experiment.folds if isinstance(split, str) else split.get("folds", 0)
        return int(folds or 0)

    def seeds(self, experiment: ExperimentDocument, row: RowDocument) -> list[int]:
        """Return the seeds of a network row's members."""
        defaults = self.document.defaults
        number = row.members or experiment.members or defaults.members
        return [defaults.seed + member for member in range(number)]
