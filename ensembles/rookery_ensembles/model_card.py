"""The model card of a bundle: what it is, what it is good for, and where it comes from, in Markdown.

For people: nothing reads it back, and all that it says stands in ``ensemble.yaml`` too.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from rookery_ensembles._bundle_document import BundleDocument
from rookery_ensembles.conformal_limits import Conformal
from rookery_ensembles.recipe import GREEDY

FILE = "MODEL_CARD.md"
_MOST_ROWS, _MOST_TEXT = 200, 200


def model_card(document: BundleDocument, name: str, digest: str) -> str:
    """Return the card of a bundle.

    Parameters
    ----------
    document
        What the bundle says of itself.
    name
        The bundle's.
    digest
        SHA-256 of the document.
    """
    parts = [
        [f"# {_text(name)}"],
        _what(document, digest),
        ["## How members are combined", *_combined(document)],
        ["## Scores on the validation objects", *_scores(document)],
        ["## Where it comes from", *_chain(document)],
        ["## What it was made for", *_domain(document)],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _what(document: BundleDocument, digest: str) -> list[str]:
    target, foreign = document.target, [member for member in document.members if member.source is not None]
    columns = (
        f"the classes {', '.join(target.names)}"
        if target.names
        else f"{target.n_columns} redshift bins from {target.edges[0]:g} to {target.edges[-1]:g}"
    )
    version = document.provenance.get("version")
    made = "" if version is None else f" Made by Rookery {_text(version)}."
    command = "apply BUNDLE FILES... --out OUT" if foreign else "predict BUNDLE SURVEY OUT"
    bands = f" It looks at the bands {', '.join(map(_text, document.bands))}." if document.bands else ""
    return [
        f"An ensemble of {len(document.members)} networks that predicts {target.spoken}: "
        f"{_text(columns)}.{bands}{made}",
        "",
        f"`rookery {command}` predicts new objects; `rookery show BUNDLE` tells more. "
        f"SHA-256 of `ensemble.yaml` without its last line: `{digest}`.",
    ]


def _combined(document: BundleDocument) -> list[str]:
    told = document.provenance
    gate = "" if document.gate is None else f", {document.gate} (see `gate` in `ensemble.yaml`)"
    lines = [
        f"- Pool: {document.pooling}; chosen by `{_text(told.get('by', GREEDY))}`{_text(gate)}.",
        f"- Calibration after pooling: {_text(document.calibration or 'none')}.",
    ]
    if document.conformal is not None:
        levels = " and ".join(f"{100 * level:g} %" for level in document.conformal.levels)
        column = None if document.groups is None else document.groups.column
        apart = "" if column is None else f"; thirds of {_text(column)} have limits of their own"
        objects = max(document.conformal.objects.values())
        lines.append(
            f"- Conformal limits at {levels}, from {objects:,} objects{apart}. Such limits cover "
            f"{_covered(document.conformal)} of new objects that are like these, in 19 of 20 cases."
        )
    if document.class_fractions is not None:
        listed = ", ".join(f"{_text(name)} {part:.3f}" for name, part in document.class_fractions.items())
        lines.append(f"- The probabilities presume these class fractions: {listed}.")
    auto = told.get("auto")
    if isinstance(auto, Mapping):
        lines.append(f"- Why: {_text(auto.get('reason', ''))}.")
        gains = [auto.get(key) for key in ("gain", "gain_error", "null_gain", "null_gain_error")]
        if all(isinstance(each, float) for each in gains):
            gain, error, null, null_error = gains
            lines.append(
                f"- Gain over the plain average on objects that took no part in the choice: {gain:.4f} +- "
                f"{error:.4f} nats; where nothing is to be gained the same procedure reports {null:.4f} +- "
                f"{null_error:.4f}."
            )
    return lines


def _covered(limits: Conformal) -> str:
    ends = (limits.spread(level) for level in limits.levels)
    return " and ".join(f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in ends)


def _scores(document: BundleDocument) -> list[str]:
    if not document.scores:
        return ["The bundle tells none."]
    metrics = [m for m in document.target.compared if any(m in row for row in document.scores.values())]
    if not metrics:
        metrics = sorted({metric for row in document.scores.values() for metric in row})
    rows = (
        [name, *(_number(row.get(metric, math.nan)) for metric in metrics)]
        for name, row in document.scores.items()
    )
    note = "What was selected and calibrated was so on these very objects: its scores here flatter."
    return [*_table(["", *metrics], rows), "", note]


def _chain(document: BundleDocument) -> list[str]:
    told = document.provenance
    plain = [
        f"- {key.replace('_', ' ')}: {_text(value)}"
        for key, value in told.items()
        if isinstance(value, (str, int, float)) and key not in ("by", "version")
    ]
    judged = told.get("calibrated_on")
    if isinstance(judged, Mapping):
        plain.append(
            f"- weights and calibration were found by {_text(judged.get('objects'))} validation objects of "
            f"known truth (SHA-256 of their sorted names: {_text(judged.get('sha256'))})"
        )
    networks = told.get("networks")
    known = networks if isinstance(networks, Mapping) else {}
    keys = list(dict.fromkeys(key for each in known.values() if isinstance(each, Mapping) for key in each))
    rows = []
    for member in sorted(document.members, key=lambda each: (-each.weight, each.id))[:_MOST_ROWS]:
        of = known.get(member.id)
        facts = of if isinstance(of, Mapping) else {}
        digest = member.digests.get("weights.safetensors") if member.source is None else member.source.digest
        rows.append(
            [member.id, f"{member.weight:.4f}", *(_text(facts.get(key, "")) for key in keys), f"`{digest}`"]
        )
    left = len(document.members) - len(rows)
    more = ["", f"{left} more of lesser weight stand in `ensemble.yaml`."] if left else []
    return [*plain, "", *_table(["member", "weight", *keys, "SHA-256 of its weights"], rows), *more]


def _domain(document: BundleDocument) -> list[str]:
    if document.domain is None:
        return ["The bundle does not tell what its training objects were like."]
    rows = (
        [_text(name), _number(low), _number(high)] for name, (low, high) in document.domain.ranges.items()
    )
    return [
        "Objects like those that trained it; others are flagged `out_of_domain` in its predictions.",
        "",
        *_table(["", "from", "to"], rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.5g}"


def _text(value: object) -> str:
    """Return text that stays on its line and in its cell, and is no markup."""
    line = " ".join(str(value).split())
    short = line if len(line) <= _MOST_TEXT else f"{line[:_MOST_TEXT]}..."
    return html.escape(short, quote=False).replace("|", "\\|").replace("`", "'")
