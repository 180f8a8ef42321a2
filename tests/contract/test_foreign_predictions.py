"""Predictions of other programs: every format tells the same, and what breaks a rule is refused by name."""

import io
import subprocess
from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.lib import format as npy

from rookery_ensembles import (
    Classes,
    InputError,
    PredictionInfo,
    Predictions,
    RedshiftBins,
    bounds,
    write_predictions,
)
from rookery_ensembles.exchange.qp_layout import write_hist
from rookery_ensembles.exchange.readers import read_foreign, readers
from rookery_ensembles.foreign import read_members

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4)
IDS = np.array(["11", "7", "203"])
NAMES = ("Ia", "II")


def pdfs():
    masses = np.random.default_rng(1).dirichlet(np.ones(4), 3)
    return (masses / np.diff(EDGES)).astype(np.float32)


def probabilities():
    return np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], dtype=np.float32)


def write(kind, path, values, *, classes=False, ids=IDS):
    """Write values in a format, under a path without its ending; return the file."""
    names = [f"p_{name}" for name in NAMES] if classes else [f"pdf_{a}_{b}" for a, b in pairwise(EDGES)]
    wide = pd.DataFrame({"object_id": ids} | dict(zip(names, np.asarray(values).T, strict=True)))
    columns = NAMES if classes else [(a + b) / 2 for a, b in pairwise(EDGES)]
    long = pd.DataFrame(
        {
            "object_id": np.repeat(ids, len(columns)),
            "class" if classes else "z": list(columns) * len(ids),
            "value": np.ravel(values),
        }
    )
    file = path.with_suffix(
        {"npz": ".npz", "qp_hdf5": ".hdf5", "parquet": ".parquet", "plain": ".parquet"}.get(
            kind, ".fits" if "fits" in kind else ".csv"
        )
    )
    if kind == "parquet":
        target = Classes(NAMES) if classes else RedshiftBins(EDGES)
        write_predictions(Predictions(PredictionInfo(target, member="x"), ids, None, values), file)
    elif kind == "plain":
        wide.to_parquet(file)
    elif kind == "wide":
        wide.to_csv(file, index=False)
    elif kind == "long":
        long.sample(frac=1, random_state=3).to_csv(file, index=False)
    elif kind == "fits":
        Table.from_pandas(wide.astype({"object_id": "S5"})).write(file)
    elif kind == "npz":
        axis = {"classes": np.array(NAMES)} if classes else {"edges": np.array(EDGES)}
        np.savez(file, values=values, ids=ids, **axis)
    elif kind == "qp_hdf5":
        write_hist(file, np.array(EDGES), values, {"object_id": ids})
    else:
        meta = Table({"pdf_name": [b"hist"], "pdf_version": [0], "bins": np.array([EDGES])})
        tables = [meta, Table({"pdfs": values}), Table({"object_id": ids.astype("S5")})]
        units = [
            fits.BinTableHDU(table, name=name)
            for table, name in zip(tables, ("META", "DATA", "ANCIL"), strict=True)
        ]
        fits.HDUList([fits.PrimaryHDU(), *units]).writeto(file)
    return file


REDSHIFTS = ["parquet", "plain", "wide", "long", "fits", "npz", "qp_hdf5", "qp_fits"]
CLASSES = ["parquet", "plain", "wide", "long", "fits", "npz"]


def test_every_reader_is_under_this_contract():
    assert {name for name, _ in readers()} == {"arrays", "prediction_file", "qp_file", "table"}


@pytest.mark.parametrize("kind", REDSHIFTS)
def test_every_format_tells_the_same_pdfs(kind, tmp_path):
    (found,) = read_members([write(kind, tmp_path / "net", pdfs())], RedshiftBins(EDGES))
    order = [found.object_id.tolist().index(name) for name in IDS]
    np.testing.assert_allclose(found.values[order], pdfs(), rtol=1e-5)
    assert found.info.member == "net"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_format_tells_the_same_probabilities(kind, tmp_path):
    (found,) = read_members([write(kind, tmp_path / "net", probabilities(), classes=True)], Classes(NAMES))
    order = [found.object_id.tolist().index(name) for name in IDS]
    np.testing.assert_allclose(found.values[order], probabilities(), rtol=1e-6)


