"""Quickstarts and tutorials run as typed, from a user's files to the table, with fewer, shorter trainings."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pages import blocks
from rookery import cli
from rookery.surveys import open_survey
from rookery_ensembles import PredictionInfo, Predictions, RedshiftBins
from rookery_ensembles.exchange import export
from rookery_ensembles.redshift_pdf import gaussian_pdf

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]

SHORT = {
    "photoz_mlp": "--trials 2 --set epochs=10 --set learning_rate=0.01 --set batch_size=64",
    "photoz_cnn_small": "--trials 1 --set epochs=1",
    "pelican": "--trials 2 --set epochs=1 --set days_per_column=8 --set autoencoder=false",
}
"""What a test trains instead of what the page does, which would take an hour here."""
Run = Callable[[Path, str], None]


@pytest.fixture
def run(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Type every command of a page, in a folder."""

    def run(folder: Path, page: str) -> None:
        monkeypatch.chdir(folder)
        for block in blocks(project_root / "docs" / f"{page}.md"):
            for line in block.commands:
                words = shlex.split(line)
                if words[1] == "search":
                    words = [*shlex.split(re.sub(r"--trials \d+", "", line)), *SHORT[words[2]].split()]
                elif words[1] == "split":
                    words = shlex.split(line.replace("--folds 5", "--folds 2"))
                elif words[1] in ("evaluate", "compare"):
                    words += ["--replicates", "0"]
                monkeypatch.setattr(sys, "argv", words)
                with pytest.raises(SystemExit) as stop:
                    cli.main()
                assert not stop.value.code, f"{block.place}: {line}"

    return run


def galaxies(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.05, 1.4, n)
    table = pd.DataFrame({"object_id": [f"g{seed}-{i}" for i in range(n)], "z_spec": z})
    for band, slope in zip("ugriz", (4.0, 3.0, 2.0, 1.0, 0.5), strict=True):
        table[f"mag_{band}"] = 18 + slope * z + rng.normal(0, 0.03, n)
        table[f"mag_err_{band}"] = 0.03
    return table


def test_a_catalogue_becomes_a_table_of_redshifts_with_intervals_that_hold(tmp_path, run, ray_session):
    galaxies(400, 1).to_csv(tmp_path / "galaxies.csv", index=False)
    new = galaxies(200, 2)
    new.drop(columns="z_spec").to_csv(tmp_path / "new_galaxies.csv", index=False)
    run(tmp_path, "quickstart/photoz_catalogue")
    found = pd.read_csv(tmp_path / "z_phot.csv").set_index("object_id").loc[new["object_id"]]
    z, low, high = new["z_spec"].to_numpy(), found.filter(like="low"), found.filter(like="high")
    assert low.shape[1] == high.shape[1] >= 1
    assert np.median(np.abs(found["z_median"] - z) / (1 + z)) < 0.1
    inside = (low.iloc[:, -1].to_numpy() <= z) & (z <= high.iloc[:, -1].to_numpy())
    assert inside.mean() > 0.6
    assert (tmp_path / "runs" / "z" / "report" / "index.html").is_file()


def test_real_galaxies_get_redshifts_of_networks_that_did_not_see_them(
    tmp_path, run, shared_data, ray_session
):
    lines = (shared_data / "sdss_mgs" / "SDSS_MGS.train").read_text().splitlines()[:1001]
    (tmp_path / "SDSS_MGS.train").write_text("\n".join(lines) + "\n")
    run(tmp_path, "tutorials/real_galaxies")
    found = pd.read_csv(tmp_path / "z_phot.csv")
    assert len(found) == 1000
    scatter = np.abs(found["z_median"] - found["z_spec"]) / (1 + found["z_spec"])
    assert np.median(scatter) < 0.03
    inside = found["z_spec"].between(found["z_low_95"], found["z_high_95"])
    assert 0.9 < inside.mean() < 0.99
    assert (tmp_path / "runs" / "report" / "index.html").is_file()


def test_cutouts_become_a_table_of_redshifts(tmp_path, run, ray_session):
    table = galaxies(60, 3).assign(z_spec=lambda one: one["z_spec"] / 4)
    (tmp_path / "cutouts").mkdir()
    rng = np.random.default_rng(4)
    for _, row in table.iterrows():
        flux = 10 ** (-0.4 * (row[[f"mag_{band}" for band in "ugriz"]].to_numpy(float) - 22.5))
        image = flux[:, None, None] / 1024 + rng.normal(0, 0.02, (5, 32, 32))
        np.save(tmp_path / "cutouts" / f"{row['object_id']}.npy", image.astype(np.float32))
    table[["object_id", "z_spec"]].to_csv(tmp_path / "redshifts.csv", index=False)
    run(tmp_path, "quickstart/images")
    assert set(pd.read_csv(tmp_path / "z_phot.csv")["object_id"]) == set(table["object_id"])


def test_light_curves_become_types_and_the_next_night_too(tmp_path, run, tiny_survey, ray_session):
    observed = pd.read_parquet(tiny_survey.path / "observations.parquet")
    types = tiny_survey.objects.set_index("object_id")["type"]
    table = observed.assign(type=types[observed["object_id"]].to_numpy())
    table = table.rename(columns={"object_id": "id", "mjd": "time"})
    late = table["id"].isin(types.index[-20:]) | (table["time"] > table["time"].quantile(0.8))
    table[~late].to_csv(tmp_path / "light_curves.csv", index=False)
    table[late].drop(columns="type").to_csv(tmp_path / "tonight.csv", index=False)
    run(tmp_path, "quickstart/supernovae")
    before, after = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("types", "types_tonight"))
    assert set(before["object_id"]) < set(after["object_id"]) == set(types.index)
    assert open_survey(tmp_path / "my_survey").info.counts["observations"] == len(table)


def test_predictions_of_other_programs_become_one_table(tmp_path, run):
    rng, target = np.random.default_rng(0), RedshiftBins.equal(0.0, 1.0, 40)
    for folder in (tmp_path, tmp_path / "new"):
        folder.mkdir(exist_ok=True)
        z = rng.uniform(0.2, 0.8, 300)
        ids = np.array([f"{folder.name}{i}" for i in range(300)])
        for name, noise in (("annz.hdf5", 0.03), ("bpz.csv", 0.05)):
            centre = z + noise * rng.normal(size=300)
            pdf = gaussian_pdf(centre, np.full(300, noise), np.asarray(target.edges)).astype(np.float32)
            made = Predictions(PredictionInfo(target, member="one"), ids, None, pdf)
            if name.endswith("hdf5"):
                export(made, folder / name)
            else:
                centres = np.convolve(target.edges, [0.5, 0.5], "valid")
                wide = {f"z{one:.4f}": pdf[:, k] for k, one in enumerate(centres)}
                pd.DataFrame({"object_id": ids, **wide}).to_csv(folder / name, index=False)
        pd.DataFrame({"object_id": ids, "z_spec": z}).to_csv(folder / "spectra.csv", index=False)
    run(tmp_path, "quickstart/foreign")
    truth = pd.read_csv(tmp_path / "new" / "spectra.csv").set_index("object_id")["z_spec"]
    found = pd.read_csv(tmp_path / "z_phot.csv").set_index("object_id")["z_median"]
    assert np.std(found - truth[found.index]) < 0.035
