"""Parts that other packages bring: a real package with entry points is put on the path of a new Python."""

import subprocess
import sys
from pathlib import Path

import pytest

MODULE = '''
import numpy as np
from rookery_ensembles.pools.base import Pool
from rookery.networks.photoz_mlp import PhotozMlp
from rookery.surveys.readers import READERS


class Twin(PhotozMlp):
    name = "twin"


FAMILY = Twin()


def read(path, out, **options):
    """Read nothing."""


def run_baseline(survey, split, out, *, strength: float = 1.0):
    """Run nothing."""
'''
POOL = """
from rookery_ensembles.pools.linear import LinearPool


class Median(LinearPool):
    name = "median"
"""
ENTRY_POINTS = """\
[rookery.families]
twin = brought:FAMILY
[rookery.readers]
theirs = brought:read
[rookery.baselines]
nearest = brought:run_baseline
[rookery_ensembles.pools]
median = brought_pool
"""


def package(folder: Path, entry_points: str, name: str = "brought") -> None:
    """Make an installed package, as pip leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def said(code: str, folder: Path) -> str:
    words = [sys.executable, "-W", "error::DeprecationWarning", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, env={"PYTHONPATH": str(folder)}, check=False)
    return done.stdout + done.stderr


@pytest.fixture
def brought(tmp_path: Path, project_root: Path) -> Path:
    package(tmp_path, ENTRY_POINTS)
    (tmp_path / "brought.py").write_text(MODULE)
    (tmp_path / "brought_pool.py").write_text(POOL)
    space = (project_root / "search_spaces" / "photoz_mlp.yaml").read_text()
    (tmp_path / "search_space.yaml").write_text(space.replace("family: photoz_mlp", "family: twin"))
    return tmp_path


def test_what_a_package_brings_stands_beside_our_own(brought: Path) -> None:
    code = """
from rookery import api, baselines
from rookery.cli.verbs import VERBS
from rookery_ensembles.pools import POOLS
print([family["name"] for family in api.families()])
print([space["name"] for space in api.spaces() if space["family"] == "twin"], api.show("twin")["family"])
print("theirs" in VERBS["ingest"].verbs(), baselines.option_names("nearest"), "median" in POOLS)
"""
    told = said(code, brought)
    assert "['pelican', 'photoz_cnn', 'photoz_mlp', 'twin']" in told, told
    assert "['twin'] twin" in told
    assert "True ['strength'] True" in told


def test_a_package_that_cannot_be_imported_is_named_and_harms_no_other(tmp_path: Path) -> None:
    package(tmp_path, "[rookery_ensembles.pools]\nbroken = no_such_module\n")
    told = said("from rookery_ensembles.pools import POOLS; print(sorted(POOLS))", tmp_path)
    assert "package brought: cannot be imported (ModuleNotFoundError" in told
    assert "'linear'" in told


def test_a_family_under_another_name_or_declared_twice_is_one_error(brought: Path, tmp_path: Path) -> None:
    package(tmp_path / "more", "[rookery.families]\nother = brought:FAMILY\n", "more")
    code = "from rookery.networks.family import load_family; load_family('other')"
    told = said(code, Path(f"{brought}:{tmp_path / 'more'}"))
    assert "must name a `Family` called 'other', but names 'twin'" in told, told
    package(tmp_path / "again", "[rookery.families]\ntwin = elsewhere:FAMILY\n", "again")
    told = said(code, Path(f"{brought}:{tmp_path / 'again'}"))
    assert "must be declared by one package, but" in told
