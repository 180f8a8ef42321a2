"""What is checked on the laptop before a command goes to a cluster."""

import pytest
from typer.testing import CliRunner

from rookery.cli import app
from rookery.clusters.jobs import JobClient, read_token
from rookery_ensembles.errors import InputError

SEARCH = ["search", "pelican", "--survey", "/s", "--split", "half", "--trials", "1", "--study"]


def submit(*arguments):
    return CliRunner().invoke(app, ["submit", "--address", "http://127.0.0.1:9", *arguments])


def test_a_command_that_cannot_be_sent_is_refused_with_those_that_can():
    error = submit("--", "serach").exception
    assert isinstance(error, InputError)
    assert "search" in str(error)
    assert "submit" not in str(error).split("those are")[1]


def test_a_relative_path_needs_a_folder_on_the_cluster():
    error = submit("--", *SEARCH, "runs/x").exception
    assert isinstance(error, InputError)
    assert "`study` runs/x begins nowhere on the cluster" in str(error)
    assert "no job server answers" in str(submit("--folder", "/shared", "--", *SEARCH, "runs/x").exception)
    assert "no job server answers" in str(submit("--", *SEARCH, "/shared/x").exception)


def test_a_misspelt_option_never_leaves_the_laptop():
    done = submit("--", *SEARCH, "/x", "--trails", "4")
    assert done.exit_code == 2
    assert "--trails" in done.output


@pytest.mark.parametrize("address", ["HEAD:8265", "ray://head:10001", "http://"])
def test_an_address_must_be_a_dashboards(address):
    with pytest.raises(InputError, match="must be the address of the head's dashboard"):
        JobClient(address)


def test_the_token_is_found_where_ray_finds_it(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("of-home\n")
    assert read_token() == "of-home"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(InputError, match="RAY_AUTH_TOKEN_PATH"):
        read_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-environment")
    assert read_token() == "of-environment"
