"""The command line: parses first, imports late."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from rookery.cli.build import VerbGroup
from rookery.cli.verbs import ROOT

_TRACEBACK = "ROOKERY_TRACEBACK"
_BUG = 70


class Root(VerbGroup):
    """All verbs."""

    group = ROOT


app = typer.Typer(
    cls=Root,
    name="rookery",
    help=ROOT.words,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `rookery demo`. Every verb is also a function of rookery.api. Exit status: 0 done, "
    "1 nothing to show or a check that fails, 2 bad input, 70 a bug of Rookery's, 130 Ctrl-C.",
)


def _version(wanted: bool) -> None:
    if wanted:
        import rookery

        typer.echo(f"rookery {rookery.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", metavar="", help="Show what the library logs.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", metavar="", help="Show results and errors alone: no progress, no warnings."
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    import logging

    level = logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
    if quiet:
        os.environ["ROOKERY_QUIET"] = "1"  # see rookery.compute.console, which is slow to import
    logging.basicConfig(level=level, format="%(levelname)s %(message)s", force=True)


def main(program: Callable[[], None] = app) -> None:
    """Run the command line: whatever goes wrong becomes one line on standard error and an exit status.

    Bad input, a full disk and too little memory are status 2, a bug of Rookery's is 70 (EX_SOFTWARE of
    sysexits.h). Typer makes Ctrl-C 130, and a reader that has left the pipe 1.
    """
    try:
        program()
    except Exception as error:  # noqa: BLE001 - the last boundary, which tells all
        if (progress := sys.modules.get("rookery.compute.progress")) is not None:
            progress.stop_all()
        message, status = _explained(error)
        if os.environ.get(_TRACEBACK) or (status == _BUG and _verbose()):
            traceback.print_exc()
        typer.echo(f"error: {message}", err=True)
        sys.exit(status)


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to say of an error that nobody has caught, and the exit status."""
    from rookery.compute.faults import storage_fault
    from rookery.extras import extra_of, missing  # not above: these would slow `--help` down
    from rookery_ensembles.errors import InputError, one_line

    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")) is not None:
        return str(missing("this", extra, error.name or "")), 2
    if (fault := storage_fault(error)) is not None:
        where = getattr(error, "filename", None)
        return one_line(f"{where}: {fault}" if where else fault), 2
    if isinstance(error, MemoryError):
        return one_line(f"the memory does not suffice ({str(error) or 'MemoryError'})"), 2
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error} (in {frame.filename}, line {frame.lineno})"
    return f"{one_line(text)}; this is a bug in Rookery: {_TRACEBACK}=1 shows the traceback", _BUG


def _verbose() -> bool:
    import logging

    return logging.getLogger().isEnabledFor(logging.INFO)
