import errno
from pathlib import Path

import pytest

from rookery_ensembles import InputError, _replace
from rookery_ensembles.files import atomic_file, atomic_folder, refuse_existing, sha256, write_text

DISK_FULL = OSError(errno.ENOSPC, "No space left on device")


def write_half(partial: Path, error: BaseException) -> None:
    partial.write_text("half")
    raise error


def test_a_full_disk_leaves_the_former_file_untouched(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with (
        pytest.raises(InputError, match=r"a\.txt: cannot be written \(No space left"),
        atomic_file(tmp_path / "a.txt") as partial,
    ):
        write_half(partial, DISK_FULL)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


@pytest.mark.parametrize("atomic", [atomic_file, atomic_folder])
def test_a_parent_that_is_a_file_is_one_clear_error(tmp_path: Path, atomic) -> None:
    write_text(tmp_path / "file", "")
    with pytest.raises(InputError, match="out: cannot be written"), atomic(tmp_path / "file" / "out"):
        pass


def test_an_interrupted_folder_vanishes(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out") as partial:
        write_half(partial / "a", KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    for content, replace in (("old", False), ("new", True)):
        with atomic_folder(tmp_path / "out", replace=replace) as partial:
            (partial / content).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/new"]
    with pytest.raises(InputError, match="must not exist yet"), atomic_folder(tmp_path / "out"):
        pass


def test_a_file_is_not_replaced_by_a_folder(tmp_path: Path) -> None:
    write_text(tmp_path / "out", "old")
    with pytest.raises(InputError, match="but is a file"), atomic_folder(tmp_path / "out", replace=True):
        pass
    assert (tmp_path / "out").read_text() == "old"


def cannot_exchange(one: Path, other: Path) -> None:
    raise OSError(errno.EINVAL, "Invalid argument")


@pytest.mark.parametrize("exchanges", [True, False])
def test_the_former_folder_stays_when_the_new_one_cannot_take_its_name(
    tmp_path: Path, monkeypatch, exchanges: bool
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    rename = Path.rename

    def fail_for_the_new_one(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise DISK_FULL
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    monkeypatch.setattr(_replace, "_exchange", fail_for_the_new_one if exchanges else cannot_exchange)
    with (
        pytest.raises(InputError, match="No space left"),
        atomic_folder(tmp_path / "out", replace=True) as partial,
    ):
        (partial / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/old"]


def test_digests_are_those_of_the_standard(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputError, match=r"file/out: cannot be written \(Not a directory\)"):
        refuse_existing(tmp_path / "file" / "out")
    refuse_existing(tmp_path / "not" / "yet" / "out")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
