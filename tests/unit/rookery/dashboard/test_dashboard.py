import hashlib
import http.client
import json
import os
import socket
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from browser import running, served
from rookery.dashboard import Dashboard, make_server, serve
from rookery.dashboard.guard import Guard
from rookery.dashboard.optuna_pages import open_storage
from rookery_ensembles.errors import InputError

optuna = pytest.importorskip("optuna", reason="needs the extra `dashboard`")
pytest.importorskip("dash", reason="needs the extra `dashboard`")
pytest.importorskip("optuna_dashboard", reason="needs the extra `dashboard`")
optuna.logging.set_verbosity(optuna.logging.WARNING)


STUDY = """
family: pelican
space:
  objective: {metric: validation_log_loss, direction: minimize}
  parameters: {}
"""


def make_study(folder: Path, database: str = "study.db") -> Any:
    study = optuna.create_study(
        storage=f"sqlite:///{folder / database}",
        study_name="rookery",
        sampler=optuna.samplers.RandomSampler(0),
    )
    study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), n_trials=3)
    return study


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "x"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    make_study(folder)
    return folder


def get_json(server: Dashboard, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(server.url + path, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_studies_are_listed_over_http(study_folder: Path) -> None:
    with served(study_folder) as server:
        (study,) = get_json(server, "api/studies")["study_summaries"]
        assert study["study_name"] == "rookery"
        detail = get_json(server, f"api/studies/{study['study_id']}")
        assert [trial["state"] for trial in detail["trials"]] == ["Complete"] * 3


def test_optunas_own_pages_are_at_their_own_addresses(study_folder: Path) -> None:
    server = make_server(study_folder, port=0)
    with running(server), urllib.request.urlopen(server.url + "dashboard", timeout=20) as page:
        assert b"Optuna Dashboard" in page.read()


def test_where_several_studies_are_shown_optunas_pages_say_so(study_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    with served(study_folder, tmp_path) as server:
        answer = ask(server, "/dashboard")
        assert answer.status == 404
        assert ask(server, "/").status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="niceness by thread is Linux's")
def test_pages_give_way_to_what_runs_on_the_same_cores_and_the_caller_does_not(study_folder: Path) -> None:
    def niceness() -> dict[int, int]:
        threads = (int(folder.name) for folder in Path("/proc/self/task").iterdir())
        return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}

    own = os.getpriority(os.PRIO_PROCESS, 0)
    before = niceness()
    with served(study_folder) as server:
        assert ask(server, "/").status == 200
        after = niceness()
    assert max(after.values()) >= 5
    assert after[threading.main_thread().native_id or 0] == own
    assert {thread: after[thread] for thread in before if thread in after}.items() <= before.items()


def test_server_listens_on_this_machine_only(study_folder: Path) -> None:
    with make_server(study_folder, port=0) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_looking_changes_no_byte_of_the_study(study_folder: Path) -> None:
    def fingerprint() -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in study_folder.iterdir()}

    before = fingerprint()
    with served(study_folder) as server:
        study_id = get_json(server, "api/studies")["study_summaries"][0]["study_id"]
        get_json(server, f"api/studies/{study_id}")
    assert fingerprint() == before


def ask(server: Dashboard, path: str, **headers: str) -> http.client.HTTPResponse:
    """Ask once, following no redirect, and read the answer."""
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:9", 200),
        ("127.8.9.1", 200),
        ("[::1]:8080", 200),
        ("attacker.example:8080", 403),
        ("localhost.attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("192.0.2.7", 403),
        ("", 403),
    ],
)
def test_on_this_machine_only_its_own_names_are_answered(study_folder: Path, host: str, status: int) -> None:
    with served(study_folder) as server:
        assert server.token is None
        assert ask(server, "/api/studies", Host=host).status == status


def test_elsewhere_a_token_is_asked_for_and_kept_in_a_cookie(study_folder: Path) -> None:
    with served(study_folder, host="0.0.0.0") as server:
        assert server.token is not None
        assert len(server.token) >= 32
        for path in (
            "/",
            "/api/studies",
            "/?token=",
            "/?token=wrong",
            f"/?token={server.token}x",
            "/?token=%C3%A9",
        ):
            assert ask(server, path).status == 403
        first = ask(server, f"//elsewhere?a=1&token={server.token}", Host="any.name")
        assert (first.status, first.headers["Location"]) == (302, "/elsewhere?a=1")
        set_cookie = first.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_cookie.split("; "))
        cookie = set_cookie.partition(";")[0]
        assert ask(server, "/api/studies", Cookie=cookie).status == 200
        assert ask(server, "/api/studies", Cookie=cookie + "x").status == 403
        assert ask(server, "/api/studies", Cookie="a=[;").status == 403
        with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(server.url) as page:
            assert b"Rookery" in page.read()


def test_under_a_name_others_are_refused_even_with_the_token() -> None:
    def inside(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"seen"]

    server = Dashboard(Guard(inside, frozenset({"team.example.org"}), "t" * 16, "c"), "0.0.0.0", 0)
    with running(server):
        assert ask(server, "/", Host="team.example.org:80", Cookie="c=" + "t" * 16).status == 200
        assert ask(server, "/", Host="team.example.org:80").status == 403
        assert ask(server, "/", Host="attacker.example", Cookie="c=" + "t" * 16).status == 403


