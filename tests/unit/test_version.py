"""The version is that of the git tag, and CHANGELOG and CITATION tell of the same releases."""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

import rookery


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def commit(folder: Path, words: str) -> str:
    identity = ("-c", "user.name=Anyone", "-c", "user.email=anyone@example.org")
    run("git", *identity, "commit", "--quiet", "--allow-empty", "-m", words, cwd=folder)
    return run("git", "rev-parse", "--short=7", "HEAD", cwd=folder)


@pytest.fixture
def checkout(project_root: Path, tmp_path: Path) -> Path:
    """Return a fresh repository with what decides the version, without a tag."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    run("git", "init", "--quiet", ".", cwd=tmp_path)
    run("git", "add", ".", cwd=tmp_path)
    commit(tmp_path, "begin")
    return tmp_path


def built(folder: Path) -> Version:
    """Return the version that a build of the folder has."""
    return Version(run(sys.executable, "-m", "hatchling", "version", cwd=folder).splitlines()[-1])


def test_a_clone_without_tags_has_a_development_version_of_its_commit(checkout: Path) -> None:
    head = commit(checkout, "more")
    found = built(checkout)
    assert found.is_devrelease
    assert found.local is not None
    assert found.local.startswith(f"g{head}")
    assert found.release[:2] == (0, 1)


def test_a_tag_is_the_version_and_what_follows_is_on_the_way_to_the_next(checkout: Path) -> None:
    run("git", "tag", "v0.7.0", cwd=checkout)
    assert built(checkout) == Version("0.7.0")
    commit(checkout, "more")
    found = built(checkout)
    assert (found.base_version, found.dev) == ("0.7.1", 1)


def test_a_copy_without_git_has_a_version_too(project_root: Path, tmp_path: Path) -> None:
    shutil.copy(project_root / "pyproject.toml", tmp_path)
    assert built(tmp_path) == Version("0.1.dev0")


def test_what_is_told_is_what_is_installed() -> None:
    assert rookery.__version__ == metadata.version(rookery.DISTRIBUTION)
    assert Version(rookery.__version__) >= Version("0.1.dev0")


def test_changelog_and_citation_tell_of_the_same_release(project_root: Path) -> None:
    text = (project_root / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (\d+\.\d+\.\d+)$", text, re.M)
    cited = yaml.safe_load((project_root / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    assert cited == releases[0]
    assert releases == sorted(releases, key=Version, reverse=True)
    installed = Version(rookery.__version__)
    if not installed.is_devrelease:
        assert installed.base_version == cited
