"""What a study cost: device time and energy of every trial, those that came to nothing included."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from rookery.documents import build
from rookery.search.attributes import JOULES, SECONDS
from rookery_ensembles.errors import fail
from rookery_ensembles.plain_text import parse_json

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from rookery.search.study import Study
    from rookery.training.card import Card


class _CardFacts(BaseModel):
    """What a summary needs of ``card.json``; :class:`rookery.training.card.Card` would load pandas."""

    device_seconds: float
    energy_joules: float | None = None
    device: str
    finished: str


def card_facts(file: Path) -> dict[str, Any]:
    """Return what a member's ``card.json`` says of its costs, and when it was `finished`.

    Raises
    ------
    InputError
        When it cannot be read, or lacks one of them.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise fail(file, f"cannot be read ({error.strerror})") from error
    return build(_CardFacts, parse_json(content, file), file).model_dump()


def write_costs(trial: "optuna.Trial", steps: Iterable[Mapping[str, float]]) -> None:
    """Write what a trial's epochs took to its user attributes, before it is told."""
    spent = [step for step in steps if "seconds" in step]
    if not spent:
        return
    trial.set_user_attr(SECONDS, sum(step["seconds"] for step in spent))
    if all("joules" in step for step in spent):
        trial.set_user_attr(JOULES, sum(step["joules"] for step in spent))


def trial_costs(study: "Study") -> "pd.DataFrame":
    """Return what each begun trial of a study cost.

    Returns
    -------
    A row per trial: `trial`, `state`, `value`, `started`, `ended` (UTC), `networks` (finished ones),
    `device_seconds`, `energy_joules` (NaN where no device told), `device` (of its first network). Of a
    trial that runs, only its finished networks count.
    """
    import pandas as pd

    rows = [trial_row(trial, [card.model_dump() for card in cards]) for trial, cards in begun_trials(study)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def begun_trials(study: "Study") -> "Iterator[tuple[optuna.trial.FrozenTrial, list[Card]]]":
    """Yield each trial that has begun, with the cards of its finished networks."""
    from rookery.search.study import member_folder
    from rookery.training.card import CARD, read_card

    opened = study.reader()
    for trial in opened.get_trials(deepcopy=False) if opened else ():
        if trial.datetime_start is None:
            continue
        names = [study.member_name(trial.number, *each) for each in study.trainings()]
        folders = [member_folder(study.path, name) for name in names]
        yield trial, [read_card(folder) for folder in folders if (folder / CARD).is_file()]


COLUMNS = (
    "trial", "state", "value", "started", "ended", "networks", SECONDS, JOULES, "device",
)  # fmt: skip


def trial_row(trial: "optuna.trial.FrozenTrial", cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a trial's row of the table of costs from its attributes, or else from its networks' cards."""
    of_cards = cost_of_cards(cards)
    return {
        "trial": trial.number,
        "state": trial.state.name,
        "value": trial.values[0] if trial.values else None,
        "started": trial.datetime_start,
        "ended": trial.datetime_complete,
        "networks": len(cards),
        SECONDS: trial.user_attrs.get(SECONDS, of_cards[SECONDS]),
        JOULES: trial.user_attrs.get(JOULES, of_cards[JOULES]),
        "device": cards[0]["device"] if cards else None,
    }


def cost_of_cards(cards: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return device-seconds and energy of networks by their cards; NaN where one does not tell its energy."""
    known = [card[JOULES] for card in cards if card.get(JOULES) is not None]
    return {
        SECONDS: sum(card[SECONDS] for card in cards),
        JOULES: sum(known) if cards and len(known) == len(cards) else float("nan"),
    }
