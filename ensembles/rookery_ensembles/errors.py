"""The one error type for bad input."""

from pathlib import Path


class InputError(ValueError):
    """Input that breaks a rule.

    The message names where (file, and row or key), the rule, and the value found, so that
    the reader can mend the input without opening the code. Command-line programs print the
    message alone and exit with status 2; nothing else in the project is caught there.
    """


def fail(where: str | Path, rule: str) -> InputError:
    """Build an :class:`InputError` whose message starts with the place: ``"<where>: <rule>"``."""
    return InputError(f"{where}: {rule}")
