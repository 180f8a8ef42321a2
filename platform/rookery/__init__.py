"""Rookery: search for, train and combine hundreds of deep networks for cosmological surveys.

The Python API, one function per command-line verb, is in :mod:`rookery.api`.
"""

DISTRIBUTION = "rookery-astro"
"""What pip calls the project: `rookery` on PyPI is another program."""
NOT_INSTALLED = "0+source"
"""The version of a copy that is imported from a source tree without being installed."""


def __getattr__(name: str) -> str:
    if name == "__version__":  # read on demand: it would cost a fifth of `rookery --help`
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(DISTRIBUTION)
        except PackageNotFoundError:
            return NOT_INSTALLED
    raise AttributeError(f"module 'rookery' has no attribute {name!r}")
