"""The script for a GPU runs: the next one at hand shall not wait for its first mistakes."""

import importlib.util
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("one_thread")
def test_what_needs_no_gpu_passes(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.CASES = script.CASES[:1]
    with pytest.raises(SystemExit) as ended:
        script.main("cpu")
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert words == ["PASS", "SKIP", "PASS", "SKIP", "SKIP", "PASS", "SKIP"]
    assert ended.value.code == 0


@pytest.mark.usefixtures("one_thread")
def test_a_check_that_fails_is_told(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "CHECKS", {"a pack is its members": lambda *_: "losses differ by 3"})
    with pytest.raises(SystemExit) as ended:
        script.main("cpu")
    assert "FAIL photoz_mlp: a pack is its members losses differ by 3" in capsys.readouterr().out
    assert ended.value.code == 1


@pytest.mark.usefixtures("one_thread")
def test_a_check_that_cannot_run_is_a_line_and_the_others_go_on(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graphs = partial(script.pack_is_its_members, strategy="graphs")
    monkeypatch.setattr(script, "CASES", script.CASES[:1])
    monkeypatch.setattr(script, "CHECKS", {"graphs": graphs, "others": lambda *_: ""})
    assert not script.checked(torch.device("cpu"))
    failed, passed = capsys.readouterr().out.splitlines()
    assert failed.startswith("FAIL photoz_mlp: graphs InputError: `graphs` of a pack are CUDA graphs")
    assert passed == "PASS photoz_mlp: others"


@pytest.mark.usefixtures("one_thread")
def test_weights_laid_out_and_as_they_are_are_measured_side_by_side(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    case = script.Case("photoz_cnn", "photoz_cnn", script.SMALL_CNN, 96, 16)
    script.laid_out(torch.device("cpu"), [case])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["photoz_cnn, float32", "photoz_cnn, bf16"]
    assert all("objects/s laid out, " in line and line.endswith("objects/s as they are") for line in lines)


def test_what_differs_is_seen(script: ModuleType) -> None:
    wanted = torch.tensor([0.0, 2.0, -4.0])
    assert script.near(wanted + torch.tensor([0.0, 0.0, 0.4]), wanted) == pytest.approx(0.1)
