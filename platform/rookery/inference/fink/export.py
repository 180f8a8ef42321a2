"""Write an ensemble of light-curve networks as a folder that Fink takes as a science module."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import torch

import rookery
from rookery.inference.fink.module.combine import CALIBRATIONS, POOLS
from rookery.inference.fink.module.ensemble import DOCUMENT, NETWORKS
from rookery.inference.fink.networks import write_networks
from rookery.inference.flow import OpenEnsemble
from rookery.networks.pelican.configuration import PelicanConfiguration
from rookery.networks.pelican.network import PelicanNetwork
from rookery.training.member import Member
from rookery_ensembles import Bundle, Classes, load_bundle
from rookery_ensembles.errors import fail
from rookery_ensembles.files import atomic_folder, refuse_existing

_FILES = ("__init__.py", "processor.py", "ensemble.py", "light_curves.py", "combine.py", "benchmark.py")
_ZTF = {"1": "g", "2": "r", "3": "i"}
"""ZTF's numbers of its filters (`fid`)."""


def export_science_module(bundle: str | Path, out: str | Path, *, overwrite: bool = False) -> tuple[str, ...]:
    """Write an ensemble as a science module of the Fink broker (Moeller et al. 2021, MNRAS 501, 3272).

    The folder holds `processor.py` with the function that Fink calls, the networks as one program of
    torch.export, and preprocessing, weights, pool and calibration in NumPy: numpy, pandas and torch are all
    that it needs.

    Parameters
    ----------
    bundle
        An ensemble of `pelican` networks.
    out
        The folder to make; its name is that of a Python package.
    overwrite
        Whether a module that is there already may be replaced.

    Returns
    -------
    Names of the classes, in the order of the module's probabilities.

    Raises
    ------
    InputError
        When `out` is there and may not be replaced, or is no name of a package; when the bundle is broken,
        predicts redshifts, holds a foreign network or one of another family, or combines them in a way that
        is no part of Rookery.
    """
    out = Path(out)
    if not out.name.isidentifier():
        raise fail(out, "the name of a science module must be that of a Python package: letters, digits, _")
    refuse_existing(out, overwrite=overwrite, document=DOCUMENT)
    loaded = load_bundle(bundle)
    target = loaded.target
    if not isinstance(target, Classes):
        raise fail(loaded.path, "a Fink science module tells classes, but this ensemble predicts redshifts")
    _check_combination(loaded)
    members = OpenEnsemble.of(loaded, torch.device("cpu")).members
    _check_families(loaded, members)
    inputs, used = _inputs(members)
    networks = [member.network for member in members if isinstance(member.network, PelicanNetwork)]
    document = _document(loaded, inputs)
    with atomic_folder(out, replace=overwrite) as partial:
        write_networks(partial / NETWORKS, networks, used, _example(inputs))
        (partial / DOCUMENT).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        for name in _FILES:
            shutil.copyfile(Path(__file__).parent / "module" / name, partial / name)
        (partial / "README.md").write_text(_readme(out.name, document), encoding="utf-8")
    return target.names


def _check_combination(bundle: Bundle) -> None:
    if bundle.pooling not in POOLS:
        raise fail(bundle.path, f"the pool must be one of {', '.join(POOLS)}, but is {bundle.pooling}")
    if bundle.calibration is not None and (name := bundle.calibration.document) not in CALIBRATIONS:
        raise fail(bundle.path, f"the calibration must be one of {', '.join(CALIBRATIONS)}, but is {name}")


def _check_families(bundle: Bundle, members: Sequence[Member]) -> None:
    for member in members:
        if not isinstance(member.network, PelicanNetwork):
            rule = "a Fink science module holds networks of light curves (pelican)"
            raise fail(
                bundle.path, f"{rule}, but member {member.card.member} is of the family {member.card.family}"
            )


def _inputs(members: Sequence[Member]) -> tuple[list[dict[str, Any]], list[slice]]:
    """Return the different inputs of the networks, and which of their tensors each network takes."""
    inputs: list[dict[str, Any]] = []
    for member in members:
        if (given := _input(member)) not in inputs:
            inputs.append(given)
    counts = [4 if given["scalars"] else 3 for given in inputs]
    starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    numbers = [inputs.index(_input(member)) for member in members]
    return inputs, [slice(starts[number], starts[number + 1]) for number in numbers]


def _input(member: Member) -> dict[str, Any]:
    c = member.configuration
    assert isinstance(c, PelicanConfiguration)
    return {
        "bands": list(member.card.bands),
        "days_per_column": c.days_per_column,
        "n_columns": c.n_columns,
        "scalars": list(c.scalars),
    }


def _example(inputs: Sequence[dict[str, Any]], n: int = 3) -> list[torch.Tensor]:
    """Return random images, and scalars, of some objects."""
    rng, tensors = np.random.default_rng(0), []
    for given in inputs:
        shape = (n, len(given["bands"]), given["n_columns"])
        mask = rng.random(shape) < 0.3
        error = np.where(mask, rng.uniform(1, 10, shape), 0)
        tensors += [rng.normal(30, 30, shape) * mask, error, mask]
        if given["scalars"]:
            tensors.append(rng.random((n, 2 * len(given["scalars"]))))
    return [torch.from_numpy(np.asarray(values, np.float32)) for values in tensors]


def _document(bundle: Bundle, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all but the networks that the module's predictions are made of, as plain values."""
    names = [member.id for member in bundle.members]
    bands = {band for given in inputs for band in given["bands"]}
    scalars = [name for given in inputs for name in given["scalars"]]
    gate = None if bundle.gate is None else bundle.gate.to_dict()
    if gate is not None:
        gate["slopes"] = [gate["slopes"][name] for name in names]
    wanted = () if bundle.gate is None else bundle.gate.names
    return {
        "class_names": list(bundle.target.names),
        "filters": {number: band for number, band in _ZTF.items() if band in bands},
        "covariates": list(dict.fromkeys([*scalars, *wanted])),
        "inputs": inputs,
        "members": [{"id": member.id, "weight": member.weight} for member in bundle.members],
        "pooling": bundle.pooling,
        "gate": gate,
        "calibration": None if bundle.calibration is None else bundle.calibration.to_dict(),
        "bundle": bundle.path.resolve().name,
        "digest": bundle.digest,
        "rookery": rookery.__version__,
        "torch": torch.__version__,
    }


def _readme(name: str, document: dict[str, Any]) -> str:
    template = Template((Path(__file__).parent / "module" / "README.md").read_text(encoding="utf-8"))
    bands = dict.fromkeys(band for given in document["inputs"] for band in given["bands"])
    return template.substitute(
        name=name,
        classes=", ".join(document["class_names"]),
        bands=", ".join(bands),
        filters=", ".join(f"{key} is {value}" for key, value in document["filters"].items()) or "none",
        covariates=", ".join(document["covariates"]) or "none",
        members=len(document["members"]),
        bundle=document["bundle"],
        digest=document["digest"],
        rookery=document["rookery"],
        torch=document["torch"],
    )
