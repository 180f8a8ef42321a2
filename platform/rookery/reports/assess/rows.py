"""The rows of a photometric-redshift paper's table: their objects and metrics; and the published ones."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.covariates import covariate_table
from rookery.reports.assess.redshifts import FloatArray, RedshiftAssessment
from rookery_ensembles.bootstrap import Estimate, Scores, bootstrap_scores
from rookery_ensembles.photoz_metrics import KEPT, narrowest, photoz_scores
from rookery_ensembles.photoz_sample import POINT_KEYS, POINTS, PointSample

LABELS = {
    "all": "all",
    "narrowest": "widest 20 % removed",
    "stripe82": "Stripe 82",
    "stripe82_narrowest": "Stripe 82, widest 20 % removed",
}
"""What the table calls its rows."""
SOURCE = "Pasquet et al. 2019, A&A 621, A26; B16: Beck et al. 2016 on the same galaxies, as given there"
SAMPLE = "SDSS Main Galaxy Sample, r ≤ 17.8, z < 0.4"
DEEP = "stripe82"
"""Covariate that is 1 for objects of the deep field."""


@dataclass(frozen=True, eq=False)
class Row:
    """The metrics of one method on the objects of one row."""

    key: str
    """One of `LABELS`."""
    method: str
    """Name of the method."""
    scores: Scores
    """All metrics with intervals; bias, sigma_MAD and eta are those of `z_mean`."""
    points: Mapping[str, Mapping[str, Estimate]]
    """Bias, sigma_MAD and eta by point estimate: mean, median, mode."""


@dataclass(frozen=True, eq=False)
class Ratio:
    """How the scatter of another method compares with the first one's, on the same objects."""

    key: str
    method: str
    """Row and name of the other method."""
    sigma_mad: Estimate
    """Its sigma_MAD over the first one's: above 1 where the first one is better."""


class Published(NamedTuple):
    """A published row: a fact with its source, not computed here."""

    experiment: str
    """What the network was trained on."""
    row: str
    """The objects of the test, one of `LABELS`."""
    method: str
    """``CNN`` or ``B16``."""
    training_size: int
    """Galaxies that it was trained on."""
    bias: float
    sigma_mad: float
    eta: float
    """As in `rookery_ensembles.photoz_metrics`; eta in percent."""


@cache
def published() -> tuple[Published, ...]:
    """Return the rows of ``published.csv``."""
    lines = (files(__package__) / "published.csv").read_text(encoding="utf-8").splitlines()
    found = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(
        Published(
            row["experiment"], row["row"], row["method"], int(row["training_size"]),
            float(row["bias"]), float(row["sigma_mad"]), float(row["eta"]),
        )
        for row in found
    )  # fmt: skip


def paper_rows(
    methods: Sequence[RedshiftAssessment], *, replicates: int, seed: int
) -> tuple[list[Row], list[Ratio]]:
    """Return every row of every method, and the ratios of scatter to the first method.

    Of the same row all methods are judged on the same objects, and by the same draws of the
    bootstrap; but where the widest PDFs are removed, each method's own are.
    """
    first = methods[0]
    draws: Any = {"replicates": replicates, "seed": seed}
    deep = _deep(first)
    samples: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(first), np.bool_)}
    if deep.any():
        samples[DEEP] = deep
    rows: list[Row] = []
    ratios: list[Ratio] = []
    for key, chosen in samples.items():
        for one in methods:
            rows.append(_row(key, one, chosen, draws))
        for other in methods[1:]:
            pair = _Pair(*(_points(one, chosen, "mean") for one in (first, other)))
            ratios.append(Ratio(key, other.name, bootstrap_scores(pair, **draws).metrics["sigma_mad"]))
        narrow = "narrowest" if key == "all" else f"{key}_narrowest"
        for one in methods:
            kept = np.flatnonzero(chosen)[narrowest(one.pdf[chosen], one.edges, KEPT)]
            mask = np.zeros(len(one), np.bool_)
            mask[kept] = True
            rows.append(_row(narrow, one, mask, draws))
    return rows, ratios


def _deep(assessment: RedshiftAssessment) -> NDArray[np.bool_]:
    """Return (N,) whether an object is of the deep field; nowhere when the survey does not say."""
    table = covariate_table(assessment.survey)
    if DEEP not in table:
        return np.zeros(len(assessment), np.bool_)
    return np.asarray(table[DEEP].to_numpy()[assessment.row] == 1)


def _row(key: str, one: RedshiftAssessment, chosen: NDArray[np.bool_], draws: Any) -> Row:
    whole = chosen.all()
    pdf, z_spec = (one.pdf, one.z_spec) if whole else (one.pdf[chosen], one.z_spec[chosen])
    scores = photoz_scores(pdf, one.edges, z_spec, unseen=bool(one.info.unseen), **draws)
    points = {
        point: bootstrap_scores(_points(one, chosen, point), **draws).metrics
        if point != "mean"
        else {name: scores.metrics[name] for name in POINT_KEYS}
        for point in POINTS
    }
    return Row(key, one.name, scores, points)


def _points(one: RedshiftAssessment, chosen: NDArray[np.bool_], point: str) -> PointSample:
    return PointSample(one.z_phot[point][chosen], one.z_spec[chosen])


class _Pair:
    """Two methods' estimates of the same objects: their ratio of sigma_MAD under any weights."""

    def __init__(self, first: PointSample, other: PointSample) -> None:
        self._first, self._other = first, other

    def __len__(self) -> int:
        return len(self._first)

    def metrics(self, weight_rn: FloatArray | None = None) -> dict[str, FloatArray]:
        """Return the ratio other / first, (R,); NaN where the first has no scatter."""
        first, other = (x.metrics(weight_rn)["sigma_mad"] for x in (self._first, self._other))
        ratio = np.full(len(first), np.nan)
        np.divide(other, first, out=ratio, where=first > 0)
        return {"sigma_mad": ratio}
