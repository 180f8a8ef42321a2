"""A dashboard that is served while a real browser looks at it."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
NASTY = "<img src=x onerror=window.hacked=1>"
"""A name that would be heard of if it were taken for HTML."""
in_a_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (`apt-get install chromium`)"),
    pytest.mark.xdist_group("browser"),
]
_OPTIONS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """Let a server answer from a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def served(*paths: Path, **options: Any) -> AbstractContextManager[Any]:
    """Serve folders on a port of their own."""
    from rookery.dashboard import make_server

    return running(make_server(*paths, port=0, **options))


@contextmanager
def started() -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        yield found
        found.close()


@contextmanager
def opened(browser: Any) -> Iterator[Any]:
    """Open a page that must have nothing to say on its console, and asks nobody but the server."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(90_000)  # other tests may take the cores
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda line: told.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda asked: None if "127.0.0.1" in asked.url[:20] else told.append(asked.url))
    yield page
    context.close()
    unwanted = [line for line in told if not line.startswith(("data:", "blob:"))]
    assert not unwanted, unwanted


def look(page: Any, server: Any, path: str) -> None:
    """Open an address of the dashboard."""
    page.goto(f"http://127.0.0.1:{server.server_address[1]}{path}")
    page.wait_for_selector("main > *")


def look_at_all(page: Any, server: Any, pages: dict[str, str]) -> None:
    """Open each address until what stands beside it is drawn: on a desk in light, on a phone in dark."""
    for width, scheme in ((1280, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)
        for path, drawn in pages.items():
            look(page, server, path)
            page.wait_for_selector(drawn)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            assert page.evaluate("window.hacked") is None, path
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
