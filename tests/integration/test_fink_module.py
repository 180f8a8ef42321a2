"""An ensemble exported for Fink predicts without Rookery what `rookery predict` does."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rookery import api
from rookery.inference.flow import OpenEnsemble
from rookery_ensembles import Classes, InputError, RedshiftBins, Target, load_bundle, write_bundle
from rookery_ensembles._bundle_document import Source
from rookery_ensembles.bundle import BundleMember
from rookery_ensembles.calibrations.temperature import TemperatureCalibration
from rookery_ensembles.gate import Gate

NAMES = ("Ia", "IIP", "non-Ia")
CONFIGURATIONS = (
    {"flux_scale": "peak", "autoencoder": True, "flux_softening": 2.0},
    {
        "block": "convolution",
        "interpolation": "linear",
        "days_per_column": 4,
        "pooling": "flatten",
        "redshift": "host_photo_z",
        "kernel": 3,
    },
    {"interpolation": "gaussian_process", "feature_activation": "sigmoid", "temporal_stride": 2},
)
SLOPES = {"0000": (2.0, 0.5, -1.0), "0001": (-2.0, 0.0, 1.0), "0002": (0.0, 1.0, 0.0)}
WITHOUT_ROOKERY = """
import json, sys
absent = ("rookery", "rookery_ensembles", "pyarrow", "scipy", "sklearn", "safetensors", "pydantic", "ray")
sys.modules |= dict.fromkeys(absent)  # None: an import of any of these fails
folder, given, out = sys.argv[1:]
sys.path.insert(0, folder)
import numpy as np, pandas as pd, torch
torch.set_num_threads(1)
from supernovae.processor import class_probabilities, probabilities_of_fluxes
curves = json.load(open(given))
lists = [curves[name] for name in ("mjd", "band", "flux", "flux_err")]
known = {"host_photo_z": np.array(curves["host_photo_z"], float)}
found = probabilities_of_fluxes(*lists, covariates=known)
millijansky = [[[x * 10 ** (0.4 * 3.9) for x in row] for row in each] for each in lists[2:]]
in_nanojansky = probabilities_of_fluxes(*lists[:2], *millijansky, zero_point=31.4, covariates=known)

numbers = {"g": 1, "r": 2, "i": 3}
alerts, bright = {name: [] for name in ("cjd", "cfid", "cmagpsf", "csigmapsf")}, [[], [], [], []]
for mjd, band, flux, error in zip(*lists):
    points = [p for p in zip(mjd, band, flux, error) if p[1] in numbers and p[2] > 0]
    for column, values in zip(bright, zip(*points) if points else [()] * 4):
        column.append(values)
    alerts["cjd"].append([p[0] + 2400000.5 for p in points] + [2459000.5])
    alerts["cfid"].append([numbers[p[1]] for p in points] + [1])
    alerts["cmagpsf"].append([27.5 - 2.5 * np.log10(p[2]) for p in points] + [None])  # an upper limit
    alerts["csigmapsf"].append([2.5 / np.log(10) * p[3] / p[2] for p in points] + [None])
told = class_probabilities(*(pd.Series(each) for each in alerts.values()))
np.savez(out, found=found, nanojansky=in_nanojansky, magnitudes=np.array(told.tolist()),
         bright=probabilities_of_fluxes(*bright), nothing=probabilities_of_fluxes([[]], [[]], [[]], [[]]))
