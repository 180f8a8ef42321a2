"""`photoz_mlp` networks as an informer and an estimator of RAIL."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import qp
from ceci.config import StageParameter
from numpy.typing import NDArray
from rail.core.common_params import SharedParams
from rail.core.data import QPHandle, TableHandle
from rail.core.enums import DistributionType
from rail.estimation.estimator import CatEstimator
from rail.estimation.informer import CatInformer

from rookery.rail.model import BundleHandle, BundleModel, CeciCommand
from rookery.rail.photometry import column, group_of, photometry_options, write_catalogue
from rookery_ensembles import RedshiftBins
from rookery_ensembles.errors import fail

logger = logging.getLogger(__name__)
FAMILY = "photoz_mlp"
_SPLIT = "folds"


def grid_bins(config: Any, where: str) -> RedshiftBins:
    """Return bins whose edges are the grid of RAIL's `zmin`, `zmax` and `nzbins` (its number of points)."""
    if config.nzbins < 3 or not config.zmin < config.zmax:
        rule = "`zmin < zmax` and `nzbins >= 3` must hold"
        raise fail(where, f"{rule}, but they are {config.zmin}, {config.zmax} and {config.nzbins}")
    return RedshiftBins.equal(config.zmin, config.zmax, config.nzbins - 1)


def histograms(target: RedshiftBins, values_nk: NDArray[Any]) -> "qp.Ensemble":
    """Return densities on bins as qp's histograms, with the centre of the highest bin as `zmode`."""
    edges = np.asarray(target.edges)
    found = qp.Ensemble(qp.hist, data={"bins": edges, "pdfs": np.asarray(values_nk, dtype=np.float64)})
    found.set_ancil({"zmode": ((edges[1:] + edges[:-1]) / 2)[values_nk.argmax(axis=1)]})
    return found


class RookeryInformer(CeciCommand, CatInformer):
    """Train `photoz_mlp` networks on folds of a table, and combine them in an ensemble bundle.

    Each configuration trains `folds` networks, of which each judges the objects that it did not see;
    weights and calibration are fitted to what they predict there. For a search of hyperparameters on a
    cluster use `rookery search`; `RookeryEstimator` takes its bundle as `model` too.
    """

    name = "RookeryInformer"
    entrypoint_function = "inform"
    interactive_function = "rookery_informer"
    config_options: ClassVar[dict[str, Any]] = {
        **CatInformer.config_options,
        **{name: SharedParams.copy_param(name) for name in ("zmin", "zmax", "nzbins")},
        **photometry_options(),
        "configurations": StageParameter(
            list,
            [],
            msg="Hyperparameters of photoz_mlp, one dictionary each; by default one with its defaults",
        ),
        "folds": StageParameter(int, 5, msg="Networks of each configuration, each trained without one fold"),
        "by": StageParameter(str, "auto", msg="How they are combined: auto, mean, greedy, em, crps, top_k"),
        "seed": StageParameter(int, 0, msg="Seed of folds and networks"),
        "device": StageParameter(str, "", msg="Torch device; by default a GPU where there is one"),
    }
    inputs: ClassVar[list[tuple[str, type]]] = [("input", TableHandle)]
    outputs: ClassVar[list[tuple[str, type]]] = [("model", BundleHandle)]

    def run(self) -> None:
        """Train and combine."""
        where = f"input of {self.instance_name}"
        table = group_of(self.get_data("input"), self.config.hdf5_groupname, where)
        redshift = column(table, self.config.redshift_col, where).astype(np.float64)
        target = grid_bins(self.config, self.instance_name)
        inside = target.index(redshift) >= 0
        if not inside.all():
            told = "%s: %d of %d objects have no redshift from zmin to zmax and do not train"
            logger.warning(told, where, (~inside).sum(), len(inside))
        with TemporaryDirectory(prefix="rookery-rail-") as home:
            known = np.where(inside, redshift, np.nan)
            survey = write_catalogue(table, self.config, Path(home) / "survey", where, known)
            self.model = BundleModel(lambda folder: self._train(survey, target, Path(home), folder))
        self.add_data("model", self.model)

    def _train(self, survey: Any, target: RedshiftBins, home: Path, out: Path) -> None:
        from rookery.inference.write_ensemble import write_ensemble
        from rookery.shift.domain import training_domain
        from rookery.surveys import open_split, split_survey
        from rookery.surveys.equal_bins import EqualBins
        from rookery.training.candidate import open_candidate
        from rookery.training.job import TrainingJob, inner_part
        from rookery.training.member import train_member

        folds, seed = self.config.folds, self.config.seed
        split_survey(survey, _SPLIT, folds=folds, seed=seed)
        candidates = []
        for number, values in enumerate(self.config.configurations or [{}]):
            for fold in range(folds):
                job = TrainingJob(
                    member=f"{number:04d}-f{fold}",
                    family=FAMILY,
                    configuration=dict(values),
                    survey=str(survey.path),
                    survey_checksum=survey.checksum,
                    split=_SPLIT,
                    fold=fold,
                    redshift_bins=EqualBins.of(target),
                    inner_validation=inner_part(None, "best", folds),
                    seed=seed * 1_000_003 + number * 101 + fold,
                )
                folder = home / "members" / job.member
                progress, device = home / f"{job.member}.pt", self.config.device or None
                train_member(job, folder, progress, lambda *_: None, device=device)
                candidates.append(open_candidate(folder, f"{number:04d}"))
        write_ensemble(
            candidates,
            out,
            domain=training_domain(survey, open_split(survey, _SPLIT)),
            provenance={"made_by": self.name, "survey": survey.checksum, "objects": len(survey)},
            by=self.config.by,
        )


