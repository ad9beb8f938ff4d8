"""What `make demo` shows: the workflow's handle says how far it is; files and dead letters come from SQL on pgqueue's views."""

import os
import shlex
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pgqueue import PgQueue, Workflow
from pgqueue.errors import JobCancelled, JobFailed

UNSCANNED = 2  # nodes before the tree has been scanned: the scan, and the report
PACKAGE = ("package", "files", "failed", "lines", "functions", "complexity", "most complex")  # JSON keeps no order

console = Console(highlight=False)


class Database:
    """Reads how a run stands."""

    def __init__(self, app: PgQueue) -> None:
        self._connection = psycopg.connect(app.url, autocommit=True, row_factory=dict_row)
        self._connection.execute(sql.SQL("set search_path to {}").format(sql.Identifier(app.settings.schema_name)))

    def rows(self, query: LiteralString, *params: Any) -> list[dict[str, Any]]:
        return self._connection.execute(query, params).fetchall()

    def now(self) -> datetime:
        now: datetime = self.rows("select clock_timestamp() as now")[0]["now"]
        return now

    def unfinished(self, name: str) -> int | None:
        """The workflow of this name that was interrupted, if one was."""
        found = self.rows(
            "select id from workflow_progress where name = %s and status = 'running' order by id desc limit 1", name
        )
        return found[0]["id"] if found else None

    def speed(self, workflow: int, since: datetime) -> dict[str, Any]:
        """Jobs since a time, and the seconds from the first claim to the last finish."""
        return self.rows(
            "select count(*) as jobs, extract(epoch from max(ended_at) - min(started_at))::float8 as seconds"
            "  from workflow_nodes where workflow_id = %s and ended_at > %s",
            workflow,
            since,
        )[0]

    def most_complex(self, workflow: int) -> list[dict[str, Any]]:
        return self.rows(
            "select indexed.* from workflow_nodes as node, result(node.job_id) as stored,"
            "       jsonb_to_record(stored.value) as indexed(complexity int, lines int, functions int, file text, hardest text)"
            " where node.workflow_id = %s and node.task = 'index_file' and node.state = 'succeeded'"
            " order by complexity desc limit 10",
            workflow,
        )

    def dead_letters(self, workflow: int) -> list[dict[str, Any]]:
        return self.rows(
            "select id, letter.attempt, error_type as error, args->>'file' as file, error_message as message"
            "  from workflow_nodes join dead_letters as letter on id = job_id where workflow_id = %s order by id limit 15",
            workflow,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._connection.close()


def watch(run: Workflow[Any], worker: subprocess.Popen[bytes], is_new: bool) -> None:
    """Show a progress bar until every job of the run has ended. Its length is known once the tree has been scanned.

    Of a new run it says what was scanned, also if workers have scanned the tree before the first look.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>4.0f} jobs/s"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    now, started = run.refresh().progress, time.monotonic()
    done_before, scanned = now.nodes - now.open, not is_new and now.nodes > UNSCANNED
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("indexing" if scanned else "scanning", total=now.nodes, completed=done_before, rate=0.0)
        while True:
            if not scanned and now.nodes > UNSCANNED:
                scanned = True
                found = run.jobs["scan"].result()
                console.print(f"{found['files']:,} files, one job each; reports on {found['packages']:,} packages wait for them.")
            done = now.nodes - now.open
            failed = f", {now.failed} failed" if now.failed else ""
            rate = (done - done_before) / max(time.monotonic() - started, 0.001)
            bar.update(
                task, total=now.nodes, completed=done, rate=rate, description=f"{'indexing' if scanned else 'scanning'}{failed}"
            )
            if now.is_over:
                return
            if worker.poll() is not None:
                sys.exit(f"the worker ended with exit code {worker.returncode}; its log tells why")
            time.sleep(0.2)
            now = run.refresh().progress


def show(database: Database, run: Workflow[Any], since: datetime) -> None:
    """Show what the run found."""
    try:
        found = run.jobs["report"].result()
    except (JobFailed, JobCancelled) as error:
        sys.exit(f"there is no report: {error}")
    dead = database.dead_letters(run.id)
    largest = [{name: package[name] for name in PACKAGE} for package in found["packages"][:10]]
    _table("The largest packages, each reported by a job that waited for its files", largest)
    _table("The most complex files, from the stored results", database.most_complex(run.id))
    if dead:
        _table("Dead letters: these failed three times and wait for a person; the reports were made without them", dead)
    else:
        console.print("No dead letters: every file parsed.\n")
    console.print(
        f"{found['files'] + found['failed']:,} files in {len(found['packages']):,} packages: {found['lines']:,} lines,"
        f" {found['functions']:,} functions; {found['failed']:,} failed."
    )
    speed = database.speed(run.id, since)
    rate = speed["jobs"] / max(speed["seconds"], 0.001)
    console.print(
        f"[bold]{speed['jobs']:,} jobs in {speed['seconds']:.1f} s: {rate:,.0f} jobs/s[/bold] of reading, hashing and parsing\n"
    )
    console.print("Try next:")
    for command in _commands(run.id, run.jobs["report"].id, dead[0]["id"] if dead else None):
        console.print(f"  {command}", soft_wrap=True)


def _table(title: str, rows: list[dict[str, Any]]) -> None:
    """A plain table; its last two columns are cut where there is too little room."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for place, (name, value) in enumerate(rows[0].items() if rows else (), start=1):
        table.add_column(name, justify="right" if isinstance(value, int) else "left", no_wrap=place <= len(rows[0]) - 2)
    for row in rows:
        table.add_row(*(Text(_words(value), no_wrap=True, overflow="ellipsis") for value in row.values()))
    console.print(table, "")


def _words(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def program(name: str) -> str:
    """A program of this environment, as a shell in this directory finds it."""
    here, programs = Path.cwd(), Path(sys.executable).parent
    return shlex.quote(str((programs.relative_to(here) if programs.is_relative_to(here) else programs) / name))


def _commands(workflow_id: int, report_id: int, dead_id: int | None) -> list[str]:
    pgqueue, python = program("pgqueue"), program(Path(sys.executable).name)
    setting = [] if os.environ.get("PGQUEUE_DATABASE_URL") else ["export PGQUEUE_DATABASE_URL=embedded:"]
    # A node that has succeeded is not retried: only dead letters run again within their workflow.
    again = [] if dead_id is None else [f"{pgqueue} retry {dead_id}", f"{pgqueue} retry-workflow {workflow_id}"]
    return [
        *setting,
        f"{pgqueue} stats",
        f"{pgqueue} workflow {workflow_id}",
        f"{pgqueue} jobs --task index_file --limit 5",
        f"{pgqueue} job {dead_id or report_id}",
        f"{pgqueue} explain {dead_id or report_id}",
        *again,
        f"{pgqueue} top --once",
        f"{python} -m pgqueue.worker examples.index_source:app      # Ctrl-C ends it",
        f"{pgqueue} dead --json",
    ]
