"""Outputs outlive `kill -9` at every step, a power cut, and other processes at the same work."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rookery_ensembles import InputError, _replace
from rookery_ensembles.files import atomic_file, atomic_folder, check_name, sweep, write_text

# Replaces a bundle again and again in children, each of which is killed at another of its steps: before or
# after one of the calls that change the disk. Prints what lies at the bundle's name after each death.
KILLED_AT_EVERY_STEP = """
import fcntl, os, signal, sys
from pathlib import Path
from rookery_ensembles import BundleMember, Classes, InputError, _replace, load_bundle, write_bundle

folder, exchanges = Path(sys.argv[1]), sys.argv[2] == "exchange"
member = folder / "member"
member.mkdir()
for name in ("weights.safetensors", "config.yaml", "card.json"):
    (member / name).write_text(name)

def write(made):
    write_bundle(folder / "bundle", members=[BundleMember("0001", member, 1.0)], scores={},
                 provenance={"made": made}, target=Classes(["Ia", "non-Ia"]), replace=True)

def cannot(one, other):
    raise OSError(22, "Invalid argument")

if not exchanges:
    _replace._exchange = cannot
write(0)

def counted(function, left):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        found = function(*arguments, **options)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return call

def dies_at(step):
    child = os.fork()
    if child == 0:
        left = [step]
        for module, names in ((os, ("fsync", "mkdir", "unlink", "rmdir", "rename", "replace", "link")),
                              (_replace, ("_exchange",)), (fcntl, ("flock",))):
            for name in names:
                setattr(module, name, counted(getattr(module, name), left))
        write(step)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL

step = 1
while dies_at(step):
    try:
        print(step, load_bundle(folder / "bundle").provenance["made"])
    except InputError:
        retired = list(folder.glob(".bundle.retired-*"))
        print(step, "absent", len(retired), load_bundle(retired[0]).provenance["made"] if retired else None)
    step += 1
