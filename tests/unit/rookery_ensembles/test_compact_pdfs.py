"""PDFs in few bytes: what is lost, what is kept, and a reader that needs nothing of ours."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    photoz_metrics,
    read_predictions,
    write_predictions,
)
from rookery_ensembles.compact import FORMS, check_form, packed, unpacked_values
from rookery_ensembles.stored import open_predictions


def mixtures(n: int, seed: int, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PDFs of one to three peaks, wide and narrow, and redshifts drawn from them."""

    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    span = edges[-1] - edges[0]
    centre = edges[0] + span * rng.uniform(0.05, 0.9, (n, 3))
    sigma = span * np.exp(rng.normal(np.log(0.03), 0.6, (n, 3)))
    share = rng.dirichlet([4, 1, 0.5], n)
    masses = np.einsum("np,npk->nk", share, np.diff(norm.cdf(edges, centre[:, :, None], sigma[:, :, None])))
    masses /= masses.sum(axis=1, keepdims=True)
    cdf = np.concatenate([np.zeros((n, 1)), np.cumsum(masses, axis=1)], axis=1)
    z = np.array([np.interp(u, row, edges) for u, row in zip(rng.uniform(size=n), cdf, strict=True)])
    return masses / np.diff(edges), z


def predictions(n: int = 60, bins: int = 40, form: str | None = None) -> Predictions:
    edges = np.linspace(0, 0.4, bins + 1)
    pdf, z = mixtures(n, 3, edges)
    info = PredictionInfo(target=RedshiftBins(tuple(edges.tolist())), member="m", compact=form)
    return Predictions(info, np.array([f"g{i}" for i in range(n)]), z, pdf.astype(np.float32))


@pytest.mark.parametrize(
    ("form", "bins"), [("quantiles", 90), ("quantiles", 180), ("bins", 180), ("basis", 90)]
)
@pytest.mark.slow
def test_scores_change_by_less_than_a_hundredth(form: str, bins: int) -> None:
    edges = np.linspace(0, 0.4, bins + 1)
    pdf, z = mixtures(4000, bins, edges)
    found = FORMS[form].decode(FORMS[form].encode(pdf * np.diff(edges), edges), edges) / np.diff(edges)
    before, after = photoz_metrics(pdf, edges, z), photoz_metrics(found, edges, z)
    for name in ("crps", "sigma_mad"):
        assert after[name] == pytest.approx(before[name], rel=0.01)
    assert FORMS[form].n_bytes(bins) <= (64 if form != "bins" else bins)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60)
@given(
    masses=st.lists(st.floats(0, 1), min_size=3, max_size=40).filter(lambda m: sum(m) > 1e-3),
    widths=st.lists(st.floats(0.01, 1), min_size=40, max_size=40),
)
def test_any_pdf_comes_back_normalised_with_its_mean_where_it_was(
    form: str, masses: list[float], widths: list[float]
) -> None:
    edges = np.concatenate([[0.1], 0.1 + np.cumsum(widths[: len(masses)])])
    pdf = np.array([masses]) / sum(masses)
    numbers = FORMS[form].encode(pdf, edges)
    assert numbers.shape == (1, FORMS[form].size(len(masses)))
    assert numbers.dtype == FORMS[form].dtype
    found = FORMS[form].decode(numbers, edges)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    if form != "basis":  # fourteen smooth bumps are no comb
        middle = (edges[:-1] + edges[1:]) / 2
        assert abs((found - pdf)[0] @ middle) < 0.04 * (edges[-1] - edges[0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", [0, 17, 39])
def test_all_of_it_in_one_bin_stays_there(form: str, place: int) -> None:
    edges = np.linspace(0, 1, 41)
    pdf = np.zeros((1, 40))
    pdf[0, place] = 1
    found = FORMS[form].decode(FORMS[form].encode(pdf, edges), edges)
    assert found[0, place] > 0.95


@pytest.mark.parametrize("form", FORMS)
def test_a_file_in_a_form_is_read_like_any_other(form: str, tmp_path: Path) -> None:
    given = predictions(form=form)
    write_predictions(given, tmp_path / "compact.parquet")
    found = read_predictions(tmp_path / "compact.parquet")
    assert found.info == given.info
    assert found.truth is not None
    assert found.truth.tolist() == given.truth.tolist()
    target = given.info.target
    wanted = unpacked_values(packed(given.values, target, form), target, form)
    np.testing.assert_allclose(found.values, wanted, rtol=1e-5)
    stored = open_predictions(tmp_path / "compact.parquet")
    np.testing.assert_array_equal(stored.reader().read(10, 20), found.values[10:20])


def test_what_cannot_be_is_refused() -> None:
    target = RedshiftBins((0.0, 0.1, 0.2))
    with pytest.raises(InputError, match="must be one of quantiles, bins, basis, but found 'wavelets'"):
        check_form("wavelets", target, "x.parquet")
    with pytest.raises(InputError, match=r"x\.csv: the compact form 'quantiles' is of prediction files"):
        check_form("quantiles", target, "x.csv")
    with pytest.raises(InputError, match="is for redshift PDFs"):
        check_form("quantiles", Classes(("Ia", "II")), "x.parquet")


def test_the_recipe_of_the_docs_needs_nothing_of_ours(tmp_path: Path, project_root: Path) -> None:
    given = predictions(form="quantiles")
    write_predictions(given, tmp_path / "pdfs.parquet")
    text = (project_root / "docs" / "ensembles.md").read_text()
    (recipe,) = re.findall(r"```python\n(# Read compact PDFs.*?)```", text, re.S)
    assert "rookery" not in re.sub(r'b"rookery"', "", recipe)
    assert len(recipe.strip().splitlines()) <= 20
    there = {"FILE": str(tmp_path / "pdfs.parquet")}
    exec(recipe, there)
    np.testing.assert_allclose(
        there["pdf"], read_predictions(tmp_path / "pdfs.parquet").values, rtol=1e-3, atol=1e-3
    )
