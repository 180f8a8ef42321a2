"""Calls of a study's database that are made again while it cannot be reached: a server or a folder away."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from sqlalchemy.exc import OperationalError

from rookery.compute.faults import FOLDER_SECONDS, PATIENCE_SECONDS, causes, keep_trying

T = TypeVar("T")

_FILE_AWAY = ("disk I/O error", "unable to open database file")


def _server_away(error: BaseException | None) -> bool:
    """Whether an error says that the database cannot be reached just now."""
    return any(
        isinstance(cause, OperationalError) or getattr(cause, "connection_invalidated", False)
        for cause in causes(error)
    )


def _file_away(error: BaseException | None) -> bool:
    """Whether an error says that the file of an SQLite database cannot be reached just now."""
    return any(
        isinstance(cause, OperationalError) and any(text in str(cause) for text in _FILE_AWAY)
        for cause in causes(error)
    )


def patient(
    call: Callable[..., T],
    may_pass: Callable[[BaseException | None], bool] = _server_away,
    seconds: float = PATIENCE_SECONDS,
) -> Callable[..., T]:
    """Return a call of Optuna's that is made again while the database cannot be reached."""

    @wraps(call)
    def wrapped(*args: Any, **options: Any) -> T:
        tries = 0

        def once() -> T:
            nonlocal tries
            tries += 1
            try:
                return call(*args, **options)
            except UpdateFinishedTrialError:
                if tries == 1:
                    raise
                return True  # type: ignore[return-value]  # told before, but the answer was lost

        return keep_trying(once, may_pass, "the database", seconds)

    return wrapped


def file_patient(call: Callable[..., T]) -> Callable[..., T]:
    """Return a call that is made again while the file of an SQLite database cannot be reached."""
    return patient(call, _file_away, FOLDER_SECONDS)
