"""The plain average of members whose objects have no known truth: nothing is chosen, fitted or scored."""

from collections.abc import Sequence

from rookery_ensembles.build import CandidateMember, EnsembleChoice
from rookery_ensembles.bundle import BundleMember
from rookery_ensembles.calibrations.none import NoCalibration
from rookery_ensembles.recipe import MEAN, PLAIN
from rookery_ensembles.stack import align_members


def plain_average(candidates: Sequence[CandidateMember]) -> EnsembleChoice:
    """Return all members with equal weights, without a calibration, scores or class fractions.

    Raises
    ------
    InputError
        When their predictions do not fit together (see `stack_members`).
    """
    info = align_members([each.validation for each in candidates]).info
    share = 1 / len(candidates)
    return EnsembleChoice(
        target=info.target,
        members=tuple(BundleMember(each.id, each.folder, share) for each in candidates),
        calibration=NoCalibration(),
        scores={},
        best_group="",
        best_member="",
        losses={},
        class_fractions=None,
        bags=0,
        sharpen=True,
        by=MEAN,
        recipe=PLAIN,
    )
