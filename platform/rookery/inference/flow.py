"""An ensemble opened once, for any number of surveys and blocks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

import rookery
from rookery.inference.covariates import bundle_covariates, warn_of_lacking
from rookery.inference.domain import check_bands, marked
from rookery.surveys import Survey
from rookery.training.member import Member, open_member
from rookery.training.target import known_truth
from rookery_ensembles import Bundle, PredictionInfo, Predictions, split_uncertainty
from rookery_ensembles.beside import uncertainty_columns


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
        warn_of_lacking(self.bundle, survey)
        check_bands(self.bundle, self.members, survey, allow_missing_bands, observed)

    def info(self, checksum: str) -> PredictionInfo:
        """Return what predictions of a survey say about themselves."""
        bundle = self.bundle
        return PredictionInfo(
            target=bundle.target,
            bundle=bundle.path.resolve().name,
            configuration=bundle.digest[:12],
            survey=checksum,
            version=rookery.__version__,
            unseen=bundle.provenance.get("survey", checksum) != checksum or None,
        )

    def predict(self, survey: Survey, *, with_truth: bool = True) -> Predictions:
        """Predict all objects of a survey, or of a view or block of one, whose bands were checked.

        Parameters
        ----------
        with_truth
            Whether types or redshifts that the survey knows become the predictions' truth.
        """
        bundle = self.bundle
        values_mnk = [member.values(survey) for member in self.members]
        known = bundle_covariates(bundle, survey)
        values = bundle.combine(values_mnk, known).astype(np.float32)
        weights = np.array([member.weight for member in bundle.members])
        parts = split_uncertainty(bundle.target, values_mnk, weights / weights.sum())
        return Predictions(
            info=self.info(survey.checksum),
            object_id=survey.objects["object_id"].to_numpy().astype(str),
            truth=known_truth(bundle.target, survey) if with_truth else None,
            values=values,
            columns=uncertainty_columns(bundle.target, parts, values)
            | bundle.conformal_columns(values, known),
        )

    def predict_marked(self, survey: Survey, *, with_truth: bool = True) -> Predictions:
        """Predict as `predict` does, and mark the objects out of the training objects' domain."""
        return marked(self.bundle, survey, self.predict(survey, with_truth=with_truth))[0]
