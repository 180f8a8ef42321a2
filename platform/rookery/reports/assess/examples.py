"""Examples of PDFs for a figure, chosen by rules that anybody can apply again."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.redshifts import FloatArray, RedshiftAssessment
from rookery_ensembles.photoz_metrics import narrowest
from rookery_ensembles.redshift_pdf import pdf_std

PER_KIND = 2
RULES = {
    "easy": "of the narrowest 20 % of the PDFs, those whose |Δz| is nearest the median of these",
    "bimodal": "the highest second peaks: those that rise most above the valley to the highest peak, "
    "relative to that",
    "wrong": "the largest |Δz|",
    "widest": "the largest standard deviations of the PDF",
}
"""How the examples of each kind are chosen."""
# A second peak below this part of the first is noise, or a shoulder.
_LEAST_PEAK = 0.1
_BLOCK = 20_000


@dataclass(frozen=True)
class Example:
    """One object to show."""

    kind: str
    """One of `RULES`."""
    index: int
    """Its position among the assessed objects."""
    object_id: str
    """Its name."""
    z_spec: float
    z_mean: float
    """Its redshift, true and estimated."""
    std: float
    """Standard deviation of its PDF."""


def choose_examples(assessment: RedshiftAssessment) -> list[Example]:
    """Return up to `PER_KIND` objects of each kind, no object twice; none of a kind that does not occur."""
    std, distance = pdf_std(assessment.pdf, assessment.edges), np.abs(assessment.dz)
    easy = np.flatnonzero(narrowest(assessment.pdf, assessment.edges, 0.2))
    order = {
        "easy": easy[np.argsort(np.abs(distance[easy] - np.median(distance[easy])), kind="stable")],
        "bimodal": _by_second_peak(assessment.pdf),
        "wrong": np.argsort(-distance, kind="stable"),
        "widest": np.argsort(-std, kind="stable"),
    }
    ids = assessment.survey.objects["object_id"].to_numpy()[assessment.row]
    taken: set[int] = set()
    found = []
    for kind, ranked in order.items():
        free = [int(index) for index in ranked[: PER_KIND + len(taken)] if int(index) not in taken]
        for index in free[:PER_KIND]:
            taken.add(index)
            found.append(
                Example(
                    kind,
                    index,
                    str(ids[index]),
                    float(assessment.z_spec[index]),
                    float(assessment.sample.z_phot[index]),
                    float(std[index]),
                )
            )
    return found


def second_peak(pdf_nk: NDArray[np.floating]) -> FloatArray:
    """Return (N,) how far a second peak rises above the valley before it, relative to the highest peak.

    0 for a PDF of one peak, near 1 for two of equal height with nothing between. PDFs are
    averaged over a fiftieth of their bins before, so that noise makes no peaks.
    """
    n, k = pdf_nk.shape
    pdf = _smoothed(np.asarray(pdf_nk, dtype=np.float64), max(1, 2 * (k // 100) + 1))
    top = pdf.argmax(axis=1)
    height = pdf[np.arange(n), top]
    left = np.arange(k)[None, :] < top[:, None]
    # Lowest density on the way from the highest peak to each bin, on its right and on its left.
    right_valley = np.minimum.accumulate(np.where(left, height[:, None], pdf), axis=1)
    left_valley = np.minimum.accumulate(np.where(left, pdf, height[:, None])[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((pdf - np.where(left, left_valley, right_valley)).max(axis=1) / height)


def _by_second_peak(pdf_nk: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return the objects that have a second peak, the highest one first."""
    parts = [second_peak(pdf_nk[start : start + _BLOCK]) for start in range(0, len(pdf_nk), _BLOCK)]
    peak = np.concatenate(parts)
    ranked = np.argsort(-peak, kind="stable")
    return ranked[peak[ranked] >= _LEAST_PEAK]


def _smoothed(pdf_nk: FloatArray, width: int) -> FloatArray:
    """Return moving averages over an odd number of bins, the ends repeated."""
    if width == 1:
        return pdf_nk
    padded = np.pad(pdf_nk, ((0, 0), (width // 2 + 1, width // 2)), mode="edge")
    padded[:, 0] = 0.0
    sums = np.cumsum(padded, axis=1)
    return np.maximum((sums[:, width:] - sums[:, :-width]) / width, 0.0)
