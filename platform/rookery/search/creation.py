"""A study is made, or one that is there is gone on with under the same terms."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from rookery.documents import Source, build, dump
from rookery.networks.family import load_family
from rookery.search.constraints import check_survey_fits
from rookery.search.earlier_studies import take_trials
from rookery.search.pruners import make_pruner
from rookery.search.samplers import make_sampler
from rookery.search.space import SearchSpace
from rookery.search.starting import Sources, check_start, choose_starts
from rookery.search.storage.remote_folder import WEIGHTS, RemoteFolder, is_url
from rookery.search.study import OPTUNA_NAME, StartsFrom, Study, StudyDocument, open_study
from rookery.search.study_facts import STUDY_DOCUMENT
from rookery.shift.options import ImportanceWeighting
from rookery.shift.split_weights import check_shift, shift_weights
from rookery.shift.weights import warn_if_few
from rookery.surveys import Survey, open_split
from rookery.training.job import inner_part
from rookery.training.rows import choosing_rows, role_rows
from rookery.training.target import target_fields
from rookery_ensembles import Target
from rookery_ensembles.errors import InputError, did_you_mean, fail
from rookery_ensembles.files import atomic_file, check_name, is_partial, sha256, write_new_text
from rookery_ensembles.object_types import related_types, spoken_types

logger = logging.getLogger(__name__)


def create_or_open_study(
    path: str | Path,
    space: SearchSpace,
    survey: Survey,
    split: str,
    *,
    target: Target,
    storage: str | None = None,
    warm_start: Sequence[str | Path] = (),
    start_from: Sources | None = None,
    **settings: Any,
) -> Study:
    """Open the study at `path` to go on with it, or create it.

    Parameters
    ----------
    path, space, survey, split, target
        Folder or URL; what is searched; who learns what.
    storage
        URL of the database, password included; see :class:`StudyDocument`.
    warm_start
        Folders or URLs of earlier studies, read when the study is made and not again.
    start_from
        Members that networks start from; those of a study that is there stay.
    **settings
        Further keys of :class:`StudyDocument`. Without an `inner_validation` a study that is there keeps
        its own; a new one's is that of :func:`rookery.training.job.inner_part`.

    Raises
    ------
    InputError
        When the family cannot learn from survey and split, or the folder holds a study of another
        survey, split, search space or settings: the message names the key and both values, and
        nothing is changed.
    """
    remote = RemoteFolder(str(path)) if is_url(path) else None
    path = Path(path) if remote is None else remote.mirror
    check_name(path)
    if remote is not None:
        storage = check_remote(remote, storage, settings.get("workers_per_network", 1))
    kept = storage and _checked_storage(storage)
    if kept and settings.get("deterministic") is not None and not kept.startswith("sqlite"):
        raise fail(path, "`deterministic` needs a study of one driver, but PostgreSQL lets in several")
    opened = open_split(survey, split)
    split_file = survey.path / "splits" / f"{split}.parquet"
    inner = settings.pop("inner_validation", None)
    values = {
        **settings,
        **target_fields(target),
        "family": space.family,
        "survey": {"path": str(survey.path.absolute()), "checksum": survey.checksum},
        "split": {"name": split, "digest": sha256(split_file), "folds": opened.n_folds},
        "inner_validation": inner_part(inner, settings.get("keep", "best"), opened.n_folds),
        "storage": kept,
        "storage_name": f"rookery-{uuid4().hex[:12]}" if kept else OPTUNA_NAME,
        "space": space,
        "warm_start": [{"study": _absolute(earlier)} for earlier in warm_start],
    }
    wanted = build(StudyDocument, values, path)
    # What was not asked for is as study.yaml says.
    unsaid = {"inner_validation"} if inner is None else set()
    family = load_family(wanted.family)
    _check_metric(wanted)
    check_survey_fits(space, family, survey)
    make_sampler(wanted.sampler, wanted.seed, space, wanted.sampler_options)
    make_pruner(wanted.pruner, wanted.pruner_options)
    for fold in range(opened.n_folds) or (None,):
        _, rows = role_rows(survey, split, fold, wanted.target, family)
        choosing_rows(survey, split, rows, wanted.inner_validation)
    if space.objective.shift is not None:
        check_shift(survey, split, space.objective.shift)
    if start_from is not None:
        wanted = wanted.model_copy(update={"start_from": _starts(start_from, wanted, survey)})
    if remote is not None:
        return _create_or_open_at(remote, wanted, survey, storage, unsaid)
    if (path / STUDY_DOCUMENT).is_file():
        return _continued(path, wanted, survey, storage, unsaid)
    if path.exists() and not path.is_dir():
        raise fail(path, "is a file; a study needs a folder")
    if path.exists() and any(not is_partial(entry) for entry in path.iterdir()):
        raise fail(path, "is not empty and holds no study.yaml; a new study needs a folder of its own")
    _tell_related_types(survey, target)
    wanted = _with_trials(wanted)
    if not write_new_text(path / STUDY_DOCUMENT, dump(wanted.model_dump(mode="json"))):
        return _continued(path, wanted, survey, storage, unsaid)  # another driver was faster
    study = Study(path, wanted, storage)
    _write_weights(study, survey)
    return study


def _tell_related_types(survey: Survey, target: Target) -> None:
    """Log which types are counted as ``non-X`` although they are called like X."""
    if target.names and len(kin := related_types(survey.objects["type"], target.names)):
        text = "%s: the types %s count as the rest; --type makes them others when a survey is read or merged"
        logger.warning(text, survey.path, spoken_types(kin))


def _create_or_open_at(
    remote: RemoteFolder, wanted: StudyDocument, survey: Survey, storage: str | None, unsaid: set[str]
) -> Study:
    """Open or create a study at a URL. Its mirror is made first, and study.yaml is put last."""
    if not remote.fetch_document():
        assert storage is not None
        with remote.turn(storage):
            if not remote.fetch_document():  # else another driver was faster
                if names := [name for name in remote.names() if name != WEIGHTS]:
                    rule = "holds no study.yaml, but is not empty"
                    raise fail(remote.url, f"{rule} ({names[0]}); a new study needs a place of its own")
                wanted = _with_trials(wanted)
                study = Study(remote.mirror, wanted, storage, remote)
                _write_weights(study, survey)
                if study.weights_file.is_file():
                    remote.put(study.weights_file.name, study.weights_file.read_bytes())
                text = dump(wanted.model_dump(mode="json"))
                remote.put(STUDY_DOCUMENT, text.encode())
                remote.fetch_document()
                return study
    found = Source.read(remote.mirror / STUDY_DOCUMENT).validate(StudyDocument)
    study = Study(remote.mirror, found, storage, remote)
    _refuse_other(study, wanted, unsaid)
    return replace(study, document=found.model_copy(update={"survey": wanted.survey}))


def _starts(sources: Sources, wanted: StudyDocument, survey: Survey) -> StartsFrom:
    """Return the member that each network starts from, and tell what of it will be fresh."""
    family, target = load_family(wanted.family), wanted.target
    fresh = check_start(wanted.space, sources, family, survey, target)
    if fresh:
        why = "its bands, classes or bins are other ones"
        logger.warning("%s: %s; fresh weights for %s", sources.given, why, ", ".join(fresh))
    return choose_starts(sources, survey, wanted.split.name, wanted.trainings(), target, family)


def check_remote(remote: RemoteFolder, storage: str | None, workers_per_network: int) -> str | None:
    """Return the URL of the database of a study at a URL, which a new one cannot do without.

    Raises
    ------
    InputError
        When the URL cannot be reached, the study is new and has no database, or networks train in groups.
    """
    from rookery.search.storage.database import ENVIRONMENT

    remote.check()
    if workers_per_network > 1:
        rule = "needs a study folder that every node sees, but this study is at"
        raise InputError(f"--workers-per-network {workers_per_network}: {rule} {remote.url}")
    if storage is None and not remote.fetch_document():
        storage = os.environ.get(ENVIRONMENT)
        if not storage:
            rule = "SQLite cannot lie on object storage; give --storage postgresql://user@host/name, or"
            what = "sqlite:////folder/study.db on this machine for one driver"
            raise fail(remote.url, f"{rule} {what}")
    return storage


def _checked_storage(storage: str) -> str:
    """Return the URL of a database as study.yaml keeps it."""
    from rookery.search.storage.database import parse_storage, without_password

    parse_storage(storage)
    return without_password(storage)


def _continued(
    path: Path, wanted: StudyDocument, survey: Survey, storage: str | None, unsaid: set[str]
) -> Study:
    """Return the study that is there, to go on with it under the same terms."""
    study = open_study(path, storage)
    _refuse_other(study, wanted, unsaid)
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
    names = [f"validation_{name}" for name in target.each_epoch]
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
    if space.beside and document.search_for == "ensemble":
        rule = "a search for the ensemble has one objective, what a trial adds to it"
        raise fail(where, f"{rule}: `beside` must be absent, but has {', '.join(space.objectives[1:])}")
    if document.warm_start and document.sampler == "grid":
        raise fail(where, "`sampler` grid tries every point: it cannot be warm-started")
    if space.beside and document.sampler == "cmaes":
        raise fail(where, "`sampler` cmaes knows one objective alone, but there are several")
    if metric not in names:
        rule = f"`objective.metric` of {target.kind} must be one of {', '.join(names)}"
        raise fail(where, f"{rule}, but is {metric}{did_you_mean(metric, names)}")


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


def _refuse_other(study: Study, wanted: StudyDocument, unsaid: set[str]) -> None:
    """Refuse to go on with a study under other terms. The survey's folder may have moved."""
    old, new = study.document, wanted
    where = study.path / STUDY_DOCUMENT
    if old.survey.checksum != new.survey.checksum:
        raise fail(
            where,
            f"`survey.checksum`: the study belongs to another survey ({old.survey.path}, checksum "
            f"{old.survey.checksum[:12]}), not to {new.survey.path} (checksum {new.survey.checksum[:12]}); "
            "a survey that has grown since (`append`, `update`) needs a new study: --warm-start this one",
        )
    if old.split != new.split:
        raise fail(where, f"`split`: the study was made with {old.split}, not with {new.split}")
    told = {"survey", "split", "storage_name", "warm_start", "start_from"} | unsaid
    before, now = ([named.study for named in document.warm_start] for document in (old, new))
    if before != now:
        raise fail(where, f"`warm_start`: the study was made with {before}, not with {now}")
    sources = [document.start_from and document.start_from.source for document in (old, new)]
    if sources[0] != sources[1]:
        raise fail(where, f"`start_from`: the study was made with {sources[0]}, not with {sources[1]}")
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
