"""Surveys and splits of a campaign: made where they are absent, with the options that the file gives."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery import baselines
from rookery.campaigns.campaign import Campaign
from rookery.campaigns.document import ExperimentDocument, SurveyDocument
from rookery.campaigns.rows import Key
from rookery.documents import Source, dump
from rookery.reports.draw.pictures import simulate_and_draw
from rookery.signature import arguments
from rookery.surveys import Split, Survey, matching, open_split, open_survey, split_survey
from rookery.surveys.merge import merge_surveys
from rookery.surveys.readers import all_readers
from rookery.surveys.simulators import SIMULATORS
from rookery.surveys.train_on import TrainOn, training_rows
from rookery.training.rows import role_rows
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256, write_text

Say = Callable[[str], None]


@dataclass(frozen=True)
class ExperimentData:
    """What an experiment stands on."""

    survey: Survey
    split: Split
    """Where its networks learn."""
    test_survey: Survey
    """The survey of the test objects."""
    test_id: NDArray[np.str_]
    """Identifiers of the test objects that count, sorted."""
    predicts_elsewhere: bool
    """Whether they are not those of `split`, so that members do not predict them unasked."""
    out_of_fold: bool = False
    """Whether they are those of the split's folds, each judged by networks that did not train on it."""

    @property
    def folds(self) -> list[int | None]:
        """The folds that networks are trained for; None for a split with a validation role."""
        return [*range(self.split.n_folds)] or [None]

    def count(self, role: str) -> int:
        """Return the number of objects of a role."""
        return len(self.split.indices(role))

    def held(self, fold: int | None) -> NDArray[np.int64]:
        """Return the rows that judge networks of a fold: those that validate or test."""
        own = self.split.indices("validation") if fold is None else self.split.indices("train", fold)
        return np.union1d(own, self.split.indices("test"))

    def labelled(self, wanted: TrainOn | None) -> NDArray[np.int64]:
        """Return the rows of objects that train networks, of all folds together, or validate them."""
        train = self.split.indices("train")
        if wanted is not None:
            train = training_rows(self.survey, train, wanted, None)
        return np.union1d(train, self.split.indices("validation"))

    def training_size(self, wanted: TrainOn | None) -> int:
        """Return how many objects train a network, on average over the folds, or validate it."""
        sizes = []
        for fold in self.folds:
            validation = (
                self.split.indices("validation") if fold is None else self.split.indices("train", fold)
            )
            train = np.setdiff1d(self.split.indices("train"), validation)
            if wanted is not None:
                train = training_rows(self.survey, train, wanted, fold)
            # Objects of a fold are judged and do not train; those of an inner part count as training.
            sizes.append(len(train) + (len(validation) if fold is None else 0))
        return round(float(np.mean(sizes)))


def check_options(campaign: Campaign) -> None:
    """Hold every option of a survey, split or baseline against the function that takes it.

    No typo starts anything.
    """
    source, document = campaign.source, campaign.document
    above: list[str] = []
    for name, survey in document.surveys.items():
        for number, part in enumerate(survey.merge or ()):
            if part not in above:
                rule = f"must be a survey above ({', '.join(above) or 'there is none'}), but found {part!r}"
                raise source.error(("surveys", name, "merge", number), rule)
        above.append(name)
        if survey.path is None:
            given = ("surveys", "path", "out", "overwrite")
            known = _options(_maker(source, name, survey), *given)
            figure = {"figure": False} if survey.simulate else {}
            _check(source, ("surveys", name), survey.options, known | figure)
            split = survey.options.get("split")
            if survey.merge and isinstance(split, dict):
                known = _options(split_survey, "survey", "name", "overwrite")
                _check(source, ("surveys", name, "split"), split, known)
    for name, experiment in document.experiments.items():
        for key in ("split", "test_split"):
            split = getattr(experiment, key)
            if isinstance(split, dict):
                known = _options(split_survey, "survey", "name", "overwrite")
                _check(source, ("experiments", name, key), split, known)
    for position, row in enumerate(document.rows):
        if row.baseline is not None:
            known = dict.fromkeys(baselines.option_names(row.baseline), False)
            _check(source, ("rows", position, "options"), row.options, known)


def prepare(campaign: Campaign, folder: Path, say: Say) -> dict[str, ExperimentData]:
    """Make what is missing and return each experiment's data.

    Parameters
    ----------
    folder
        Where surveys are made, each under its name in the file.
    """
    document = campaign.document
    used = [name for e in document.experiments.values() for name in (e.survey, e.test_survey) if name]
    surveys = {name: _survey(campaign, name, folder, say) for name in dict.fromkeys(used)}
    return {
        name: _experiment_data(campaign, name, experiment, surveys)
        for name, experiment in document.experiments.items()
    }


def survey_folder(campaign: Campaign, name: str, folder: Path) -> Path:
    """Return where a survey of the campaign lies or will lie."""
    path = campaign.document.surveys[name].path
    return folder / name if path is None else Path(path)


def split_name(arguments: dict[str, Any]) -> str:
    """Return the name of the split that these arguments make; a file that they name counts by its content."""
    contents = {
        key: sha256(value) if isinstance(value, str) and Path(value).is_file() else value
        for key, value in arguments.items()
    }
    return f"campaign-{digest(contents)[:10]}"


