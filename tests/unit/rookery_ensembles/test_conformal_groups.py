"""Thirds of a covariate have conformal limits of their own, so that coverage holds in each."""

from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles import (
    CandidateMember,
    Covariates,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    load_bundle,
)
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.groups import Groups
from rookery_ensembles.redshift_pdf import gaussian_pdf

TARGET = RedshiftBins.equal(0.0, 1.0, 60)


def galaxies(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """PDFs of one width, which is too wide of bright galaxies and too narrow of faint ones."""
    rng = np.random.default_rng(seed)
    magnitude, z = rng.uniform(18, 24, n), rng.uniform(0.3, 0.7, n)
    noise = 0.02 * np.exp((magnitude - 18) / 3)
    return gaussian_pdf(z + noise * rng.normal(size=n), np.full(n, 0.05), TARGET.edges), z, magnitude


def candidate(pdf: np.ndarray, z: np.ndarray, folder: Path = Path("m")) -> CandidateMember:
    ids = np.array([f"g{i:05d}" for i in range(len(z))])
    return CandidateMember(
        "m", folder, "c", Predictions(PredictionInfo(TARGET, member="m"), ids, z, pdf.astype(np.float32))
    )


def known(magnitude: np.ndarray) -> ObjectCovariates:
    ids = np.array([f"g{i:05d}" for i in range(len(magnitude))])
    return ObjectCovariates(ids, Covariates(("mag_r",), magnitude[:, None]))


def test_coverage_holds_in_each_third(make_member, tmp_path: Path) -> None:
    pdf, z, magnitude = galaxies(1500, 0)
    member = candidate(pdf, z, make_member(tmp_path, "m"))
    found = {}
    for name, groups in (("all", None), ("thirds", known(magnitude))):
        made = choose([member], by="mean", groups=groups)
        bundle = made.write(tmp_path / name, provenance={})
        assert load_bundle(bundle.path).groups == made.groups
        pdf, z, magnitude = galaxies(6000, 1)
        new = Covariates(("mag_r",), magnitude[:, None])
        columns = bundle.conformal_columns(bundle.combine([pdf], new), new)
        inside = (columns["conformal_low_68"] <= z) & (z <= columns["conformal_high_68"])
        found[name] = np.array([inside[part].mean() for part in np.array_split(np.argsort(magnitude), 3)])
    np.testing.assert_allclose(found["thirds"], 0.68, atol=0.07)
    assert np.abs(found["all"] - 0.68).max() > 0.15
    assert bundle.covariates == ("mag_r",)
    assert "thirds of mag_r" in (bundle.path / "MODEL_CARD.md").read_text()


def test_groups_have_names_and_an_unknown_object_has_the_limits_of_all() -> None:
    groups = Groups.thirds(Covariates(("x",), np.arange(10.0)[:, None]))
    names = groups.names(Covariates(("x",), [[0.0], [4.0], [9.0], [np.nan], [groups.edges[0]]]), 5)
    assert names.tolist() == ["below 3", "3 to 6", "from 6", "unknown", "3 to 6"]
    assert groups.names(None, 2).tolist() == ["unknown", "unknown"]
    assert Groups.from_dict(groups.to_dict(), "here") == groups
    pdf, z, magnitude = galaxies(600, 0)
    made = choose([candidate(pdf, z)], by="mean", groups=known(magnitude))
    unknown = made.conformal.limit(0.68, made.groups.names(None, 1), 1)
    np.testing.assert_array_equal(unknown, made.conformal.limit(0.68, None, 1))


def test_what_breaks_a_rule_is_refused() -> None:
    with pytest.raises(InputError, match="need three different values or more, but the objects have 1"):
        Groups.thirds(Covariates(("x",), np.ones((9, 1))))
    with pytest.raises(InputError, match="must be of one covariate, but found x, y"):
        Groups.thirds(Covariates(("x", "y"), np.ones((9, 2))))
    with pytest.raises(InputError, match="edges must be one or more that increase, but are 2, 1"):
        Groups("x", (2.0, 1.0))
