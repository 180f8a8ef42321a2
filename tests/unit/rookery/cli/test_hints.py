"""What the command line offers to who does not know a name: completion, suggestions, lists."""

import json

import pytest

from rookery import api
from rookery.cli.main import app
from rookery_ensembles import InputError
from rookery_ensembles.errors import did_you_mean


def typed(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        app(words.split())
    told = capsys.readouterr()
    return told.out + told.err


@pytest.mark.parametrize(
    ("words", "suggested"),
    [("searh", "search"), ("ingest tabel x y", "table"), ("simulate supernova x", "supernovae")],
)
def test_a_misspelt_verb_is_told_the_right_one(
    words: str, suggested: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"did you mean '{suggested}'?" in typed(words, capsys)


def test_a_misspelt_choice_is_told_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    told = typed("search pelican --survey s --split h --study st --trials 1 --sampler tpee", capsys)
    text = " ".join(told.replace("│", " ").split())
    assert "Invalid value for '--sampler': 'tpee' is not one of 'tpe', 'gp'" in text
    assert "; did you mean 'tpe'?" in text


def test_names_are_suggested_whatever_their_case_and_none_where_none_is_alike() -> None:
    assert did_you_mean("OBJID", ["objid", "ra"]) == "; did you mean 'objid'?"
    assert did_you_mean("magnitude", ["ra", "dec"]) == ""
    with pytest.raises(InputError, match="did you mean 'pelican'"):
        api.show("pelicna")


@pytest.mark.parametrize(
    ("words", "number", "offered"),
    [
        ("rookery sea", 1, "search"),
        ("rookery ingest tab", 2, "table"),
        ("rookery search --stu", 2, "--study"),
    ],
)
def test_the_shell_completes_verbs_and_options(
    words: str, number: int, offered: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_ROOKERY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(number))
    with pytest.raises(SystemExit):
        app([], prog_name="rookery")
    assert offered in capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "rookery ingest ta"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "rookery ingest ta", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}),
    ],
)
def test_zsh_and_fish_are_told_verbs_with_what_they_do(
    shell: str,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**variables, "_ROOKERY_COMPLETE": f"complete_{shell}"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        app([], prog_name="rookery")
    told = capsys.readouterr().out
    assert "table" in told
    assert "Read a long table" in told


def test_spaces_and_families_are_listed_for_people_and_programs(capsys: pytest.CaptureFixture[str]) -> None:
    shown = typed("spaces", capsys)
    listed = json.loads(typed("spaces --json", capsys))
    assert {"pelican", "photoz_mlp", "photoz_cnn"} <= {space["name"] for space in listed}
    for space in listed:
        assert space["name"] in shown
        told = api.show(space["path"])["parameters"]
        assert space["searched"] + space["fixed"] == len(told)
    families = {family["name"]: family for family in json.loads(typed("families --json", capsys))}
    assert families["pelican"]["learns_from"] == ["light_curves"]
    assert "hidden_layers" in families["photoz_mlp"]["hyperparameters"]