print("end", load_bundle(folder / "bundle").provenance["made"], sorted(one.name for one in folder.iterdir()))
"""


def after_each_death(tmp_path: Path, way: str) -> list[list[str]]:
    command = [sys.executable, "-c", KILLED_AT_EVERY_STEP, str(tmp_path), way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split(" ", 2) for line in done.stdout.splitlines()]


def can_exchange(folder: Path) -> bool:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    try:
        _replace._exchange(folder / "a", folder / "b")
    except OSError as error:
        return error.errno not in (errno.EINVAL, errno.ENOSYS)
    finally:
        (folder / "a").rmdir()
        (folder / "b").rmdir()
    return True


def test_a_bundle_that_is_replaced_is_there_whatever_step_its_writer_dies_at(tmp_path: Path) -> None:
    if not can_exchange(tmp_path):
        pytest.skip("this file system cannot exchange two names")
    *deaths, end = after_each_death(tmp_path, "exchange")
    assert len(deaths) > 30
    there = 0
    for step, made in deaths:  # the old one, or the new one from some step on
        assert made in (str(there), step)
        there = int(made)
    assert end[2] == "['bundle', 'member']"  # and what the dead left has been swept


def test_without_exchange_the_old_bundle_lies_beside_its_name_for_a_moment_and_comes_back(
    tmp_path: Path,
) -> None:
    *deaths, end = after_each_death(tmp_path, "retire")
    absent = [step for step, *what in deaths if what[0] == "absent"]
    assert absent  # dead after the old name is gone, and before the new one is given
    there = "0"
    for step, *what in deaths:
        if step in absent:
            assert what[1] == f"1 {there}"  # the last whole one
        else:
            assert what[0] in (there, step)
            there = what[0]
    assert end[2] == "['bundle', 'member']"


def test_a_folder_that_was_retired_gets_its_name_back_even_if_the_next_run_fails(tmp_path: Path) -> None:
    (tmp_path / ".out.retired-0123").mkdir()
    (tmp_path / ".out.retired-0123" / "old").touch()
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out", replace=True):
        raise KeyboardInterrupt
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/old"]


def test_files_folders_and_the_folders_that_hold_their_names_are_flushed(tmp_path: Path, monkeypatch) -> None:
    flushed = []
    fsync = os.fsync

    def observed(stream: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{stream}").readlink()))
        fsync(stream)

    monkeypatch.setattr(os, "fsync", observed)
    with atomic_folder(tmp_path / "new" / "out") as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "file").touch()
    inside = [f"{partial}{tail}" for tail in ("/deep", "/deep/file")]
    parent = str(tmp_path / "new")
    assert flushed[0] == str(tmp_path)  # which holds the name `new`
    assert set(flushed[1:3]) == set(inside)
    assert flushed[3:] == [str(partial), parent]
    flushed.clear()
    write_text(tmp_path / "new" / "note", "text")
    assert [Path(path).name.partition(".partial")[0] for path in flushed] == [".note", "new"]


def test_the_next_run_sweeps_what_a_dead_process_left_and_nothing_else(tmp_path: Path) -> None:
    dead = "import os, sys; from rookery_ensembles.files import *; "
    for body in (
        "w = atomic_folder(sys.argv[1]); (w.__enter__() / 'x').touch(); os._exit(9)",
        "w = atomic_file(sys.argv[1]); w.__enter__(); os._exit(9)",
    ):
        subprocess.run([sys.executable, "-c", dead + body, str(tmp_path / "out")], check=False)
    assert len(list(tmp_path.glob(".out.partial-*"))) == 1  # the second has swept the first's
    young, old = tmp_path / ".out.partial-ffffffff01234567", tmp_path / ".out.partial-fffffffe01234567"
    other = tmp_path / ".another.partial-0123"
    for path in (young, old, other):
        path.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    with atomic_folder(tmp_path / "out") as partial:
        assert set(tmp_path.iterdir()) == {partial, young, other}  # of other machines only what is old
    sweep(tmp_path, alone=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_two_processes_at_one_output_never_sweep_each_other(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "out") as first:
        first.write_text("first")
        script = "import sys; from rookery_ensembles.files import *; write_text(sys.argv[1], 'second')"
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "out")], check=True)
        sweep(tmp_path, alone=True)
        assert (tmp_path / "out").read_text() == "second"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"out": "first"}


WRITER = """
import sys
from pathlib import Path
from rookery_ensembles import _replace, files
if sys.argv[3] == "retire":
    def cannot(one, other):
        raise OSError(22, "Invalid argument")
    _replace._exchange = cannot
for _ in range(40):
    with files.atomic_folder(sys.argv[1], replace=True) as partial:
        for name in "abc":
            (partial / name).write_text(sys.argv[2])
"""


@pytest.mark.parametrize("way", ["exchange", "retire"])
def test_of_processes_that_replace_one_folder_the_last_one_wins_whole(tmp_path: Path, way: str) -> None:
    out = tmp_path / "out"
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(out), word, way]) for word in ("x", "y")]
    assert [process.wait() for process in processes] == [0, 0]
    found = {path.name: path.read_text() for path in out.iterdir()}
    assert found in (dict.fromkeys("abc", word) for word in "xy")
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("name", ["two\nlines", "tab\t", "x" * 1000, "x" * 230, "ü" * 120])
@pytest.mark.parametrize("write", [atomic_file, atomic_folder])
def test_names_that_no_output_may_have_are_one_clear_error(tmp_path: Path, name: str, write) -> None:
    with (
        pytest.raises(InputError, match=r"control character|at most \d+ bytes") as caught,
        write(tmp_path / name),
    ):
        pass
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500
    assert list(tmp_path.iterdir()) == []


def test_names_in_any_script_are_fine(tmp_path: Path) -> None:
    for name in ("超新星 Ia", "no\N{NO-BREAK SPACE}break", "ü" * 100, os.fsdecode(b"not-utf8-\xff")):
        check_name(tmp_path / name)
        write_text(tmp_path / name, "text")
        assert (tmp_path / name).read_text() == "text"


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path) -> None:
    script = "import sys, time; from rookery_ensembles.files import *; w = atomic_file(sys.argv[1]); "
    script += "w.__enter__(); print('ready', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        sweep(tmp_path, alone=True)
        assert len(list(tmp_path.iterdir())) == 1
        writer.send_signal(signal.SIGKILL)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
