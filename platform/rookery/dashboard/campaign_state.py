"""A campaign as its page shows it: the state of every network in its place, and the table so far."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rookery.campaigns.places import Place, read_places
from rookery.campaigns.status import text_of
from rookery.compute.lock import driver_alive
from rookery.training.epochs_file import Epochs, running_epochs
from rookery_ensembles.errors import fail

STATES = ("missing", "running", "interrupted", "failed", "finished")


@dataclass(frozen=True)
class CampaignState:
    """What a campaign's folder tells by now."""

    places: list[Place]
    states: dict[str, str]
    """State of every network that has any, by member."""
    errors: dict[str, str]
    """Text of the error of those that failed, by name; of baselines, too."""
    epochs: dict[str, Epochs]
    """Epochs of those that are in training."""
    table: dict[str, Any] = field(default_factory=dict)
    """The document ``table.json``; empty where there is none yet."""

    def state(self, member: str) -> str:
        """Return the state of a network in a word."""
        return self.states.get(member, "missing")


def read_campaign_state(folder: Path) -> CampaignState:
    """Read how every network stands.

    Raises
    ------
    InputError
        When a file of the campaign cannot be read.
    """
    alive = driver_alive(folder)
    epochs = running_epochs(folder)
    going = {*epochs, *(file.stem for file in (folder / "running").glob("[!.]*.safetensors"))}
    errors = {file.stem: text_of(file) for file in sorted((folder / "failed").glob("[!.]*.txt"))}
    states = dict.fromkeys(going, "interrupted" if alive is False else "running")
    states |= dict.fromkeys(errors, "failed")
    states |= {file.parent.name: "finished" for file in (folder / "members").glob("[!.]*/card.json")}
    table = read_table(folder / "table.json")
    return CampaignState(read_places(folder) or _from_table(table), states, errors, epochs, table)


def _from_table(table: dict[str, Any]) -> list[Place]:
    """Return the places of the networks that the table's lines rest on: of campaigns of earlier versions."""
    found = []
    for line in table.get("lines", ()):
        if line["source"] != "published" and not line["bin"] and line["wanted"] == len(line["ids"]):
            for number, member in enumerate(line["ids"]):
                name, _, fold = member.rpartition("-f")
                start = (name or member).rpartition("-s")[2]
                found.append(
                    Place(
                        experiment=line["experiment"], row=line["row"], member=member,
                        start=int(start) if start.isdecimal() else number,
                        fold=int(fold) if name and fold.isdecimal() else None,
                    )
                )  # fmt: skip
    return found


def read_table(file: Path) -> dict[str, Any]:
    """Return a campaign's table; empty where there is none yet.

    Raises
    ------
    InputError
        When the file cannot be read, or is no table.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise fail(file, f"cannot be read ({error.strerror})") from error
    try:
        found = json.loads(content)
        lines = found["lines"]
        if not all(
            {"source", "experiment", "row", "bin", "members", "wanted", "ids"} <= {*line} for line in lines
        ):
            raise ValueError("a line lacks a key")
        for line in lines:
            if not isinstance(line["ids"], list) or not all(isinstance(one, str) for one in line["ids"]):
                raise ValueError(f"`ids` must be names of networks, but are {line['ids']!r}")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise fail(file, f"is no campaign's table ({error})") from error
    return dict(found)
