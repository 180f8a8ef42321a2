"""The dashboard's page of predictions in a real browser: files, and folders that are half made or broken."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from browser import NASTY, in_a_browser, look, look_at_all, served
from predicted import finish, folder, redshifts
from rookery_ensembles import Classes, PredictionInfo, Predictions
from rookery_ensembles.partitions import MANIFEST, partition_name
from rookery_ensembles.predictions import write_predictions

pytestmark = in_a_browser
FILES = Path(__file__).resolve().parents[1] / "fixtures" / "files_of_0_1"
NAMED = f"/predictions?at={quote(NASTY)}.parquet"
PAGES = {
    "/": ".state.damaged",
    "/predictions?at=files%2Fredshifts.parquet&id=g7": "#predictions-object .scatterlayer .trace",
    "/predictions?at=files%2Fclasses.parquet": "#predictions-predicted .scatterlayer .trace",
    "/predictions?at=half": "#predictions-predicted .scatterlayer .trace",
    "/predictions?at=whole": "#predictions-flagged .scatterlayer .trace",
    "/predictions?at=nothing-yet": "#predictions-facts .fact",
    "/predictions?at=torn": "#predictions-error .error",
    "/predictions?at=torn.parquet": "#predictions-error .error",
    NAMED: "#predictions-rows .ag-row [col-id=object_id]",
    f"{NAMED}&id={quote(NASTY)}": "#predictions-object .scatterlayer .trace",
    "/predictions?at=nowhere": ".error",
}
"""Each page, and what is there once it is drawn."""


def classes_with_html(path: Path) -> None:
    """Predictions whose every name is HTML."""
    values = np.random.default_rng(0).dirichlet(np.ones(2), 20).astype(np.float32)
    names = np.array([NASTY, *(f"<b>{number}</b>" for number in range(1, 20))])
    truth = np.array([NASTY, *[None] * 19], dtype=object)
    made = PredictionInfo(Classes((NASTY, "Ia")), bundle=NASTY)
    write_predictions(Predictions(made, names, truth, values), path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("predicted")
    shutil.copytree(FILES / "predictions", made / "files")
    folder(made / "half.unfinished", (300,), 900, 300)
    folder(made / "nothing-yet.unfinished", (), 900, 300)
    finish(folder(made / "whole.unfinished", (100, 50), 150, 100), (100, 50))
    finish(folder(made / "torn.unfinished", (10,), 10, 10), (10,))
    (made / "torn" / MANIFEST).write_text('{"objects": ')
    whole = (FILES / "predictions" / "redshifts.parquet").read_bytes()
    (made / "torn.parquet").write_bytes(b"PAR1" + b"\0" * (len(whole) // 2) + whole[len(whole) // 2 + 4 :])
    classes_with_html(made / f"{NASTY}.parquet")
    return made


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[Any]:
    with served(runs) as found:
        yield found


@pytest.mark.timeout(300)
def test_every_page_is_drawn_without_a_word_on_the_console_also_on_a_phone(page: Any, server: Any) -> None:
    look_at_all(page, server, PAGES)


def test_what_is_broken_or_half_made_is_told_beside_what_is_whole(page: Any, server: Any) -> None:
    look(page, server, "/")
    page.wait_for_selector(".state.damaged")
    shown = {
        row.locator("[col-id=state]").inner_text(): row.locator("[col-id=progress]").inner_text()
        for row in page.locator(".ag-center-cols-container .ag-row").all()
    }
    assert set(shown) == {"finished", "interrupted", "damaged"}
    told = page.locator("#fleet-failures").inner_text()
    assert MANIFEST in told
    page.get_by_role("link", name="torn", exact=True).first.click()
    page.wait_for_selector("#predictions-error .error")
    assert MANIFEST in page.locator("#predictions-error").inner_text()
    page.get_by_role("link", name="Fleet").click()
    page.get_by_role("link", name="whole", exact=True).first.click()
    page.get_by_text("The figures are of all 150 objects.").wait_for()
    assert page.locator("#predictions-error .error").count() == 0


def test_a_filter_of_the_list_stands_in_the_address_and_comes_back_with_it(page: Any, server: Any) -> None:
    kept = {"state": {"filterType": "text", "type": "equals", "filter": "interrupted"}}
    look(page, server, f"/?fleet-filter={quote(json.dumps(kept))}")
    page.wait_for_selector(".state.interrupted")
    assert page.locator(".state.finished, .state.damaged").count() == 0
    page.locator("[col-id=progress] .ag-header-cell-label").click()
    page.wait_for_url("**fleet-sort=asc+progress**")
    page.reload()
    page.wait_for_selector(".state.interrupted")
    assert page.locator(".state.finished, .state.damaged").count() == 0
    names = page.locator(".ag-pinned-left-cols-container .ag-row a").all_inner_texts()
    assert sorted(names) == ["half", "nothing-yet"]


def test_predictions_come_page_by_page_and_an_object_is_drawn_by_a_click_or_its_name(
    page: Any, server: Any
) -> None:
    look(page, server, "/predictions?at=files%2Fredshifts.parquet")
    page.wait_for_selector("#predictions-rows .ag-row[row-index='0'] [col-id=object_id]:has-text('g0')")
    page.click("#predictions-rows .ag-paging-button[aria-label='Next Page']")
    page.click("#predictions-rows .ag-row [col-id=object_id]:has-text('g110')")
    page.wait_for_selector("#predictions-object .scatterlayer .trace")
    page.wait_for_url("**id=g110**")
    page.wait_for_url("**page=2**")
    page.reload()
    page.wait_for_selector("#predictions-object .scatterlayer .trace")
    page.wait_for_selector("#predictions-rows .ag-row[row-index='100'] [col-id=object_id]:has-text('g100')")
    assert page.locator(".search input").input_value() == "g110"
    assert "g110" in page.locator("#predictions-found").inner_text()
    page.fill(".search input", "nobody")
    page.keyboard.press("Enter")
    page.wait_for_selector("#predictions-object :text('no object is called nobody among 120')")


def test_a_folder_that_is_half_made_grows_until_it_is_whole_and_the_object_stays(
    page: Any, server: Any, runs: Path
) -> None:
    made = folder(runs / "grows.unfinished", (30,), 60, 30)
    for _ in range(3):
        page.wait_for_timeout(2000)  # folders are looked for every five seconds
        look(page, server, "/predictions?at=grows&id=g00029")
        if page.locator("#predictions-facts").count():
            break
    facts = page.locator("#predictions-facts")
    page.wait_for_selector("#predictions-object .scatterlayer .trace")
    page.wait_for_function("document.querySelector('#predictions-facts')?.innerText.includes('30 of 60')")
    assert "interrupted" in facts.inner_text()
    write_predictions(redshifts(30, 30), made / partition_name(1))
    finish(made, (30, 30))
    page.wait_for_function("document.querySelector('#predictions-facts').innerText.includes('finished')")
    page.get_by_text("The figures are of all 60 objects.").wait_for()
    assert "g00029" in page.locator("#predictions-found").inner_text()
    page.wait_for_selector("#predictions-rows .ag-paging-row-summary-panel:has-text('60 of 60')")
