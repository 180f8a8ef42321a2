"""A page of every verb, made from the table that makes the command line."""

from pathlib import Path
from typing import Any

from rookery.cli.build import Group, Verb, spelled
from rookery.cli.values import METAVARS, option_names
from rookery.cli.verbs import ROOT
from rookery.signature import summary

PAGE = "reference/verbs.md"


def verbs(group: Group, before: str = "rookery") -> dict[str, Verb]:
    """Return all verbs of a group by what is typed."""
    found: dict[str, Verb] = {}
    for name, each in group.verbs().items():
        typed = f"{before} {name}"
        found |= verbs(each, typed) if isinstance(each, Group) else {typed: each}
    return found


def section(typed: str, verb: Verb) -> str:
    """Return a verb's section: what it does, and a line for each argument."""
    lines = [
        f"## {typed}",
        "",
        summary(verb.function),
        "",
        "| argument | what it is | default |",
        "|---|---|---|",
    ]
    for argument, _ in spelled(verb.function):
        name = argument.name.upper() if argument.positional else option_names(argument.name)[0]
        metavar = METAVARS.get(argument.name)
        shown = f"`{name}{' ' + metavar if metavar and not argument.positional else ''}`"
        default = (
            "" if argument.required or argument.default in (None, (), False) else f"`{argument.default}`"
        )
        words = argument.words.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {shown} | {words} | {'**required**' if argument.required else default} |")
    lines += [f"| `--{name}` | {words} | |" for name, words in verb.flags.items()]
    return "\n".join(lines) + "\n"


def write(app: Any) -> None:
    """Write the page before Sphinx reads."""
    head = "# Verbs\nMade from the table of the command line. Each is a function of `rookery.api` too."
    sections = (section(typed, verb) for typed, verb in verbs(ROOT).items())
    text = head + "\n\n" + "\n".join(sections)
    page = Path(app.srcdir) / PAGE
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Join Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
