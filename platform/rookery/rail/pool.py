"""Stages of RAIL that pool and recalibrate the redshift PDFs of any set of its estimators."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256 as new_sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import qp
from ceci.config import StageParameter
from rail.core.common_params import SharedParams
from rail.core.data import QPHandle, TableHandle
from rail.core.point_estimation import PointEstimationMixin
from rail.core.stage import RailStage

import rookery
from rookery.rail.model import BundleHandle, BundleModel, CeciCommand
from rookery.rail.networks import grid_bins, histograms
from rookery.rail.photometry import column, group_of
from rookery_ensembles import (
    CandidateMember,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
)
from rookery_ensembles._bundle_document import Source
from rookery_ensembles.errors import fail
from rookery_ensembles.exchange.found import Found
from rookery_ensembles.files import sha256

MOST = 12
"""Estimators of the largest stages that are there by name; `pool_stages` makes larger ones."""
_KEPT = ("id", "object_id", "redshift")
_NOWHERE = (None, "None", "none")


def estimate_tags(number: int) -> tuple[str, ...]:
    """Return the tags of a stage's inputs."""
    return tuple(f"input_{n}" for n in range(1, number + 1))


def on_bins(ensemble: "qp.Ensemble", target: RedshiftBins, where: str) -> np.ndarray:
    """Return (N, K) densities of PDFs in any parametrisation, by qp's own cumulative distributions."""
    return Found(where, None, cdf=lambda edges: np.asarray(ensemble.cdf(edges))).onto(target, chosen=True)


class _Pool(CeciCommand, RailStage):
    """What informer and estimator share: several sets of PDFs of the same objects."""

    name = "_Pool"
    estimates: tuple[str, ...] = ()
    """Tags of the estimators' outputs."""

    def run(self) -> None:
        """Do nothing: this is no stage."""
        raise NotImplementedError

    def set_estimates(self, estimates: Sequence[Any]) -> None:
        """Attach each estimator's output: a handle, an ensemble of qp, or the path of its file."""
        if len(estimates) != len(self.estimates):
            rule = f"takes the PDFs of {len(self.estimates)} estimators"
            raise fail(self.instance_name, f"{rule}, but is given {len(estimates)}: see `pool_stages`")
        for tag, data in zip(self.estimates, estimates, strict=True):
            path = str(data) if isinstance(data, (str, Path)) else None
            self.set_data(tag, None if path else data, path=path, do_read=False)

    def parts(self) -> Iterator[tuple[int, int, list[Any]]]:
        """Yield first row, last row and each estimator's PDFs, in parts of `chunk_size` objects."""
        handles = [self.get_handle(tag, allow_missing=True) for tag in self.estimates]
        sizes = [handle.size() for handle in handles]
        if len(set(sizes)) > 1:
            told = ", ".join(f"{tag} {size:,}" for tag, size in zip(self.estimates, sizes, strict=True))
            raise fail(self.instance_name, f"all estimators must have the same objects, but have {told}")
        self._input_length = sizes[0]
        if any(handle.path in _NOWHERE for handle in handles):  # RAIL keeps in memory what is small
            parts: Any = [[(0, sizes[0], handle.data or handle.read()) for handle in handles]]
        else:
            parts = zip(*(self.input_iterator(tag, groupname="") for tag in self.estimates), strict=True)
        for several in parts:
            start, end, _ = several[0]
            ensembles = [each[2] for each in several]
            self._check_ids(ensembles)
            yield start, end, ensembles

    def _check_ids(self, ensembles: Sequence[Any]) -> None:
        for name in _KEPT[:2]:
            told = [each.ancil[name] for each in ensembles if each.ancil and name in each.ancil]
            same = all(np.array_equal(np.ravel(told[0]), np.ravel(one)) for one in told[1:])
            if not same:
                raise fail(self.instance_name, f"estimators tell other `{name}`s: their objects differ")


