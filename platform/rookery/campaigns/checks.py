"""What a campaign file must hold beyond its grammar: names that exist, rows that rest on others."""

from pydantic import ValidationError

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.document import CampaignDocument, ExperimentDocument
from rookery.campaigns.rows import Key, RowDocument, row_chain
from rookery.documents import Source, explain
from rookery_ensembles.errors import InputError, did_you_mean
from rookery_ensembles.recipe import looks_at_covariates


def check_rows(source: Source, document: CampaignDocument) -> None:
    """Every row has its own name, and those that it is made of train networks."""
    names = [row.name for row in document.rows]
    for position, row in enumerate(document.rows):
        if row.name in names[:position]:
            raise source.error(("rows", position, "name"), f"every row needs its own, but found {row.name!r}")
        if row.is_network:
            try:
                row_chain(document.rows, row)
            except InputError as error:
                raise source.error(("rows", position, "from" if row.start else "add"), str(error)) from error
        key, kinds = "ensemble_of", "a row that trains networks"
        able = [other.name for other in document.rows if other.is_network]
        if row.average_of is not None:
            key, kinds = "average_of", f"{kinds} or a baseline"
            able = [other.name for other in document.rows if other.is_network or other.baseline is not None]
        for number, member in enumerate(row.parts):
            if member not in able:
                rule = f"must be {kinds} ({', '.join(able)}), but found {member!r}"
                raise source.error(("rows", position, key, number), rule)


def check_experiments(source: Source, document: CampaignDocument) -> None:
    """Surveys and rows of experiments exist, and so do the rows that those are made of."""
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


def check_table(source: Source, document: CampaignDocument) -> None:
    """The table compares rows and experiments that exist."""
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


def check_starts(campaign: Campaign) -> None:
    """Refuse starts from what is no row of networks of the family, and starts in a circle."""
    experiments, source = campaign.document.experiments, campaign.source
    networks = {row.name: row for row in campaign.document.rows if row.is_network}
    for name, experiment in experiments.items():
        for row in campaign.rows_of(experiment):
            start = campaign.row_start(row)
            if start is None:
                continue
            place: Key = ("rows", campaign.document.rows.index(row), "start_from")
            if start.row not in networks:
                rule = f"must be a row that trains networks ({', '.join(networks)}), but found {start.row!r}"
                raise source.error((*place, "row"), f"{rule}{did_you_mean(start.row, networks)}")
            if start.experiment is not None and start.experiment not in experiments:
                rule = f"must be an experiment ({', '.join(experiments)}), but found {start.experiment!r}"
                raise source.error(
                    (*place, "experiment"), f"{rule}{did_you_mean(start.experiment, experiments)}"
                )
            there = start.experiment or name
            if networks[start.row] not in campaign.rows_of(experiments[there]):
                rule = f"`{row.name}` of {name} starts from `{start.row}`, which {there} does not have"
                raise source.error((*place, "row"), rule)
            wanted, found = campaign.family_of(row).name, campaign.family_of(networks[start.row]).name
            if wanted != found:
                rule = f"a network of `{wanted}` cannot start from one of `{found}`, as `{start.row}` is"
                raise source.error((*place, "row"), rule)
    for experiment in experiments.values():
        for row in campaign.rows_of(experiment):
            _check_circle(campaign, experiment, row)


def _check_circle(campaign: Campaign, experiment: ExperimentDocument, row: RowDocument) -> None:
    """Follow a row to the one that starts afresh."""
    way: list[tuple[ExperimentDocument, RowDocument]] = []
    place: Key = ("rows", campaign.document.rows.index(row), "start_from")
    begins: tuple[ExperimentDocument, RowDocument] | None = (experiment, row)
    while begins is not None:
        way.append(begins)
        begins = campaign.begins(*begins)
        if begins is not None and any(begins[0] is one and begins[1] is other for one, other in way):
            names = [f"{campaign.name_of(one)}/{other.name}" for one, other in [*way, begins]]
            raise campaign.source.error(place, f"starts from itself ({' <- '.join(names)})")


def check_answers(campaign: Campaign) -> None:
    """Refuse to remove the widest PDFs where there are none, and covariates that no ensemble looks at."""
    for position, row in enumerate(campaign.document.rows):
        if row.without_widest is not None and not campaign.target.has_pdfs:
            rule = "is about PDFs of redshift, but this campaign's networks predict classes"
            raise campaign.source.error(("rows", position, "without_widest"), rule)
        if row.correct_priors and campaign.target.has_pdfs:
            rule = "is about class probabilities, but this campaign's networks predict redshifts"
            raise campaign.source.error(("rows", position, "correct_priors"), rule)
        try:
            looks_at_covariates(row.by, row.calibration, campaign.target.kind, row.covariates)
        except InputError as error:
            key, _, rule = str(error).partition(": ")
            raise campaign.source.error(("rows", position, key), rule) from error


def check_configurations(campaign: Campaign) -> None:
    """Hold the hyperparameters of every network against its family's configuration."""
    for experiment in campaign.document.experiments.values():
        for row in campaign.rows_of(experiment):
            if row.is_network:
                _check_configuration(campaign, experiment, row)


def _check_configuration(campaign: Campaign, experiment: ExperimentDocument, row: RowDocument) -> None:
    """Check a row's hyperparameters, and before them those that it shares with the row it starts from."""
    if (begins := campaign.begins(experiment, row)) is not None:
        _check_configuration(campaign, *begins)
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
