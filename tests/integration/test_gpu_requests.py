"""What Ray's workers see of a GPU, and what a search says where a GPU was promised and there is none."""

import os
import subprocess
import sys

import pytest
import torch

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.xdist_group("ray")]
SHOWN = {"env_vars": {"CUDA_VISIBLE_DEVICES": "0"}}
SEARCH = """
import sys
from rookery import api
from rookery.compute.own_ray import start_own_ray
from rookery_ensembles import InputError
start_own_ray(num_cpus=2, num_gpus=1)
try:
    api.search("pelican", survey=sys.argv[1], split="half", study=sys.argv[2], trials=2, pruner="none",
               fixed={"epochs": 1, "days_per_column": 8})
except InputError as error:
    print("REFUSED", error)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, of Ray Data
def test_a_worker_group_without_gpus_sees_none(ray_session, tmp_path):
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    from rookery.search.worker_group import ListeningTorchConfig

    def loop(config):
        with open(config["out"], "w") as file:  # noqa: PTH123 -- nothing is imported in the worker
            file.write(os.environ["CUDA_VISIBLE_DEVICES"])

    out = tmp_path / "seen"
    TorchTrainer(
        loop,
        train_loop_config={"out": str(out)},
        torch_config=ListeningTorchConfig(),
        scaling_config=ScalingConfig(num_workers=1),
        run_config=RunConfig(storage_path=str(tmp_path), worker_runtime_env=SHOWN),
    ).fit()
    assert out.read_text() == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.timeout(300)
def test_a_search_stops_with_one_error_where_ray_has_a_gpu_and_torch_none(survey, tmp_path):
    words = [sys.executable, "-c", SEARCH, str(survey.path), str(tmp_path / "study")]
    found = subprocess.run(words, capture_output=True, text=True, timeout=280, check=False)
    refused = [line for line in found.stdout.splitlines() if line.startswith("REFUSED")]
    assert len(refused) == 1, found.stdout + found.stderr
    assert "1 GPU was asked for, but torch" in refused[0]
    assert list((tmp_path / "study").glob("members/*")) == []
