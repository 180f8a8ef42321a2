"""Where each network of a campaign stands: its experiment, row, random start and fold (``networks.json``).

Names of networks are digests of data that only a driver has read, so the driver writes them down for those
who look at the campaign's folder.
"""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rookery.campaigns.campaign import Campaign
from rookery.campaigns.jobs import training_job
from rookery.campaigns.plan import Folders
from rookery.campaigns.prepare import ExperimentData
from rookery.documents import build
from rookery_ensembles.errors import fail
from rookery_ensembles.files import write_text
from rookery_ensembles.plain_text import parse_json

PLACES = "networks.json"


class Place(BaseModel):
    """A place of the grid, and the network that belongs there; networks may be shared."""

    experiment: str
    row: str
    start: int
    fold: int | None = None
    """Where it is in the grid; the fold is None for a split without."""
    member: str
    """Name of the network."""


class _Document(BaseModel):
    networks: list[Place]


def write_places(campaign: Campaign, datasets: Mapping[str, ExperimentData], folders: Folders) -> None:
    """Write which network belongs where."""
    found: list[dict[str, Any]] = []
    for name, experiment in campaign.document.experiments.items():
        data = datasets[name]
        for row in campaign.rows_of(experiment):
            if row.is_network:
                for seed, fold in product(campaign.seeds(experiment, row), data.folds):
                    member = training_job(campaign, datasets, experiment, row, seed, fold).member
                    place = Place(experiment=name, row=row.name, start=seed, fold=fold, member=member)
                    found.append(place.model_dump())
    write_text(folders.out / PLACES, json.dumps({"networks": found}, indent=1) + "\n")


def read_places(folder: Path) -> list[Place]:
    """Return which network belongs where; nothing where no driver has written it.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    file = folder / PLACES
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise fail(file, f"cannot be read ({error.strerror})") from error
    return build(_Document, parse_json(content, file), file).networks