@pytest.mark.parametrize(
    ("bad", "rule"),
    [(np.nan, "finite"), (-0.5, "negative"), (30.0, "integrate to 1")],
    ids=["NaN", "negative", "unnormalised"],
)
@pytest.mark.parametrize("kind", ["plain", "wide", "long", "fits", "npz", "qp_hdf5", "qp_fits"])
def test_broken_pdfs_are_refused(kind, bad, rule, tmp_path):
    values = pdfs()
    values[1, 2] = bad
    if "qp" in kind and bad == 30.0:  # as qp does
        (found,) = read_members([write(kind, tmp_path / "net", values)])
        np.testing.assert_allclose(found.values[1], values[1] / (values[1].sum() * 0.1), rtol=1e-5)
        return
    with pytest.raises(InputError, match=rf"net\..*{rule}"):
        read_members([write(kind, tmp_path / "net", values)])


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (np.nan, "values must be finite, but column 2 holds nan"),
        (-0.2, "values must not be negative, but column 2 holds -0.2"),
        (0.9, r"the PDF must integrate to 1 within 0\.001, but integrates to"),
    ],
    ids=["NaN", "negative", "unnormalised"],
)
@pytest.mark.parametrize("kind", ["plain", "wide", "long", "fits", "npz"])
def test_the_broken_one_of_many_histograms_of_masses_is_named(kind, bad, rule, tmp_path):
    masses = pdfs() * np.diff(EDGES)
    masses[1, 2] = bad
    with pytest.raises(InputError, match=rf"net\..*, row \d \(object {IDS[1]}\): {rule}"):
        read_members([write(kind, tmp_path / "net", masses)])


@pytest.mark.parametrize("kind", [kind for kind in REDSHIFTS if kind != "wide"])  # text may end anywhere
def test_a_truncated_file_is_refused_in_one_line(kind, tmp_path):
    file = write(kind, tmp_path / "net", pdfs())
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="net") as error:
        read_members([file])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["plain", "wide", "long", "fits", "npz", "qp_hdf5", "qp_fits"])
def test_an_object_that_stands_there_twice_is_refused(kind, tmp_path):
    with pytest.raises(InputError, match=r"once|twice"):
        read_members([write(kind, tmp_path / "net", pdfs(), ids=np.array(["1", "2", "1"]))])


def test_a_long_table_that_lacks_a_row_is_refused(tmp_path):
    file = write("long", tmp_path / "net", pdfs())
    pd.read_csv(file, dtype=str).iloc[:-1].to_csv(file, index=False)
    with pytest.raises(InputError, match="is missing"):
        read_members([file])


def test_centres_of_bins_stand_for_the_bins_about_them(tmp_path):
    names = ["z0.05", "z0.15", "z0.25", "z0.35"]
    pd.DataFrame({"id": [1, 2, 3]} | dict(zip(names, pdfs().T * 0.1, strict=True))).to_csv(
        file := tmp_path / "net.csv", index=False
    )
    (found,) = read_members([file])
    np.testing.assert_allclose(found.info.target.edges, EDGES, atol=1e-12)
    np.testing.assert_allclose(found.values, pdfs(), rtol=1e-5)
    assert found.object_id.tolist() == ["1", "2", "3"]


