"""Who is told when a study finishes, stops, fails too often or stands still: real servers and commands."""

import json
import logging
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import optuna
import pytest

from rookery import api
from rookery.compute import messenger
from rookery.compute.messenger import Messenger
from rookery.search.notices import Notices, telling
from rookery.search.trial_counts import RunningTrial, TrialCounts
from rookery.surveys import Survey
from rookery_ensembles import InputError


class Hook(ThreadingHTTPServer):
    """A webhook that keeps what it gets."""

    daemon_threads = True
    status = 200

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.free = Event()
        self.free.set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/services/a-secret"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        assert self.headers["Content-Type"] == "application/json"
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.free.wait(20)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.free.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Kept:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, text: str, facts: Any) -> None:
        self.texts.append(text)

    def close(self) -> None:
        """Nothing is under way."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_webhook_gets_what_slack_takes(hook: Hook) -> None:
    with telling(hook.url, "runs/x", "trials", "validation_log_loss") as (notices,):
        notices.update(TrialCounts(complete=1, best=0.25))
        notices.count(None)
    (got,) = hook.got
    assert got["text"] == "runs/x finished: 1 trial in this run, 0 failed; best validation_log_loss 0.25"
    (attachment,) = got["attachments"]
    fields = {one["title"]: one["value"] for one in attachment["fields"]}
    assert fields.items() >= {"event": "finished", "name": "runs/x", "ended": "1", "best": "0.25"}.items()
    assert attachment["fallback"] == got["text"]


def test_a_command_gets_the_text_and_the_facts(tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text("import sys; open('told', 'w').write(sys.argv[-1] + '\\n' + sys.stdin.read())\n")
    sender = Messenger(f"sh -c 'cd {tmp_path}; exec {sys.executable} tell.py \"$@\"' --")
    sender.send("runs/x stopped: $(rm -r /) `no`", {"event": "stopped", "failed": 2})
    sender.close()
    text, facts = (tmp_path / "told").read_text().split("\n", 1)
    assert text == "runs/x stopped: $(rm -r /) `no`"
    assert json.loads(facts) == {"text": text, "event": "stopped", "failed": 2}


@pytest.mark.parametrize("how", ["refuses", "is away", "hangs", "command fails"])
def test_what_cannot_be_told_is_one_warning_and_harms_nothing(
    how: str, hook: Hook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messenger, "WEBHOOK_SECONDS", 0.2)
    target = {"is away": "http://127.0.0.1:9/a-secret", "command fails": "false"}.get(how, hook.url)
    hook.status = 500 if how == "refuses" else 200
    if how == "hangs":
        hook.free.clear()
    done = []
    with caplog.at_level(logging.WARNING), telling(target, "runs/x", "trials") as (notices,):
        for _ in range(4):
            notices.count("OSError: bad")
        done.append(True)
    assert done
    assert len(caplog.records) == 1
    assert "the work goes on" in caplog.text
    assert "a-secret" not in caplog.text, "who knows a webhook's address may write to it"


def ray_is_up() -> bool:
    """Whether this process is connected to a Ray: to that of other tests, or to one that it started."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ftp://x/y", "must be an http:// or https:// URL or a command"),
        ("http://", "must be an http:// or https:// URL"),
        ("no-such-command-here now", "there is no command 'no-such-command-here'"),
        ("", "there is no command ''"),
        ("'half", "cannot be read as a command"),
    ],
)
def test_a_target_that_is_none_is_refused_before_anything_starts(
    target: str, message: str, tiny_survey: Survey, tmp_path: Path
) -> None:
    before = ray_is_up()
    with pytest.raises(InputError, match=message):
        api.search(
            "pelican", survey=tiny_survey.path, split="half", study=tmp_path / "x", trials=1, notify=target
        )
    assert ray_is_up() == before


def test_many_failures_are_told_once_and_few_not() -> None:
    kept = Kept()
    notices = Notices(kept, "runs/x", "trials")
    for error in [None] * 15 + ["ValueError: a"] * 3:
        notices.count(error)
    assert kept.texts == [], "3 of 18 are below a fifth"
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL, user_attrs={"error": "OSError: b\nmore"}
    )
    for _ in range(5):
        notices.ended(None, trial, None)  # type: ignore[arg-type]
    (text,) = kept.texts
    assert text == "runs/x fails too often: 4 of 19 trials of this run failed, the last one: OSError: b"


def test_a_study_that_stands_still_is_told_once_until_it_goes_on() -> None:
    kept, clock = Kept(), Clock()
    notices = Notices(kept, "runs/x", "trials", clock=clock)
    running = [RunningTrial(0, 1, 9, 1)]
    for now, told in [(500, 0), (601, 1), (5000, 1)]:
        clock.now = now
        notices.update(TrialCounts(), running)
        assert len(kept.texts) == told
    assert kept.texts == ["runs/x stands still: no epoch ended for 10 min while 1 trials run"]
    notices.epoch({"seconds": 400.0})
    for now, told in [(6900, 1), (7001, 2)]:  # five of its epochs
        clock.now = now
        notices.update(TrialCounts(), running)
        assert len(kept.texts) == told
    clock.now = 99_999
    notices.update(TrialCounts(), [])
    assert len(kept.texts) == 2, "where nothing runs, nothing stands still"


@pytest.mark.parametrize("error", [InputError("the disk is full"), KeyboardInterrupt()])
def test_a_study_that_stops_says_why(error: BaseException) -> None:
    kept = Kept()
    with pytest.raises(type(error)), Notices(kept, "runs/x", "trials").told():
        raise error
    why = str(error) or "it was told to"
    assert kept.texts == [f"runs/x stopped: {why}; the same command goes on with it"]
