"""What every fuzz test does: damage a file, bound what its readers may take, and hold how they answer."""

import random
import resource
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from damage import damage
from rookery_ensembles.errors import LONGEST, InputError

SECONDS = 20
"""Processor time that one input may take."""
MEMORY = 3 << 30
"""Bytes of address space that all inputs together may add."""


class TooLong(BaseException):
    """An input took more than `SECONDS`."""


@dataclass(frozen=True)
class Target:
    """A file to damage, and who reads it."""

    file: str
    """Within the ground."""
    use: Callable[[Path], object]
    """Calls the readers with the ground's folder."""
    inputs: int = 200
    """How many of them, in the slow tests."""
    reseal: Callable[[Path], object] = lambda ground: None
    """Makes digests true again, as a forger would, so that what lies behind them is reached."""


@contextmanager
def limits() -> Iterator[None]:
    """Bound address space, and the processor time of each input (pytest's own timer is another one)."""

    def stop(*_: object) -> None:
        raise TooLong(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def verdict(use: Callable[[], object]) -> str | None:
    """Return what is wrong with how a reader answered; None for success and for one good error."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        use()
    except InputError as error:
        message = str(error)
        good = len(message.splitlines()) == 1 and len(message) <= LONGEST and message.isprintable()
        return None if good else f"not one line of at most {LONGEST} characters: {message!r}"
    except (Exception, TooLong) as error:  # noqa: BLE001 - this is what the test looks for
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = "" if frame is None else f" ({frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno})"
        return f"{type(error).__name__}: {str(error)[:200]}{place}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return None


def fuzz(name: str, target: Target, ground: Path, inputs: int, first: int = 0) -> None:
    """Damage a target's file so many times, from the seed `first` on; each is read, or is one error."""
    file = ground / target.file
    sealed = [*ground.glob("*/*.json"), *ground.glob("*/*.yaml"), *ground.glob("*/members/*/card.json")]
    originals = {path: path.read_bytes() for path in {file, *sealed}}
    assert verdict(lambda: (target.use(ground), target.reseal(ground), target.use(ground))) is None
    failures = []
    with warnings.catch_warnings(), limits():
        warnings.simplefilter("ignore")  # of what the libraries find odd
        for seed in range(first, first + inputs):
            for path, content in originals.items():
                path.write_bytes(content)
            what, content = damage(originals[file], random.Random(seed))
            file.write_bytes(content)
            try:
                target.reseal(ground)
            except (ValueError, KeyError, OSError):  # so damaged that nobody could seal it
                continue
            if (wrong := verdict(lambda: target.use(ground))) is not None:
                failures.append(f"{name}, seed {seed}, {what}: {wrong}")
    for path, content in originals.items():
        path.write_bytes(content)
    assert not failures, f"{len(failures)} of {inputs}:\n" + "\n".join(failures[:20])
