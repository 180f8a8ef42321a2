"""What the command line does with an error that nobody has caught."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from rookery import cli


def run(error, capsys):
    """Let a verb fail so; return exit status and what was printed."""

    def fail():
        raise error

    with pytest.raises(SystemExit) as stop:
        cli.main(fail)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyError("x\ny"), 70, r"KeyError: 'x\ny' (in "),
        (RuntimeError("many\nlines\n" * 1000), 70, "RuntimeError: many lines many lines"),
        (RecursionError("too deep"), 70, "RecursionError: too deep"),
        (MemoryError(), 2, "the memory does not suffice"),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), 2, "a/b: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "a/b"), 2, "a/b: Permission denied"),
        (ModuleNotFoundError("no", name="torch.nn"), 2, "this needs `torch.nn`"),
        (ModuleNotFoundError("No module named 'typo'", name="typo"), 70, "ModuleNotFoundError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_is_one_line_and_a_status(error, status, message, capsys):
    found, printed = run(error, capsys)
    assert (found, len(printed.splitlines())) == (status, 1)
    assert printed.startswith("error: ")
    assert message in printed
    assert ("this is a bug in Rookery: ROOKERY_TRACEBACK=1 shows" in printed) == (status == 70)


def test_the_traceback_is_shown_to_who_asks(monkeypatch, capsys):
    monkeypatch.setenv("ROOKERY_TRACEBACK", "1")
    _, printed = run(KeyError("x"), capsys)
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1].startswith("error: KeyError: 'x'")


def test_ctrl_c_passes():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cli.main(interrupted)


def test_a_reader_that_leaves_the_pipe_ends_it_without_a_word():
    program = f"{sys.executable} -m rookery cluster write slurm"
    done = subprocess.run(
        ["bash", "-c", f"{program} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert done.stderr == ""
    assert done.returncode in (0, 1)  # 0 where it was faster than its reader