def digest(values: Any) -> str:
    """Return the SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def _maker(source: Source, name: str, survey: SurveyDocument) -> Callable[..., Any]:
    """Return the simulator or reader that makes a survey, or what merges several."""
    if survey.merge is not None:
        return merge_surveys
    key, wanted = ("simulate", survey.simulate) if survey.simulate else ("ingest", survey.ingest)
    known: Mapping[str, Callable[..., Any]] = SIMULATORS if survey.simulate else all_readers()
    found = known.get(str(wanted).replace("_", "-"))
    if found is None:
        rule = f"must be one of {', '.join(known)}, but found {wanted!r}"
        raise source.error(("surveys", name, key), rule)
    return found


def _options(function: Callable[..., Any], *given: str) -> dict[str, bool]:
    """Return a function's arguments but for those given, and whether each is required."""
    return {one.name: one.required for one in arguments(function) if one.name not in given}


def _check(source: Source, place: Key, given: dict[str, Any], known: Mapping[str, bool]) -> None:
    for name in given:
        if name not in known:
            raise source.error((*place, name), f"is not a known key; those are {', '.join(known)}")
    for name, required in known.items():
        if required and name not in given:
            raise source.error(place, f"`{name}` is required")


def _survey(campaign: Campaign, name: str, folder: Path, say: Say) -> Survey:
    survey = campaign.document.surveys[name]
    path = survey_folder(campaign, name, folder)
    if survey.path is not None:
        return open_survey(path)
    made_by = folder / f"{name}.yaml"
    definition = survey.definition()
    parts = [_survey(campaign, part, folder, say) for part in survey.merge or ()]
    if parts:
        definition["checksums"] = [part.checksum for part in parts]
    if made_by.is_file() and path.exists() and (before := Source.read(made_by).data) != definition:
        rule = f"was made by {before}, but the campaign says {definition}"
        raise fail(path, f"{rule}: take another --surveys folder, or remove this one")
    if not path.exists():
        if survey.ingest is not None and survey.source is None:
            rule = f"needs the files to read: --set surveys.{name}.from=PATH, or --survey {name}=FOLDER"
            raise campaign.source.error(("surveys", name), rule)
        maker = _maker(campaign.source, name, survey)
        make = partial(simulate_and_draw, maker) if survey.simulate else maker
        say(f"{path}: {_told(survey)}")
        write_text(made_by, dump(definition))
        options = survey.options
        if isinstance(options.get("split"), dict):
            place: Key = ("surveys", name, "split")
            options["split"] = _split(campaign, place, parts[0], options["split"]).name
        sources = [survey.source] if survey.ingest is not None else []
        files = [[part.path for part in parts]] if parts else sources
        _call(campaign.source, ("surveys", name), maker.__name__, make, *files, path, **options)
    return open_survey(path)


def _told(survey: SurveyDocument) -> str:
    if survey.merge is not None:
        return f"merge {' '.join(survey.merge)}"
    return f"simulate {survey.simulate}" if survey.simulate else f"ingest {survey.ingest}"


def _experiment_data(
    campaign: Campaign, name: str, experiment: ExperimentDocument, surveys: dict[str, Survey]
) -> ExperimentData:
    survey = surveys[experiment.survey]
    split = _split(campaign, ("experiments", name, "split"), survey, experiment.split)
    if experiment.folds not in (None, split.n_folds):
        rule = f"split `{split.name}` has {split.n_folds} folds, but the file says {experiment.folds}"
        raise campaign.source.error(("experiments", name, "folds"), rule)
    networks = [campaign.family_of(row) for row in campaign.rows_of(experiment) if row.is_network]
    families = {family.name: family for family in (campaign.family, *networks)}
    for fold, family in product(range(split.n_folds) or (None,), families.values()):
        _, found = role_rows(survey, split.name, fold, campaign.target, family)
        if experiment.train_on is not None:
            training_rows(survey, found["train"], experiment.train_on, fold)
    test_survey, rows = survey, split.indices("test")
    out_of_fold = bool(split.n_folds) and experiment.test_survey is None and not len(rows)
    if out_of_fold:
        rows = split.indices("train")
    if experiment.test_survey is not None:
        test_survey = surveys[experiment.test_survey]
        rows = np.arange(len(test_survey))
    if experiment.test_split is not None:
        place: Key = ("experiments", name, "test_split")
        rows = _split(campaign, place, test_survey, experiment.test_split).indices("test")
    if experiment.test_where:
        rows = rows[matching(test_survey, experiment.test_where, "test_where")[rows]]
    defaults = campaign.document.defaults
    truth = campaign.target.truth_of(test_survey.objects[campaign.target.truth_column])
    rows = rows[pd.notna(truth)[rows]]
    if not len(rows):
        rule = f"{test_survey.path} has no test object of known truth"
        raise campaign.source.error(("experiments", name), rule)
    test_id = np.sort(test_survey.objects["object_id"].to_numpy(dtype=object)[rows].astype(str))
    if experiment.max_test is not None and experiment.max_test < len(test_id):
        generator = np.random.default_rng(defaults.seed)
        test_id = np.sort(generator.choice(test_id, experiment.max_test, replace=False))
    elsewhere = experiment.test_survey is not None
    return ExperimentData(survey, split, test_survey, test_id, elsewhere, out_of_fold)


def _split(campaign: Campaign, place: Key, survey: Survey, wanted: str | dict[str, Any]) -> Split:
    if isinstance(wanted, str):
        return open_split(survey, wanted)
    name = split_name(wanted)
    if not (survey.path / "splits" / f"{name}.parquet").is_file():
        _call(campaign.source, place, "split", split_survey, survey, name, **wanted)
    return open_split(survey, name)


def _call(source: Source, place: Key, verb: str, function: Any, *args: Any, **options: Any) -> None:
    """Make what the file asks for; a value of a wrong type is an error of the file."""
    try:
        function(*args, **options)
    except (TypeError, AttributeError) as error:
        raise source.error(place, f"has a value that `{verb}` cannot take ({error})") from error
