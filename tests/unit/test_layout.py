import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def guard():
    spec = importlib.util.spec_from_file_location("layout_guard", ROOT / "tests" / "layout_guard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def house(tmp_path):
    for package in ("platform/rookery", "ensembles/rookery_ensembles"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    return tmp_path


def test_this_repository_keeps_the_layout(guard):
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert guard.problems(ROOT, {name.split("/")[0] for name in tracked}) == []


def test_a_sound_house_has_no_problem(guard, house):
    assert guard.problems(house, {"platform", "docs"}) == []


@pytest.mark.parametrize(
    "trap", ["platform/__init__.py", "ensembles/__init__.py", "platform/platform.py", "tests/platform/x.py"]
)
def test_each_trap_is_named(guard, house, trap):
    (house / trap).parent.mkdir(parents=True, exist_ok=True)
    (house / trap).touch()
    assert any(line.startswith((trap, str(Path(trap).parent))) for line in guard.problems(house, set()))


def test_a_stray_top_level_name_is_named(guard, house):
    assert guard.problems(house, {"scratch.py"}) == ["scratch.py: is no top-level name of this project"]


def test_the_standard_library_platform_is_the_one_imported():
    assert Path(platform.__file__).is_relative_to(Path(sys.base_prefix))
