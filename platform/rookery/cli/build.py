"""Commands made of functions: a verb's signature and docstring become its options and their help."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import NoneType
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from rookery.cli.say import Given
from rookery.cli.values import METAVARS, Spelling, option_names, path, spelling
from rookery.signature import Argument, arguments, summary

_NUMBERS = {
    "Input should be a valid integer, unable to parse string as an integer": "must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "must be a number",
    "Input should be greater than or equal to": "must be at least",
    "Input should be less than or equal to": "must be at most",
}
"""What the parser says of numbers, and how it is told."""


@dataclass(frozen=True)
class Verb:
    """A verb of the command line."""

    function: Callable[..., Any]
    """What it does. Arguments by place are typed by place, keywords are options."""
    say: Callable[[Any, Given], None] = lambda result, given: None
    """Tells the result on the terminal; a function that takes `announce` tells it when it begins."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """Options for `say` alone, with their help."""
    prepare: Callable[[dict[str, Any]], None] = lambda given: None
    """Completes the arguments before the function is called."""


@dataclass(frozen=True)
class Group:
    """Verbs that share their first word."""

    words: str
    verbs: Callable[[], Mapping[str, "Verb | Group"]]
    """Imports them: a help text that does not list them waits for nothing."""


class VerbGroup(TyperGroup):
    """A group whose commands are built when they are asked for."""

    group: Group

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _plain(super().get_params(ctx), ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the verbs."""
        return list(self.group.verbs())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a verb, or None."""
        found = self.group.verbs().get(cmd_name)
        return None if found is None else command(cmd_name, found)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names, and what follows it."""
        verbs = self.group.verbs()
        if args[0] not in verbs and not args[0].startswith("-") and not ctx.resilient_parsing:
            from rookery_ensembles.errors import did_you_mean  # not above: it would slow `--help` down

            meant = did_you_mean(args[0], verbs)
            if not meant and ctx.parent is not None:
                meant = f"; behind {ctx.info_name!r} must come {_either(verbs)}"
            ctx.fail(f"No such command {args[0]!r}{meant}")
        return super().resolve_command(ctx, args)


