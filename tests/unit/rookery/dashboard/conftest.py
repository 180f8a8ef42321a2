"""Real studies and a campaign, as the pages look at them."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rookery.dashboard.viewer import Viewer

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> "Viewer":
    from rookery.dashboard.viewer import Viewer  # not above: the extra may lack

    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(FILES / "studies", folder / "<b>studies</b>")
    shutil.copytree(FILES / "campaign", folder / "campaign")
    return Viewer([folder], surveys=[FILES / "surveys"])
