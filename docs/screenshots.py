"""Takes the pictures of the dashboard that the documentation shows: `python docs/screenshots.py RUNS OUT`.

RUNS is a folder with studies, as `rookery demo` makes it; shown are its first ensemble and that one's study.
Needs Chromium (CHROMIUM, or `chromium` on the path) and playwright.
"""

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from rookery.dashboard import make_server
from rookery.dashboard.sources import find_sources

WIDE, PHONE = (1280, 800), (390, 780)
COLOURS = 255
"""Of a picture's palette: few, so that it is small."""


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """Serve a folder while the pictures are taken."""
    server = make_server(runs, port=0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.url.rstrip("/")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pictures(runs: Path) -> Iterator[tuple[str, str, str, tuple[int, int], str]]:
    """Yield name, address, what must be there, size and colours of each picture."""
    found = find_sources([runs]).values()
    made = next(one for one in found if one.kind == "bundle")
    own = (one.key for one in found if one.kind == "study" and one.path == made.path.parent)
    study, bundle = quote(next(own)), quote(made.key)
    yield "dashboard_fleet", "/", ".ag-row", (1280, 560), "light"
    yield "dashboard_study", f"/study?at={study}", "#learning-curves .main-svg", WIDE, "light"
    yield "dashboard_object", f"/objects?at={bundle}&list=disagreed", ".ag-row", (1280, 880), "light"
    yield "dashboard_ensemble", f"/ensemble?at={bundle}", "#ensemble-weights .main-svg", WIDE, "dark"
    yield "dashboard_phone", f"/study?at={study}", "#best-so-far .main-svg", PHONE, "light"


def take(page: Page, address: str, wanted: str, out: Path) -> None:
    """Open a page, wait until it is drawn and still, and keep it as a picture of few colours."""
    page.goto(address)
    page.wait_for_selector(wanted)
    if "/objects" in address:
        page.locator(".ag-row [col-id=id]").first.click()
        page.wait_for_selector("#object-observed .main-svg")
    page.wait_for_timeout(3000)
    page.screenshot(path=out)
    with Image.open(out) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


def main(runs: Path, out: Path) -> None:
    """Take every picture."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    options: list[Any] = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with served(runs) as url, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=options)
        for name, address, wanted, (width, height), colours in pictures(runs):
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if colours == "dark" else "light",
            )
            context.set_default_timeout(60_000)
            take(context.new_page(), url + address, wanted, out / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
