"""Surveys and splits of a campaign: made where they are absent, by the functions of the verbs."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rookery import surveys as surveys_package
from rookery.campaigns.document import ExperimentDocument, SurveyDocument
from rookery.campaigns.load import Campaign, Key
from rookery.documents import Source, dump
from rookery.surveys import Split, Survey, matching, open_split, open_survey
from rookery.surveys.readers import galaxies as galaxy_readers
from rookery.surveys.train_on import TrainOn, training_rows
from rookery.training.data import role_rows
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256, write_text

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ground:
    """What an experiment stands on.

    Attributes
    ----------
    survey, split
        Where its networks learn.
    test_survey
        The survey of the test objects.
    test_id
        Identifiers of the test objects that count, sorted.
    predicts_elsewhere
        Whether they are not those of `split`, so that members do not predict them unasked.
    out_of_fold
        Whether they are those of the split's folds, each judged by networks that did not train on it.
    """

    survey: Survey
    split: Split
    test_survey: Survey
    test_id: NDArray[np.str_]
    predicts_elsewhere: bool
    out_of_fold: bool = False

    @property
    def folds(self) -> list[int | None]:
        """The folds that networks are trained for; None for a split with a validation role."""
        return [*range(self.split.n_folds)] or [None]

    def count(self, role: str) -> int:
        """Return the number of objects of a role."""
        return len(self.split.indices(role))

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


def check_verbs(campaign: Campaign, verbs: Any) -> None:
    """Hold every argument of a verb against the function of that verb: no typo starts anything.

    Parameters
    ----------
    verbs
        Where the functions of the verbs are: :mod:`rookery.api`.
    """
    source, document = campaign.source, campaign.document
    taken: tuple[str, ...]
    for name, survey in document.surveys.items():
        if survey.path is None:
            verb, key = _verb(survey)
            known = [other for other in dir(verbs) if other.startswith(f"{key}_")]
            if verb not in known:
                rule = f"must be one of {', '.join(other.removeprefix(f'{key}_') for other in known)}"
                raise source.error(("surveys", name, key), f"{rule}, but found {getattr(survey, key)!r}")
            taken = ("out", "path") if survey.ingest else ("out",)
            _check_arguments(source, ("surveys", name), survey.options, getattr(verbs, verb), taken)
    for name, experiment in document.experiments.items():
        for key in ("split", "test_split"):
            split = getattr(experiment, key)
            if isinstance(split, dict):
                taken = ("survey", "name", "overwrite")
                _check_arguments(source, ("experiments", name, key), split, verbs.split, taken)
    for position, row in enumerate(document.rows):
        taken = ("name", "survey", "split", "out", "class_names", "seed", "train_on")
        _check_arguments(source, ("rows", position, "options"), row.options, verbs.baseline, taken)


def prepare(campaign: Campaign, folder: Path, verbs: Any, say: Say) -> dict[str, Ground]:
    """Make what is missing and return each experiment's ground.

    Parameters
    ----------
    folder
        Where surveys are made, each under its name in the file.
    """
    document = campaign.document
    used = [name for e in document.experiments.values() for name in (e.survey, e.test_survey) if name]
    surveys = {name: _survey(campaign, name, folder, verbs, say) for name in dict.fromkeys(used)}
    return {
        name: _ground(campaign, name, experiment, surveys, verbs)
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


def _verb(survey: SurveyDocument) -> tuple[str, str]:
    key = "simulate" if survey.simulate else "ingest"
    return f"{key}_{str(getattr(survey, key)).replace('-', '_')}", key


def _check_arguments(
    source: Source, place: Key, given: dict[str, Any], function: Any, taken: tuple[str, ...]
) -> None:
    keywords = keyword_arguments(function)
    known = [name for name in keywords if name not in taken]
    for name in given:
        if name not in known:
            raise source.error((*place, name), f"is not a known key; those are {', '.join(known)}")
    for name in known:
        if keywords[name] and name not in given:
            raise source.error(place, f"`{name}` is required")


def keyword_arguments(function: Any) -> dict[str, bool]:
    """Return a verb's arguments, and whether each is required; typed ``**options`` are spelled out."""
    known = {**vars(surveys_package), **vars(galaxy_readers), **function.__globals__}
    found: dict[str, bool] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (options,) = get_args(get_type_hints(function, known)[name])
            found |= dict.fromkeys(get_type_hints(options), False)
        else:
            found[name] = parameter.default is inspect.Parameter.empty
    return found


def _survey(campaign: Campaign, name: str, folder: Path, verbs: Any, say: Say) -> Survey:
    survey = campaign.document.surveys[name]
    path = survey_folder(campaign, name, folder)
    if survey.path is not None:
        return open_survey(path)
    made_by = folder / f"{name}.yaml"
    definition = survey.definition()
    if made_by.is_file() and path.exists() and (before := Source.read(made_by).data) != definition:
        rule = f"was made by {before}, but the campaign says {definition}"
        raise fail(path, f"{rule}: take another --surveys folder, or remove this one")
    if not path.exists():
        if survey.ingest is not None and survey.source is None:
            rule = f"needs the files to read: --set surveys.{name}.from=PATH, or --survey {name}=FOLDER"
            raise campaign.source.error(("surveys", name), rule)
        verb, key = _verb(survey)
        say(f"{path}: {key} {getattr(survey, key)}")
        write_text(made_by, dump(definition))
        files = [survey.source] if survey.ingest is not None else []
        _call(campaign.source, ("surveys", name), getattr(verbs, verb), *files, path, **survey.options)
    return open_survey(path)


def _ground(
    campaign: Campaign, name: str, experiment: ExperimentDocument, surveys: dict[str, Survey], verbs: Any
) -> Ground:
    survey = surveys[experiment.survey]
    split = _split(campaign, ("experiments", name, "split"), survey, experiment.split, verbs)
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
        rows = _split(campaign, place, test_survey, experiment.test_split, verbs).indices("test")
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
    return Ground(survey, split, test_survey, test_id, elsewhere, out_of_fold)


def _split(campaign: Campaign, place: Key, survey: Survey, wanted: str | dict[str, Any], verbs: Any) -> Split:
    if isinstance(wanted, str):
        return open_split(survey, wanted)
    name = split_name(wanted)
    if not (survey.path / "splits" / f"{name}.parquet").is_file():
        _call(campaign.source, place, verbs.split, survey.path, name, **wanted)
    return open_split(survey, name)


def _call(source: Source, place: Key, function: Any, *args: Any, **options: Any) -> None:
    """Call a verb's function; a value of another type than it takes is an error of the file."""
    try:
        function(*args, **options)
    except (TypeError, AttributeError) as error:
        raise source.error(place, f"has a value that `{function.__name__}` cannot take ({error})") from error
