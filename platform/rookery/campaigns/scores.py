"""What rows score: each member by itself, baselines, and ensembles chosen on validation objects."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rookery.campaigns.averages import mean_of
from rookery.campaigns.campaign import Campaign
from rookery.campaigns.document import Bins, ExperimentDocument
from rookery.campaigns.jobs import Datasets, fold_name, training_job
from rookery.campaigns.plan import VALIDATION, Folders, baseline_task, is_whole
from rookery.campaigns.prepare import ExperimentData
from rookery.campaigns.rows import RowDocument
from rookery.campaigns.uncertainty import Judged, judge
from rookery.inference.covariates import named_covariates, object_covariates, some_covariates
from rookery.inference.priors import correct_priors, labelled_fractions
from rookery.inference.write_ensemble import write_ensemble
from rookery.shift.domain import training_domain
from rookery.training.candidate import open_candidate
from rookery.training.card import DEGRADED
from rookery_ensembles import (
    PredictionInfo,
    Predictions,
    narrowest,
    open_predictions,
    out_of_fold,
    pool_folds,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.errors import fail
from rookery_ensembles.member_table import tabulate_members


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    experiment: str
    row: str
    """What was done."""
    bin: str
    """Which bin of the test objects, in words; empty for all of them."""
    members: int
    wanted: int
    """Networks that the figures rest on, and how many there should be; 0 for a baseline."""
    training_size: int
    validation_size: int
    test_size: int
    """Objects that train or validate, those of them that validate, and test objects judged."""
    metrics: dict[str, float]
    scatter: dict[str, float] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    """Mean over the members; their standard deviation (empty for fewer than two members, or
    where there is but one prediction); and how far the mean may be off, see
    :mod:`rookery.campaigns.uncertainty`."""
    ids: tuple[str, ...] = ()
    """What was judged: names of members, of a baseline's file, or of a bundle."""
    judged: Judged | None = field(default=None, repr=False, compare=False)
    """The draws behind the error; None for published figures."""


def score_campaign(campaign: Campaign, datasets: dict[str, ExperimentData], folders: Folders) -> list[Line]:
    """Score every row of every experiment; networks that are missing leave a row with fewer, or none."""
    lines = []
    for name, experiment in campaign.document.experiments.items():
        scorer = _Scorer(campaign, name, experiment, datasets, folders)
        for row in campaign.rows_of(experiment):
            lines += scorer.lines(row)
    return lines


