"""Which objects are shown, by rules that anybody can apply again, and the groups of averages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.explanation.subject import Subject
from rookery_ensembles.redshift_pdf import pdf_std

RULES = {
    "asked for": "named by --objects",
    "right and sure": "of those answered right, the surest",
    "wrong and sure": "the least probability of the truth; of redshifts the largest error",
    "unsure": "the answer that is least sure",
}
"""How objects are chosen in each group. The answer for redshifts is right within 0.05 (1 + z)."""
_RIGHT = 0.05
_MOST_GROUPS = 4


@dataclass(frozen=True)
class Chosen:
    """An object to show."""

    row: int
    group: str
    rule: str
    """One of `RULES`."""


def groups(subject: Subject) -> dict[str, NDArray[np.int64]]:
    """Return rows by group: classes, or thirds of redshift; the true one where any is known.

    At most four, the most frequent ones.
    """
    rows = np.flatnonzero(subject.known) if subject.known.any() else np.arange(len(subject.survey))
    values = (subject.truth if subject.known.any() else subject.answer)[rows]
    if subject.of_classes:
        names, counts = np.unique(values.astype(str), return_counts=True)
        kept = names[np.argsort(-counts, kind="stable")][:_MOST_GROUPS]
        return {str(name): rows[values.astype(str) == name] for name in kept}
    z = values.astype(np.float64)
    edges = np.quantile(z, [0, 1 / 3, 2 / 3, 1])
    third = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, 2)
    return {
        f"z {edges[number]:.2f} to {edges[number + 1]:.2f}": rows[third == number]
        for number in range(3)
        if (third == number).any()
    }


def choose(subject: Subject, named: Sequence[str], grouped: dict[str, NDArray[np.int64]]) -> list[Chosen]:
    """Return the objects that are named; without any, up to three of each group, no object twice.

    Raises
    ------
    InputError
        For a name that is no object of the survey.
    """
    if named:
        group_of = {int(row): name for name, rows in grouped.items() for row in rows}
        wanted = dict.fromkeys(subject.rows_of(named).tolist())
        return [Chosen(row, group_of.get(row, "other"), "asked for") for row in wanted]
    right, sure = _right(subject), _sureness(subject)
    found: dict[int, Chosen] = {}
    for name, rows in grouped.items():
        ranked = {"right and sure": rows[right[rows]][np.argsort(-sure[rows[right[rows]]], kind="stable")]}
        wrong = rows[~right[rows] & subject.known[rows]]
        ranked["wrong and sure"] = wrong[np.argsort(_closeness(subject)[wrong], kind="stable")]
        ranked["unsure"] = rows[np.argsort(sure[rows], kind="stable")]
        for rule, candidates in ranked.items():
            free = [int(row) for row in candidates[:4] if int(row) not in found]
            if free:
                found[free[0]] = Chosen(free[0], name, rule)
    return list(found.values())


def sample(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Return at most so many of some rows, drawn at random, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _right(subject: Subject) -> NDArray[np.bool_]:
    """Return (N,) whether the answer is right; True where the truth is unknown."""
    if subject.of_classes:
        return ~subject.known | (subject.answer == subject.truth)
    truth, answer = subject.truth.astype(np.float64), subject.answer.astype(np.float64)
    return ~(np.abs(answer - truth) / (1 + truth) > _RIGHT)


def _closeness(subject: Subject) -> NDArray[np.float64]:
    """Return (N,) the probability of the true class, or minus the error of the redshift."""
    if subject.of_classes:
        index = np.maximum(subject.member.card.target.index(subject.truth), 0)
        return subject.probability[np.arange(len(index)), index].astype(np.float64)
    truth, answer = subject.truth.astype(np.float64), subject.answer.astype(np.float64)
    return -np.abs(answer - truth) / (1 + truth)


def _sureness(subject: Subject) -> NDArray[np.float64]:
    """Return (N,) the largest probability, or minus the width of the PDF."""
    if subject.of_classes:
        return subject.probability.max(1).astype(np.float64)
    target = subject.member.card.target
    return -pdf_std(target.from_probabilities(subject.probability), target.edges)
