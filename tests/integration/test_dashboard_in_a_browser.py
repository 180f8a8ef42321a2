"""The dashboard in a real browser: what is seen, what changes by itself, what the address keeps."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from browser import NASTY, in_a_browser, look, look_at_all, served

optuna = pytest.importorskip("optuna")

pytestmark = in_a_browser
FILES = Path(__file__).resolve().parents[1] / "fixtures" / "files_of_0_1"
STUDY = """
family: photoz_mlp
split: {name: cv, digest: '', folds: 2}
space:
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {epochs: {value: 3}}
"""
CURVES = "document.querySelector('#learning-curves .js-plotly-plot')"
MINE = f"at={quote(NASTY)}"
PAGES = {
    "/": ".ag-row",
    f"/study?{MINE}": "#learning-curves .main-svg",
    f"/study?{MINE}&view=networks": ".ag-row",
    f"/study?{MINE}&view=hyperparameters": "#slice .main-svg",
    f"/trial?{MINE}&trial=4": "#trial-error pre",
    "/study?at=studies%2Fredshifts&view=stop": "#stopped-curve .scatterlayer .trace",
    "/study?at=broken": ".error",
    "/campaign?at=campaign": ".cell.finished",
    "/trial?at=studies%2Fredshifts&trial=1": "#trial-epochs .main-svg",
    "/ensemble?at=studies%2Fclasses%2Fensemble": "#ensemble-reliability .main-svg",
    "/ensemble?at=studies%2Fredshifts%2Fensemble": "#ensemble-coverage .main-svg",
    "/objects?at=studies%2Fclasses%2Fensemble&object=SN0000011": "#object-observed .scatterlayer .trace",
    "/study?at=nowhere": ".error",
    "/cluster": ".ag-row",
}
"""Each page, and what is there once it is drawn."""


def run_trial(study: Any, seed: int) -> None:
    """Train a network in name only: what a search writes, without its hours."""
    trial = study.ask()
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    trial.suggest_categorical("block", [NASTY, "plain"])
    trial.suggest_int("layers", 1, 4)
    for step in range(1, 7):
        trial.report(1 + rate + 1 / step, step)
    if seed % 5 == 4:
        trial.set_user_attr("error", f"OutOfMemory: {NASTY}\nTraceback: line {seed}")
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, 1 + rate)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("runs")
    shutil.copytree(FILES / "studies", folder / "studies")
    shutil.copytree(FILES / "campaign", folder / "campaign")
    shutil.copytree(FILES / "surveys", folder / "surveys")
    for name in (NASTY, "broken"):
        (folder / name).mkdir()
        (folder / name / "study.yaml").write_text(STUDY)
    (folder / "broken" / "study.db").write_bytes(b"no database " * 500)
    study = live_study(folder)
    for seed in range(5):
        run_trial(study, seed)
    return folder


def live_study(runs: Path) -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = f"sqlite:///{runs / NASTY}/study.db"
    return optuna.create_study(
        storage=url, study_name="rookery", load_if_exists=True, sampler=optuna.samplers.RandomSampler(0)
    )


@pytest.fixture(scope="module")
def server(runs: Path) -> Iterator[Any]:
    with served(runs) as found:
        yield found


@pytest.mark.timeout(300)
def test_every_page_is_drawn_without_a_word_on_the_console_also_on_a_phone(page: Any, server: Any) -> None:
    look_at_all(page, server, PAGES)


def test_the_fleet_shows_broken_studies_beside_whole_ones(page: Any, server: Any) -> None:
    look(page, server, "/")
    page.wait_for_selector(".state.damaged")
    row = page.locator(".ag-center-cols-container .ag-row", has=page.locator(".state.damaged"))
    assert row.count() == 1
    assert page.get_by_text("is damaged").count() == 1
    page.get_by_role("link", name="studies/classes", exact=True).first.click()
    page.wait_for_selector("#best-so-far .main-svg")
    assert page.locator("h1").inner_text() == "studies/classes"


def test_a_running_study_grows_on_its_page_and_the_zoom_stays(page: Any, server: Any, runs: Path) -> None:
    look(page, server, f"/study?at={quote(NASTY)}")
    complete = page.locator(".fact", has_text="complete").locator(".value").first
    page.wait_for_selector("#best-so-far .main-svg")
    before = int(complete.inner_text())
    shown = "document.querySelector('#best-so-far .js-plotly-plot')"
    box = page.locator("#best-so-far .nsewdrag").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 150, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{shown}?.layout.xaxis.autorange === false")
    zoomed = page.evaluate(f"{shown}.layout.xaxis.range")
    run_trial(live_study(runs), 0)
    page.wait_for_function(
        f"document.querySelector('#study-facts').innerText.includes('{before + 1}\\ncomplete')"
    )
    x = f"{shown}?.data[0].x"  # drawn by another answer than the facts
    page.wait_for_function(f"({x}?.length ?? {x}?._inputArray?.length) === {before + 1}")
    assert page.evaluate(f"{shown}.layout.xaxis.range") == zoomed


def test_choices_and_filters_stand_in_the_address_and_come_back_with_it(page: Any, server: Any) -> None:
    look(page, server, f"/study?at={quote(NASTY)}")
    page.locator("#learning-curves").wait_for()
    page.locator("button.dash-dropdown").nth(1).click()
    page.get_by_text("fold 1", exact=True).click()
    page.wait_for_url("**training=1**")
    page.reload()
    page.wait_for_selector("#learning-curves .main-svg")
    assert page.locator("button.dash-dropdown").nth(1).inner_text().strip() == "fold 1"
    look(page, server, "/study?at=studies%2Fredshifts&column=train_loss&training=1")
    page.wait_for_function(f"{CURVES}?.layout?.yaxis?.title?.text === 'train_loss'")
    page.locator("button.dash-dropdown").first.click()
    page.get_by_text("learning rate", exact=True).click()
    page.wait_for_url("**column=learning_rate**")
    page.wait_for_function(f"{CURVES}?.layout?.yaxis?.title?.text === 'learning_rate'")
    kept = {"state": {"filterType": "text", "type": "equals", "filter": "failed"}}
    look(page, server, f"/study?at={quote(NASTY)}&view=networks&networks-filter={quote(json.dumps(kept))}")
    page.wait_for_selector(".state.failed")
    assert page.locator(".state.complete").count() == 0
    page.locator("[col-id=trial] .ag-header-cell-label").click()
    page.wait_for_url("**networks-sort=asc+trial**")
    page.wait_for_url("**networks-filter=**")


def shown_rows(page: Any, column: str) -> list[str]:
    """What stands in a column, from the first row to the last."""
    cells = page.locator(f".ag-row [col-id='{column}']").all()
    placed = [(int(one.locator("xpath=..").get_attribute("row-index")), one.inner_text()) for one in cells]
    return [text for _, text in sorted(placed)]


def test_rows_are_sorted_by_what_they_are_worth_and_those_without_a_value_stand_last(
    page: Any, server: Any
) -> None:
    for way in ("asc", "desc"):
        look(page, server, f"/study?at={quote(NASTY)}&view=networks&networks-sort={way}+validation_log_loss")
        page.wait_for_selector(".state.failed")
        *values, last = shown_rows(page, "validation_log_loss")
        assert last == ""
        numbers = list(map(float, values))
        assert numbers == sorted(numbers, reverse=way == "desc")
        look(page, server, f"/?fleet-sort={way}+progress")
        page.wait_for_selector(".ag-row .progress")
        done = [int(text.split()[0]) for text in shown_rows(page, "progress") if text]
        assert done == sorted(done, reverse=way == "desc")


def test_two_networks_are_compared_and_stay_so_as_the_study_grows(page: Any, server: Any, runs: Path) -> None:
    look(page, server, f"/study?at={quote(NASTY)}&view=networks")
    boxes = page.locator(".ag-row input[type=checkbox]")
    boxes.nth(0).wait_for()
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.wait_for_selector("#networks-compared table")
    assert "learning_rate" in page.locator("#networks-compared").inner_text()
    rows = page.locator("[col-id=trial] a").count()
    run_trial(live_study(runs), 0)
    page.wait_for_function(f"document.querySelectorAll('[col-id=trial] a').length > {rows}")
    assert page.locator(".ag-row input[type=checkbox]:checked").count() == 2
    assert "learning_rate" in page.locator("#networks-compared").inner_text()


def test_the_button_changes_light_and_dark_and_it_is_kept(page: Any, server: Any) -> None:
    look(page, server, "/")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.locator("#theme-button").click()
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    look(page, server, "/study?at=studies%2Fclasses")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_from_elsewhere_a_browser_must_show_the_token(browser: Any, runs: Path) -> None:
    with served(runs / "studies", host="0.0.0.0", token="a-token-of-ones-own") as guarded:
        context = browser.new_context()
        page = context.new_page()
        port = guarded.server_address[1]
        for wrong in ("/", "/?token=wrong", "/study?at=classes"):
            assert page.goto(f"http://127.0.0.1:{port}{wrong}").status == 403
        page.goto(guarded.url)
        page.wait_for_selector("main .table")
        assert "token" not in page.url
        look(page, guarded, "/study?at=classes")
        page.wait_for_selector("#best-so-far .main-svg")
        context.close()


def test_an_object_out_of_the_domain_is_found_by_a_list_and_shown_with_its_light_curve(
    page: Any, server: Any
) -> None:
    look(page, server, "/objects?at=studies%2Fclasses%2Fensemble&list=outside")
    page.locator(".ag-row [col-id=id]").first.click()
    page.wait_for_selector("#object-odd td")
    page.wait_for_url("**object=SN0000011**")
    assert page.locator("#object-observed .scatterlayer .trace").count() == 4, "a band each"
    assert "peak_snr" in page.locator("#object-odd").inner_text()
    page.locator(".search").last.fill("peak_snr<10")
    page.locator(".search").last.press("Enter")
    page.wait_for_url("**where=peak_snr**")
    page.get_by_text("No Rows To Show").wait_for()
    page.locator(".search").last.fill("peak<10")
    page.locator(".search").last.press("Enter")
    page.get_by_text("there is no column 'peak'").wait_for()
