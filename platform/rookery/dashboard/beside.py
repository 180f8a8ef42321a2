"""What a best score is to be seen beside: a campaign's baseline, or what classes' fractions alone score."""

import json
import math
from pathlib import Path
from typing import Any

from rookery.dashboard.campaign_state import read_table
from rookery.search.study_facts import StudyFacts

CHANCE = "fractions of the training's classes alone"


def campaign_best(folder: Path) -> dict[str, Any]:
    """Return the best score of a campaign's table and the baseline of the same line; empty without a table.

    The metric is the first of the table that has a baseline, by the order of all metrics.
    """
    from rookery_ensembles.metric import METRICS  # not above: it loads scipy

    lines = [one for one in read_table(folder / "table.json").get("lines", ()) if not one["bin"]]
    own = [one for one in lines if one["source"] != "published" and one["wanted"]]
    names = [name for name in METRICS if any(name in one["metrics"] for one in own)]
    names.sort(key=lambda name: not any(one["baseline"].get(name) is not None for one in own))
    if not names or METRICS[names[0]].better not in ("higher", "lower"):
        return {}
    sign = -1 if METRICS[names[0]].better == "higher" else 1
    scored = [one for one in own if one["metrics"].get(names[0]) is not None]
    best = min(scored, key=lambda one: sign * one["metrics"][names[0]])
    return {
        "metric": names[0],
        "best": best["metrics"][names[0]],
        "baseline": best["baseline"].get(names[0]),
        "baseline_name": f"baseline of {best['experiment']}, {best['row']}",
    }


def study_baseline(folder: Path, facts: StudyFacts) -> dict[str, Any]:
    """Return the log loss of the training's class fractions, for a study that minimises one; else nothing."""
    if facts.metric != "validation_log_loss":
        return {}
    for card in sorted((folder / "members").glob("[0-9]*/card.json"))[:1]:
        try:
            fractions = json.loads(card.read_bytes())["training_fractions"]
            values = [float(value) for value in fractions.values()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # of an earlier version, or of redshifts; what is broken is told on the study's page
        loss = -sum(value * math.log(value) for value in values if value > 0)
        return {"baseline": loss, "baseline_name": CHANCE}
    return {}
