"""Redshifts by boosted trees and by a Gaussian process, on galaxies whose colours tell the redshift."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rookery.baselines import run_baseline
from rookery.baselines._redshift_regression import photometric_features
from rookery.surveys import Survey, new_galaxy_survey, open_survey, split_survey
from rookery.surveys.equal_bins import EqualBins
from rookery_ensembles import InputError, photoz_metrics

FAST: dict[str, dict[str, Any]] = {"redshift-trees": {"rounds": 150}, "redshift-gp": {"points": 150}}


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """400 galaxies to z = 3 in two bands and a third that half of them lack."""
    n, rng = 400, np.random.default_rng(3)
    z = rng.uniform(0.05, 3.0, n)
    objects = pd.DataFrame({"object_id": [f"g{i}" for i in range(n)], "redshift": z})
    for band, slope in (("g", 1.5), ("r", 0.5), ("i", 0.0)):
        objects[f"mag_{band}"] = 20 + slope * z + rng.normal(0, 0.03, n)
        objects[f"mag_err_{band}"] = 0.03
    objects.loc[::2, ["mag_i", "mag_err_i"]] = np.nan
    path = tmp_path_factory.mktemp("deep") / "survey"
    with new_galaxy_survey(path, name="deep", bands=("g", "r", "i")) as writer:
        writer.finish(objects=objects)
    split_survey(open_survey(path), "cv", folds=2, seed=1)
    return open_survey(path)


@pytest.mark.parametrize("name", FAST)
def test_redshifts_and_their_errors_are_found_out_of_fold(
    name: str, galaxies: Survey, tmp_path: Path
) -> None:
    bins = EqualBins(low=0, high=3.4, number=100, spacing="log")
    out = tmp_path / "p.parquet"
    made = run_baseline(
        name, out, survey=galaxies.path, split="cv", class_names=(), bins=bins, **FAST[name]
    )  # fmt: skip
    assert made.info.target == bins.target
    assert len(made.object_id) == 400
    assert made.truth is not None
    found = photoz_metrics(made.values, bins.target.edges, made.truth)
    guess = 1.4826 * np.median(np.abs(made.truth - np.median(made.truth)) / (1 + made.truth))
    assert found["sigma_mad"] < 0.2 * guess
    assert abs(found["bias"]) < 0.02
    assert 0.45 < found["coverage_68"] < 0.9


@pytest.mark.parametrize("name", FAST)
def test_a_redshift_is_no_input(name: str, galaxies: Survey, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="predicts redshifts, and takes no `redshift`"):
        run_baseline(
            name, tmp_path / "p.parquet", survey=galaxies.path, split="cv", class_names=(), redshift="mag_g"
        )


def test_a_process_needs_some_points(galaxies: Survey, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`points` must be at least 50, but is 3"):
        run_baseline(
            "redshift-gp", tmp_path / "p.parquet", survey=galaxies.path, split="cv", class_names=(), points=3
        )


def test_what_is_unknown_is_nan_among_the_features(galaxies: Survey) -> None:
    features = photometric_features(galaxies)
    assert features.shape == (400, 8)  # three magnitudes, two colours, three errors
    missing = np.isnan(features[0])
    assert np.flatnonzero(missing).tolist() == [2, 4, 7]
