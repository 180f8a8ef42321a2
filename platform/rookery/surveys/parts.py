"""Which objects two surveys have in common, where one was merged into the other or has grown into it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.surveys.store import Survey
from rookery.surveys.view import SurveyView


def merged_part(survey: Survey) -> dict[str, Any]:
    """Return what a merged survey's document tells of one of its surveys, of a view the objects it shows.

    `checksum`; `objects`, their number; and where there are any `earlier`, the number of objects by the
    checksum of each earlier state, and `merged`, the same of each survey that was merged into it before.
    """
    rows = survey.rows if isinstance(survey, SurveyView) else np.arange(len(survey))
    info = survey.info
    return _part(info.checksum, info.earlier, info.provenance.get("merged", ()), rows)


def _part(
    checksum: str,
    earlier: Mapping[str, int],
    merged: Sequence[Mapping[str, Any]],
    rows: NDArray[np.integer],
) -> dict[str, Any]:
    first, parts = 0, []
    for one in merged:
        own = rows[(rows >= first) & (rows < first + one["objects"])] - first
        parts.append(_part(one["checksum"], one.get("earlier", {}), one.get("merged", ()), own))
        first += one["objects"]
    before = {state: int((rows < number).sum()) for state, number in earlier.items()}
    return {
        "checksum": checksum,
        "objects": len(rows),
        **({"earlier": before} if before else {}),
        **({"merged": parts} if parts else {}),
    }


def survey_parts(survey: Survey) -> Iterator[tuple[str, int, int]]:
    """Yield the checksum of every survey that a survey holds, with the first row and the end of its objects.

    They are the survey itself, its earlier states, and those that were merged into it, theirs too.
    """
    yield from _ranges(merged_part(survey), 0)


def _ranges(part: Mapping[str, Any], first: int) -> Iterator[tuple[str, int, int]]:
    yield part["checksum"], first, first + part["objects"]
    for before, number in part.get("earlier", {}).items():
        yield before, first, first + number
    for one in part.get("merged", ()):
        yield from _ranges(one, first)
        first += one["objects"]


def spellings(object_id: str) -> Iterator[str]:
    """Yield an object's name, and what it was before merges put origins before it."""
    yield object_id
    while object_id := object_id.partition(":")[2]:
        yield object_id


def shared_objects(survey: Survey, other: Survey, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the objects of a survey that are among some `rows` of another one; (N,)."""
    found = np.zeros(len(survey), dtype=bool)
    names, theirs = (one.objects["object_id"].to_numpy(dtype=object) for one in (survey, other))
    known = list(survey_parts(other))
    for checksum, first, end in survey_parts(survey):
        ranges = [(low, high) for common, low, high in known if common == checksum]
        if not ranges:
            continue
        low, high = ranges[0]
        some = rows[(rows >= low) & (rows < high)]
        given = {name for one in theirs[some] for name in spellings(str(one))}
        for row in range(first, min(end, len(survey))):
            found[row] |= not given.isdisjoint(spellings(str(names[row])))
    return found
