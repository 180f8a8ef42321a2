"""Predictions on the dashboard: a file, a finished folder and one that is being made."""

import fcntl
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dash", reason="needs the extra `dashboard`")
from dash_callbacks import answer
from predicted import finish, folder, redshifts
from rookery.dashboard import prediction_files
from rookery.dashboard.fleet import fleet_row
from rookery.dashboard.prediction_files import PredictionFiles
from rookery.dashboard.prediction_sums import PredictionSums
from rookery.dashboard.sources import check_roots, find_sources
from rookery.dashboard.viewer import Viewer
from rookery_ensembles import Classes, PredictionInfo, Predictions
from rookery_ensembles.errors import InputError
from rookery_ensembles.partitions import partition_name
from rookery_ensembles.predictions import write_predictions

FILES = Path(__file__).resolve().parents[3] / "fixtures" / "files_of_0_1"
GRID = "predictions-rows"


def test_files_and_folders_are_found_and_surveys_and_members_are_not(tmp_path: Path) -> None:
    write_predictions(redshifts(10), tmp_path / "z.parquet")
    folder(tmp_path / "sky.unfinished", (10,), 30, 10)
    shutil.copytree(FILES / "campaign", tmp_path / "campaign")  # its networks' predictions are its own
    (tmp_path / "survey").mkdir()
    for name in ("survey/objects.parquet", "broken.parquet"):
        (tmp_path / name).write_bytes(b"PAR1 rookery PAR1")
    found = find_sources([tmp_path])
    listed = {key: one.kind for key, one in found.items() if one.kind != "bundle"}
    assert listed == {"campaign": "campaign", "sky": "predictions", "z.parquet": "predictions"}
    row = fleet_row(found["sky"])
    assert (row["state"], row["done"], row["wanted"]) == ("interrupted", 10, 30)
    held = os.open(tmp_path / "sky.unfinished", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert fleet_row(found["sky"])["state"] == "running"
    os.close(held)
    (alone,) = find_sources(check_roots([tmp_path / "sky"])).values()  # by the name that it will have
    assert alone.key == "sky"
    assert [one.kind for one in find_sources(check_roots([tmp_path / "z.parquet"])).values()] == [
        "predictions"
    ]
    with pytest.raises(InputError, match="is no study, campaign, bundle, predictions or folder of them"):
        check_roots([tmp_path / "broken.parquet"])


def test_rows_go_over_the_ends_of_files_and_an_object_is_found_by_its_name(tmp_path: Path) -> None:
    reader = PredictionFiles(folder(tmp_path / "sky.unfinished", (10, 10), 25, 10))
    assert [row["object_id"] for row in reader.rows(8, 12)] == ["g00008", "g00009", "g00010", "g00011"]
    assert reader.rows(18, 99)[-1]["object_id"] == "g00019"
    assert reader.find("g00013") == (13, 14)
    assert reader.find("nobody") == (None, 20)
    row, values = reader.one(13)
    assert row["object_id"] == "g00013"
    np.testing.assert_array_equal(values, redshifts(10).values[3])
    assert row["z_median"] == pytest.approx(0.25, abs=0.01)


def test_sums_follow_a_folder_until_it_is_finished_and_begin_anew_when_a_file_is_replaced(
    tmp_path: Path,
) -> None:
    path = folder(tmp_path / "sky.unfinished", (100,), 200, 100)
    reader = PredictionFiles(path)
    assert reader.refresh().state == "interrupted"
    assert (reader.sums.objects, reader.sums.out_of_domain) == (100, 10)
    write_predictions(redshifts(100, 100), path / partition_name(1))
    finish(path, (100, 100))
    there = reader.refresh()
    assert (there.state, there.objects, reader.sums.objects) == ("finished", 200, 200)
    assert there.out_of_domain == 1  # as the document tells
    assert reader.sums.flags == {"out_of_domain": 20, "missing": 0, "disagreement": 0, "edge": 20}
    assert reader.sums.counts.sum() == 200
    middle = (reader.sums.edges[:-1] + reader.sums.edges[1:]) / 2
    assert reader.sums.counts[middle < 0.5].sum() == 180
    assert reader.sums.median_width() == pytest.approx(2 * 0.05 * 0.9945 / 1.25, rel=0.15)
    write_predictions(redshifts(100, 100), tmp_path / "sky" / partition_name(1))
    reader.refresh()
    assert reader.sums.objects == 200


def test_of_many_files_an_even_part_is_summed_up(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("rookery.dashboard.prediction_files._MOST_FILES", 3)
    reader = PredictionFiles(folder(tmp_path / "sky.unfinished", (5,) * 8, 40, 5))
    reader.refresh()
    assert (reader.there.objects, reader.sums.objects) == (40, 15)


def test_classes_are_counted_and_their_probabilities_summed() -> None:
    target = Classes(("Ia", "II"))
    values = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.float32)
    block = Predictions(PredictionInfo(target, bundle="b"), np.array(["a", "b", "c"]), None, values)
    sums = PredictionSums(target)
    sums.add(block)
    assert sums.counts.tolist() == [2, 1]
    np.testing.assert_allclose(sums.expected, [1.7, 1.3], rtol=1e-6)
    assert sums.flags is None
    assert sums.out_of_domain is None


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: (path / "_plan.json").write_text('{"objects": 5, "rows": 0}'), "must be 1 or more"),
        (lambda path: (path / partition_name(0)).write_bytes(b"PAR1"), "undamaged Parquet"),
    ],
)
def test_what_is_damaged_is_told_on_the_page(tmp_path: Path, damage: Any, words: str) -> None:
    damage(folder(tmp_path / "sky.unfinished", (10,), 10, 10))
    told = shown(Viewer([tmp_path]))
    assert words in str(told["predictions-error"])


