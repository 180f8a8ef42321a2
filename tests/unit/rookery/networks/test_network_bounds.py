"""Files from strangers: what a configuration may ask for is bounded before memory is taken for it."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from rookery.documents import build
from rookery.networks import cost
from rookery.networks.cost import MOST_PARAMETERS, blueprint
from rookery.networks.family import family_names, load_family
from rookery.training.member import open_member, train_member
from rookery_ensembles import InputError
from rookery_ensembles.files import sha256

GIANT = 10**7


@pytest.fixture(scope="module")
def member(make_job, tmp_path_factory):
    folder = tmp_path_factory.mktemp("members")
    train_member(make_job(configuration={"epochs": 1}), folder / "0000", folder / "c", lambda *_: None)
    return folder / "0000"


@pytest.fixture
def foreign(member, tmp_path):
    return shutil.copytree(member, tmp_path / "foreign")


def alter(folder, **changes):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | changes))


@pytest.mark.parametrize("name", family_names())
def test_every_whole_number_of_a_configuration_has_an_upper_bound(name):
    family = load_family(name)
    for key, field in family.configuration.model_fields.items():
        if field.annotation is not int:
            continue
        with pytest.raises(InputError, match=rf"{key}.*(less than or equal to|<= blocks).*{GIANT}"):
            build(family.configuration, {key: GIANT}, "config.yaml")


@pytest.mark.parametrize("name", family_names())
def test_the_default_network_of_each_family_is_far_below_the_bound(name):
    family = load_family(name)
    network = blueprint(family, family.configure({}), 6, 180)
    assert sum(parameter.numel() for parameter in network.parameters()) < MOST_PARAMETERS / 10
    assert all(value.is_meta for value in network.state_dict().values())


def test_numbers_that_are_allowed_alone_may_be_too_much_together():
    family = load_family("photoz_mlp")
    with pytest.raises(
        InputError, match=r"at most 500,000,000 parameters, but .* has 47,2\d\d,\d\d\d,\d\d\d"
    ):
        blueprint(family, family.configure({"width": 65_536, "hidden_layers": 12}), 5, 180)


def test_a_light_curve_image_of_a_million_columns_is_refused():
    family = load_family("pelican")
    with pytest.raises(InputError, match=r"at most 20000 columns, but .* gives 1000000"):
        build(family.configuration, {"window_days": 1000, "days_per_column": 0.001}, "config.yaml")


def test_bands_side_by_side_are_bounded():
    family = load_family("photoz_cnn")
    with pytest.raises(InputError, match="at most 64 are processed side by side"):
        blueprint(family, family.configure({"branches": "runs-1"}), 100, 180)


def test_a_giant_is_refused_before_it_is_trained(make_job, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "MOST_PARAMETERS", 100)
    with pytest.raises(InputError, match="at most 100 parameters"):
        train_member(make_job(), tmp_path / "0000", tmp_path / "checkpoint", lambda *_: None)


@pytest.mark.slow
def test_weights_are_compared_before_a_network_is_allocated(foreign):
    """A configuration of 370 million parameters beside weights of a few kB: in 200 MB beyond the imports."""
    alter(foreign, autoencoder=True, band_filters=8192, features=8192, days_per_column=8)
    opened = """
import resource, sys
from pathlib import Path
from rookery.training.member import open_member
from rookery_ensembles import InputError
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
try:
    open_member(Path(sys.argv[1]))
except InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", opened, str(foreign)], capture_output=True, text=True, check=False
    )
    assert "weights.safetensors: does not fit the network of config.yaml ('decoder" in done.stdout, (
        done.stderr
    )
    assert len(done.stdout.splitlines()) == 1


def test_surplus_weights_are_refused(foreign):
    weights = {**load_file(foreign / "weights.safetensors"), "more": torch.zeros(3)}
    save_file(weights, foreign / "weights.safetensors")
    card = json.loads((foreign / "card.json").read_text())
    card["weights"] = sha256(foreign / "weights.safetensors")
    (foreign / "card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match=r"weights\.safetensors: does not fit .*'more' is not a part of it"):
        open_member(foreign)
