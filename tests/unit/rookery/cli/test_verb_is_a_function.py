"""A function becomes a verb: its signature and docstring are its options, each read by its type."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, Unpack

import pytest

from rookery.cli.build import Verb, command
from rookery.cli.values import option_names, spelling
from rookery.signature import Between, arguments, parameter_words, summary
from rookery_ensembles.errors import InputError


class Basic(TypedDict, total=False):
    """What is shared."""

    size: int
    """How large, 3 by default."""


class Options(Basic, total=False):
    """What is shared, and more."""

    unit: str | Mapping[str, str] | None
    """NAME, or
    BAND=NAME."""


def verb(
    place: str | Path,
    *,
    kind: Literal["a", "b"] = "a",
    number: Annotated[int, Between(1)] | None = None,
    bins: tuple[float, float, int] = (0.0, 0.4, 180),
    fixed: Mapping[str, Any] | None = None,
    by: Sequence[str] = (),
    sure: bool | None = None,
    tell: Callable[[str], None] | None = None,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """Do it, as :func:`rookery.api.search` does.

    And more of this.

    Parameters
    ----------
    place
        Where
        [not markup].
    kind, number
        Which ``one``.

    Returns
    -------
    What it was given.
    """
    given = {
        "place": place,
        "kind": kind,
        "number": number,
        "bins": bins,
        "fixed": fixed,
        "by": by,
        "sure": sure,
    }
    return {name: value for name, value in {**given, **options}.items() if value not in (None, ())}


def run(*words: str, flags: Mapping[str, str] | None = None) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the verb's result, and what it is told with."""
    told: list[Any] = []
    made = command("verb", Verb(verb, lambda result, given: told.append((result, given)), flags or {}))
    made.main(list(words), standalone_mode=False)
    return told[0]


def test_a_signature_and_its_words_are_read_typed_options_too() -> None:
    found = {argument.name: argument for argument in arguments(verb)}
    assert summary(verb) == "Do it, as `search` does."
    assert [name for name, argument in found.items() if argument.positional or argument.required] == ["place"]
    assert found["place"].words == "Where [not markup]."
    assert found["kind"].words == found["number"].words == "Which `one`."
    assert (found["size"].words, found["unit"].words) == ("How large, 3 by default.", "NAME, or BAND=NAME.")
    assert parameter_words("No parameters.") == {}


def test_each_type_has_its_spelling() -> None:
    words = (
        "here --kind b --number 2 --bins 0,0.5,20 --set x=1.5 --set y=relu --by p --by q --no-sure --size 4"
    )
    made, given = run(*words.split(), "--unit", "r=ab", "--json", flags={"json": "Print JSON."})
    assert made == {
        "place": Path("here"),
        "kind": "b",
        "number": 2,
        "bins": (0.0, 0.5, 20),
        "fixed": {"x": 1.5, "y": "relu"},
        "by": ["p", "q"],
        "sure": False,
        "size": 4,
        "unit": {"r": "ab"},
    }
    assert given["json"]
    assert run("s3://bucket/x")[0]["place"] == "s3://bucket/x"


def test_what_is_not_typed_is_left_to_the_function() -> None:
    made, given = run("here")
    assert made == {"place": Path("here"), "kind": "a", "bins": (0.0, 0.4, 180)}
    assert given["number"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--bins 0,1", r"--bins must be LOW,HIGH,NUMBER, .* but is '0,1'"),
        ("--bins 0,x,1", r"--bins must be numbers with commas between them, but is '0,x,1'"),
        ("--set x", r"--set must be NAME=VALUE, but is 'x'"),
        ("--set x=[1", r"--set x"),
    ],
)
def test_a_value_of_another_form_is_one_error(words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("here", *words.split())


def test_help_has_every_option_its_words_and_its_range(capsys: pytest.CaptureFixture[str]) -> None:
    command("verb", Verb(verb)).main(["--help"], standalone_mode=False)
    printed = capsys.readouterr().out
    for text in (
        "[not markup]",
        "Which `one`",
        "x>=1",
        "default: 0,0.4,180",
        "--no-sure",
        "BAND=NAME",
        "--set",
    ):
        assert text in printed
    assert "--tell" not in printed


def test_codes_words_and_numbers_have_readers_of_their_own() -> None:
    def read(name: str, kind: Any, typed: Any) -> Any:
        how = spelling(name, kind)
        assert how is not None
        return how.read(typed, option_names(name)[0])

    assert read("type_map", Mapping[int, str] | Mapping[str, str], ["1=Ia"]) == {1: "Ia"}
    assert read("type_map", Mapping[str, str] | Mapping[int, str], ["Ia=x"]) == {"Ia": "x"}
    assert read("class_names", Sequence[str], "Ia, non-Ia") == ["Ia", "non-Ia"]
    assert read("bands", Sequence[str], "ugr") == read("bands", Sequence[str], "u,g,r") == ["u", "g", "r"]
    assert read("days", Sequence[float], ["0,2", "5"]) == [0, 2, 5]
    assert read("offsets", Mapping[str, float], ["u=-0.04"]) == {"u": -0.04}
    assert read("bins", Mapping[str, int | Sequence[float]], ["z=8", "m=1,2"]) == {"z": 8, "m": [1, 2]}
    with pytest.raises(InputError, match=r"--type must be CODE=NAME with a number for CODE, but is Ia=x"):
        read("type_map", Mapping[int, str], ["Ia=x"])