def shown(viewer: Viewer, before: str | None = None) -> Any:
    state = {"predictions-key.data": "sky", "predictions-shown.data": before}
    return answer(viewer, "predictions-facts", {"predictions-tick.n_intervals": 1}, state).get_json()[
        "response"
    ]


def test_the_page_is_drawn_once_and_sends_the_rows_that_are_asked_for(tmp_path: Path) -> None:
    finish(folder(tmp_path / "sky.unfinished", (60, 40), 100, 60), (60, 40))
    viewer = Viewer([tmp_path])
    page = answer(viewer, "page.children", {"url.pathname": "/predictions", "url.search": "?at=sky"},
                  {"page-shown.data": None})  # fmt: skip
    assert "predictions-facts" in page.get_data(as_text=True)
    told = shown(viewer)
    assert "The figures are of all 100 objects." in str(told["predictions-note"])
    assert told["predictions-predicted"]["figure"]["data"]
    version = told["predictions-shown"]["data"]
    assert shown(viewer, version) == {}
    asked = {f"{GRID}.getRowsRequest": {"startRow": 55, "endRow": 65}}
    rows = answer(viewer, f"{GRID}.getRowsResponse", asked, {"predictions-key.data": "sky"}).get_json()
    found = rows["response"][GRID]["getRowsResponse"]
    assert found["rowCount"] == 100
    assert [row["object_id"] for row in found["rowData"]][4:6] == ["g00059", "g00060"]
    assert found["rowData"][-1]["flags"] == ""
    chosen = {'{"name":"id","type":"state"}.value': "g00099"}
    drawn = answer(viewer, "predictions-object", chosen, {"predictions-key.data": "sky"}).get_json()[
        "response"
    ]
    assert "out of domain, edge" in str(drawn["predictions-found"])


def test_a_folder_that_is_finished_while_it_is_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = folder(tmp_path / "sky.unfinished", (60, 40), 100, 60), prediction_files.read_blocks

    def renamed(*given: Any) -> Any:
        if path.exists():
            finish(path, (60, 40))
        return read(*given)

    monkeypatch.setattr(prediction_files, "read_blocks", renamed)
    reader = PredictionFiles(path)
    reader.refresh()
    assert reader.refresh().state == "finished"
    assert (reader.error, reader.sums.objects) == (None, 100)


def test_rows_of_a_folder_that_is_finished_while_they_are_read_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = folder(tmp_path / "sky.unfinished", (60, 40), 100, 60), PredictionFiles.rows

    def renamed(reader: PredictionFiles, *part: int) -> Any:
        if path.exists():
            finish(path, (60, 40))
        return read(reader, *part)

    monkeypatch.setattr(PredictionFiles, "rows", renamed)
    viewer, asked = Viewer([tmp_path]), {f"{GRID}.getRowsRequest": {"startRow": 55, "endRow": 65}}
    told = answer(viewer, f"{GRID}.getRowsResponse", asked, {"predictions-key.data": "sky"}).get_json()
    assert told["response"][GRID]["getRowsResponse"]["rowCount"] == 100
    assert not shown(viewer)["predictions-error"]["children"]


def test_predictions_train_nothing_and_cost_nothing(tmp_path: Path) -> None:
    folder(tmp_path / "sky.unfinished", (10,), 30, 10)
    shutil.copytree(FILES / "campaign", tmp_path / "campaign")
    page = answer(Viewer([tmp_path]), "page.children", {"url.pathname": "/cluster", "url.search": ""},
                  {"page-shown.data": None}).get_data(as_text=True)  # fmt: skip
    assert '"name":"campaign"' in page.replace(" ", "")
    assert "sky" not in page


def test_a_truth_that_is_known_stands_in_the_figure(tmp_path: Path) -> None:
    known = replace(redshifts(10), truth=np.full(10, 0.3))
    write_predictions(known, tmp_path / "sky.parquet")
    viewer = Viewer([tmp_path])
    drawn = answer(viewer, "predictions-object", {'{"name":"id","type":"state"}.value': "g00001"},
                   {"predictions-key.data": "sky.parquet"}).get_json()["response"]  # fmt: skip
    names = [trace["name"] for trace in drawn["predictions-object"]["figure"]["data"]]
    assert names == ["PDF", "z_spec"]