"""


@pytest.fixture(scope="module")
def bundle(make_job, tmp_path_factory):
    """Three networks of three classes: images of different grids, weights by a covariate, a temperature."""
    from rookery.training.member import train_member

    folder, members = tmp_path_factory.mktemp("fink"), []
    for number, (changes, weight) in enumerate(zip(CONFIGURATIONS, (0.5, 0.3, 0.2), strict=True)):
        configuration = make_job().configuration | changes | {"epochs": 20}
        job = make_job(member=f"{number:04}", class_names=NAMES, configuration=configuration)
        train_member(job, folder / job.member, folder / "running", lambda *_: None)
        members.append(BundleMember(job.member, folder / job.member, weight))
    return write_bundle(
        folder / "bundle",
        target=Classes(NAMES),
        members=members,
        scores={},
        provenance={},
        calibration=TemperatureCalibration(0.4),
        gate=Gate(("host_photo_z",), ((0.0, 0.3, 0.6, 1.2),), SLOPES),
    )


def light_curves(survey) -> dict[str, list]:
    """Lists of every object's points, shuffled: alerts need not be sorted."""
    arrays, rng = survey.observation_arrays(), np.random.default_rng(0)
    rows = [rng.permutation(np.arange(len(arrays))[arrays.rows(i)]) for i in range(len(survey))]
    columns = {
        "mjd": arrays.mjd,
        "band": np.array(survey.bands)[arrays.band_index],
        "flux": arrays.flux.astype(float),
        "flux_err": arrays.flux_err.astype(float),
    }
    return {name: [values[row].tolist() for row in rows] for name, values in columns.items()}


@pytest.mark.slow
def test_the_module_predicts_without_rookery_what_rookery_predicts(bundle, tiny_survey, tmp_path):
    assert api.export(bundle.path, tmp_path / "supernovae", to="fink") == NAMES
    expected = api.predict(bundle.path, tiny_survey.path, tmp_path / "expected.parquet").values
    photo_z = tiny_survey.objects["host_photo_z"].to_numpy(float)
    curves = light_curves(tiny_survey) | {"host_photo_z": photo_z.tolist()}
    (tmp_path / "curves.json").write_text(json.dumps(curves))
    (tmp_path / "run.py").write_text(WITHOUT_ROOKERY)
    words = [sys.executable, "-I", "run.py", str(tmp_path), "curves.json", "found.npz"]
    subprocess.run(words, cwd=tmp_path, check=True)
    found = np.load(tmp_path / "found.npz")
    assert expected.std(axis=0).min() > 0.01
    np.testing.assert_allclose(found["found"], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["nanojansky"], expected, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["magnitudes"], found["bright"], atol=1e-5, rtol=0)
    assert np.isnan(found["nothing"]).all()
    timed = [sys.executable, "-m", "supernovae.benchmark", "--objects", "20"]
    said = subprocess.run(timed, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "ms per object" in said


def foreign(path: Path, target: Target) -> Path:
    """A bundle of one network that is known by its predictions alone."""
    member = BundleMember("bpz", path, 1.0, Source("bpz.csv", "0" * 64))
    return write_bundle(path, target=target, members=[member], scores={}, provenance={}).path


def test_what_fink_cannot_take_is_refused(tmp_path):
    classes = foreign(tmp_path / "classes", Classes(NAMES))
    redshifts = foreign(tmp_path / "redshifts", RedshiftBins.equal(0, 1, 10))
    for bundle, out, rule in (
        (
            classes,
            "super-novae",
            "super-novae: the name of a science module must be that of a Python package",
        ),
        (classes, "classes", "classes: must not exist yet"),
        (redshifts, "new", "redshifts: a Fink science module tells classes, but this ensemble predicts red"),
        (classes, "new", "classes: holds foreign networks"),
        (tmp_path / "nothing", "new", "nothing"),
    ):
        with pytest.raises(InputError, match=rule) as caught:
            api.export(bundle, tmp_path / out, to="fink")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="--catalogue and --id-column"):
        api.export(classes, tmp_path / "new", to="fink", catalogue="c.csv")
    assert not (tmp_path / "new").exists()


def test_a_family_of_catalogues_is_refused(tmp_path, monkeypatch):
    bundle = load_bundle(foreign(tmp_path / "bundle", Classes(NAMES)))
    member = SimpleNamespace(network=object(), card=SimpleNamespace(member="0000", family="zoo"))
    monkeypatch.setattr(OpenEnsemble, "of", lambda *_: OpenEnsemble(bundle, (member,)))
    with pytest.raises(InputError, match=r"networks of light curves \(pelican\), but member 0000 .* zoo"):
        api.export(bundle.path, tmp_path / "new", to="fink")
