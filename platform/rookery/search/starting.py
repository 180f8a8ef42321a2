"""Where the networks of a search start: members of a study or a bundle, or one member.

A network never starts from one that saw the objects which judge it. Of another survey that is no question. Of
the same survey (or one that was merged into it) a source serves a fold if it has held out, as its files of
predictions tell, every object that validates or tests there: each fold then starts from its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rookery.documents import Source
from rookery.networks.configuration import TrainingConfiguration
from rookery.networks.family import Family, load_family
from rookery.search.parameters import CategoricalParameter, FixedParameter, Scalar
from rookery.search.space import SearchSpace, find_space, load_space
from rookery.search.storage.remote_folder import is_url
from rookery.search.study import StartsFrom, Study, member_folder, open_study, trial_values
from rookery.surveys import Survey
from rookery.surveys.parts import spellings, survey_parts
from rookery.training.card import CARD, CONFIG, Card
from rookery.training.job import StartFrom
from rookery.training.rows import role_rows
from rookery.training.start import check_source, fresh_of, inherited
from rookery_ensembles import Target, load_bundle
from rookery_ensembles.errors import fail
from rookery_ensembles.predictions import read_predictions


@dataclass(frozen=True)
class Sources:
    """Members that networks may start from, the best one first; all have one configuration."""

    given: str
    """What was named: a member, a study or a bundle."""
    folders: tuple[Path, ...]
    cards: tuple[Card, ...]
    configuration: TrainingConfiguration
    """Of all of them."""

    def inherited(self, family: Family[Any]) -> dict[str, Scalar]:
        """Return the hyperparameters that networks which start here share with them."""
        return inherited(self.configuration.model_dump(mode="json"), family)


def searched_space(
    space: str | Path, fixed: Mapping[str, Any], study: str | Path, start_from: str | Path | None
) -> tuple[SearchSpace, Sources | None]:
    """Return the space that a study searches, a file or one that ships, and what its networks start from.

    Parameters
    ----------
    fixed
        Values of parameters that are not searched.
    study
        Where the study is or will be.
    start_from
        A member, study or bundle; None for fresh weights.

    Raises
    ------
    InputError
        When the space or a value breaks a rule, or nothing can start there.
    """
    path = find_space(space)
    family = load_family(load_space(path).family)
    loaded = load_space(path, family.configuration).fix(dict(fixed), family.configuration)
    if start_from is None:
        return loaded, None
    sources = kept_sources(study, start_from, family) or find_sources(start_from, family)
    return starting_space(loaded, sources, family, list(fixed)), sources


def find_sources(given: str | Path, family: Family[Any]) -> Sources:
    """Find the members to start from: the one, those of a study's best trial, or those of a bundle.

    Of a bundle they are the ones that have the configuration of its heaviest member, by weight.

    Raises
    ------
    InputError
        When there is none, or one is of another family, altered or gone.
    """
    if is_url(given):
        raise fail(str(given), "must be a folder that every node sees: copy study or bundle there")
    path = Path(given).absolute()
    if (path / CARD).is_file():
        folders = [path]
    elif (path / "study.yaml").is_file():
        folders = _best_trial(open_study(path))
    elif (path / "ensemble.yaml").is_file():
        members = sorted(load_bundle(path).members, key=lambda member: -member.weight)
        folders = [member.folder for member in members if member.source is None]
        if not folders:
            raise fail(path, "holds foreign networks alone: nothing can start from predictions")
    else:
        what = f"is no member ({CARD}), study (study.yaml) or bundle (ensemble.yaml)"
        raise fail(path, f"{what} to start from")
    cards = [check_source(folder, family.name) for folder in folders]
    alike = [place for place, card in enumerate(cards) if card.configuration == cards[0].configuration]
    return Sources(
        str(path),
        tuple(folders[place] for place in alike),
        tuple(cards[place] for place in alike),
        Source.read(folders[0] / CONFIG).validate(family.configuration),
    )


def kept_sources(study: str | Path, given: str | Path, family: Family[Any]) -> Sources | None:
    """Return the sources of a study that is there and was made with `given`; None where there is none.

    The source may have found better members since: a study goes on from those that it began with.
    """
    if is_url(study) or not (Path(study) / "study.yaml").is_file():
        return None
    kept = open_study(study).document.start_from
    if kept is None or kept.source != str(Path(given).absolute()):
        return None
    folders = tuple(dict.fromkeys(Path(member.folder) for member in kept.members))
    weights = {Path(member.folder): member.weights for member in kept.members}
    cards = tuple(check_source(folder, family.name, weights[folder]) for folder in folders)
    configuration = Source.read(folders[0] / CONFIG).validate(family.configuration)
    return Sources(kept.source, folders, cards, configuration)


def _best_trial(study: Study) -> list[Path]:
    """Return the members of a study's best trial by its first objective, the best member first."""
    trials = study.complete_trials()
    if not trials:
        raise fail(study.path, "has no complete trial, so that there is nothing to start from")
    sign = 1 if study.space.directions[0] == "minimize" else -1
    best = min(trials, key=lambda number: (sign * trial_values(trials[number])[0], number))
    cards = sorted(trials[best], key=lambda card: sign * card.value)
    return [member_folder(study.path.absolute(), card.member) for card in cards]


