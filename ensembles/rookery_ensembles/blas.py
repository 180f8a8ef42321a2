"""How many threads linear algebra takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


@contextmanager
def one_blas_thread(numbers: int = 0) -> Iterator[None]:
    """Do linear algebra on one core, unless it is of so many numbers that several are of use.

    Thousands of operations on a few hundred objects take five times as long where two threads wait for each
    other at every one, and longer on a busy machine.
    """
    if numbers > 5_000_000:
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  # its library must be there to be found
    from threadpoolctl import ThreadpoolController  # comes with scikit-learn

    return ThreadpoolController()
