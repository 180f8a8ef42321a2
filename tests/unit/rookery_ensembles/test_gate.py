"""A gate: members' weights that depend on covariates, where that helps and where they are known."""

from dataclasses import replace
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
    cross_fit,
    load_bundle,
    out_of_fold,
    write_bundle,
)
from rookery_ensembles.covariates import ObjectCovariates
from rookery_ensembles.gate import Gate
from rookery_ensembles.pools import find_pool
from rookery_ensembles.redshift_pdf import gaussian_pdf
from rookery_ensembles.weights import Evidence, find_weights
from rookery_ensembles.weights.em import EMWeights

TARGET = RedshiftBins.equal(0.0, 1.0, 50)
N = 1200


def galaxies(n: int, seed: int, *, depends: bool = True) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two networks that both claim the same error: one is right of bright galaxies, one of faint ones."""
    rng = np.random.default_rng(seed)
    magnitude, z = rng.uniform(18, 24, n), rng.uniform(0.3, 0.7, n)
    faint = magnitude > 21 if depends else rng.random(n) < 0.5
    noises = [np.where(faint, 0.12, 0.03), np.where(faint, 0.03, 0.12), np.full(n, 0.3)]
    pdfs = [gaussian_pdf(z + s * rng.normal(size=n), np.full(n, 0.04), TARGET.edges) for s in noises]
    return pdfs, z, magnitude


def candidates(n: int = N, seed: int = 0, *, folds: int = 1, depends: bool = True, folder: Path = Path("x")):
    pdfs, z, magnitude = galaxies(n, seed, depends=depends)
    ids = np.array([f"g{i:05d}" for i in range(n)])
    members = []
    for number, pdf in enumerate(pdfs):
        for fold in range(folds):
            rows = slice(fold, None, folds)
            name = f"m{number}-{fold}"
            info = PredictionInfo(TARGET, member=name, fold=fold if folds > 1 else None)
            part = Predictions(info, ids[rows], z[rows], pdf[rows].astype(np.float32))
            members.append(CandidateMember(name, folder / name, f"c{number}", part))
    return members, ObjectCovariates(ids, Covariates(("mag_r",), magnitude[:, None]))


def loss(values: np.ndarray, z: np.ndarray) -> float:
    return TARGET.log_loss(values, TARGET.index(z))


def test_on_unseen_objects_it_beats_weights_that_are_the_same_for_all() -> None:
    members, known = candidates()
    gated, flat = choose(members, by="gate", covariates=known), choose(members, by="em")
    pdfs, z, magnitude = galaxies(3000, 1)
    new = Covariates(("mag_r",), magnitude[:, None])
    order = [int(member.id[1]) for member in gated.members]
    values = gated.calibrate(gated.pool([pdfs[i] for i in order], new), new)
    plain = flat.calibrate(flat.pool([pdfs[int(m.id[1])] for m in flat.members]))
    assert loss(values, z) < loss(plain, z) - 0.1
    weights = gated.gate.weights(["m0-0", "m1-0"], [0.5, 0.5], Covariates(("mag_r",), [[18.5], [23.5]]))
    assert weights[0, 0] > 0.75
    assert weights[1, 1] > 0.75
    assert "mag_r" in str(gated.gate)


@pytest.mark.slow
def test_auto_finds_the_gate_and_serves_it_from_the_same_covariates() -> None:
    members, known = candidates(n=250)
    made = choose(members, by="auto", covariates=known)
    assert made.gate is not None
    assert made.report.gain > 3 * made.report.error
    pdfs, z, magnitude = galaxies(3000, 1)
    new = Covariates(("mag_r",), magnitude[:, None])
    values = made.calibrate(made.pool([pdfs[int(m.id[1])] for m in made.members], new), new)
    plain = find_pool("linear", TARGET).combine(TARGET, pdfs)
    assert loss(plain, z) - loss(values, z) == pytest.approx(made.report.gain, abs=4 * made.report.error)


def test_of_many_members_only_the_heaviest_have_slopes(monkeypatch) -> None:
    pdfs, z, magnitude = galaxies(400, 0)
    index, known = TARGET.index(z), Covariates(("mag_r",), magnitude[:, None])
    several = [pdfs[0], pdfs[1], (2 * pdfs[0] + pdfs[2]) / 3, (2 * pdfs[1] + pdfs[2]) / 3]
    evidence = Evidence(np.array([TARGET.likelihood(pdf, index) for pdf in several]), covariates=known)
    monkeypatch.setattr("rookery_ensembles.weights.gate.MOST_MEMBERS", 2)
    monkeypatch.setattr(EMWeights, "_fit", lambda self, evidence, brief=False: np.array([4.0, 3.0, 2.0, 1.0]))
    found = find_weights("gate").fit(evidence, shrink=False)
    names = [str(number) for number in range(4)]
    weights = found.gate.weights(names, found.weights_m, known)
    assert [any(found.gate.slopes[name]) for name in names] == [True, True, False, False]
    np.testing.assert_allclose(weights[:, 2], 2 * weights[:, 3])  # the others keep their ratio
    assert evidence.loss(weights) < evidence.loss(found.weights_m) - 0.05


def test_where_nothing_depends_on_the_covariate_there_is_no_gate_or_a_slight_one() -> None:
    for seed in range(4):
        members, known = candidates(seed=seed, depends=False)
        gated, flat = choose(members, by="gate", covariates=known), choose(members, by="em")
        pdfs, z, magnitude = galaxies(3000, 100 + seed, depends=False)
        new = Covariates(("mag_r",), magnitude[:, None])
        values = gated.pool([pdfs[int(m.id[1])] for m in gated.members], new)
        assert loss(values, z) < loss(flat.pool([pdfs[int(m.id[1])] for m in flat.members]), z) + 0.01


def test_objects_of_unknown_covariates_have_the_weights_for_all() -> None:
    members, known = candidates()
    gated = choose(members, by="gate", covariates=known)
    pdfs = [galaxies(5, 1)[0][int(m.id[1])] for m in gated.members]
    expected = find_pool("linear", TARGET).combine(TARGET, pdfs, [m.weight for m in gated.members])
    np.testing.assert_allclose(gated.pool(pdfs), expected)
    np.testing.assert_allclose(gated.pool(pdfs, Covariates(("mag_r",), np.full((5, 1), np.nan))), expected)
    np.testing.assert_allclose(gated.pool(pdfs, Covariates(("mag_u",), np.full((5, 1), 20.0))), expected)


def test_a_bundle_keeps_the_gate(make_member, tmp_path: Path) -> None:
    members, known = candidates(folder=tmp_path)
    for member in members:
        make_member(tmp_path, member.id)
    made = choose(members, by="gate", covariates=known)
    bundle = made.write(tmp_path / "bundle", provenance={})
    assert bundle.covariates == ("mag_r",)
    assert load_bundle(tmp_path / "bundle").gate == made.gate
    pdfs, _, magnitude = galaxies(50, 3)
    values = [pdfs[int(m.id[1])] for m in bundle.members]
    new = Covariates(("mag_r",), magnitude[:, None])
    expected = made.calibrate(made.pool(values, new), new)
    np.testing.assert_allclose(bundle.combine(values, new), expected, rtol=1e-9)
    assert np.abs(bundle.combine(values) - expected).max() > 0.1
    with pytest.raises(InputError, match="key `gate`: there must be slopes for each member"):
        write_bundle(
            tmp_path / "other", target=TARGET, members=made.members, scores={}, provenance={},
            gate=Gate(("mag_r",), ((1.0, 2.0),), {"m0-0": (0.0, 0.0, 0.0)}),
        )  # fmt: skip
    with pytest.raises(InputError, match="the harmonic pool takes no weights of single objects"):
        write_bundle(
            tmp_path / "other", target=TARGET, members=made.members, scores={}, provenance={},
            gate=made.gate, pooling="harmonic",
        )  # fmt: skip


@pytest.mark.slow
def test_with_folds_every_object_is_gated_and_calibrated_by_what_did_not_see_it() -> None:
    members, known = candidates(folds=3)
    made = choose(members, by="gate", covariates=known, calibration="local")
    assert set(made.gate.slopes) == {member.id for member in made.members}
    parts = cross_fit(members, made)
    found = out_of_fold(members, made, parts=parts)
    flat = choose(members, by="em")
    assert loss(found.values, found.truth) < loss(out_of_fold(members, flat).values, found.truth) - 0.1
    assert out_of_fold(members[::-1], made).values.tolist() == found.values.tolist()


def test_a_local_calibration_looks_at_the_covariates_that_are_given() -> None:
    members, known = candidates()
    made = choose(members[:1], by="em", covariates=known, calibration="local")
    assert "mag_r" in made.calibration.covariates
    assert made.recipe.calibration == "local"
    without = choose(members, by="mean", calibration="local").calibration.covariates
    assert set(without) <= {"z_mean", "z_width"}


def test_what_breaks_a_rule_is_refused() -> None:
    members, known = candidates(n=100)
    with pytest.raises(InputError, match="by: gate needs covariates of the objects, but none are given"):
        choose(members, by="gate")
    with pytest.raises(InputError, match=r"calibration: must be one of none, .*, but found 'platt'"):
        choose(members, by="em", calibration="platt")
    with pytest.raises(InputError, match="every object must occur once, but g00003 is there twice"):
        ObjectCovariates(np.array(["g00003", "g00003"]), Covariates((), np.zeros((2, 0))))
    with pytest.raises(InputError, match="one row for each of 1 objects, but found 100"):
        replace(known, object_id=np.array(["g"]))
    for weights, told in (
        (np.full((4, 3), 1 / 3), "must be of 5 objects by 3 members"),
        (np.full((5, 3), 0.5), "object 0: must be 0 or more and sum to 1"),
    ):
        with pytest.raises(InputError, match=told):
            find_pool("linear", TARGET).combine(TARGET, galaxies(5, 0)[0], weights)
    with pytest.raises(InputError, match="one weight for each member, the same for all objects"):
        find_pool("harmonic", TARGET).combine(TARGET, galaxies(5, 0)[0], np.full((5, 3), 1 / 3))
    with pytest.raises(InputError, match="must have 3 finite slopes"):
        Gate(("a",), ((1.0, 2.0),), {"m": (1.0,)})
    gate = Gate(("a",), ((1.0, 2.0),), {"m": (1.0, 0.0, 0.0)})
    assert Gate.from_dict(gate.to_dict(), "here") == gate
    with pytest.raises(InputError, match="there must be slopes for every member, but n has none"):
        gate.weights(["n"], [1.0], Covariates(("a",), [[1.0]]))
