"""A finished member as a candidate for an ensemble, wherever it was trained."""

from pathlib import Path

from rookery.training.card import DEGRADED, VALIDATION, read_card, verify_file
from rookery_ensembles import CandidateMember, open_predictions


def open_candidate(folder: Path, group: str, *, degraded: bool = False) -> CandidateMember:
    """Return a finished member that may join an ensemble, with its predictions for validation objects.

    Parameters
    ----------
    group
        The same for members of one configuration.
    degraded
        Whether it is judged by degraded copies of the validation objects.

    Raises
    ------
    InputError
        When its predictions are not those that its card tells of.
    """
    file = DEGRADED if degraded else VALIDATION
    card = read_card(folder)
    verify_file(folder, card, file)
    return CandidateMember(card.member, folder, group, open_predictions(folder / file))
