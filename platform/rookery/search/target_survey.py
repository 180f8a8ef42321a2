"""A search whose objects to classify are another survey's: both as one, with the labelled survey's split."""

import logging
from pathlib import Path

import numpy as np

from rookery.search.storage.remote_folder import is_url
from rookery.surveys import Split, Survey, open_split, open_survey
from rookery.surveys.merge import merge_surveys, write_merged_split
from rookery.surveys.splits import split_path
from rookery_ensembles.errors import InputError, fail

logger = logging.getLogger(__name__)


def with_target(survey: str | Path, split: str, target: str | Path, study: str | Path) -> Survey:
    """Return the labelled objects of a survey with all objects of another one, which are to be classified.

    It is made beside the study, as ``STUDY-survey``, by :func:`rookery.surveys.merge.merge_surveys`, and
    taken again where it is there. Object ids get their survey's name before them where they would clash.

    Parameters
    ----------
    survey, split
        Who learns: the objects that train or validate in a split.
    target
        Whose objects terms of the loss without labels, copies and degraded validation look at.
    study
        The study's folder.

    Raises
    ------
    InputError
        When `target` is no survey, or the same one; the two cannot be merged; the study is at a URL; or what
        is beside the study was made of others.
    """
    if is_url(study):
        rule = "--target needs a study in a folder, for it puts both surveys beside it: `rookery merge` them"
        raise fail(str(study), rule)
    learns, other = open_survey(survey), open_survey(target)
    kept = open_split(learns, split)
    if learns.checksum == other.checksum:
        raise fail(
            str(target), f"--target must be another survey than {survey}, whose split has test objects"
        )
    out = Path(f"{study}-survey")
    if out.exists():
        return _found(out, kept, learns, other)
    names = [learns.info.name, other.info.name]
    clash = not set(learns.objects["object_id"]).isdisjoint(other.objects["object_id"])
    try:
        merged = merge_surveys(
            [learns.path, other.path],
            out,
            origins=names if len(set(names)) == 2 else ["labelled", "target"],
            prefix_ids=clash,
            split=split,
        )
    except InputError as error:
        hint = (
            f"`rookery merge {survey} {target} OUT --split {split}` has options for it, and is searched alone"
        )
        raise InputError(f"--target {target}: {error}; {hint}") from error
    logger.info("%s: %d objects learn, %d are to be classified", out, len(kept.labelled), len(other))
    return merged


def _found(out: Path, kept: Split, learns: Survey, other: Survey) -> Survey:
    """Return what was made before, where it was made of the same surveys and roles."""
    merged = open_survey(out)
    parts = [part["checksum"] for part in merged.info.provenance.get("merged", ())]
    if parts != [learns.checksum, other.checksum]:
        raise fail(
            out,
            f"is there, and was not made of {learns.path} and {other.path}: remove it, or name another study",
        )
    if not split_path(merged, kept.name).is_file():  # the driver was killed in between
        write_merged_split(merged, kept)
    rows, found = kept.labelled, open_split(merged, kept.name)
    first = slice(0, len(rows))
    alike = len(found.labelled) == len(rows) and np.array_equal(found.role[first], kept.role[rows])
    if not alike or not np.array_equal(found.fold[first], kept.fold[rows]):
        rule = f"was made with another split {kept.name} of {learns.path}: remove it, or name another study"
        raise fail(out, rule)
    return merged
