"""The commands of docs/ensembles.md do what the page says, as they are typed there."""

import itertools
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from rookery import cli
from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins, read_predictions, write_predictions
from rookery_ensembles.exchange import export
from rookery_ensembles.redshift_pdf import gaussian_pdf

TARGET = RedshiftBins.equal(0.0, 1.0, 40)
IDS = np.array([str(100 + number) for number in range(300)])


def page(project_root: Path) -> str:
    return (project_root / "docs" / "ensembles.md").read_text()


def fenced(text: str) -> list[tuple[str, str]]:
    """Return language and content of the page's blocks of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M)


def typed(text: str, verb: str) -> list[str]:
    """Return the page's commands of a verb, without their remarks."""
    lines = [line for language, block in fenced(text) if not language for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith(f"rookery {verb} ")]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def run(line: str) -> None:
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        status: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
        assert not status, line

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Predictions of three programs in the page's formats, and the spectra of most of their objects."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    z = rng.uniform(0.2, 0.8, len(IDS))
    edges, centres = np.asarray(TARGET.edges), np.convolve(TARGET.edges, [0.5, 0.5], "valid")
    made = {}
    for name, noise in (("annz", 0.03), ("bpz", 0.05), ("lephare", 0.08)):
        made[name] = gaussian_pdf(z + noise * rng.normal(size=len(z)), np.full(len(z), noise), edges)
    info = PredictionInfo(TARGET, member="annz")
    export(Predictions(info, IDS, None, made["annz"].astype(np.float32)), tmp_path / "annz.hdf5")
    wide = {f"z{centre:.4f}": made["bpz"][:, k] for k, centre in enumerate(centres)}
    pd.DataFrame({"object_id": IDS, **wide}).to_csv(tmp_path / "bpz.csv", index=False)
    names = [f"pdf_{low:.4f}_{high:.4f}" for low, high in itertools.pairwise(edges)]
    Table({"object_id": IDS.astype(int), **dict(zip(names, made["lephare"].T, strict=True))}).write(
        tmp_path / "lephare.fits"
    )
    spectra = pd.DataFrame({"object_id": IDS, "redshift": z})
    spectra.loc[[5, 7], "redshift"] = np.nan
    spectra.to_csv(tmp_path / "SPECTRA.csv", index=False)
    return tmp_path


@pytest.mark.slow
def test_combine_apply_and_export_run_as_they_are_typed(
    folder: Path, project_root: Path, run: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(project_root)
    (combine,) = typed(text, "combine")
    run(combine)
    told = re.search(r"^\d+ objects, .*known truth$", text, re.M)
    assert told is not None
    assert told[0] in " ".join(capsys.readouterr().out.split())
    apply, folders = typed(text, "apply")
    assert folders.endswith("--out NEW")  # tests/unit/rookery/cli/test_foreign_verbs.py has such folders
    run(apply)
    assert read_predictions("NEW.parquet").object_id.tolist() == IDS.tolist()
    Path("NEW.parquet").rename("PREDICTIONS.parquet")
    catalogue = {"OBJID": IDS.astype(int), "mag_r": np.linspace(18, 22, len(IDS))}
    Table(catalogue).write("CATALOGUE.fits")
    exports = [line for line in typed(text, "export") if "PREDICTIONS.parquet" in line]
    assert len(exports) == 2
    for line in exports:
        run(line)
    assert len(Table.read("OUT.fits")) == len(IDS)
    assert {"OBJID", "mag_r", "z_median"} <= set(pd.read_csv("OUT.csv").columns)


@pytest.mark.slow
def test_the_pages_python_reads_compact_pdfs_and_combines(folder: Path, project_root: Path) -> None:
    reads, combines = [code for language, code in fenced(page(project_root)) if language == "python"]
    z = np.random.default_rng(1).uniform(0.2, 0.8, len(IDS))
    values = gaussian_pdf(z, np.full(len(z), 0.05), TARGET.edges).astype(np.float32)
    whole = Predictions(PredictionInfo(TARGET, member="m"), IDS, None, values)
    export(whole, folder / "small.parquet", to="compact")
    found: dict = {"FILE": "small.parquet"}
    exec(reads, found)
    np.testing.assert_allclose(found["pdf"], read_predictions(folder / "small.parquet").values, atol=2e-4)
    Path("tonight").mkdir()
    for name in ("annz.hdf5", "bpz.csv"):
        (Path("tonight") / name).write_bytes(Path(name).read_bytes())
    Path("SPECTRA.csv").rename("spectra.csv")
    exec(combines, found)
    assert len(found["new"].object_id) == len(IDS)
    write_predictions(found["new"], folder / "new.parquet")