class _PoolInformer(_Pool):
    """Weigh, pool and recalibrate the PDFs of estimators by objects of known redshift.

    The PDFs, of any parametrisation, are taken on the bins between the points of the grid (`zmin`, `zmax`,
    `nzbins`). The objects must be none that the estimators were informed by.
    """

    name = "_PoolInformer"
    entrypoint_function = "inform"
    config_options: ClassVar[dict[str, Any]] = {
        **RailStage.config_options,
        **{
            name: SharedParams.copy_param(name)
            for name in ("hdf5_groupname", "chunk_size", "zmin", "zmax", "nzbins", "redshift_col")
        },
        "by": StageParameter(
            str,
            "auto",
            msg="How they are combined: auto (the pool, weights and calibration of the best cross-fitted log "
            "score, or the plain average where nothing beats it), mean, greedy, em, crps, top_k",
        ),
    }
    outputs: ClassVar[list[tuple[str, type]]] = [("model", BundleHandle)]

    def inform(self, estimates: Sequence[Any], truth_data: Any) -> Any:
        """Fit to each estimator's output and a table of true redshifts; return the model's handle."""
        self.set_estimates(estimates)
        self.set_data("truth", truth_data)
        self.validate()
        self.run()
        self.finalize()
        return self.get_handle("model")

    def run(self) -> None:
        """Choose weights, pool and calibration; make the bundle."""
        where = f"truth of {self.instance_name}"
        table = group_of(self.get_data("truth"), self.config.hdf5_groupname, where)
        redshift = column(table, self.config.redshift_col, where).astype(np.float64)
        target = grid_bins(self.config, self.instance_name)
        read: dict[str, list[Any]] = {tag: [] for tag in self.estimates}
        for _, _, ensembles in self.parts():
            for tag, ensemble in zip(self.estimates, ensembles, strict=True):
                read[tag].append(on_bins(ensemble, target, f"{tag} of {self.instance_name}"))
        values = {tag: np.concatenate(parts).astype(np.float32) for tag, parts in read.items()}
        if len(redshift) != self._input_length:
            rule = f"must have the {self._input_length:,} objects of the estimators"
            raise fail(where, f"{rule}, but has {len(redshift):,}")
        ids = np.arange(len(redshift)).astype(str)
        candidates = [
            CandidateMember(
                tag, Path(tag), tag, Predictions(PredictionInfo(target, member=tag), ids, redshift, v)
            )
            for tag, v in values.items()
        ]
        choice = choose(candidates, by=self.config.by)
        sources = {m.id: self._source(m.id, values[m.id]) for m in choice.members}
        provenance = {
            "made_by": self.name,
            "version": rookery.__version__,
            "objects": len(ids),
            "estimates": {tag: self.get_aliased_tag(tag) for tag in self.estimates},
            **choice.provenance(),
        }
        self.model = BundleModel(lambda folder: choice.write(folder, sources=sources, provenance=provenance))
        self.add_data("model", self.model)

    def _source(self, tag: str, values: Any) -> Source:
        path = self.get_handle(tag, allow_missing=True).path
        if path not in _NOWHERE and Path(path).is_file():
            return Source(Path(path).name, sha256(path))
        return Source(self.get_aliased_tag(tag), new_sha256(values.tobytes()).hexdigest())


