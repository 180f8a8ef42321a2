"""How busy a device is, and when a GPU that stays idle is told of."""

import time

import torch

from rookery.compute.energy import IdleWatch, Utilisation


def test_an_idle_gpu_is_told_of_once_after_five_epochs() -> None:
    watch = IdleWatch()
    told = [watch.see(percent) for percent in (90.0, 10.0, 5.0, 5.0, 10.0, 0.0, 0.0)]
    assert [advice is not None for advice in told] == [False] * 4 + [True] + [False] * 2
    assert "busy 24 % of the time in 5 epochs" in (told[4] or "")
    assert "--execution pack" in (told[4] or "")


def test_a_busy_gpu_is_not_told_of() -> None:
    watch = IdleWatch()
    assert [watch.see(percent) for percent in (50.0, 60.0, 40.0, 55.0, 45.0)] == [None] * 5


def test_a_process_that_sleeps_is_not_busy() -> None:
    seen = Utilisation(torch.device("cpu"))
    time.sleep(0.1)
    percent = seen.percent()
    assert percent is not None
    assert percent < 50
