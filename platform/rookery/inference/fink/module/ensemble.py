"""The ensemble: its document, its networks as one program of torch.export, and what they say of objects."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .combine import calibrated, member_weights, pooled
from .light_curves import Grid, LightCurve, images

DOCUMENT, NETWORKS = "ensemble.json", "networks.pt2"
BLOCK = 64
"""Objects that the networks see at once."""


class Ensemble:
    """Networks, weights, pool and calibration.

    Parameters
    ----------
    folder
        Where `DOCUMENT` and `NETWORKS` are.
    """

    def __init__(self, folder: Path) -> None:
        self.document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        self.class_names: tuple[str, ...] = tuple(self.document["class_names"])
        self._networks = torch.export.load(folder / NETWORKS).module()

    def probabilities(
        self, curves: Sequence[LightCurve], covariates: Mapping[str, NDArray[np.float64]] | None = None
    ) -> NDArray[np.float32]:
        """Return (N, K) class probabilities of N light curves; NaN for one without a point.

        Parameters
        ----------
        curves
            One for each object.
        covariates
            (N,) numbers by name, NaN where unknown, of those in the document's ``covariates``; one that is
            not given is unknown.
        """
        found = np.full((len(curves), len(self.class_names)), np.nan, np.float32)
        observed = np.flatnonzero([len(curve.mjd) > 0 for curve in curves])
        for first in range(0, len(observed), BLOCK):
            rows = observed[first : first + BLOCK]
            known = {name: np.asarray(values, float)[rows] for name, values in (covariates or {}).items()}
            found[rows] = self._block([curves[row] for row in rows], known)
        return found

    def _block(
        self, curves: Sequence[LightCurve], covariates: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        n, document, tensors = len(curves), self.document, []
        for given in document["inputs"]:
            grid = Grid(tuple(given["bands"]), given["days_per_column"], given["n_columns"])
            tensors += [torch.from_numpy(image) for image in images(curves, grid)]
            if given["scalars"]:
                values = np.column_stack(
                    [covariates.get(name, np.full(n, np.nan)) for name in given["scalars"]]
                )
                known = np.isfinite(values)
                columns = np.concatenate([np.where(known, values, 0.0), known], axis=1)
                tensors.append(torch.from_numpy(columns.astype(np.float32)))
        with torch.inference_mode():
            values_nmk = self._networks(*tensors).numpy().astype(np.float64)
        weights = [member["weight"] for member in document["members"]]
        weights_nm = member_weights(weights, document["gate"], covariates, n)
        return calibrated(document["calibration"], pooled(document["pooling"], values_nmk, weights_nm))


@cache
def load_ensemble(folder: Path = Path(__file__).parent) -> Ensemble:
    """Return the ensemble of a folder, by default this module's; it is loaded once."""
    return Ensemble(folder)
