"""A family of one's own, from the template to a search, as somebody outside would do it."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from rookery import api
from rookery_ensembles import InputError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(words: list[object], folder: Path, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_family_passes_the_contract_suite_and_is_searched(tmp_path: Path, tiny_galaxies) -> None:
    run(["rookery", "new", "family", "my_network"], tmp_path, tmp_path)
    site = tmp_path / "site"
    install = ["pip", "install", "-q", "--no-deps", "--target", site, "./my_network"]
    run(install, tmp_path, tmp_path)
    told = run(["pytest", "--pyargs", "rookery.testing", "-k", "my_network", "-q", "-p", "no:cacheprovider"],
               tmp_path, site)  # fmt: skip
    assert " passed" in told
    assert "failed" not in told
    assert "warning" not in told
    study = tmp_path / "study"
    run(["rookery", "search", "my_network", "--survey", tiny_galaxies.path, "--split", "half",
         "--study", study, "--trials", 2, "--bins", "0,0.4,8", "--set", "epochs=2"],
        tmp_path, site)  # fmt: skip
    out = tmp_path / "pdfs.parquet"
    run(["rookery", "ensemble", study], tmp_path, site)
    run(["rookery", "predict", study / "ensemble", tiny_galaxies.path, out], tmp_path, site)
    assert len(pd.read_parquet(out)) == len(tiny_galaxies)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pelican", "is a family or a search space already"),
        ("My-Net", "must be a Python name in lower case"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        api.new_family(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
