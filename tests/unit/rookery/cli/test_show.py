"""`rookery show`: what a folder or file holds, on the terminal and as JSON."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rookery import api, cli
from rookery.surveys import Survey
from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    write_predictions,
)
from rookery_ensembles.foreign import combine
from rookery_ensembles.known_truth import KnownTruth
from rookery_ensembles.redshift_pdf import gaussian_pdf

Shown = Callable[..., str]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    def run(what: object, *more: str) -> str:
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", ["rookery", "show", str(what), *more])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        return capsys.readouterr().out

    return run


def rows(printed: str) -> dict[str, str]:
    """Return the names and values of two columns."""
    found: dict[str, str] = {}
    name = ""
    for line in printed.splitlines():
        if not line.startswith(" "):
            name, _, value = line.partition("  ")
            found[name] = value.strip()
        else:
            found[name] += " " + line.strip()
    return found


def test_a_survey_tells_its_objects_types_bands_and_splits(tiny_survey: Survey, shown: Shown) -> None:
    told = rows(shown(tiny_survey.path))
    assert told["kind"] == "survey"
    assert told["bands"] == "g, r, i, z"
    assert "objects 200" in told["counts"]
    assert {"folds", "half"} <= set(told["splits"].split(", "))
    found: dict[str, Any] = json.loads(shown(tiny_survey.path, "--json"))
    assert sum(found["types"].values()) == found["counts"]["objects"] == 200
    redshift = tiny_survey.objects["redshift"]
    assert found["redshifts"] == {"known": 200, "from": redshift.min(), "to": redshift.max()}
    assert found["checksum"] == told["checksum"] == tiny_survey.checksum


def test_a_search_space_tells_every_parameter(shown: Shown) -> None:
    told = rows(shown("pelican_shift"))
    assert told["family"] == "pelican"
    assert told["objective"] == "validation_log_loss_shift, to minimize"
    assert told["days_per_column"] == "one of [2, 4]"
    assert told["autoencoder_weight"].endswith("on a logarithmic scale, where autoencoder is True")


def test_predictions_and_a_bundle_of_foreign_networks_tell_what_they_are(
    tmp_path: Path, shown: Shown
) -> None:
    bins, n = RedshiftBins.equal(0.0, 0.4, 20), 120
    rng = np.random.default_rng(1)
    z, ids = rng.uniform(0.05, 0.35, n), np.array([f"g{i}" for i in range(n)])
    files = []
    for name in ("annz", "bpz"):
        mean = np.clip(z + rng.normal(0, 0.02, n), 0, 0.4)
        values = gaussian_pdf(mean, np.full(n, 0.02), bins.edges).astype(np.float32)
        made = Predictions(PredictionInfo(bins, member=name), ids, None, values)
        write_predictions(made, tmp_path / f"{name}.parquet")
        files.append(tmp_path / f"{name}.parquet")
    told = rows(shown(files[0]))
    assert (told["kind"], told["objects"], told["member"]) == ("predictions", "120", "annz")
    assert told["bin edges"] == "0 to 0.4, 20 bins"
    bundle = combine(files, KnownTruth("z.csv", ids, {"z_spec": z}), tmp_path / "bundle", by="mean").bundle
    told = rows(shown(bundle.path))
    assert told["members"] == "annz 0.5, bpz 0.5"
    assert told["foreign members"] == "annz, bpz"
    assert told["digest"] == bundle.digest
    found = api.show(bundle.path)
    assert found["members"] == {"annz": 0.5, "bpz": 0.5}
    assert found["scores"]["crps"] == bundle.scores["selected_calibrated"]["crps"]


def test_classes_are_named(tmp_path: Path, shown: Shown) -> None:
    made = Predictions(
        PredictionInfo(Classes(("Ia", "II")), bundle="b"),
        np.array(["a", "b"]),
        None,
        np.full((2, 2), 0.5, dtype=np.float32),
    )
    write_predictions(made, tmp_path / "p.parquet")
    assert rows(shown(tmp_path / "p.parquet"))["class names"] == "Ia, II"


def test_what_is_none_of_these_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has none of ensemble\.yaml, survey\.json"):
        api.show(tmp_path)
    with pytest.raises(InputError, match="nowhere: does not exist, and is no search space that ships"):
        api.show("nowhere")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(InputError, match=r"p\.parquet: must be an undamaged Parquet file"):
        api.show(tmp_path / "p.parquet")