@dataclass(frozen=True)
class _Scorer:
    """The scores of one experiment."""

    campaign: Campaign
    name: str
    experiment: ExperimentDocument
    datasets: Datasets
    folders: Folders

    @property
    def data(self) -> ExperimentData:
        """What the experiment stands on."""
        return self.datasets[self.name]

    def lines(self, row: RowDocument) -> list[Line]:
        """Return a row's line, and one for each bin."""
        rows = [self.campaign.row(name) for name in row.parts] or [row]
        starts = {name: self._of_folds(name) for each in rows for name in self._names(each)}
        whole = {name: nets for name, nets in starts.items() if all(map(self._is_ready, nets))}
        if row.ensemble_of is not None:
            found = [self._ensemble(row, whole)] if whole else []
            for one in found:
                write_predictions(one, self._bundle(row).with_suffix(".parquet"))
        elif row.average_of is not None:
            found = self._average(rows, whole)
        else:
            found = self._of_row(row, whole)
        members, wanted = (sum(map(len, each.values())) for each in (whole, starts))
        ids = tuple(name for networks in whole.values() for name in networks)
        ids += tuple(self._baseline(each).stem for each in rows if each.baseline is not None)
        return self._judge(row, found, ids, members=members, wanted=wanted)

    def _baseline(self, row: RowDocument) -> Path:
        """Return the predictions of a baseline's row, which may be missing."""
        task = baseline_task(self.campaign, self.data, self.experiment, row)
        return self.folders.predictions / f"{task.id}.parquet"

    def _of_row(self, row: RowDocument, whole: Mapping[str, Sequence[str]]) -> list[Predictions]:
        """Return what each random start of a row, or its baseline, says of the test objects."""
        if row.baseline is not None:
            path = self._baseline(row)
            return [read_predictions(path)] if path.is_file() else []
        return [self._read(whole[name]) for name in self._names(row) if name in whole]

    def _average(self, rows: Sequence[RowDocument], whole: Mapping[str, Sequence[str]]) -> list[Predictions]:
        """Return the mean over networks; with a baseline that over rows, where none is missing."""
        if all(row.is_network for row in rows):
            found = [self._read(networks) for networks in whole.values()]
            return [mean_of(found)] if found else []
        of_rows = [self._of_row(row, whole) for row in rows]
        if not all(of_rows):
            return []
        return [mean_of([mean_of([self._aligned(each) for each in of_row]) for of_row in of_rows])]

    def _read(self, start: Sequence[str]) -> Predictions:
        """Return what the networks of one random start say of the test objects."""
        found = [read_predictions(self._test_file(name)) for name in start]
        if self.data.out_of_fold:
            return pool_folds(found)
        return mean_of(found)

    def _names(self, row: RowDocument) -> list[str]:
        """Return the names of a row's random starts: those of its networks, but for their folds."""
        if row.baseline is not None:
            return []
        seeds = self.campaign.seeds(self.experiment, row)
        where = self.campaign, self.datasets, self.experiment
        return [training_job(*where, row, seed).member for seed in seeds]

    def _of_folds(self, start: str) -> list[str]:
        """Return the networks of one random start."""
        return [fold_name(start, fold) for fold in self.data.folds]

    def _test_file(self, member: str) -> Path:
        if self.data.out_of_fold:
            return self.folders.members / member / VALIDATION
        return self.folders.elsewhere(member, self.data)

    def _is_ready(self, member: str) -> bool:
        return is_whole(self.folders.members / member) and self._test_file(member).is_file()

    def _bundle(self, row: RowDocument) -> Path:
        return self.folders.ensembles / self.name / slug(row.name)

    def _ensemble(self, row: RowDocument, starts: Mapping[str, Sequence[str]]) -> Predictions:
        """Select, average and calibrate members on validation objects; keep the bundle.

        Where the objects of the folds are judged, each is so by networks, weights and a calibration
        that did not see it; the bundle, which is for other surveys, has seen all.
        """
        members = self.folders.members
        names = [name for networks in starts.values() for name in networks]
        shifted = all((members / name / DEGRADED).is_file() for name in names)
        candidates = [
            open_candidate(members / name, start, degraded=shifted)
            for start, networks in starts.items()
            for name in networks
        ]
        survey = self.data.survey
        bundle, choice = write_ensemble(
            candidates,
            self._bundle(row),
            positive=self.campaign.document.defaults.positive,
            sharpen=not shifted,
            by=row.by,
            calibration=row.calibration,
            covariates=object_covariates(
                survey,
                survey.path,
                self.campaign.target.kind,
                by=row.by,
                calibration=row.calibration,
                names=row.covariates,
            ),
            groups=None if row.groups is None else named_covariates(survey, survey.path, (row.groups,)),
            domain=training_domain(survey, self.data.split),
            provenance={
                "campaign": self.campaign.document.name,
                "experiment": self.name,
                "row": row.name,
                "survey": survey.checksum,
                "split": self.data.split.name,
                "candidates": len(candidates),
            },
            replace=True,
        )
        if self.data.out_of_fold:
            return out_of_fold(candidates, choice, name=bundle.path.name)
        table = tabulate_members([open_predictions(self._test_file(m.id)) for m in choice.members])
        known = some_covariates(bundle, self.data.test_survey, table.object_id)
        values = choice.calibrate(choice.pool(table.values, known), known)
        first = table.info
        info = PredictionInfo(
            choice.target,
            bundle=bundle.path.name,
            configuration=bundle.digest[:12],  # as the bundle's own predictions, of partial light curves too
            survey=first.survey,
            unseen=first.unseen,
        )
        return Predictions(info, table.object_id, table.truth, values.astype(np.float32))

    def _judge(
        self,
        row: RowDocument,
        found: Sequence[Predictions],
        ids: tuple[str, ...],
        *,
        members: int,
        wanted: int,
    ) -> list[Line]:
        data, table = self.data, self.campaign.document.table
        training = data.training_size(self.experiment.train_on)
        validation = 0 if data.split.n_folds else data.count("validation")
        aligned = [self._aligned(predictions) for predictions in found]
        if row.correct_priors:
            rows, where = data.labelled(self.experiment.train_on), f"experiment {self.name}"
            labelled = labelled_fractions(data.survey, rows, self.campaign.target, where)
            aligned = [correct_priors(predictions, labelled) for predictions in aligned]
        kept = [self._kept(row, predictions) for predictions in aligned]
        lines = []
        for label, chosen in self._bins(table.bins):
            positions = [np.flatnonzero(chosen & mask) for mask in kept]
            some = [
                (predictions.take(position), position)
                for predictions, position in zip(aligned, positions, strict=True)
                if len(position)
            ]
            judged = judge(
                some,
                len(data.test_id),
                self.campaign.document.defaults.positive,
                table.replicates,
                self.campaign.document.defaults.seed,
            )
            lines.append(
                Line(
                    experiment=self.name,
                    row=row.name,
                    bin=label,
                    members=members,
                    wanted=wanted,
                    training_size=training,
                    validation_size=validation,
                    test_size=round(mean(map(len, positions))) if positions else int(chosen.sum()),
                    metrics=judged.metrics,
                    scatter=judged.scatter,
                    error=judged.error,
                    ids=ids,
                    judged=judged,
                )
            )
        return lines

    def _aligned(self, predictions: Predictions) -> Predictions:
        """Return the predictions of the test objects, in their order."""
        chosen = self.data.test_id
        order = np.argsort(predictions.object_id)
        place = np.searchsorted(predictions.object_id, chosen, sorter=order)
        rows = order[np.minimum(place, len(order) - 1)]
        absent = predictions.object_id[rows] != chosen
        if absent.any() or predictions.truth is None:
            lacks = f"{chosen[absent][0]!r}" if absent.any() else "the truth"
            raise fail(
                f"predictions of {predictions.info.maker}, experiment {self.name}", f"must have {lacks}"
            )
        return predictions.take(rows)

    def _kept(self, row: RowDocument, predictions: Predictions) -> NDArray[np.bool_]:
        """Mark the objects that a row is judged on: all, or those without the widest PDFs."""
        if row.without_widest is None:
            return np.ones(len(predictions.object_id), dtype=bool)
        return narrowest(predictions.values, predictions.info.target.edges, 1 - row.without_widest)

    def _bins(self, bins: Bins | None) -> list[tuple[str, NDArray[np.bool_]]]:
        """Mark the test objects of each bin, all of them first."""
        everything = [("", np.ones(len(self.data.test_id), dtype=bool))]
        if bins is None:
            return everything
        values = column_values(self.campaign, self.data, bins.column)
        return everything + [
            (f"{low:g} <= {bins.column} < {high:g}", (values >= low) & (values < high))
            for low, high in pairwise(edges_of(bins, values))
        ]


