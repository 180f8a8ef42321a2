"""Read a campaign file: find it, apply what the command line sets, check every name in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rookery.campaigns.document import (
    CampaignDocument,
    ExperimentDocument,
    RowDocument,
    Values,
)
from rookery.documents import Source, explain
from rookery.networks.family import Family, load_family
from rookery.training.job import inner_part
from rookery.training.target import chosen_target
from rookery_ensembles import Target
from rookery_ensembles.errors import InputError, did_you_mean, fail
from rookery_ensembles.recipe import looks_at_covariates

if TYPE_CHECKING:
    from rookery.search.starting import Sources

Key = tuple[str | int, ...]
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
        if (sources := self.sources(row)) is not None:
            place: Key = ("rows", rows.index(row), "start_from")
            shared.append((place, sources.inherited(self.family_of(row))))
        return shared + own

    def sources(self, row: RowDocument) -> "Sources | None":
        """Return the members that a row's networks start from; None where they start afresh."""
        if row.start_from is None:
            return None
        from rookery.search.starting import find_sources  # not above: it loads Optuna, and status needs none

        if row.start_from not in self._sources:
            try:
                self._sources[row.start_from] = find_sources(row.start_from, self.family_of(row))
            except InputError as error:
                key = ("rows", self.document.rows.index(row), "start_from")
                raise self.source.error(key, str(error)) from error
        return self._sources[row.start_from]

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