def test_other_grids_are_rebinned_with_their_masses_kept(tmp_path):
    own = write("npz", tmp_path / "net", pdfs())
    new = RedshiftBins((0.0, 0.05, 0.2, 0.35, 0.4))
    (found,) = read_members([own], new)
    mass = pdfs() * np.diff(EDGES)
    wanted = np.stack(
        [mass[:, 0] / 2, mass[:, 0] / 2 + mass[:, 1], mass[:, 2] + mass[:, 3] / 2, mass[:, 3] / 2], axis=1
    )
    np.testing.assert_allclose(found.values * new.widths, wanted, atol=1e-6)


def test_pdfs_outside_of_the_first_members_grid_are_refused(tmp_path):
    first = tmp_path / "a.npz"
    np.savez(first, values=np.full((3, 2), 5.0), ids=IDS, edges=[0.0, 0.1, 0.2])
    other = write("npz", tmp_path / "b", pdfs())
    with pytest.raises(InputError, match=r"b\.npz: PDFs must lie in the bins 0 to 0\.2"):
        read_members([first, other])


@pytest.mark.parametrize("name", ["interp", "quant", "norm", "mixmod", "sparse"])
def test_other_parametrisations_of_qp_are_converted_or_refused(name, tmp_path):
    import h5py
    from scipy.stats import norm

    mean, sigma, grid = np.array([0.1, 0.2, 0.25]), 0.02, np.linspace(0, 0.4, 4001)
    q = np.linspace(0.0001, 0.9999, 9999)
    groups = {
        "interp": ({"xvals": grid[None]}, {"yvals": norm.pdf(grid, mean[:, None], sigma)}),
        "quant": ({"quants": q[None]}, {"locs": norm.ppf(q, mean[:, None], sigma)}),
        "norm": ({}, {"loc": mean[:, None], "scale": np.full((3, 1), sigma)}),
        "mixmod": ({}, {"means": mean[:, None], "stds": np.full((3, 1), sigma), "weights": np.ones((3, 1))}),
        "sparse": ({}, {"x": np.ones((3, 1))}),
    }
    meta, data = groups[name]
    with h5py.File(file := tmp_path / "net.hdf5", "w") as out:
        for key, value in ({"pdf_name": np.array([name.encode()])} | meta).items():
            out[f"meta/{key}"] = value
        for key, value in data.items():
            out[f"data/{key}"] = value
        out["ancil/object_id"] = IDS.astype("S5")
    if name == "sparse":
        with pytest.raises(InputError, match=r"is 'sparse': in qp, `ensemble\.convert_to\(qp\.hist_gen"):
            read_foreign(file)
        return
    (found,) = read_members([file], RedshiftBins(EDGES))
    wanted = np.diff(norm.cdf(np.array(EDGES), mean[:, None], sigma), axis=1)
    np.testing.assert_allclose(found.values * 0.1, wanted, atol=2e-4)


def test_values_without_names_need_the_objects_of_others(tmp_path):
    np.save(file := tmp_path / "net.npy", pdfs())
    with pytest.raises(InputError, match="must tell its bins or classes"):
        read_members([file])
    with pytest.raises(InputError, match="does not name its 3 objects, and nobody does"):
        read_members([file], RedshiftBins(EDGES))
    (found,) = read_members([file], RedshiftBins(EDGES), object_id=IDS)
    assert found.object_id.tolist() == IDS.tolist()
    with pytest.raises(InputError, match="there are 2 objects"):
        read_members([file], RedshiftBins(EDGES), object_id=IDS[:2])


def test_arrays_are_never_unpickled(tmp_path):
    np.save(file := tmp_path / "net.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_foreign(file)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 99, b"a,b\n1,2\n", b"object_id\n1\n"])
def test_what_is_no_file_of_predictions_is_refused(content, tmp_path):
    (file := tmp_path / "net.dat").write_bytes(content)
    with pytest.raises(InputError, match=r"net\.dat"):
        read_foreign(file)


def npy_bomb(folder):
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**9, 100)})
    (file := folder / "net.npy").write_bytes(stream.getvalue() + bytes(1000))
    return file, "shorter than its header says"


