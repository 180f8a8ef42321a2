"""A HATS catalogue is predicted through the bundle's column mapping, from its own files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalogues import catalogue
from rookery import api
from rookery.inference.catalogues import how_it_was_read
from rookery.surveys import Survey
from rookery.surveys.hats import open_hats
from rookery_ensembles import Bundle, InputError, read_predictions, write_bundle

N = 300
PIXELS = ("Norder=1/Dir=0/Npix=22", "Norder=0/Dir=0/Npix=4", "Norder=5/Dir=10000/Npix=10191")


def galaxies(seed: int = 0) -> pd.DataFrame:
    frame = catalogue(N, seed)
    frame["_healpix_29"] = np.random.default_rng(seed).integers(0, 12 << 58, N)
    frame["lightcurve"] = [[1.0, 2.0]] * N  # what plays no role is not read
    return frame


def write_hats(folder: Path, frame: pd.DataFrame, *, sizes: tuple[int, ...] = (120, 90, 90)) -> Path:
    """The layout of the hats package 0.11; the order of the sky is that of pixels 4, 22 and 10191."""
    ends = np.cumsum(sizes)
    for pixel, size, end in zip((PIXELS[1], PIXELS[0], PIXELS[2]), sizes, ends, strict=True):
        part = frame.iloc[end - size : end]
        file = folder / "dataset" / f"{pixel}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pandas(part, preserve_index=False), file, row_group_size=50)
    lines = ["#HATS catalog", "obs_collection=sky", "dataproduct_type=object", f"hats_nrows={len(frame)}"]
    (folder / "hats.properties").write_text("\n".join(lines) + "\n")
    (folder / "dataset" / "_metadata").write_bytes(b"not read")
    return folder


@pytest.fixture
def sky(tmp_path: Path) -> Path:
    new = galaxies(seed=1)
    new.loc[3, "m_g"] = 55.5  # missing, as it was in training
    return write_hats(tmp_path / "sky", new)


@pytest.mark.parametrize("rows", [1000, 77])
def test_it_is_predicted_as_the_same_objects_in_one_file_are(
    rows: int, catalogue_bundle: Bundle, sky: Path, tmp_path: Path
) -> None:
    galaxies_file = tmp_path / "all.parquet"
    new = galaxies(seed=1).drop(columns="lightcurve")
    new.loc[3, "m_g"] = 55.5
    new.to_parquet(galaxies_file)
    before = {path: path.stat().st_mtime_ns for path in sky.rglob("*")}
    made = api.predict(catalogue_bundle.path, sky, tmp_path / "out", rows=rows)
    whole = api.predict(catalogue_bundle.path, galaxies_file, tmp_path / "whole.parquet")
    found = read_predictions(tmp_path / "out")
    assert made.objects == N
    assert found.object_id.tolist() == whole.object_id.tolist()
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.truth, whole.truth)
    assert {path: path.stat().st_mtime_ns for path in sky.rglob("*")} == before
    assert {path.name for path in tmp_path.iterdir()} == {"sky", "out", "all.parquet", "whole.parquet"}
    assert api.predict(catalogue_bundle.path, sky, tmp_path / "out", rows=rows) == made


def test_files_stand_in_the_order_of_the_sky_in_every_layout(tmp_path: Path) -> None:
    new = write_hats(tmp_path / "new", galaxies())
    names = [file.relative_to(new / "dataset").as_posix() for file in open_hats(new).files]
    assert names == [f"{PIXELS[1]}.parquet", f"{PIXELS[0]}.parquet", f"{PIXELS[2]}.parquet"]
    assert open_hats(new).rows == (120, 90, 90)
    old = write_hats(tmp_path / "old", galaxies())  # without `dataset`, its properties under the old name
    (old / "hats.properties").rename(old / "properties")
    for entry in (old / "dataset").iterdir():
        entry.rename(old / entry.name)
    (old / "dataset").rmdir()
    leaf = old / f"{PIXELS[0]}.parquet"
    leaf.rename(old / "moved")
    (old / PIXELS[0]).mkdir()
    (old / "moved").rename(old / PIXELS[0] / "part0.parquet")
    assert open_hats(old).rows == (120, 90, 90)
    box = tmp_path / "box"
    box.mkdir()
    new.rename(box / "sky")
    (box / "collection.properties").write_text("obs_collection=box\nhats_primary_table_url=sky\n")
    assert open_hats(box).rows == (120, 90, 90)
    assert open_hats(box).checksum == open_hats(box / "sky").checksum != open_hats(old).checksum


def test_objects_without_ids_go_by_their_rows(
    catalogue_survey: Survey, catalogue_bundle: Bundle, sky: Path, tmp_path: Path
) -> None:
    how = how_it_was_read(catalogue_survey)
    how["catalogue"]["columns"].pop("object_id")
    numbered = write_bundle(
        tmp_path / "numbered", members=catalogue_bundle.members, target=catalogue_bundle.target, scores={},
        provenance=how, bands=["u", "g", "r"],
    )  # fmt: skip
    for file in sky.rglob("*.parquet"):
        table = pq.ParquetFile(file).read()
        pq.write_table(table.rename_columns({"objid": "nr"} | {n: n for n in table.column_names[1:]}), file)
    api.predict(numbered.path, sky, tmp_path / "out", rows=77)
    assert read_predictions(tmp_path / "out").object_id.tolist() == [str(i) for i in range(1, N + 1)]


def _rewrite(sky: Path, change: Any) -> None:
    file = sky / "dataset" / f"{PIXELS[2]}.parquet"
    frame = pq.read_table(file).to_pandas()
    pq.write_table(pa.Table.from_pandas(change(frame), preserve_index=False), file)


def _spoil(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[5, "e_r"] = -1.0
    return frame


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda s: (s / "dataset" / f"{PIXELS[0]}.parquet").unlink(),
            "promises 300 rows, but the files have 210",
        ),
        (
            lambda s: _rewrite(s, lambda f: f.drop(columns="m_r")),
            r"10191\.parquet: must have the columns .*m_r",
        ),
        (
            lambda s: _rewrite(s, _spoil),
            r"10191\.parquet, row 6 \(object '1215'\): 'e_r', the error of 'm_r'",
        ),
        (lambda s: (s / "dataset" / f"{PIXELS[1]}.parquet").write_bytes(b"PAR1"), r"Npix=4\.parquet"),
        (
            lambda s: (s / "hats.properties").write_text("dataproduct_type=margin\n"),
            "dataproduct_type must be object or nested, with a row for each object, but is 'margin'",
        ),
    ],
)
def test_what_is_wrong_is_one_error_that_names_the_file(
    damage: Any, message: str, catalogue_bundle: Bundle, sky: Path, tmp_path: Path
) -> None:
    damage(sky)
    with pytest.raises(InputError, match=message):
        api.predict(catalogue_bundle.path, sky, tmp_path / "out", rows=100)
    assert not (tmp_path / "out").exists()


def test_it_needs_a_folder_and_a_bundle_that_tells_the_columns(
    catalogue_bundle: Bundle, sky: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"sky: is a HATS catalogue, which is predicted into a folder"):
        api.predict(catalogue_bundle.path, sky, tmp_path / "out.csv")
    silent = write_bundle(
        tmp_path / "silent", members=catalogue_bundle.members, target=catalogue_bundle.target, scores={},
        provenance={}, bands=["u", "g", "r"],
    )  # fmt: skip
    with pytest.raises(InputError, match="is no survey store, and the bundle does not tell"):
        api.predict(silent.path, sky, tmp_path / "out")