def starting_space(
    space: SearchSpace, sources: Sources, family: Family[Any], fixed: Sequence[str]
) -> SearchSpace:
    """Return a space in which what a network shares with its source is no longer searched.

    What matters in training alone, and what `fixed` names, is as the space says.
    """
    held = {
        name: FixedParameter(value=v) for name, v in sources.inherited(family).items() if name not in fixed
    }
    published = [{n: v for n, v in point.items() if n not in held} for point in space.published]
    parameters = {**space.parameters, **held}
    return space.model_copy(update={"parameters": parameters, "published": published})


def check_start(
    space: SearchSpace, sources: Sources, family: Family[Any], survey: Survey, target: Target
) -> tuple[str, ...]:
    """Hold what a space says of frozen parts against the network; return the tensors that will be fresh.

    Raises
    ------
    InputError
        For a part that does not exist or has fresh weights.
    """
    from rookery.networks.cost import blueprint
    from rookery.networks.start import frozen_parameters

    values = {n: p.value for n, p in space.parameters.items() if isinstance(p, FixedParameter)}
    freeze = space.parameters.get("freeze")
    choices = freeze.choices if isinstance(freeze, CategoricalParameter) else [values.get("freeze", "")]
    fresh: frozenset[str] = frozenset()
    for choice in choices:
        try:
            c = family.configure({**values, "freeze": choice})
        except ValidationError:  # of what is searched: each trial is held against it
            continue
        network = blueprint(family, c, len(survey.bands), target.n_columns)
        fresh = fresh_of(sources.cards[0], family, c, survey.bands, target) & set(network.state_dict())
        frozen_parameters(network, c.frozen, fresh)
    return tuple(sorted(fresh))


def choose_starts(
    sources: Sources,
    survey: Survey,
    split: str,
    trainings: Sequence[tuple[int | None, int]],
    target: Target,
    family: Family[Any],
) -> StartsFrom:
    """Return the member that each network of a trial starts from.

    Parameters
    ----------
    trainings
        Fold and random start of each network; starts take one source after the other.

    Raises
    ------
    InputError
        When every source has seen objects that validate or test in a fold.
    """
    seen = [_seen(folder, card, survey) for folder, card in zip(sources.folders, sources.cards, strict=True)]
    chosen = []
    for fold, start in trainings:
        _, rows = role_rows(survey, split, fold, target, family)
        judged = {*rows["validation"].tolist(), *rows["test"].tolist()}
        fit = [place for place, rows_of in enumerate(seen) if rows_of is None or judged.isdisjoint(rows_of)]
        if not fit:
            where = "the validation objects" if fold is None else f"fold {fold}"
            number = min(len(judged & set(rows_of or ())) for rows_of in seen)
            rule = (
                f"has no member that did not see {where} of split {split}: {number} of {len(judged)} objects"
            )
            hint = "start from a study of the same folds, or from another survey"
            raise fail(sources.given, f"{rule} that validate or test there may have trained it; {hint}")
        place = fit[start % len(fit)]
        chosen.append(StartFrom(folder=str(sources.folders[place]), weights=sources.cards[place].weights))
    return StartsFrom(source=sources.given, members=tuple(chosen))


def _seen(folder: Path, card: Card, survey: Survey) -> frozenset[int] | None:
    """Return the rows of a survey that a member may have seen; None where it is of another survey."""
    ids = survey.objects["object_id"]
    for checksum, low, high in survey_parts(survey):
        if checksum == card.survey:
            held: set[str] = set()
            for role in ("validation", "test"):
                if (file := folder / f"predictions-{role}.parquet").is_file():
                    held.update(read_predictions(file).object_id.tolist())
            names = ids.iloc[low:high]
            return frozenset(
                low + place for place, name in enumerate(names) if held.isdisjoint(spellings(str(name)))
            )
    return None