class RookeryEstimator(CeciCommand, CatEstimator):
    """Predict redshift PDFs with a bundle of `photoz_mlp` networks.

    `model` is what `RookeryInformer` made, or the folder of a bundle that `rookery ensemble` made. The PDFs
    are histograms on the bundle's own bins, whatever `zmin`, `zmax` and `nzbins` are. Beside RAIL's own
    columns stand those of `rookery predict`: `domain_score`, `flags` and the uncertainty's parts
    (docs/files.md).
    """

    name = "RookeryEstimator"
    entrypoint_function = "estimate"
    interactive_function = "rookery_estimator"
    config_options: ClassVar[dict[str, Any]] = {
        **CatEstimator.config_options,
        **photometry_options(),
        "device": StageParameter(str, "", msg="Torch device; by default a GPU where there is one"),
    }
    inputs: ClassVar[list[tuple[str, type]]] = [("model", BundleHandle), ("input", TableHandle)]
    outputs: ClassVar[list[tuple[str, type]]] = [("output", QPHandle)]

    def open_model(self, **kwargs: Any) -> Any:
        """Load the model: a path of a zip or of a bundle's folder, a `BundleModel`, or a handle of one."""
        given = kwargs.get("model")
        if isinstance(given, (str, Path)) and Path(given).is_dir():
            kwargs["model"] = BundleModel.of_folder(given)
        return super().open_model(**kwargs)

    @classmethod
    def default_distribution_type(cls) -> DistributionType:
        """Return posterior: what the networks learned, priors included."""
        return DistributionType.posterior

    def _process_chunk(self, start: int, end: int, data: Any, first: bool) -> None:
        from rookery.inference import predict_survey

        where = f"input of {self.instance_name}"
        if self.model is None:
            raise fail(self.instance_name, "needs a `model`, the bundle that RookeryInformer made")
        with TemporaryDirectory(prefix="rookery-rail-") as home:
            survey = write_catalogue(data, self.config, Path(home) / "survey", where)
            out = Path(home) / "predictions.parquet"
            device = self.config.device or None
            found = predict_survey(self.model.bundle.path, survey.path, out, device=device)
        target = found.info.target
        assert isinstance(target, RedshiftBins)
        made = histograms(target, found.values)
        made.ancil.update({name: np.asarray(values) for name, values in (found.columns or {}).items()})
        self._do_chunk_output(made, start, end, first, data=data)