def edges_of(bins: Bins, values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the edges of bins of an experiment's test objects, of whom these are the values."""
    if bins.parts is None:
        return bins.edges
    found = np.nanquantile(values, np.linspace(0, 1, bins.parts + 1))
    return (*found[:-1].tolist(), float(np.nextafter(found[-1], np.inf)))  # the largest is in the last bin


def check_bins(campaign: Campaign, datasets: dict[str, ExperimentData]) -> None:
    """Refuse bins of a column that some test survey lacks, before anything is trained."""
    if campaign.document.table.bins is not None:
        for data in datasets.values():
            column_values(campaign, data, campaign.document.table.bins.column)


def column_values(campaign: Campaign, data: ExperimentData, column: str) -> NDArray[Any]:
    """Return a column of the test objects, from the object table or else the truth table.

    Raises
    ------
    InputError
        When neither has it as numbers; those that do are listed.
    """
    survey, truth = data.test_survey, data.test_survey.truth()
    for frame in (survey.objects, truth):
        if frame is not None and column in frame.select_dtypes("number").columns:
            values = frame.set_index("object_id")[column].loc[list(data.test_id)]
            return values.to_numpy(dtype=np.float64)
    known = [c for f in (survey.objects, truth) if f is not None for c in f.select_dtypes("number").columns]
    rule = f"{survey.path} has the columns of numbers {', '.join(known)}, but not {column!r}"
    raise campaign.source.error(("table", "bins", "column"), rule)


def slug(name: str) -> str:
    """Return a row's name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "row"


def is_number(value: float | None) -> bool:
    """Whether a metric is defined."""
    return value is not None and not math.isnan(value)