def npz_bomb(folder):
    np.savez_compressed(file := folder / "net.npz", values=np.zeros((10_000, 100)))
    return file, "becomes 8,000,128 bytes or more when unpacked"


def hdf5_bomb(folder):
    with h5py.File(file := folder / "net.hdf5", "w") as stream:
        stream["meta/pdf_name"] = np.array([b"hist"])
        stream.create_dataset("data/pdfs", (10**9, 100), dtype="f8", chunks=(1000, 100))
    return file, "becomes 800,000,000,004 bytes or more when unpacked"


def fits_bomb(folder):
    Table({"object_id": ["a"], "z_0": [0.1]}).write(file := folder / "net.fits")
    content = file.read_bytes()
    rows = b"NAXIS2  =                    1"
    assert content.count(rows) == 1
    file.write_bytes(content.replace(rows, b"NAXIS2  =           1000000000"))
    return file, "truncated"


@pytest.mark.parametrize("bomb", [npy_bomb, npz_bomb, hdf5_bomb, fits_bomb])
def test_a_small_file_that_promises_much_is_refused_before_it_fills_memory(bomb, tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "FREE_BYTES", 1000)
    file, told = bomb(tmp_path)
    with pytest.raises(InputError, match=rf"net\.\w+: .*{told}"):
        read_foreign(file)


QP_FILES = """
import sys, numpy as np, qp
from scipy.stats import norm
folder, edges = sys.argv[1], np.linspace(0, 0.4, 9)
mean, sigma = np.array([0.16, 0.2, 0.24]), 0.03
ancil = dict(object_id=np.array(["11", "7", "203"]))
q = np.linspace(0.001, 0.999, 99)
grid = np.linspace(0, 0.4, 81)
for name, kind, data in [
    ("hist", qp.hist, dict(bins=edges, pdfs=np.diff(norm.cdf(edges, mean[:, None], sigma)))),
    ("interp", qp.interp, dict(xvals=grid, yvals=norm.pdf(grid, mean[:, None], sigma))),
    ("quant", qp.quant, dict(quants=q, locs=norm.ppf(q, mean[:, None], sigma))),
    ("norm", qp.stats.norm, dict(loc=mean[:, None], scale=np.full((3, 1), sigma))),
    ("mixmod", qp.mixmod, dict(means=mean[:, None] + np.array([[0, 0.02]]), stds=np.full((3, 2), sigma),
                               weights=np.full((3, 2), 0.5))),
]:
    made = qp.Ensemble(kind, data=data, ancil=ancil)
    for ending in ("hdf5", "fits"):
        made.write_to(f"{folder}/{name}.{ending}")
    np.save(f"{folder}/{name}.npy", made.cdf(edges))
"""
"""Written by qp itself, with its own cumulative distributions."""


@pytest.fixture(scope="module")
def of_qp(tmp_path_factory, project_root):
    python = project_root / ".venv-qp" / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"no environment with qp-prob: {python}; .ci/run makes it")
    folder = tmp_path_factory.mktemp("qp")
    subprocess.run([python, "-W", "ignore", "-c", QP_FILES, folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("ending", ["hdf5", "fits"])
@pytest.mark.parametrize("name", ["hist", "interp", "quant", "norm", "mixmod"])
def test_files_that_qp_wrote_have_qps_distributions(name, ending, of_qp):
    bins = RedshiftBins.equal(0.0, 0.4, 8)
    (found,) = read_members([of_qp / f"{name}.{ending}"], bins)
    assert found.object_id.tolist() == ["11", "7", "203"]
    masses = np.diff(np.load(of_qp / f"{name}.npy"), axis=1)
    wanted = masses / masses.sum(axis=1, keepdims=True)
    # Between quantiles qp bends the distribution, by default, where ours is straight.
    np.testing.assert_allclose(found.values * bins.widths, wanted, atol=5e-4 if name == "quant" else 1e-6)
