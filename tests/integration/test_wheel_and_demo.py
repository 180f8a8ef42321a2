"""What a user gets: the wheel in an empty environment, and the demo."""

import json
import subprocess
import sys
import venv

import pytest

pytestmark = pytest.mark.slow
SMALL = """
from rookery import cli, demo

demo.N_OBJECTS, demo.N_TRIALS, demo.N_GALAXIES, demo.N_GALAXY_TRIALS = 400, 3, 600, 3
demo.FIXED |= {"epochs": 6, "days_per_column": 8}
cli.main()
"""
"""The demo on few objects: all of its steps. `make release-check` runs the whole of it."""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_runs_and_finds_its_search_spaces_in_an_empty_environment(project_root, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    tracked = run("git", "ls-files", cwd=project_root).split("\n")
    subprocess.run(["cp", "--parents", *[t for t in tracked if t], str(source)], cwd=project_root, check=True)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(source))
    wheel = next((tmp_path / "dist").glob("*.whl"))

    venv.create(tmp_path / "empty", with_pip=True)
    python = str(tmp_path / "empty" / "bin" / "python")
    constraints = str(project_root / "constraints.txt")
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", "-c", constraints, str(wheel))
    version = run(str(tmp_path / "empty" / "bin" / "rookery"), "--version", cwd=tmp_path)
    assert version.startswith("rookery 0.1")
    code = "from rookery.search.space import find_space, load_space; p = find_space('pelican'); "
    code += "print(p, load_space(p).family); from rookery.reports import comparison_html; comparison_html([])"
    asked = subprocess.run(
        [python, "-m", "rookery", "doctor"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (asked.returncode, asked.stderr) == (1, "")
    told = " ".join(asked.stdout.split())
    assert "not installed: ray, torch, optuna" in told
    assert "'rookery-astro[search]'" in told
    path, family = run(python, "-c", code, cwd=tmp_path).split()
    assert "site-packages" in path
    assert family == "pelican"


def test_the_demo_goes_the_whole_way(tmp_path):
    printed = run(sys.executable, "-c", SMALL, "demo", "demo", cwd=tmp_path, timeout=900)
    assert "selected, calibrated" in printed
    assert (tmp_path / "demo" / "report" / "index.html").is_file()
    metrics = json.loads((tmp_path / "demo" / "report" / "metrics.json").read_text())
    assert metrics
    assert "baseline: B16" in printed
    assert (tmp_path / "demo" / "galaxies-report" / "index.html").is_file()
