"""What `rookery bench` measures and says."""

import json
import math

import pytest

from rookery import api
from rookery.cli import say
from rookery.training import speed_result as speed
from rookery_ensembles import InputError


@pytest.fixture(scope="module")
def result() -> speed.SpeedResult:
    return api.bench(space=["photoz_mlp"], device="cpu", pack=2)


def test_a_network_is_measured_by_every_way_that_a_cpu_has(result: speed.SpeedResult) -> None:
    assert [(row.network, row.way, row.precision) for row in result.rows] == [
        ("photoz_mlp, point 1", way, "float32") for way in ("plain", "loop", "pack of 2")
    ]
    rates = {row.way: row.objects_per_second for row in result.rows}
    for row in result.rows:
        assert row.error is None
        assert row.objects_per_second is not None
        assert row.relative is not None
        assert rates["loop"] is not None
        assert math.isclose(row.relative, row.objects_per_second / rates["loop"])
    assert result.copy_bytes_per_second > 1e8
    assert result.product_flop_per_second.keys() == {"float32"}


def test_the_table_fits_a_terminal(result: speed.SpeedResult, capsys: pytest.CaptureFixture[str]) -> None:
    say.bench(result, {"json": False})
    said = capsys.readouterr().out
    assert "pack of 2" in said
    assert "GB/s" in said
    assert max(map(len, said.splitlines())) <= 80
    say.bench(result, {"json": True})
    assert json.loads(capsys.readouterr().out)["rows"][1]["relative"] == 1.0


def test_a_way_that_fails_has_its_error_in_place_of_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    row = speed.SpeedRow("n", "graph", "bf16", None, None, "RuntimeError: no capture")
    say.bench(speed.SpeedResult("a device", 1e9, {"float32": 1e12}, [row]), {"json": False})
    assert "no capture" in " ".join(capsys.readouterr().out.split())


def test_a_space_that_does_not_exist_is_one_error() -> None:
    with pytest.raises(InputError, match="is no search space"):
        api.bench(space=["photoz_mpl"], device="cpu")
