"""P-values of cross-fitted calibrations are even where the PDFs are true, and small where they are not."""

from pathlib import Path

import numpy as np
import pytest

from rookery_ensembles import (
    CandidateMember,
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    choose,
    cross_fit,
    crossfit_pit_test,
    out_of_fold,
    photoz_metrics,
    prediction_metrics,
)
from rookery_ensembles.redshift_pdf import gaussian_pdf

EDGES = np.linspace(0.0, 0.4, 31)
FOLDS, SIGMA = 3, 0.02


def study(seed: int, n: int, shift: float = 0.0) -> list[CandidateMember]:
    """Members of three folds with true PDFs, but for the first fold, whose redshifts are shifted."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0.1, 0.3, n)
    pdf = gaussian_pdf(mean, np.full(n, SIGMA), EDGES).astype(np.float32)
    z = mean + SIGMA * rng.normal(size=n) + shift * (np.arange(n) % FOLDS == 0)
    ids, found = np.array([f"g{i:05d}" for i in range(n)]), []
    for fold in range(FOLDS):
        rows = np.arange(fold, n, FOLDS)
        info = PredictionInfo(
            RedshiftBins(tuple(EDGES.tolist())),
            member=f"m{fold}",
            role="validation",
            survey="s",
            fold=fold,
        )
        found.append(
            CandidateMember(f"m{fold}", Path("m"), "c", Predictions(info, ids[rows], z[rows], pdf[rows]))
        )
    return found


def pvalues(members: list[CandidateMember], replicates: int) -> tuple[float, dict[str, float]]:
    """Return the p-value of the tables, and those under calibrations that are fitted anew."""
    choice = choose(members, bags=0, by="greedy")
    parts = cross_fit(members, choice)
    found = out_of_fold(members, choice, parts=parts)
    plain = photoz_metrics(found.values, EDGES, found.truth, unseen=True)["pit_ks_pvalue"]
    tests = crossfit_pit_test(parts, choice, found, replicates=replicates)
    return plain, {name: test.pvalue for name, test in tests.items()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_pvalues_of_true_pdfs_are_even_and_those_of_the_tables_are_not() -> None:
    plain, found = zip(*(pvalues(study(seed, 150), replicates=9) for seed in range(40)), strict=True)
    assert np.mean(plain) > 0.75, "cross-fitted calibrations make distances smaller than chance"
    for name in found[0]:
        values = np.array([each[name] for each in found])
        assert abs(values.mean() - 0.55) < 3 * np.sqrt(1 / 12 / len(values)), name  # 1/10 ... 10/10


def test_pdfs_that_are_not_true_are_found() -> None:
    _, found = pvalues(study(1, 300, shift=0.03), replicates=19)
    assert set(found) == {"pit_ks", "pit_cvm", "pit_ad"}
    assert max(found.values()) == pytest.approx(0.05)


def test_there_is_no_pvalue_where_something_was_fitted_to_the_objects_or_nobody_knows() -> None:
    members = study(1, 60)
    choice = choose(members, bags=0)
    assert "pit_ks_pvalue" not in choice.scores["selected_calibrated"]
    assert "pit_ks_pvalue" not in prediction_metrics(out_of_fold(members, choice))
    whole = members[0].validation
    assert "pit_ks_pvalue" not in prediction_metrics(whole)
    info = PredictionInfo(RedshiftBins(whole.info.target.edges), member="m", unseen=True)
    test = Predictions(info, whole.object_id, whole.truth, whole.values)
    assert 0 < prediction_metrics(test)["pit_ks_pvalue"] <= 1


def test_classes_have_no_pit() -> None:
    ids = np.array([f"g{i}" for i in range(40)])
    values = np.random.default_rng(0).dirichlet([1, 1], 40).astype(np.float32)
    truth = np.array(["a", "b"] * 20, dtype=object)
    members = []
    for fold in range(2):
        rows = slice(fold * 20, fold * 20 + 20)
        info = PredictionInfo(Classes(("a", "b")), member=f"m{fold}", survey="s", fold=fold)
        predictions = Predictions(info, ids[rows], truth[rows], values[rows])
        members.append(CandidateMember(f"m{fold}", Path("m"), "c", predictions))
    choice = choose(members, positive="a", bags=0)
    with pytest.raises(InputError, match="must be redshift PDFs"):
        crossfit_pit_test(cross_fit(members, choice), choice, out_of_fold(members, choice))
