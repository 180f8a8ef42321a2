"""An ensemble opened once, for any number of surveys and blocks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import rookery
from rookery.compute.progress import counted
from rookery.inference.covariates import bundle_covariates, warn_of_lacking
from rookery.inference.domain import check_bands, marked
from rookery.surveys import Survey, SurveyInfo
from rookery.surveys.blocks import blocks_of
from rookery.training.member import Member, open_member
from rookery.training.target import known_truth
from rookery_ensembles import Bundle, Covariates, PredictionInfo, Predictions, split_uncertainty
from rookery_ensembles.further_columns import uncertainty_columns

_AT_ONCE = 1024
"""Objects that are pooled and calibrated together: arrays that stay in a processor's cache."""


@dataclass(frozen=True)
class OpenEnsemble:
    """A bundle with its networks on a device."""

    bundle: Bundle
    members: tuple[Member, ...]
    """In the bundle's order."""

    @classmethod
    def of(cls, bundle: Bundle, device: torch.device) -> "OpenEnsemble":
        """Open the members of a loaded bundle; raises InputError where one is weightless or does not fit."""
        members = tuple(open_member(folder, device) for folder in bundle.member_folders())
        if bundle.bands is None:  # written before bundles told
            bands = dict.fromkeys(band for member in members for band in member.card.bands)
            bundle = replace(bundle, bands=tuple(bands))
        return cls(bundle, members)

    def check_bands(
        self, survey: Survey, allow_missing_bands: bool, observed: Sequence[str] | None = None
    ) -> None:
        """Refuse a survey as `rookery.inference.domain.check_bands` does, and warn of lacking covariates."""
        check_bands(self.bundle, self.members, survey, allow_missing_bands, observed)
        warn_of_lacking(self.bundle, survey)

    def info(self, survey: SurveyInfo) -> PredictionInfo:
        """Return what predictions of a survey say about themselves."""
        bundle = self.bundle
        return PredictionInfo(
            target=bundle.target,
            bundle=bundle.path.resolve().name,
            configuration=bundle.digest[:12],
            survey=survey.checksum,
            version=rookery.__version__,
            unseen=not survey.was(str(bundle.provenance.get("survey", survey.checksum))) or None,
        )

    def predict(self, survey: Survey, *, with_truth: bool = True) -> Predictions:
        """Predict all objects of a survey, or of a view or block of one, whose bands were checked.

        Parameters
        ----------
        with_truth
            Whether types or redshifts that the survey knows become the predictions' truth.
        """
        target = self.bundle.target
        with counted("predictions", len(self.members) * len(survey)) as done:
            values_mnk = [member.values(survey, done) for member in self.members]
        covariates = bundle_covariates(self.bundle, survey)
        values, columns = np.empty((len(survey), target.n_columns), np.float32), []
        for first, stop in blocks_of(0, len(survey), _AT_ONCE):
            rows = slice(first, stop)
            known = None if covariates is None else covariates.take(rows)
            values[rows], beside = self._pooled([one[rows] for one in values_mnk], known)
            columns.append(beside)
        return Predictions(
            info=self.info(survey.info),
            object_id=survey.objects["object_id"].to_numpy().astype(str),
            truth=known_truth(target, survey) if with_truth else None,
            values=values,
            columns={name: np.concatenate([part[name] for part in columns]) for name in columns[0]},
        )

    def _pooled(
        self, values_mnk: Sequence[NDArray[np.float32]], covariates: Covariates | None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Return pooled, calibrated values of some objects, and the columns beside them."""
        bundle = self.bundle
        values = bundle.combine(values_mnk, covariates).astype(np.float32)
        weights = np.array([member.weight for member in bundle.members])
        parts = split_uncertainty(bundle.target, values_mnk, weights / weights.sum())
        columns = uncertainty_columns(bundle.target, parts, values)
        return values, columns | bundle.conformal_columns(values, covariates)

    def predict_marked(self, survey: Survey, *, with_truth: bool = True) -> Predictions:
        """Predict as `predict` does, and mark the objects out of the training objects' domain."""
        return marked(self.bundle, survey, self.predict(survey, with_truth=with_truth))[0]
