"""Explain a network or an ensemble: everything computed, and written as one folder with a page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from rookery.explanation.ensemble import explain_all, open_all
from rookery.explanation.invariance import thinned_distances
from rookery.explanation.maps import make_maps, principal_components
from rookery.explanation.objects import choose, groups, sample
from rookery.explanation.overlap import Overlap, overlap
from rookery.explanation.report import write
from rookery.explanation.result import Explanation
from rookery.explanation.subject import Subject, find_parts
from rookery.explanation.table import known_columns, labelled
from rookery.networks.inside import stage_outputs
from rookery.reports.page.folder import PAGE, refuse_foreign
from rookery.surveys import open_survey
from rookery.training.data import find_device

_THINNED = 500
"""Light curves that are thinned."""
_CHOSEN = ""
"""Name of the chosen objects among the groups, which have names."""


def explain(
    what: str | Path,
    survey: str | Path,
    out: str | Path,
    *,
    member: str | None = None,
    split: str | None = None,
    objects: Sequence[str] = (),
    mapped: int = 2000,
    averaged: int = 32,
    seed: int = 0,
    device: str | None = None,
) -> Path:
    """Explain a network, or an ensemble, on the objects of a survey, and return the path of the page.

    Parameters
    ----------
    what
        Ensemble bundle or member folder.
    survey
        Survey store.
    out
        Folder to write: ``index.html`` (one file, works offline), ``metrics.json``, ``features.parquet``,
        ``attributions.parquet`` and ``figures/``. An earlier report there is replaced.
    member
        Which of the bundle's members alone; by default the means over all of them, by weight.
    split
        Its train and validation objects are the labelled ones; by default those whose truth is known.
    objects
        Objects to show; by default some of each class, or third of redshift, by rule.
    mapped
        At most so many objects on maps of t-SNE and UMAP.
    averaged
        At most so many objects of each class, or third, whose attributions are averaged.
    seed
        Of everything drawn at random.
    device
        Torch device; by default a GPU where there is one.

    Raises
    ------
    InputError
        As :func:`rookery.explanation.subject.find_parts` and :func:`rookery.explanation.ensemble.open_all`
        do; for an object that is not in the survey, and
        where `out` holds other files.
    """
    out = Path(out)
    refuse_foreign(out)
    parts = find_parts(Path(what), member)
    subject = open_all(parts, open_survey(survey), find_device(device))
    grouped = groups(subject)
    chosen = choose(subject, objects, grouped)
    known = known_columns(subject, split)
    everything = np.arange(len(subject.survey))
    answers = subject.probability.argmax(1).astype(np.int64)
    rows = np.array([one.row for one in chosen], dtype=np.int64)
    wanted = {
        name: (some, _columns(subject, name, answers[some]))
        for name, group in grouped.items()
        if len(some := sample(group, averaged, seed))
    }
    thinned = sample(everything, _THINNED, seed)
    together = explain_all(subject, {_CHOSEN: (rows, answers[rows]), **wanted}, thinned, seed)
    found = Explanation(
        subject,
        known,
        make_maps(subject.features, sample(everything, mapped, seed), seed),
        _overlaps(subject, known, seed),
        chosen,
        _stages(subject, rows),
        together.attributions.pop(_CHOSEN),
        together.attributions,
        thinned_distances(subject, thinned, together.copies),
        together.alike,
    )
    write(out, found)
    return out / PAGE


def _columns(subject: Subject, group: str, answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class whose log-odds are explained for objects of a group."""
    names = subject.member.card.target.names
    return np.full_like(answers, names.index(group)) if group in names else answers


def _stages(subject: Subject, rows: NDArray[np.int64]) -> list[dict[str, NDArray[np.float32]]]:
    """Return what each stage makes of each of some objects."""
    member = subject.member

    def made(row: int) -> dict[str, NDArray[np.float32]]:
        batch = subject.batch(np.array([row]))
        stages = stage_outputs(member.network, lambda: member.family.predict(member.network, batch))
        return {name: values[0].float().cpu().numpy() for name, values in stages.items()}

    with torch.inference_mode():
        return [made(int(row)) for row in rows]


def _overlaps(subject: Subject, known: pd.DataFrame, seed: int) -> list[Overlap]:
    """Return how well labelled objects are told from others, also within classes, and surveys from others."""
    seen = labelled(known, subject)
    names = ("labelled", "unlabelled")
    features = principal_components(subject.features)
    found = [overlap(features, seen, ~seen, names, seed=seed)]
    if subject.of_classes:
        for name in subject.member.card.target.names:
            own = subject.truth == name
            found.append(overlap(features, seen & own, ~seen & own, names, among=name, seed=seed))
    if "origin" in known:
        for origin in sorted(known["origin"].dropna().unique()):
            own = (known["origin"] == origin).to_numpy()
            found.append(overlap(features, own, ~own, (str(origin), "other surveys"), seed=seed))
    return [one for one in found if one is not None]