def find_campaign(name_or_path: str | Path) -> Path:
    """Return the path of a campaign given as a file or as the name of one that ships.

    Raises `InputError` with the names that exist when there is neither.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    package = Path(__file__).resolve().parents[1]
    folders = [root / "search_spaces" / "campaigns" for root in (package, package.parents[1])]
    shipped = {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    if path.suffix in ("", ".yaml") and path.stem in shipped and path.parent.name in ("", "campaigns"):
        return shipped[path.stem]
    rule = f"is no campaign: neither a file nor one that ships ({', '.join(shipped) or 'none'})"
    raise fail(path, f"{rule}{did_you_mean(path.stem, shipped)}")


def load_campaign(
    path: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    survey_paths: Mapping[str, str | Path] | None = None,
) -> Campaign:
    """Read and check a campaign file.

    Parameters
    ----------
    path
        A file in the grammar of :mod:`rookery.campaigns.document`.
    settings
        Values to put in, by dotted key: ``{"surveys.spcc.from": "spcc.tar.xz"}``.
    survey_paths
        Existing survey stores to take instead of what the file says, by name.

    Raises
    ------
    InputError
        Names the file, the line, the key, the rule and the value found.
    """
    source = Source.read(path)
    for key, value in (settings or {}).items():
        _set(source, key, value)
    surveys = source.data.get("surveys")
    for name, folder in (survey_paths or {}).items():
        if not isinstance(surveys, dict) or name not in surveys:
            known = ", ".join(surveys) if isinstance(surveys, dict) else "none"
            raise fail(path, f"has no survey {name!r} to take from {folder}; its surveys are {known}")
        surveys[name] = {"path": str(folder)}
    document = source.validate(CampaignDocument)
    _check_rows(source, document)
    _check_experiments(source, document)
    _check_table(source, document)
    campaign = Campaign(source, document, load_known_family(source, document))
    _check_configurations(campaign)
    _check_answers(campaign)
    return campaign


def load_known_family(source: Source, document: CampaignDocument) -> Family[Any]:
    """Return the campaign's family; an unknown name, of a row too, is an error of the file.

    The rows of a table predict the same thing, so that no row's family may predict another.
    """
    named: list[tuple[Key, str]] = [(("defaults", "family"), document.defaults.family)]
    named += [(("rows", n, "family"), row.family) for n, row in enumerate(document.rows) if row.family]
    families = []
    for place, name in named:
        try:
            families.append(load_family(name))
        except InputError as error:
            raise source.error(place, str(error)) from error
        kind, wanted = families[-1].prediction_kind, families[0].prediction_kind
        if kind != wanted:
            rule = f"must predict {wanted} as `{families[0].name}` does, but `{name}` predicts {kind}"
            raise source.error(place, rule)
    return families[0]


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


def _set(source: Source, dotted: str, value: Any) -> None:
    """Put a value into the parsed file; only the last part of its key may be new."""
    *parents, last = dotted.split(".")
    place = source.data
    for part in parents:
        place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise fail(source.path, f"`{dotted}` cannot be set: there is no mapping `{part}` on its way")
    place[last] = value


def _check_rows(source: Source, document: CampaignDocument) -> None:
    names = [row.name for row in document.rows]
    for position, row in enumerate(document.rows):
        if row.name in names[:position]:
            raise source.error(("rows", position, "name"), f"every row needs its own, but found {row.name!r}")
        if row.is_network:
            try:
                row_chain(document.rows, row)
            except InputError as error:
                raise source.error(("rows", position, "from" if row.start else "add"), str(error)) from error
        networks = [other.name for other in document.rows if other.is_network]
        key = "ensemble_of" if row.ensemble_of else "average_of"
        for number, member in enumerate(row.parts):
            if member not in networks:
                rule = f"must be a row that trains networks ({', '.join(networks)}), but found {member!r}"
                raise source.error(("rows", position, key, number), rule)


def _check_experiments(source: Source, document: CampaignDocument) -> None:
    names = [row.name for row in document.rows]
    for name, experiment in document.experiments.items():
        place: Key = ("experiments", name)
        for key in ("survey", "test_survey"):
            survey = getattr(experiment, key)
            if survey is not None and survey not in document.surveys:
                known = ", ".join(document.surveys)
                raise source.error((*place, key), f"must be a survey ({known}), but found {survey!r}")
        for number, wanted in enumerate(experiment.rows or ()):
            if wanted not in names:
                rule = f"must be a row ({', '.join(names)}), but found {wanted!r}"
                raise source.error((*place, "rows", number), rule)
        for row in document.rows:
            if experiment.rows is not None and row.name not in experiment.rows:
                continue
            missing = [m for m in row.parts if experiment.rows and m not in experiment.rows]
            if missing:
                rule = f"`{row.name}` needs the rows {', '.join(missing)} too"
                raise source.error((*place, "rows"), rule)
            if row.baseline is not None and experiment.test_survey is not None:
                rule = f"baselines predict their own survey, so `rows` must leave `{row.name}` out here"
                raise source.error((*place, "test_survey"), rule)


def _check_table(source: Source, document: CampaignDocument) -> None:
    baselines = [row.name for row in document.rows if row.baseline is not None]
    if document.table.baseline is not None and document.table.baseline not in baselines:
        rule = f"must be a baseline row ({', '.join(baselines)}), but found {document.table.baseline!r}"
        raise source.error(("table", "baseline"), rule)
    for key, names in (
        ("differences", [r.name for r in document.rows]),
        ("between", [*document.experiments]),
    ):
        for number, pair in enumerate(getattr(document.table, key)):
            for side, name in enumerate(pair):
                if name not in names:
                    what = "a row" if key == "differences" else "an experiment"
                    rule = f"must be {what} ({', '.join(names)}), but found {name!r}"
                    raise source.error(("table", key, number, side), rule)
    for number, row in enumerate(document.published.rows if document.published else ()):
        if row.experiment not in document.experiments:
            known = ", ".join(document.experiments)
            rule = f"must be an experiment ({known}), but found {row.experiment!r}"
            raise source.error(("published", "rows", number, "experiment"), rule)


def _check_answers(campaign: Campaign) -> None:
    """Refuse to remove the widest PDFs where there are none, and covariates that no ensemble looks at."""
    for position, row in enumerate(campaign.document.rows):
        if row.without_widest is not None and not campaign.target.has_pdfs:
            rule = "is about PDFs of redshift, but this campaign's networks predict classes"
            raise campaign.source.error(("rows", position, "without_widest"), rule)
        try:
            looks_at_covariates(row.by, row.calibration, campaign.target.kind, row.covariates)
        except InputError as error:
            key, _, rule = str(error).partition(": ")
            raise campaign.source.error(("rows", position, key), rule) from error


def _check_configurations(campaign: Campaign) -> None:
    """Hold the hyperparameters of every network against its family's configuration."""
    for experiment in campaign.document.experiments.values():
        for row in campaign.rows_of(experiment):
            if not row.is_network:
                continue
            known = campaign.family_of(row).configuration
            try:
                known.model_validate(campaign.configuration(experiment, row))
            except ValidationError as error:
                problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
                layers = campaign.layers(experiment, row)
                guilty = str(problem["loc"][0]) if problem["loc"] else ""
                holders = [key for key, values in layers if guilty in values]
                place: Key = (*holders[-1], guilty) if holders else layers[-1][0]
                raise campaign.source.error(place, explain(problem, known)) from error
