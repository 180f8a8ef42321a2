"""The one error type for bad input."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

LONGEST = 1200
"""Characters of a message: some 15 lines of a terminal."""
_BREAK = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
_LEFT_OUT = " ... "


class InputError(ValueError):
    """Input that breaks a rule.

    The message names where (file, and row or key), the rule, and the value found, so that
    the reader can mend the input without opening the code. It is one line of at most `LONGEST`
    characters, whatever the value holds. Command-line programs print the message alone and exit
    with status 2.
    """

    def __init__(self, message: object) -> None:
        super().__init__(one_line(str(message)))


def fail(where: str | Path, rule: str) -> InputError:
    """Build an :class:`InputError` whose message starts with the place: ``"<where>: <rule>"``."""
    return InputError(f"{_printable(str(where))}: {rule}")


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'a' or 'b'?"`` for the names most like one that is not among them, or nothing.

    Names are compared without regard to case.
    """
    by_lower = {other.lower(): other for other in names}
    alike = [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower)]
    return f"; did you mean {' or '.join(map(repr, alike))}?" if alike else ""


def one_line(text: str) -> str:
    """Return text as one line that a terminal can show, its middle left out where it is long.

    Line breaks with the blanks around them become a blank. Whatever else cannot be printed is escaped:
    what could command a terminal or turn its line around, and what cannot be encoded.
    """
    line = _printable(_BREAK.sub(" ", text.strip()))
    if len(line) <= LONGEST:
        return line
    end = LONGEST // 4
    return line[: LONGEST - end - len(_LEFT_OUT)] + _LEFT_OUT + line[-end:]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
