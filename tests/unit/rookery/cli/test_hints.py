"""What the command line offers to who does not know a name: completion, suggestions, lists."""

import json
import re
from pathlib import Path

import pytest

from rookery import api
from rookery.cli.build import Group, command
from rookery.cli.main import app
from rookery.cli.verbs import ROOT
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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("search pelican --survye s", "No such option '--survye'; did you mean '--survey'"),
        ("search pelican --trials many", "'--trials': must be a whole number, but is 'many'"),
        ("search pelican --trials 0", "'--trials': must be at least 1, but is '0'"),
        ("ingest galaxies.csv out", "No such command 'galaxies.csv'; behind 'ingest' must come "),
        ("ingest catalogue g.csv", "Missing argument 'path'. One or more of it must stand before 'out'"),
    ],
)
def test_what_is_mistyped_is_told_with_what_it_must_be(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = typed(words, capsys).replace("│", " ")
    assert told in " ".join(shown.split())


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


def hinted(text: str) -> list[str]:
    """Return the commands of Rookery that a text names: in backquotes, or behind a colon or semicolon."""
    return re.findall(r"`rookery ([^`]+)`", text) + re.findall(r"[;:] rookery ([a-z][^`\"]*)", text)


def unknown(hint: str) -> list[str]:
    """Return the words of a command that the command line does not know: a verb, or an option of it."""
    made_of: object = ROOT
    words = hint.split()
    options = {"--help", "--quiet", "--version"}
    while words and isinstance(made_of, Group) and re.fullmatch("[a-z]+", words[0]):
        word = words.pop(0)
        if word not in made_of.verbs():
            return [word]
        made_of = made_of.verbs()[word]
        options |= {name for one in command(word, made_of).params for name in one.opts}
    words = words[: words.index("--")] if "--" in words else words
    return [word for word in words if word.startswith("--") and word not in options]


def test_every_command_that_is_hinted_at_exists(project_root: Path) -> None:
    code = [*(project_root / "platform").rglob("*.py"), *(project_root / "ensembles").rglob("*.py")]
    hints = {hint: file for file in code for hint in hinted(file.read_text(encoding="utf-8"))}
    assert len(hints) > 25
    assert {hint: str(file) for hint, file in hints.items() if unknown(hint)} == {}
    assert unknown("serch --study x") == ["serch"]
    assert unknown("search --stdy x") == ["--stdy"]
