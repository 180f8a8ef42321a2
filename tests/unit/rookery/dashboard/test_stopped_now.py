"""What a study's ensemble would score by now: by the probabilities of the truth alone."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from rookery.dashboard.stopped_now import StoppedNow, stopped_then
from rookery.dashboard.viewer import Viewer

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"


def test_two_that_err_on_different_objects_are_worth_more_together() -> None:
    likelihood = np.array([[0.9, 0.1] * 50, [0.1, 0.9] * 50])
    alone, both = stopped_then(likelihood[:1]), stopped_then(likelihood)
    loss = -(np.log(0.9) + np.log(0.1)) / 2
    assert alone.single == pytest.approx(loss)
    assert alone.ensemble == pytest.approx(loss)
    assert both.trials == 2
    assert both.ensemble == pytest.approx(-np.log(0.5), abs=0.05)
    assert both.single == pytest.approx(loss, abs=0.5)


def test_one_member_has_the_loss_that_its_card_tells(viewer: Viewer) -> None:
    source = viewer.source("<b>studies</b>/redshifts", "study")
    assert source is not None
    reader = viewer.trials(source)
    reader.refresh()
    found, known = StoppedNow(source.path).curve(reader.trials, reader.facts, 30)
    assert (known, [one.trials for one in found]) == (2, [1, 2])
    assert all(np.isfinite([one.ensemble, one.single]).all() for one in found)
