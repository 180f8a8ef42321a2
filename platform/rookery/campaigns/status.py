"""How a campaign stands, from its folder alone."""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rookery.campaigns.load import load_campaign
from rookery.campaigns.plan import count_networks
from rookery.compute.lock import driver_alive
from rookery.documents import build
from rookery.search.costs import card_facts
from rookery.search.status import alike, costs
from rookery.search.time_left import time_left
from rookery.training.epochs_file import running_epochs
from rookery_ensembles.errors import fail
from rookery_ensembles.plain_text import parse_json


def campaign_status(path: Path) -> dict[str, Any]:
    """Return how a campaign stands, as plain values; docs/monitoring.md tells every key."""
    campaign = load_campaign(path / "campaign.yaml")
    cards = [card_facts(file) for file in sorted(path.glob("members/[!.]*/card.json"))]
    running = list((path / "running").glob("[!.]*.safetensors"))
    failed = sorted((path / "failed").glob("*.txt"))
    held = driver_alive(path)
    errors = alike((file.stem, text_of(file)) for file in failed)
    wanted = len(set(count_networks(campaign)))
    table = path / "table.json"
    lines = _lines(table) if table.is_file() else []
    now = time.time()
    ends = [datetime.fromisoformat(card["finished"]).timestamp() for card in cards]
    return {
        "kind": "campaign",
        "path": str(path),
        "name": campaign.document.name,
        "networks": {
            "wanted": wanted,
            "finished": len(cards),
            "running": 0 if held is False else len(running),
            "interrupted": len(running) if held is False else 0,
            "failed": len(failed),
            "missing": max(0, wanted - len(cards)),
        },
        "running_networks": [found.summary(now) for found in running_epochs(path).values()],
        "seconds_left": time_left(len(cards), wanted, ends, now),
        "rows": [
            line.model_dump(include={"experiment", "row", "members", "wanted"})
            for line in lines
            if not line.bin and line.wanted
        ],
        **costs(cards),
        "failures": [
            {"error": error, "networks": number, "first": first} for error, number, first in errors[:5]
        ],
        "first_error": errors[0][0] if errors else None,
        "last_change": max((card["finished"] for card in cards), default=None),
        "driver_alive": held,
    }


def survey_paths(path: Path) -> list[str]:
    """Return the folders of surveys that a campaign names; those that it makes itself lie in its own."""
    surveys = load_campaign(path / "campaign.yaml").document.surveys.values()
    return [survey.path for survey in surveys if survey.path is not None]


class _Line(BaseModel):
    experiment: str
    row: str
    members: int
    wanted: int
    bin: str | None = None


class _Table(BaseModel):
    lines: list[_Line]


def _lines(table: Path) -> list[_Line]:
    try:
        content = table.read_bytes()
    except OSError as error:
        raise fail(table, f"cannot be read ({error.strerror})") from error
    return build(_Table, parse_json(content, table), table).lines


def text_of(file: Path) -> str:
    """Return the text of an error that a campaign keeps; raises `InputError` where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise fail(file, f"cannot be read ({error.strerror})") from error
