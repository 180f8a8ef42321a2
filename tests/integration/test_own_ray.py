"""A Ray of a process's own has what its work needs, and no process beside."""

import psutil
import pytest

from processes import command_of

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]


def test_neither_monitors_nor_a_dashboard_are_started(ray_session):
    started = [" ".join(command_of(process)) for process in psutil.Process().children(recursive=True)]
    assert any("raylet/raylet" in words for words in started)
    assert [words for words in started if "monitor.py" in words or "dashboard.py" in words] == []
