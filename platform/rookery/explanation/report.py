"""The folder of an explanation: a page that works offline, pictures for papers, tables for programs."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rookery.explanation.attributions import Floats
from rookery.explanation.objects import RULES
from rookery.explanation.pictures import Picture, activations_picture, attributions_picture
from rookery.explanation.result import Explanation, numbers
from rookery.explanation.table import attributions_file, features_file
from rookery.reports.assess.judged import is_simulated
from rookery.reports.charts.explanations import map_chart, thinning_chart
from rookery.reports.charts.model import Chart
from rookery.reports.page.folder import FIGURES, made_now, survey_provenance, write_report
from rookery.reports.page.render import render_page
from rookery.reports.page.words import spoken

_COLOURED = {
    "truth": "true class", "redshift": "redshift", "peak_snr": "peak signal-to-noise",
    "snr": "signal-to-noise",
    "magnitude": "magnitude", "cadence": "days between observations", "origin": "survey", "role": "role",
    "answer": "answer", "certainty": "largest probability",
}  # fmt: skip
"""What maps are coloured by, where it is known."""
_MAPS = {"pca": "Principal components", "tsne": "t-SNE", "umap": "UMAP"}
_DRAWN = 1500
"""Objects of a map that are drawn."""


def write(out: Path, found: Explanation) -> None:
    """Write everything as one folder, in place of an earlier report."""
    subject = found.subject
    charts, pictures = _charts(found), _pictures(found)
    found_numbers = numbers(found)
    card = subject.member.card
    document = {
        "kind": "explanation",
        "simulated": is_simulated(subject.survey),
        "member": card.member,
        "family": card.family,
        "configuration": card.configuration,
        "weights": card.weights,
        "share": subject.share,
        "members": {part.id: part.share for part in subject.parts},
        "averaged_by_place": found.alike,
        "features": int(subject.features.shape[1]),
        "rules": RULES,
        **found_numbers,
        "survey": survey_provenance(subject.survey),
        **made_now(),
    }
    files = {
        "features.parquet": features_file(subject, found.known, found.maps),
        "attributions.parquet": attributions_file(subject, found.chosen, found.attributions),
    }
    for name, picture in pictures.items():
        files |= {f"{FIGURES}/{name}.png": picture.png, f"{FIGURES}/{name}.pdf": picture.pdf}
    page = _page(found, charts, pictures, document)
    write_report(out, page, document, charts, files=files)


def _charts(found: Explanation) -> dict[str, Chart]:
    """Return the maps by what they are coloured by, and the distances of thinned copies."""
    charts: dict[str, Chart] = {}
    ids = found.subject.object_id
    for name, places in found.maps.items():
        on_map = np.flatnonzero(np.isfinite(places).all(axis=1))
        drawn = on_map[np.linspace(0, len(on_map) - 1, min(len(on_map), _DRAWN)).astype(np.intp)]
        for column, word in _COLOURED.items():
            if column not in found.known or (column == "truth" and not found.subject.of_classes):
                continue
            values = found.known[column].iloc[drawn]
            chart = map_chart(places[drawn], values, ids[drawn], word)
            if chart is not None:
                charts[f"{name}_{column}"] = chart
    if found.thinned:
        kinds = dict.fromkeys(one.objects for one in found.thinned)
        charts["thinned"] = thinning_chart(
            {
                kind: [(o.part, o.median, o.low, o.high) for o in found.thinned if o.objects == kind]
                for kind in kinds
            }
        )
    return charts


def _pictures(found: Explanation) -> dict[str, Picture]:
    """Return the pictures of the chosen objects, and of the averages of groups."""
    subject, pictures = found.subject, {}
    for number, (one, stages) in enumerate(zip(found.chosen, found.stages, strict=True)):
        batch = {
            name: values[0].float().cpu().numpy()
            for name, values in subject.batch(np.array([one.row])).items()
        }
        signal, mask = batch[subject.signal], batch.get("mask")
        pictures[f"activations_{number}"] = activations_picture(signal, mask, stages, subject.bands)
        parts = _parts(found.attributions.gradients[number], found.attributions.occlusion[number])
        by_band = found.attributions.by_band[number]
        pictures[f"attributions_{number}"] = attributions_picture(signal, parts, by_band, subject.bands)
    for number, average in enumerate(found.average.values()):
        signals = subject.batch(average.rows)[subject.signal].float().mean(0).cpu().numpy()
        parts = _parts(average.gradients.mean(0), average.occlusion.mean(0))
        pictures[f"average_{number}"] = attributions_picture(
            signals, parts, average.by_band.mean(0), subject.bands
        )
    return pictures


def _parts(gradients: Floats, occlusion: Floats) -> dict[str, Floats]:
    """Return what is drawn beside the bands; of magnitudes, whose places are the bands, no occlusion."""
    return {"integrated gradients": gradients} | ({"occlusion": occlusion} if occlusion.ndim > 1 else {})


def _page(
    found: Explanation,
    charts: Mapping[str, Chart],
    pictures: Mapping[str, Picture],
    document: Mapping[str, Any],
) -> str:
    subject, card = found.subject, found.subject.member.card
    share = "" if subject.share is None else f", {subject.share:.0%} of its ensemble"
    many = len(subject.parts)
    if many:
        share = f", {many} networks, the heaviest is {card.member} ({subject.share:.0%})"
    unit = "the log-odds of the class" if subject.of_classes else "the mean redshift"
    return render_page(
        "explanation.html.j2",
        charts,
        title=f"What {'an ensemble' if many else card.member} has learned",
        lead=f"{card.family}{share}; {len(subject.survey):,} objects of {subject.survey.info.name}, "
        f"{subject.features.shape[1]} features each.",
        simulated=document["simulated"],
        notices=[_averaged(found)] if many else [],
        maps=[
            (title, [(key, _COLOURED[key.split("_", 1)[1]]) for key in charts if key.startswith(f"{name}_")])
            for name, title in _MAPS.items()
            if name in found.maps
        ],
        without_umap="umap" not in found.maps,
        overlaps=found.overlaps,
        thinned=found.thinned,
        unit=unit,
        objects=[
            (one, subject.object_id[one.row], subject.truth[one.row], value, number)
            for number, (one, value) in enumerate(zip(found.chosen, _answers(found), strict=True))
        ],
        averages=[
            (name, len(average.rows), number) for number, (name, average) in enumerate(found.average.items())
        ],
        rules=RULES,
        pictures={name: base64.b64encode(picture.png).decode() for name, picture in pictures.items()},
        remainder=document["largest_remainder_of_integrated_gradients"],
        provenance=[
            ("member", f"{card.member} · weights SHA-256 {card.weights}"),
            *spoken("survey:", document["survey"]),
            *spoken("", {"date": document["date"], "versions": document["versions"]}),
        ],
    )


def _averaged(found: Explanation) -> str:
    """Say what the page's numbers and pictures are means of."""
    subject = found.subject
    places = "" if found.alike > 0.999 else f" (by date and pixel, over {found.alike:.0%} of the weight)"
    return (
        f"Answers and attributions are means over {len(subject.parts)} networks, by weight{places}, without "
        "the bundle's pool and calibration; distances are means over the networks, each in its own unit; "
        f"features are those of all side by side; stages are those of {subject.member.card.member} alone."
    )


def _answers(found: Explanation) -> list[str]:
    """Return the network's answer for each chosen object, in words."""
    subject = found.subject
    rows = [one.row for one in found.chosen]
    if subject.of_classes:
        return [f"{subject.answer[row]} ({subject.probability[row].max():.2f})" for row in rows]
    return [f"{float(subject.answer[row]):.3f}" for row in rows]
