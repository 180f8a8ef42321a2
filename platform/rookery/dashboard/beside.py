"""What a best score is to be seen beside: a campaign's baseline, or what is known without looking.

Of classes these are their fractions, of redshifts how they are distributed.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rookery.dashboard.campaign_state import read_table
from rookery.search.study_facts import StudyFacts
from rookery.training.card import VALIDATION

CHANCE = "fractions of the training's classes alone"
DISTRIBUTION = (
    "how the redshifts of half of the validation objects are distributed, alone, for the other half"
)


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
    """Return the log loss of one answer for all objects, for a study that minimises it; else nothing.

    Of classes it is that of the training's fractions; of redshifts that of their distribution, as counted in
    one half of the first network's validation objects and judged by the other, both ways.
    """
    if facts.metric != "validation_log_loss":
        return {}
    for file in sorted((folder / "members").glob("[0-9]*/card.json"))[:1]:
        try:
            card = json.loads(file.read_bytes())
            if card.get("redshift_bins"):
                return {"baseline": _distribution_loss(card, file.parent), "baseline_name": DISTRIBUTION}
            values = [float(value) for value in card["training_fractions"].values()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # of an earlier version; what is broken is told on the study's page
        loss = -sum(value * math.log(value) for value in values if value > 0)
        return {"baseline": loss, "baseline_name": CHANCE}
    return {}


def _distribution_loss(card: dict[str, Any], member: Path) -> float:
    """Return the mean of -ln of the fraction of the other half's redshifts in each one's bin (nats).

    Half an object is added to every bin, so that none has the fraction 0.
    """
    import pyarrow.parquet as pq  # not above: studies of classes need none

    from rookery.surveys.equal_bins import EqualBins

    target = EqualBins.model_validate(card["redshift_bins"]).target
    truth = pq.read_table(member / VALIDATION, columns=["truth"])["truth"].to_numpy()
    index = target.index(truth)
    index = index[index >= 0]
    halves, losses = (index[::2], index[1::2]), []
    for counted, judged in (halves, halves[::-1]):
        counts = np.bincount(counted, minlength=target.n_columns) + 0.5
        losses.append(-np.log(counts / counts.sum())[judged])
    return float(np.concatenate(losses).mean())
