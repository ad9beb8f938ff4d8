"""The command line: `pgqueue COMMAND`. Code can do the same without it; each command parses, calls the library and prints.

Exit codes: 0 done; 1 it failed; 2 bad input or set-up (usage, arguments, no database URL, not migrated); 3 there is no such
job, workflow, schedule, operation or pool; 4 there are as many dead letters as `dead --alert` says.
"""

import sys
from typing import Annotated, Any

import psycopg
import typer

from ..errors import PgQueueError
from ..version import __version__
from .agent import agent
from .api_keys import api_keys
from .audit import audit
from .cancel import cancel
from .dead import dead
from .dev import dev
from .discard import discard
from .doctor import doctor, maintain
from .enqueue import enqueue
from .explain import explain
from .failures import FAILED, complain, crash, exit_code
from .groups import Root
from .job_list import jobs
from .jobs import job
from .limits import limits
from .metrics import metrics
from .migrate import migrate
from .operations import operation, operations
from .pauses import drain, pause, resume
from .pool import pool
from .pools import pools
from .queues import queues
from .retry import retry
from .schedules import schedule, schedules
from .secrets import begin, give_each, with_secrets
from .serve import serve
from .stacks import stacks
from .stats import stats, workers
from .steps import signal
from .tell_workers import drain_worker, restart_worker
from .top import top
from .update import update
from .worker import worker
from .workflows import cancel_workflow, retry_workflow, workflow, workflows

__all__ = ["cli", "main"]

cli = typer.Typer(
    cls=Root,
    help="pgqueue: a job queue whose only server is PostgreSQL.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input or set-up, 3 no such job, workflow, schedule, operation or pool, "
    "4 dead --alert.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
PANELS: dict[str, tuple[Any, ...]] = {
    "Run": (migrate, worker, agent, serve, dev, enqueue),
    "Look": (stats, metrics, top, workers, stacks, jobs, job, explain, dead, audit),
    "Act on jobs": (retry, cancel, discard, update, signal, operations, operation),
    "Queues and limits": (queues, pause, resume, drain, limits),
    "Workers": (drain_worker, restart_worker),
    "Workflows": (workflows, workflow, retry_workflow, cancel_workflow),
    "Schedules": (schedules, schedule),
    "Pools": (pools, pool),
    "REST API": (api_keys,),
    "Care": (doctor, maintain),
}
for panel, commands in PANELS.items():
    for command in commands:
        if isinstance(command, typer.Typer):
            give_each(command)
            cli.add_typer(command, name=command.info.name, rich_help_panel=panel)
        else:
            cli.command(rich_help_panel=panel)(with_secrets(command))
cli.command("monitor", help="The same as top.", rich_help_panel="Look")(with_secrets(top))


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
    begin(False)
    try:
        cli(arguments, prog_name="pgqueue")
    except (PgQueueError, psycopg.Error, UnicodeError) as error:  # UnicodeError: an argument is not valid text
        complain(error)
        sys.exit(exit_code(error))
    except Exception as error:
        crash(error)
        sys.exit(FAILED)