def test_a_token_of_ones_own_is_taken_and_a_short_one_refused(study_folder: Path) -> None:
    own = "sixteen-letters-or-more"
    with served(study_folder, token=own) as server:
        assert ask(server, "/api/studies").status == 403
        assert ask(server, f"/?token={own}").status == 302
    for bad in ("", "short", "x" * 20 + ";"):
        with pytest.raises(InputError, match="must be at least 16 of the characters"):
            make_server(study_folder, port=0, token=bad)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "api/studies/1"), ("POST", "api/studies/1/rename")])
def test_requests_that_would_change_the_study_are_refused(study_folder: Path, method: str, path: str) -> None:
    with served(study_folder) as server:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            get_json(server, path, method)
        refusal.value.close()
        assert refusal.value.code == 403
        assert get_json(server, "api/studies")["study_summaries"]


def test_a_search_goes_on_writing_while_the_dashboard_reads(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    study = make_study(tmp_path)
    with served(tmp_path) as server:
        stop, answers = threading.Event(), []

        def look() -> None:
            while not stop.is_set():
                answers.append(get_json(server, "api/studies/1"))

        reader = threading.Thread(target=look)
        reader.start()
        study.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), n_trials=5)
        stop.set()
        reader.join()
    assert len(study.trials) == 8
    assert answers


def test_storage_of_the_study_document_is_used(tmp_path: Path) -> None:
    make_study(tmp_path, "team.db")
    (tmp_path / "study.yaml").write_text(STUDY + f"storage: sqlite:///{tmp_path}/team.db\n")
    with served(tmp_path) as server:
        assert get_json(server, "api/studies")["study_summaries"][0]["study_name"] == "rookery"
    assert not (tmp_path / "study.db").exists()


def test_folder_with_an_odd_name_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "half & half? 100% #1"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    make_study(tmp_path)
    (tmp_path / "study.db").rename(folder / "study.db")
    with served(folder) as server:
        assert get_json(server, "api/studies")["study_summaries"][0]["study_name"] == "rookery"


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    rule = "is no study, campaign, bundle, predictions or folder of them"
    with pytest.raises(InputError, match=f"{rule}: nothing is there"):
        make_server(tmp_path / "nowhere", port=0)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="it is no folder"):
        make_server(tmp_path / "file", port=0)


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (None, 404, "the study's storage does not exist yet"),
        (b"", 404, "holds no study yet"),
        (b"not a database, but long enough to be read as one" * 40, 404, "file is not a database"),
    ],
)
def test_a_file_that_is_no_study_database_is_told_of_and_left_alone(
    tmp_path: Path, content: bytes | None, status: int, words: str
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    if content is not None:
        (tmp_path / "study.db").write_bytes(content)
    with served(tmp_path) as server:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            get_json(server, "api/studies")
        assert refusal.value.code == status
        assert words in refusal.value.read().decode()
        refusal.value.close()
        assert ask(server, "/").status == 200
    assert not (tmp_path / "study.db").exists() or (tmp_path / "study.db").read_bytes() == content
    assert {file.name for file in tmp_path.iterdir()} <= {"study.yaml", "study.db"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("- a list", "must be YAML that maps keys to values, but holds a list"),
        ("storage: [", "is not valid YAML"),
        (STUDY + "storage: 5", "storage.*should be a valid string, but found 5"),
        (STUDY + "storage: somewhere", "`storage` must be the URL of a database"),
        (STUDY + "storage: nosuchdb://host/name", "cannot be opened"),
    ],
)
def test_bad_study_document_is_an_error_of_its_storage(tmp_path: Path, document: str, message: str) -> None:
    (tmp_path / "study.yaml").write_text(document)
    with pytest.raises(InputError, match=message):
        open_storage(tmp_path)


def test_password_of_a_storage_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY + "storage: nosuchdb://ann:secret@host/name")
    with pytest.raises(InputError) as caught:
        open_storage(tmp_path)
    assert "nosuchdb" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_taken_port_is_refused(study_folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port}: cannot be listened on .*choose another port"):
            make_server(study_folder, port=port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_port_out_of_range_is_refused(study_folder: Path, port: int) -> None:
    with pytest.raises(InputError, match=f"port {port}: cannot be listened on"):
        make_server(study_folder, port=port)


def test_absent_dash_names_the_extra(study_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("rookery.dashboard.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dash", None)
    with pytest.raises(InputError, match=r"pip install 'rookery-astro\[dashboard\]'"):
        make_server(study_folder, port=0)


def test_serving_announces_its_address_and_ends_on_interrupt(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Dashboard) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(Dashboard, "serve_forever", interrupted)
    monkeypatch.setattr("webbrowser.open", opened.append)
    announced: list[str] = []
    serve([study_folder], port=0, open_browser=True, announce=announced.append)
    assert announced == opened
    assert announced[0].startswith("http://127.0.0.1:")
