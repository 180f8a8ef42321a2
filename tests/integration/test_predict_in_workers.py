"""A survey is predicted by several workers, some of which die, and by several raylets."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from processes import LEAN_HEAD
from rookery import api
from rookery.compute.actors import ActorPool
from rookery_ensembles import InputError, read_predictions
from rookery_ensembles.predictions import read_info

DIES = """
import importlib, os, signal, sys
from rookery import cli

_, module, last = sys.argv[:3]
writer = importlib.import_module(f"rookery.inference.{module}")
write, calls = writer.write_predictions, []
def dying(*given):
    calls.append(given)
    if len(calls) == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    write(*given)
writer.write_predictions = dying
sys.argv = ["rookery", *sys.argv[3:]]
cli.main()
"""
"""A command that is killed as a module of inference begins to write its so-and-so-manieth file."""
pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def bundle(tiny_survey, make_job, tmp_path_factory):
    """One network of light curves."""
    from rookery.inference.write_ensemble import write_ensemble
    from rookery.training.candidate import open_candidate
    from rookery.training.member import train_member

    folder = tmp_path_factory.mktemp("classes")
    job = make_job()
    train_member(job, folder / job.member, folder / "running", lambda *_: None)
    candidates = [open_candidate(folder / job.member, "a")]
    return write_ensemble(candidates, folder / "bundle", domain=None, provenance={}, by="mean")[0]


def same(one: Path, other: Path) -> None:
    found, expected = read_predictions(one), read_predictions(other)
    assert found.info == expected.info
    np.testing.assert_array_equal(found.object_id, expected.object_id)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-6)


def test_two_workers_make_what_one_process_makes(bundle, tiny_survey, tmp_path, ray_session):
    api.predict(bundle.path, tiny_survey.path, tmp_path / "here", rows=15)
    api.predict(bundle.path, tiny_survey.path, tmp_path / "there", rows=15, workers=2)
    same(tmp_path / "there", tmp_path / "here")


def test_the_part_of_a_killed_worker_is_made_by_another(tmp_path, ray_session):
    def begin(folder):
        def make(part):
            if part == 7 and not (folder / "killed").exists():
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return part * part

        return make

    found = dict(ActorPool(workers=2).map(partial(begin, tmp_path), range(20)))
    assert found == {part: part * part for part in range(20)}
    assert (tmp_path / "killed").exists()


def test_a_part_that_kills_every_worker_is_one_error(ray_session):
    def begin():
        def make(part):
            if part == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return part

        return make

    with pytest.raises(InputError, match="workers died 3 times at part 2"):
        list(ActorPool(workers=1).map(begin, range(4)))


def test_a_workers_own_error_is_told_as_it_is(ray_session):
    def begin():
        raise InputError("o.parquet: must be there")

    with pytest.raises(InputError, match=r"^o\.parquet: must be there$"):
        list(ActorPool(workers=2).map(begin, range(4)))


@pytest.mark.timeout(600)
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(bundle, tiny_survey, tmp_path):
    """The real command of partial light curves, SIGKILL among its parts and amid the correction of priors."""
    words = ["predict", str(bundle.path), str(tiny_survey.path)]
    options = ["--rows", "5", "--correct-priors", "--days", "20"]
    whole = [sys.executable, "-m", "rookery", *words]

    def dies(module, last):
        dying = [sys.executable, "-c", DIES, module, str(last), *words, str(out), *options]
        assert subprocess.run(dying, **silent).returncode == -signal.SIGKILL

    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    out, work = tmp_path / "killed", tmp_path / "killed.unfinished"
    subprocess.run([*whole, str(tmp_path / "straight"), *options], check=True, **silent)
    for kill in range(2):
        before = {file: file.stat().st_mtime_ns for file in work.glob("part-*.parquet")}
        dies("partition", 6 + kill)
        assert len(list(work.glob("part-*.parquet"))) == len(before) + 5 + kill
        assert not out.exists()
        assert {file: file.stat().st_mtime_ns for file in before} == before
    dies("partition_priors", 3)
    parts = sorted(work.glob("part-*.parquet"))
    assert sum(read_info(part).prior_correction is not None for part in parts) == 2
    assert not out.exists()
    subprocess.run([*whole, str(out), *options], check=True, **silent)
    straight, killed = ({f.name: f.read_bytes() for f in p.iterdir()} for p in (tmp_path / "straight", out))
    assert killed == straight
    assert read_predictions(out).info.prior_correction is not None


def test_two_raylets_share_the_partitions(bundle, tiny_survey, tmp_path, monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    node = {"num_cpus": 1, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args={**node, **LEAN_HEAD})
    try:
        cluster.add_node(**node)
        words = [sys.executable, "-m", "rookery", "predict", str(bundle.path), str(tiny_survey.path)]
        options = [str(tmp_path / "there"), "--rows", "15", "--workers", "2", "--address", cluster.address]
        subprocess.run([*words, *options], check=True, timeout=200)
    finally:
        cluster.shutdown()
    api.predict(bundle.path, tiny_survey.path, tmp_path / "here", rows=15)
    same(tmp_path / "there", tmp_path / "here")
