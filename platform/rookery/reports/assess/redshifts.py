"""Redshift PDFs held against a survey's spectroscopic redshifts, those of several methods together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.reports.assess.judged import Judged, Truth, check_kind, hold, opened
from rookery.surveys.splits import open_split
from rookery.surveys.store import Survey
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import fail
from rookery_ensembles.photoz_metrics import known_sample
from rookery_ensembles.photoz_sample import POINTS, PhotozSample
from rookery_ensembles.predictions import Predictions
from rookery_ensembles.shown import short_repr

FloatArray = NDArray[np.float64]


@short_repr
@dataclass(frozen=True, eq=False)
class RedshiftAssessment(Judged):
    """Redshift PDFs of objects whose redshift is known, by ascending row."""

    in_folds: bool
    """Whether those are objects that train, each but in its own fold."""
    z_spec: FloatArray
    """(N,) true redshifts."""
    pdf: NDArray[np.float32]
    """(N, K) float32 densities per unit redshift."""
    n_not_common: int = 0
    """Objects left out since another of the compared methods does not have them."""

    @property
    def edges(self) -> tuple[float, ...]:
        """The K + 1 edges of the redshift bins."""
        return self.info.target.edges

    @property
    def true_bin(self) -> NDArray[np.intp]:
        """(N,) the bin of each true redshift; beyond the bins the nearest one."""
        return np.clip(np.searchsorted(self.edges, self.z_spec, side="right") - 1, 0, len(self.edges) - 2)

    @cached_property
    def sample(self) -> PhotozSample:
        """The objects, ready to be scored under any weights; its `z_phot` are `z_mean`."""
        return known_sample(self.pdf, self.edges, self.z_spec)

    @cached_property
    def z_phot(self) -> dict[str, FloatArray]:
        """Point estimates (N,) by `POINTS`: of mean, median and mode."""
        others = {
            point: known_sample(self.pdf, self.edges, self.z_spec, point=point).z_phot
            for point in POINTS
            if point != "mean"
        }
        return {"mean": self.sample.z_phot, **others}

    @cached_property
    def dz(self) -> FloatArray:
        """(N,) errors (z_mean - z_spec) / (1 + z_spec)."""
        return (self.sample.z_phot - self.z_spec) / (1 + self.z_spec)


def assess_redshifts(
    predictions: str | Path | Predictions,
    survey: str | Path | Survey,
    *,
    split: str | None = None,
    role: str | None = None,
    name: str | None = None,
    truth: Truth = "agree",
) -> RedshiftAssessment:
    """Hold redshift PDFs against a survey's redshifts.

    Parameters
    ----------
    predictions
        A Parquet file of redshift PDFs, or what was read from one.
    survey
        The survey whose redshifts are the truth. Objects of unknown redshift are left out, and counted.
    split, role
        Restrict the objects to a role of one of the survey's splits; the role is ``"test"`` unless
        another is named. Of a split with folds, ``"train"`` are all objects that were dealt to one.
    name
        What to call the predictions; by default the file's name, else the member or bundle that made them.
    truth
        See :func:`rookery.reports.assess.judged.match`.

    Raises
    ------
    InputError
        When the predictions are invalid, are no redshift PDFs or belong to another survey, an
        object is unknown to the survey, their own truth contradicts it, or none is left to assess.
    """
    read, where, known = opened(predictions, survey)
    check_kind(read.info, RedshiftBins.kind, where)
    source = None if isinstance(predictions, Predictions) else Path(predictions)
    used, z_spec, fields = hold(
        read,
        known,
        where,
        name=name or (read.info.maker if source is None else source.stem),
        source=source,
        split=split,
        role=role,
        truth=truth,
    )
    order = np.argsort(fields["row"], kind="stable")
    return RedshiftAssessment(
        **fields | {"row": fields["row"][order]},
        in_folds=split is not None and role == "train" and open_split(known, split).n_folds > 0,
        z_spec=z_spec[order],
        pdf=np.asarray(read.values)[used[order]],
    )


def assess_methods(
    predictions: Sequence[str | Path],
    survey: str | Path | Survey,
    *,
    split: str | None = None,
    role: str | None = None,
    truth: Truth = "agree",
) -> list[RedshiftAssessment]:
    """Hold files of several methods against the same objects: those that all of them have.

    They are named by their files; files of one name, by their folders too.

    Raises
    ------
    InputError
        As :func:`assess_redshifts` does; and when a file is given twice, or there is no object
        that all of them have.
    """
    found: list[RedshiftAssessment] = []
    known: Any = survey
    for path, name in zip(predictions, method_names([Path(path) for path in predictions]), strict=True):
        found.append(assess_redshifts(path, known, split=split, role=role, name=name, truth=truth))
        known = found[0].survey
    common = found[0].row
    for other in found[1:]:
        common = np.intersect1d(common, other.row, assume_unique=True)
        if not common.size:
            rule = "must have objects of known redshift in common with the other predictions"
            raise fail(str(other.source), f"{rule} ({', '.join(one.name for one in found)}), but has none")
    return [_only(one, common) for one in found]


def method_names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file: its own without the suffix, with as many folders as tell them apart.

    Raises
    ------
    InputError
        When a file is given twice.
    """
    resolved = [path.resolve() for path in paths]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise fail(
                paths[index], "each of the predictions to compare must be another file, but is given twice"
            )
    names = [path.stem for path in resolved]
    depth = 1
    while len(set(names)) < len(names):
        depth += 1
        clashing = {name for name in names if names.count(name) > 1}
        for index, path in enumerate(resolved):
            if names[index] in clashing:
                names[index] = "/".join((*path.parts[-depth:-1], path.stem))
        if depth > max(len(path.parts) for path in resolved):  # a.csv and a.parquet of one folder
            return [str(path) for path in paths]
    return names


def _only(assessment: RedshiftAssessment, rows: NDArray[np.intp]) -> RedshiftAssessment:
    """Return an assessment of some of its objects only."""
    if len(rows) == len(assessment):
        return assessment
    kept = np.isin(assessment.row, rows, assume_unique=True)
    return replace(
        assessment,
        row=assessment.row[kept],
        z_spec=assessment.z_spec[kept],
        pdf=assessment.pdf[kept],
        n_not_common=int((~kept).sum()),
    )
