"""How arguments are spelt on the command line: a reader for each type, and options of another name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from rookery.signature import Between, Output

if TYPE_CHECKING:
    from rookery_ensembles.errors import InputError

Read = Callable[[Any, str], Any]
OPTIONS = {
    "band_aliases": ("--band",),
    "class_names": ("--classes",),
    "columns": ("--column",),
    "columns_file": ("--columns", "--columns-file"),
    "fixed": ("--set",),
    "frames": ("--frame",),
    "offsets": ("--offset",),
    "origins": ("--origin",),
    "pruner_options": ("--pruner-option",),
    "sampler_options": ("--sampler-option",),
    "search_for": ("--for",),
    "settings": ("--set",),
    "survey_paths": ("--survey",),
    "type_map": ("--type",),
}
"""The options of arguments that are called otherwise."""
WORDS = ("bands", "class_names", "covariates", "names")
"""Arguments that are words with commas between them, where other sequences are repeated options."""
METAVARS = {"command": "-- VERB ..."}
_SHOWN = {bool: "", int: "INT", float: "NUMBER", str: "TEXT", list[str]: "TEXT"}


def option_names(argument: str) -> tuple[str, ...]:
    """Return what an argument's option is called."""
    return OPTIONS.get(argument, (f"--{argument.replace('_', '-')}",))


@dataclass(frozen=True)
class Spelling:
    """How values of a type are typed."""

    typed: Any
    """What the parser makes of it: text, a number, a list of texts where the option may be repeated."""
    read: Read = lambda value, _: value
    """Makes the value of that; it is told the option, for its errors."""
    is_path: bool = False
    """Whether they are paths, which the parser makes of their texts."""
    within: Between | None = None
    """The range of a number; None for any."""
    pairs: bool = False
    """Whether they are NAME=VALUE."""

    @property
    def shown(self) -> str | None:
        """What stands for a value in a help text; None for choices, which are listed."""
        if self.is_path:
            return "PATH"
        if self.pairs:
            return "A=B"
        return _SHOWN.get(self.typed)


def spelling(name: str, kind: Any) -> Spelling | None:
    """Return how an argument's values are typed, by its type; None where they cannot be.

    A mapping is NAME=VALUE and repeated, a sequence is repeated, numbers of a tuple have commas between them.
    """
    members = _members(kind)
    origins = {get_origin(member): member for member in reversed(members)}
    if (noted := origins.get(Annotated)) is not None:
        inner, note = get_args(noted)
        found = spelling(name, inner)
        if isinstance(note, Output):
            return found
        return replace(found, within=note) if found and isinstance(note, Between) else Spelling(str)
    if Callable in origins:
        return None
    if (mapping := origins.get(Mapping)) is not None:
        read = _name_or_pairs if str in members else _mapping(*get_args(mapping))
        return Spelling(list[str], read, pairs=True)
    if (sequence := origins.get(Sequence)) is not None:
        (item,) = get_args(sequence)
        if Path in _members(item):
            return Spelling(list[Path], is_path=True)
        if name in WORDS:
            return Spelling(str, _words)
        return Spelling(list[str], _all_numbers) if item is float else Spelling(list[str])
    if tuple in origins:
        return Spelling(str, _redshift_bins)
    if Path in members:
        return Spelling(Path, is_path=True)
    return Spelling(members[0])


def path(text: str) -> str | Path:
    """Read a path; a URL stays as it is."""
    return text if "://" in text else Path(text)


def _members(kind: Any) -> tuple[Any, ...]:
    """Return the types of a union, or the one that it is, without None."""
    several = get_origin(kind) in (Union, UnionType)
    return tuple(one for one in (get_args(kind) if several else (kind,)) if one is not NoneType)


def _mapping(name: Any, value: Any) -> Read:
    """Return the reader of NAME=VALUE options whose names and values have these types."""
    if name is int:
        return _codes
    if value is Any:
        return _yaml
    if value is float:
        return lambda given, option: {key: _number(key, text, option) for key, text in _pairs(given, option)}
    return _bins if int in _members(value) else lambda given, option: dict(_pairs(given, option))


def _pairs(given: Sequence[str], option: str) -> list[tuple[str, str]]:
    """Split NAME=VALUE options."""
    for item in given:
        if "=" not in item:
            raise _error(f"{option} must be NAME=VALUE, but is {item!r}")
    return [(name, value) for name, _, value in (item.partition("=") for item in given)]


def _codes(given: Sequence[str], option: str) -> dict[int, str]:
    """Read CODE=NAME options of types."""
    for code, name in _pairs(given, option):
        if not code.isdigit():
            raise _error(f"{option} must be CODE=NAME with a number for CODE, but is {code}={name}")
    return {int(code): name for code, name in _pairs(given, option)}


def _yaml(given: Sequence[str], option: str) -> dict[str, Any]:
    """Read NAME=VALUE options; a value is read as YAML does: 3, 0.1, true, relu."""
    from rookery_ensembles.plain_text import YamlText

    return {name: YamlText(text, f"{option} {name}").data for name, text in _pairs(given, option)}


def _bins(given: Sequence[str], option: str) -> dict[str, int | list[float]]:
    """Read NAME=8 (so many quantile bins) and NAME=0,0.2,0.4 (edges) options."""
    return {
        name: int(text) if text.isdigit() else _numbers(text, f"{option} {name}")
        for name, text in _pairs(given, option)
    }


def _name_or_pairs(given: Sequence[str], option: str) -> str | dict[str, str]:
    """Read NAME for all bands, or BAND=NAME options."""
    return given[0] if len(given) == 1 and "=" not in given[0] else dict(_pairs(given, option))


def _numbers(text: str, option: str) -> list[float]:
    """Read numbers with commas between them."""
    try:
        return [float(item) for item in text.split(",")] if text else []
    except ValueError:
        raise _error(f"{option} must be numbers with commas between them, but is {text!r}") from None


def _all_numbers(given: Sequence[str], option: str) -> list[float]:
    return [number for text in given for number in _numbers(text, option)]


def _number(name: str, text: str, option: str) -> float:
    found = _numbers(text, f"{option} {name}")
    if len(found) != 1:
        raise _error(f"{option} must be {name}=NUMBER, but is {name}={text}")
    return found[0]


def _words(text: str, option: str) -> list[str]:
    """Read words with commas between them; bands, where their names are letters, also without."""
    if option == "--bands" and "," not in text:
        return list(text.strip())
    return [word.strip() for word in text.split(",")]


def _redshift_bins(text: str, option: str) -> tuple[float, float, int]:
    """Read LOW,HIGH,NUMBER."""
    found = _numbers(text, option)
    if len(found) != 3 or found[2] != int(found[2]):
        raise _error(f"{option} must be LOW,HIGH,NUMBER, for example 0,0.4,180, but is {text!r}")
    return found[0], found[1], int(found[2])


def _error(text: str) -> "InputError":
    from rookery_ensembles.errors import InputError  # not above: it loads numpy

    return InputError(text)
