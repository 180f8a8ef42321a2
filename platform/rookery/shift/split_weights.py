"""Importance weights of a split's labelled objects, found once for all jobs on it. No torch: drivers ask."""

from dataclasses import dataclass
from functools import lru_cache

from rookery.shift.options import DegradedValidation, ImportanceWeighting, Shift
from rookery.shift.weights import ShiftWeights, check_covariates, importance_weights, labelled_and_target
from rookery.surveys import Survey, open_split
from rookery.surveys.splits import split_path
from rookery_ensembles.errors import fail
from rookery_ensembles.files import sha256


def shift_weights(survey: Survey, split: str, shift: ImportanceWeighting) -> ShiftWeights:
    """Return the weights of a split's labelled objects; kept for the next job on the same."""
    return _weights(_Key(survey, (survey.checksum, split, sha256(split_path(survey, split)))), shift)


def check_shift(survey: Survey, split: str, shift: Shift) -> None:
    """Raise InputError unless survey and split allow the shift."""
    labelled_and_target(survey, open_split(survey, split))
    if isinstance(shift, ImportanceWeighting):
        check_covariates(survey, shift.covariates, "objective.shift.covariates")
        shift_weights(survey, split, shift)
    elif survey.info.kind != "light_curves":
        assert isinstance(shift, DegradedValidation)
        raise fail(survey.path, "`objective.shift` degraded is for light curves; take importance_weights")


@dataclass(frozen=True)
class _Key:
    """A survey and split, equal to another where their contents are."""

    survey: Survey
    identity: tuple[str, str, str]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


@lru_cache(maxsize=4)
def _weights(key: _Key, shift: ImportanceWeighting) -> ShiftWeights:
    split = open_split(key.survey, key.identity[1])
    return importance_weights(
        key.survey,
        split,
        shift.covariates,
        classifier=shift.classifier,
        clip=shift.clip,
        seed=shift.seed,
    )
