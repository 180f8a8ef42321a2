"""The leaves of the verb table, for tests of what every verb keeps."""

from collections.abc import Iterator, Mapping
from typing import Annotated, get_args, get_origin

from rookery.cli.build import Group, Verb
from rookery.cli.verbs import VERBS
from rookery.signature import Argument, Output

CONTINUED = {("search", "study"), ("campaign", "out"), ("demo", "out"), ("baseline", "fits")}
"""What the same command goes on with, and adds to: never overwritten."""


def leaves(verbs: Mapping[str, Verb | Group], *words: str) -> Iterator[tuple[tuple[str, ...], Verb]]:
    for name, made_of in verbs.items():
        if isinstance(made_of, Group):
            yield from leaves(made_of.verbs(), *words, name)
        else:
            yield (*words, name), made_of


LEAVES = dict(leaves(VERBS))


def is_output(argument: Argument) -> bool:
    """Whether an argument is declared to be written: `rookery.signature.OutPath`, or None."""
    kinds = [argument.kind, *get_args(argument.kind)]
    return any(get_origin(kind) is Annotated and Output in map(type, get_args(kind)) for kind in kinds)