class _PoolEstimator(_Pool, PointEstimationMixin):
    """Pool and recalibrate the PDFs of the same estimators for new objects, as the model's bundle says.

    The PDFs are histograms on the bundle's bins; `id` and `redshift` are taken over where the first
    estimator that has them tells them.
    """

    name = "_PoolEstimator"
    entrypoint_function = "estimate"
    config_options: ClassVar[dict[str, Any]] = {
        **RailStage.config_options,
        "chunk_size": SharedParams.copy_param("chunk_size"),
        **PointEstimationMixin.config_options,
    }
    outputs: ClassVar[list[tuple[str, type]]] = [("output", QPHandle)]

    def estimate(self, estimates: Sequence[Any]) -> Any:
        """Pool each estimator's output; return the handle of the pooled PDFs."""
        self.set_estimates(estimates)
        self.validate()
        self.run()
        self.finalize()
        found = self.get_handle("output")
        if self.config.output_mode != "return":
            found.read(force=True)
        return found

    def open_model(self, **kwargs: Any) -> Any:
        """Load the model: a path of a zip or of a bundle's folder, a `BundleModel`, or a handle of one."""
        given = kwargs.get("model")
        if isinstance(given, (str, Path)) and Path(given).is_dir():
            kwargs["model"] = BundleModel.of_folder(given)
        return super().open_model(**kwargs)

    def run(self) -> None:
        """Pool part by part, with the memory of one."""
        self.open_model(**self.config)
        if self.model is None:
            raise fail(self.instance_name, "needs a `model`, the bundle that its informer made")
        bundle = self.model.bundle
        target = bundle.target
        wanted = [member.id for member in bundle.members]
        unknown = sorted(set(wanted) - set(self.estimates))
        if unknown or not isinstance(target, RedshiftBins):
            rule = f"takes models of up to {len(self.estimates)} estimators of redshift"
            raise fail(self.instance_name, f"{rule}, but this one has the members {', '.join(wanted)}")
        handle = None
        for start, end, ensembles in self.parts():
            by_tag = dict(zip(self.estimates, ensembles, strict=True))
            values = [on_bins(by_tag[tag], target, f"{tag} of {self.instance_name}") for tag in wanted]
            made = self.calculate_point_estimates(histograms(target, bundle.combine(values)))
            made.ancil.update(_kept(ensembles))
            if handle is None:
                handle = self.add_handle("output", data=made)
                if self.config.output_mode != "return":
                    handle.initialize_write(self._input_length, communicator=self.comm)
            handle.set_data(made, partial=self.config.output_mode != "return")
            if self.config.output_mode != "return":
                handle.write_chunk(start, end)
        if handle is not None and self.config.output_mode != "return":
            handle.finalize_write()


def _kept(ensembles: Sequence[Any]) -> Mapping[str, Any]:
    """Return the columns of objects' names and redshifts, of the first that has them."""
    tables = [each.ancil for each in ensembles if each.ancil]
    found = {name: [table[name] for table in tables if name in table] for name in _KEPT}
    return {name: np.asarray(told[0]) for name, told in found.items() if told}


def pool_stages(number: int) -> tuple[type[_PoolInformer], type[_PoolEstimator]]:
    """Return the informer and the estimator of so many estimators' outputs, ``input_1`` to ``input_N``.

    Raises
    ------
    InputError
        When the number is less than 1.
    """
    if number not in POOL_STAGES:
        if number < 1:
            raise fail("number", f"of estimators must be 1 or more, but is {number}")
        POOL_STAGES[number] = _make(number)
    return POOL_STAGES[number]


def _make(number: int) -> tuple[type[_PoolInformer], type[_PoolEstimator]]:
    """Make the stages: ceci knows a stage's inputs by its class alone."""
    tags = estimate_tags(number)
    of = [(tag, QPHandle) for tag in tags]
    made = []
    for base, inputs in (
        (_PoolInformer, [*of, ("truth", TableHandle)]),
        (_PoolEstimator, [("model", BundleHandle), *of]),
    ):
        name = f"Rookery{base.__name__[1:]}{number}"
        parts: dict[str, Any] = {"name": name, "inputs": inputs, "estimates": tags, "run": base.run}
        made.append(type(name, (base,), parts | {"__doc__": base.__doc__, "__module__": __name__}))
    return made[0], made[1]


POOL_STAGES: dict[int, tuple[type[_PoolInformer], type[_PoolEstimator]]] = {}
"""Informer and estimator by the number of estimators whose PDFs they take."""
for _number in range(1, MOST + 1):
    pool_stages(_number)
