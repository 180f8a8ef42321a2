"""Stages of RAIL, run by RAIL itself beside two of its own estimators: `make rail`."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rail.core", reason="no RAIL in this environment: `make rail` runs these tests")

import qp
from rail.core.stage import RailPipeline
from rail.estimation.algos.train_z import TrainZEstimator, TrainZInformer

from rookery.inference import predict_survey
from rookery.rail import BundleModel, RookeryEstimator, RookeryInformer, pool_stages
from rookery.rail.photometry import magnitudes, write_catalogue
from rookery.rail.pool import on_bins
from rookery_ensembles import InputError, RedshiftBins, load_bundle
from rookery_ensembles.exchange.readers import read_foreign

pytestmark = pytest.mark.filterwarnings("default")

GRID = {"zmin": 0.0, "zmax": 1.5, "nzbins": 76, "hdf5_groupname": ""}
SMALL = {"epochs": 20, "width": 32, "hidden_layers": 2, "learning_rate": 0.01}


def galaxies(n, seed):
    """Simulated galaxies whose colours tell their redshift."""
    rng = np.random.default_rng([3, seed])
    table = {"redshift": rng.uniform(0.02, 1.2, n), "object_id": 1000 * seed + np.arange(n)}
    for band, slope in zip("ugrizy", (4.0, 3.0, 2.0, 1.0, 0.5, 0.2), strict=True):
        table[f"mag_{band}_lsst"] = 22 + slope * table["redshift"] + rng.normal(0, 0.1, n)
        table[f"mag_err_{band}_lsst"] = np.full(n, 0.1)
    return table


def log_loss(ensemble, table):
    density = ensemble.pdf(np.asarray(table["redshift"])[:, None])[:, 0]
    return -np.log(np.maximum(density, 1e-9)).mean()


@pytest.fixture(scope="module")
def page(tmp_path_factory, project_root):
    """What the code of docs/rail.md makes, run in a folder of its own."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (project_root / "docs/rail.md").read_text(), re.S))
    found = {"train": galaxies(600, 1), "spectra": galaxies(500, 2), "tonight": galaxies(400, 3)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("page"))
        exec(compile(code, "docs/rail.md", "exec"), found)
    return SimpleNamespace(folder=folder, **found)


def test_networks_know_more_than_the_distribution_of_redshifts(page):
    assert page.pdfs.npdf == 400
    prior = qp.read(str(page.folder / "output_prior_tonight.hdf5"))
    assert log_loss(page.pdfs, page.tonight) < log_loss(prior, page.tonight) - 1
    np.testing.assert_array_equal(page.pdfs.ancil["id"], page.tonight["object_id"])
    assert {"zmode", "flags", "domain_score", "redshift"} <= set(page.pdfs.ancil)


def test_the_estimator_predicts_what_rookery_predicts(page, tmp_path):
    stage = RookeryEstimator.make_stage(name="again", model=page.model, **GRID)
    survey = write_catalogue(page.tonight, stage.config, tmp_path / "survey", "table")
    made = predict_survey(page.model.data.bundle.path, survey.path, tmp_path / "p.parquet")
    edges = np.asarray(made.info.target.edges)
    np.testing.assert_allclose(edges, np.linspace(0, 1.5, 76))
    np.testing.assert_allclose(np.diff(page.pdfs.cdf(edges)) / np.diff(edges), made.values, atol=1e-5)


def test_parts_of_a_file_from_a_models_file_are_the_whole(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import tables_io

    tables_io.write(page.tonight, "tonight.hdf5")
    stage = RookeryEstimator.make_stage(
        name="parts",
        model=str(page.folder / "model_networks.zip"),
        input="tonight.hdf5",
        chunk_size=150,
        **GRID,
    )
    stage.run()
    stage.finalize()
    found = qp.read("output_parts.hdf5")
    at = np.linspace(0, 1.5, 40)
    np.testing.assert_allclose(found.cdf(at), page.pdfs.cdf(at), atol=1e-6)


def test_the_pool_is_better_than_the_plain_average_and_than_each(page):
    alone = [qp.read(str(page.folder / f"output_{name}_tonight.hdf5")) for name in ("knn", "prior")]
    density = np.mean([each.pdf(page.tonight["redshift"][:, None])[:, 0] for each in alone], axis=0)
    pooled = log_loss(page.best, page.tonight)
    assert pooled < min(log_loss(each, page.tonight) for each in alone)
    assert pooled < -np.log(density).mean() - 0.1
    np.testing.assert_array_equal(page.best.ancil["id"], page.tonight["object_id"])


def test_the_pool_is_what_its_bundle_makes_of_the_estimates(page):
    with zipfile.ZipFile(page.folder / "model_pool.zip") as packed:
        packed.extractall(page.folder / "bundle")
    bundle = load_bundle(page.folder / "bundle")
    assert set(bundle.weightless) <= {"input_1", "input_2"}
    assert bundle.provenance["estimates"] == {
        "input_1": "output_knn_spectra",
        "input_2": "output_prior_spectra",
    }
    files = {"input_1": "output_knn_tonight.hdf5", "input_2": "output_prior_tonight.hdf5"}
    values = [
        on_bins(qp.read(str(page.folder / files[member.id])), bundle.target, member.id)
        for member in bundle.members
    ]
    wanted = bundle.combine(values)
    found = read_foreign(page.folder / "output_pool.hdf5")
    assert isinstance(found.target, RedshiftBins)
    np.testing.assert_allclose(found.target.edges, bundle.target.edges, atol=1e-12)
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)


def test_pdfs_go_through_qp_and_back_within_a_millionth(page):
    bins = RedshiftBins.equal(0.0, 1.5, 75)
    file = page.folder / "output_networks.hdf5"
    ours, theirs = read_foreign(file).onto(bins), on_bins(qp.read(str(file)), bins, "qp")
    np.testing.assert_allclose(ours * bins.widths, theirs * bins.widths, atol=1e-6)


