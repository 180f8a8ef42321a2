"""A campaign in one process, without Ray: --processes 0."""

import json
import sys
from pathlib import Path

import pytest

from rookery import api
from rookery.surveys import Survey
from rookery_ensembles import read_predictions
from rookery_ensembles.errors import InputError

FILE = """\
name: alone
surveys: {sky: {path: SURVEY}}
defaults:
  family: photoz_mlp
  bins: {low: 0, high: 1, number: 20}
  members: 2
  keep: last
  configuration: {hidden_layers: 1, width: 8, epochs: 2, batch_size: 16}
experiments:
  all: {survey: sky, split: {folds: 2, seed: 1}}
rows:
  - {name: trees, baseline: redshift-trees}
  - {name: network, configuration: {}}
  - {name: ensemble, ensemble_of: [network]}
table: {columns: [sigma_mad, eta_15], bins: {column: redshift, parts: 2}, replicates: 20}
"""


@pytest.fixture
def file(tiny_galaxies: Survey, tmp_path: Path) -> Path:
    path = tmp_path / "alone.yaml"
    path.write_text(FILE.replace("SURVEY", str(tiny_galaxies.path)))
    return path


def test_networks_train_and_are_judged_without_ray(
    file: Path, tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # an import of Ray would be an error now
    made = api.campaign(file, out=tmp_path / "out", processes=0)
    assert made.trained == 4
    assert [line.row for line in made.lines if not line.bin] == ["trees", "network", "ensemble"]
    assert all(len(line.metrics) > 0 for line in made.lines)
    halves = [line.test_size for line in made.lines if line.row == "network"]
    assert halves[0] == sum(halves[1:])
    assert abs(halves[1] - halves[2]) <= 1
    judged = read_predictions(tmp_path / "out" / "ensembles" / "all" / "ensemble.parquet")
    assert len(judged.object_id) == halves[0] == 120
    assert api.campaign(file, out=tmp_path / "out", processes=0).trained == 0


def test_an_ensemble_is_also_judged_on_partial_light_curves(
    tiny_survey: Survey, tmp_path: Path, one_thread: None
) -> None:
    file = tmp_path / "days.yaml"
    file.write_text(f"""\
name: days
surveys: {{sky: {{path: {tiny_survey.path}}}}}
defaults:
  family: pelican
  members: 2
  configuration: {{days_per_column: 16, merged_blocks: 1, temporal_filters: 2, band_filters: 8,
                  merged_filters: 2, features: 6, batch_size: 32, epochs: 1}}
experiments:
  half: {{survey: sky, split: half}}
rows:
  - {{name: network, configuration: {{}}}}
  - {{name: ensemble, ensemble_of: [network]}}
table: {{columns: [auc], replicates: 0}}
""")
    api.campaign(file, out=tmp_path / "out", processes=0)
    bundle = tmp_path / "out" / "ensembles" / "half" / "ensemble"
    judged, report = bundle.with_suffix(".parquet"), tmp_path / "report"
    api.evaluate(judged, tiny_survey.path, report=report, bundle=bundle, days=[5, 1000], replicates=0)
    found = json.loads((report / "metrics.json").read_text())
    early, late = found["days"]["points"]
    assert early["median_observations"] < late["median_observations"]
    assert late["metrics"]["auc"]["value"] == pytest.approx(found["metrics"]["auc"], abs=1e-3)


def test_only_what_is_missing_is_trained_again(file: Path, tmp_path: Path, one_thread: None) -> None:
    out = tmp_path / "out"
    api.campaign(file, out=out, processes=0)
    next(out.glob("members/*/weights.safetensors")).unlink()
    assert api.campaign(file, out=out, processes=0).trained == 1


def test_packs_and_fewer_than_no_processes_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"goes with the execution actor or auto.*is pack"):
        api.campaign(file, out=tmp_path / "o", processes=0, settings={"defaults.execution": "pack"})
    with pytest.raises(InputError, match="`processes` must be at least 0, but is -1"):
        api.campaign(file, out=tmp_path / "o", processes=-1)
