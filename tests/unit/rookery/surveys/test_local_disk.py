"""Images are copied to a node's own disk once, whole, and by one process."""

import logging
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rookery.surveys import Survey, _local_disk, open_survey
from rookery.surveys._local_disk import LOCAL_DISK, on_local_disk
from rookery_ensembles.errors import InputError


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LOCAL_DISK, str(tmp_path / "disk"))
    return tmp_path / "disk"


def test_images_are_mapped_from_the_copy(tiny_galaxies: Survey, disk: Path, tmp_path: Path) -> None:
    here = shutil.copytree(tiny_galaxies.path, tmp_path / "survey")
    pixels = open_survey(here, verify=False).image_array()
    (copy,) = disk.glob("*.npy")
    assert Path(pixels.filename) == copy  # type: ignore[attr-defined]
    np.testing.assert_array_equal(pixels, tiny_galaxies.image_array())
    (here / "images.npy").unlink()
    np.testing.assert_array_equal(open_survey(here, verify=False).image_array(), pixels)


def test_of_several_processes_one_copies(
    tiny_galaxies: Survey, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies, copy = [], _local_disk._copy

    def counted(source: Path, *others: object) -> None:
        copies.append(source)
        copy(source, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(_local_disk, "_copy", counted)
    path, digest = tiny_galaxies.path / "images.npy", tiny_galaxies.info.files["images.npy"]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: on_local_disk(path, digest), range(4)))
    assert found == [disk / f"{digest}.npy"] * 4
    assert copies == [path]


def test_altered_images_are_refused_and_leave_no_copy(
    tiny_galaxies: Survey, disk: Path, tmp_path: Path
) -> None:
    here = shutil.copytree(tiny_galaxies.path, tmp_path / "survey")
    with (here / "images.npy").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InputError, match=r"images.npy.*must have the SHA-256 .* it was altered"):
        open_survey(here, verify=False).image_array()
    assert not list(disk.glob("*.npy"))


def test_where_no_copy_can_be_written_the_images_stay(
    tiny_galaxies: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(LOCAL_DISK, str(tmp_path / "file"))
    path = tiny_galaxies.path / "images.npy"
    with caplog.at_level(logging.WARNING):
        assert on_local_disk(path, tiny_galaxies.info.files["images.npy"]) == path
    assert "stays where it is" in caplog.text
