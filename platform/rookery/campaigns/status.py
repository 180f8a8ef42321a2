"""How a campaign stands, from its folder alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rookery.campaigns.load import load_campaign
from rookery.campaigns.plan import count_networks
from rookery.search.ledger import JOULES, SECONDS
from rookery.search.lock import driver_alive
from rookery.search.status import costs


def campaign_status(path: Path) -> dict[str, Any]:
    """Return how a campaign stands, as plain values; docs/monitoring.md tells every key."""
    campaign = load_campaign(path / "campaign.yaml")
    cards = [json.loads(file.read_text(encoding="utf-8")) for file in path.glob("members/[!.]*/card.json")]
    running = list((path / "running").glob("[!.]*.safetensors"))
    failed = sorted((path / "failed").glob("*.txt"))
    wanted = len(set(count_networks(campaign)))
    table = path / "table.json"
    lines = json.loads(table.read_text(encoding="utf-8"))["lines"] if table.is_file() else []
    return {
        "kind": "campaign",
        "path": str(path),
        "name": campaign.document.name,
        "networks": {
            "wanted": wanted,
            "finished": len(cards),
            "running": len(running),
            "failed": len(failed),
            "missing": max(0, wanted - len(cards)),
        },
        "rows": [
            {key: line[key] for key in ("experiment", "row", "members", "wanted")}
            for line in lines
            if not line["bin"] and line["wanted"]
        ],
        **costs([{SECONDS: card[SECONDS], JOULES: card.get(JOULES)} for card in cards]),
        "first_error": failed[0].read_text(encoding="utf-8").strip().partition("\n")[0] if failed else None,
        "last_change": max((card["finished"] for card in cards), default=None),
        "driver_alive": driver_alive(path),
    }