class VerbCommand(TyperCommand):
    """A verb, which tells the choice or option that is probably meant by one that is none."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options."""
        return _plain(super().get_params(ctx), ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed."""
        typed = [*args]
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if hasattr(error, "param_type"):  # one that is missing
                _tell_both(error, ctx)
            else:
                error.message = _explained(error.message, _value(error, typed))
            raise
        except Exception as error:
            if alike := getattr(error, "possibilities", None):  # an option that is none
                from rookery_ensembles.errors import did_you_mean

                name = getattr(error, "option_name", "")
                vars(error).update(
                    message=f"No such option {name!r}{did_you_mean(name, alike)}", possibilities=()
                )
            raise


def _plain(params: list[Any], ctx: Any) -> list[Any]:
    """Return arguments and options as help texts show them: no value of flags, no types of Python."""
    for one in params:
        if getattr(one, "is_flag", False) and one.metavar is None:
            one.metavar = ""
        kind = getattr(one, "display_type_rich", None)
        if kind is not None and one.param_type_name == "argument" and (kind(ctx=ctx) or "").startswith("<"):
            vars(one)["display_type_rich"] = lambda ctx: None
    return params


def _explained(message: str, value: str | None) -> str:
    """Return what the parser says of a value without its own words, and with the choice that is like it."""
    from rookery_ensembles.errors import did_you_mean  # not above: it would slow `--help` down

    plain = message.removeprefix("Value error, ").rstrip(".")
    said, _, choices = plain.partition(" is not one of ")
    for words, told in _NUMBERS.items():
        plain = plain.replace(words, told)
    if value is not None and plain.startswith("must "):
        return f"{plain}, but is {value!r}"
    return plain + did_you_mean(said.strip("'"), re.findall(r"'(.*?)'", choices))


def _value(error: typer.BadParameter, args: Sequence[str]) -> str | None:
    """Return what was typed for the option that an error is of, None where that is not plain to see."""
    names = getattr(getattr(error, "param", None), "opts", ())
    follow = [after for name, after in pairwise(args) if name in names]
    return follow[0] if len(follow) == 1 else None


def _tell_both(error: typer.BadParameter, ctx: Any) -> None:
    """Tell of arguments of any number, of which none is left, that another one comes behind them."""
    places = [one for one in ctx.command.params if one.param_type_name == "argument"]
    missing = getattr(error, "param", None)
    if missing in places[:-1] and getattr(missing, "nargs", 1) == -1:
        error.message = f"One or more of it must stand before {places[-1].name!r}"


def _either(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def command(name: str, made_of: Verb | Group) -> Any:
    """Return a verb, or a group of them, as a command of the parser."""
    if isinstance(made_of, Group):
        group = VerbGroup(name=name, help=made_of.words, no_args_is_help=True)
        group.group = made_of
        return group
    app = typer.Typer(add_completion=False)
    app.command(name, cls=VerbCommand, help=_unmarked(summary(made_of.function)))(_callback(made_of))
    return typer.main.get_command(app)


def spelled(function: Callable[..., Any]) -> list[tuple[Argument, Spelling]]:
    """Return those arguments of a function that can be typed, with how."""
    found = ((argument, spelling(argument.name, argument.kind)) for argument in arguments(function))
    return [(argument, how) for argument, how in found if how is not None]


def _callback(verb: Verb) -> Callable[..., None]:
    """Return what the parser calls: it reads what was typed, runs the verb and says what came of it."""
    taken = spelled(verb.function)

    def run(**typed: Any) -> None:
        given = {argument.name: argument.default for argument, _ in taken}
        for argument, how in taken:
            value = typed.pop(argument.name)
            if value is not None and value != []:
                given[argument.name] = how.read(value, option_names(argument.name)[0])
        verb.prepare(given)
        told = {**given, **typed}
        by_place = [given[argument.name] for argument, _ in taken if argument.positional]
        # What a function's own options have as defaults is not known here: they are left out.
        by_name = {
            argument.name: given[argument.name]
            for argument, _ in taken
            if not argument.positional and given[argument.name] is not argument.default
        }
        if "announce" in inspect.signature(verb.function).parameters:
            verb.function(*by_place, **by_name, announce=lambda text: verb.say(text, told))
        else:
            verb.say(verb.function(*by_place, **by_name), told)

    flags = [
        _keyword(name, Annotated[bool, typer.Option(f"--{name}", help=words, metavar="")], False)
        for name, words in verb.flags.items()
    ]
    parameters = [*(_parameter(argument, how) for argument, how in taken), *flags]
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _parameter(argument: Argument, how: Spelling) -> inspect.Parameter:
    """Return a parameter as typer takes it."""
    stands_for = METAVARS.get(argument.name, None if argument.positional else how.shown)
    about: dict[str, Any] = {"help": _unmarked(argument.words), "metavar": stands_for}
    if how.is_path:
        about["parser"] = path
    if how.within is not None:
        about |= {"min": how.within.low, "max": how.within.high}
    names = () if argument.positional else option_names(argument.name)
    if how.typed is bool and NoneType in get_args(argument.kind):
        names = (f"{names[0]}/--no-{names[0].removeprefix('--')}",)
    info = (typer.Argument if argument.positional else typer.Option)(*names, **about)
    if argument.required:
        return _keyword(argument.name, Annotated[how.typed, info], argument.default)
    return _keyword(argument.name, Annotated[how.typed | None, info], _shown(argument.default))


def _unmarked(words: str) -> str:
    """Return words whose brackets are no markup."""
    return words.replace("[", r"\[")


def _shown(default: Any) -> Any:
    """Return a default as it would be typed."""
    if isinstance(default, tuple):
        return ",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in default) or None
    return default


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
