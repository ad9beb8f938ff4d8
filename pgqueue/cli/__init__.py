"""The command line: `pgqueue COMMAND`. Code can do the same without it; each command parses, calls the library and prints.

Exit codes: 0 done; 1 it failed; 2 bad input or set-up (usage, arguments, no database URL, not migrated); 3 there is no such
job, workflow, schedule, operation or pool; 4 there are as many dead letters as `dead --alert` says.
"""

import sys
from typing import Annotated

import typer

from ..version import __version__
from .root import Root

__all__ = ["cli", "main"]

cli = typer.Typer(
    cls=Root,
    help="pgqueue: a job queue whose only server is PostgreSQL.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input or set-up, 3 no such job, workflow, schedule, operation or pool, "
    "4 dead --alert.",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version of pgqueue and exit.")
    ] = False,
) -> None: ...


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit; the arguments of `sys.argv` by default."""
    try:
        cli(arguments, prog_name="pgqueue")
    except Exception as error:
        from .failures import told  # here, because it needs the driver of the database, and `--help` does not

        sys.exit(told(error))