def test_a_model_is_the_same_bytes_again_and_an_altered_one_is_refused(page, tmp_path):
    file = page.folder / "model_networks.zip"
    BundleModel.of_file(file).write(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()
    (tmp_path / "cut.zip").write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut\.zip: must be a bundle in a zip"):
        BundleModel.of_file(tmp_path / "cut.zip")
    altered = file.read_bytes().replace(b"temperature", b"temperaturf")
    (tmp_path / "altered.zip").write_bytes(altered)
    with pytest.raises(InputError):
        BundleModel.of_file(tmp_path / "altered.zip")


def test_undetected_bands_have_their_limit_and_unobserved_ones_are_missing(page):
    config = page.estimator.config
    table = {name: np.array(values[:4]) for name, values in page.tonight.items()}
    table["mag_u_lsst"][:3] = 99.0, -99.0, np.nan
    table["mag_err_g_lsst"][3] = -1.0
    found = magnitudes(table, config, "table")
    limit = config.mag_limits["mag_u_lsst"]
    np.testing.assert_array_equal(found["mag_u"], [limit, np.nan, np.nan, table["mag_u_lsst"][3]])
    np.testing.assert_array_equal(np.isnan(found["mag_err_u"]), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(found["mag_err_g"]), [False, False, False, True])


def test_wrong_input_is_one_clear_error(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    informer, estimator = pool_stages(2)
    knn, prior = (qp.read(str(page.folder / f"output_{name}_spectra.hdf5")) for name in ("knn", "prior"))
    with pytest.raises(InputError, match="takes the PDFs of 2 estimators, but is given 1"):
        informer.make_stage(name="one", **GRID).inform([knn], page.spectra)
    with pytest.raises(InputError, match="same objects, but have input_1 500, input_2 400"):
        informer.make_stage(name="few", **GRID).inform([knn, page.pdfs], page.spectra)
    with pytest.raises(InputError, match="must have the 500 objects of the estimators, but has 400"):
        informer.make_stage(name="truth", **GRID).inform([knn, prior], page.tonight)
    prior.ancil["id"] = prior.ancil["id"][::-1]
    with pytest.raises(InputError, match="estimators tell other `id`s: their objects differ"):
        estimator.make_stage(name="ids", model=page.pooled).estimate([knn, prior])
    without = {name: values for name, values in page.train.items() if name != "mag_i_lsst"}
    with pytest.raises(InputError, match="must have a column `mag_i_lsst`, but has redshift, object_id"):
        RookeryInformer.make_stage(name="column", **GRID).inform(without)
    with pytest.raises(InputError, match=r"must have the group 'photometry' \(`hdf5_groupname`\)"):
        RookeryInformer.make_stage(name="group", **{**GRID, "hdf5_groupname": "photometry"}).inform(
            page.train
        )
    bands = {"bands": ["mag_u_lsst", "mag_u_sdss"], "err_bands": []}
    with pytest.raises(InputError, match="name them in `band_names`"):
        RookeryInformer.make_stage(name="bands", **bands, **GRID).inform(page.train)


class Nightly(RailPipeline):
    """Networks and a classical estimator, pooled."""

    def __init__(self, configuration):
        super().__init__()
        networks = {"folds": 2, "configurations": [configuration]}
        self.inform_net = RookeryInformer.build(**networks, **GRID)
        self.inform_prior = TrainZInformer.build(aliases={"input": "input"}, **GRID)
        for name in ("spectra", "tonight"):
            net = RookeryEstimator.build(
                aliases={"input": name}, connections={"model": self.inform_net.io.model}, **GRID
            )
            setattr(self, f"net_{name}", net)
            prior = TrainZEstimator.build(
                aliases={"input": name}, connections={"model": self.inform_prior.io.model}, **GRID
            )
            setattr(self, f"prior_{name}", prior)
        informer, estimator = pool_stages(2)
        self.inform_pool = informer.build(
            by="greedy",
            aliases={"truth": "spectra"},
            connections={"input_1": self.net_spectra.io.output, "input_2": self.prior_spectra.io.output},
            **GRID,
        )
        self.pool_tonight = estimator.build(
            connections={
                "model": self.inform_pool.io.model,
                "input_1": self.net_tonight.io.output,
                "input_2": self.prior_tonight.io.output,
            },
        )


def test_a_pipeline_of_ceci_runs_from_its_file(page, tmp_path, monkeypatch):
    import tables_io

    monkeypatch.chdir(tmp_path)
    files = {}
    for tag, name in {"input": "train", "spectra": "spectra", "tonight": "tonight"}.items():
        tables_io.write(getattr(page, name), f"{name}.hdf5")
        files[tag] = str(tmp_path / f"{name}.hdf5")
    pipeline = Nightly({**SMALL, "epochs": 5})
    run = {"output_dir": str(tmp_path / "out"), "log_dir": str(tmp_path / "log"), "resume": False}
    pipeline.initialize(files, run, None)
    pipeline.save("night.yml")
    own = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{own}:{os.environ['PATH']}")  # ceci says `python3`
    ceci = [str(own / "ceci"), "night.yml"]
    done = subprocess.run(ceci, capture_output=True, text=True, check=False, timeout=300)
    logs = "".join(log.read_text()[-2000:] for log in Path("log").glob("*"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:] + logs
    made = qp.read(str(tmp_path / "out" / "output_pool_tonight.hdf5"))
    assert made.npdf == 400
    assert log_loss(made, page.tonight) < log_loss(
        qp.read(str(tmp_path / "out" / "output_prior_tonight.hdf5")), page.tonight
    )
