"""What `make demo` shows. All of it comes from SQL on pgqueue's views: `jobs`, `dead_letters`, and the function `result`."""

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

from pgqueue import PgQueue

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

    def unfinished_run(self, directory: str) -> str | None:
        """The run of this tree that was interrupted, if one was."""
        found = self.rows("select meta->>'run' as run from job where meta->>'directory' = %s limit 1", directory)
        return found[0]["run"] if found else None

    def progress(self, run: str) -> dict[str, int]:
        return self.rows(
            "select count(*) as total, count(finished_at) as done, count(*) filter (where state = 'failed') as failed"
            "  from jobs where meta->>'run' = %s",
            run,
        )[0]

    def speed(self, run: str, since: datetime) -> dict[str, Any]:
        """Jobs since a time, and the seconds from the first claim to the last finish."""
        return self.rows(
            "select count(*) as jobs, extract(epoch from max(finished_at) - min(claimed_at))::float8 as seconds"
            "  from jobs where meta->>'run' = %s and finished_at > %s",
            run,
            since,
        )[0]

    def most_complex(self, run: str) -> list[dict[str, Any]]:
        return self.rows(
            "select indexed.* from jobs, result(jobs.id) as stored,"
            "       jsonb_to_record(stored.value) as indexed(complexity int, lines int, functions int, file text, hardest text)"
            " where jobs.meta->>'run' = %s and jobs.state = 'succeeded' order by complexity desc limit 10",
            run,
        )

    def dead_letters(self, run: str) -> list[dict[str, Any]]:
        return self.rows(
            "select id, attempt, error_type as error, args->>'file' as file, error_message as message from dead_letters"
            " where meta->>'run' = %s order by id limit 15",
            run,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._connection.close()


def watch(database: Database, run: str, worker: subprocess.Popen[bytes]) -> None:
    """Show a progress bar until every job of the run has ended."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>4.0f} jobs/s"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    before, started = database.progress(run), time.monotonic()
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("indexing", total=before["total"], completed=before["done"], rate=0.0)
        now = before
        while now["done"] < now["total"]:
            if worker.poll() is not None:
                sys.exit(f"the worker ended with exit code {worker.returncode}; its log tells why")
            time.sleep(0.2)
            now = database.progress(run)
            rate = (now["done"] - before["done"]) / (time.monotonic() - started)
            waiting = "indexing" if not now["failed"] else f"indexing, {now['failed']} failed"
            bar.update(task, completed=now["done"], rate=rate, description=waiting)


def report(database: Database, run: str, since: datetime) -> None:
    """Show what the run found."""
    dead = database.dead_letters(run)
    _table("The most complex files, from the stored results", database.most_complex(run))
    if dead:
        _table("Dead letters: these failed three times and wait for a person", dead)
    else:
        console.print("No dead letters: every file parsed.\n")
    speed = database.speed(run, since)
    rate = speed["jobs"] / max(speed["seconds"], 0.001)
    console.print(
        f"[bold]{speed['jobs']:,} jobs in {speed['seconds']:.1f} s: {rate:,.0f} jobs/s[/bold] of reading, hashing and parsing\n"
    )
    console.print("Try next:")
    for command in _commands(dead[0]["id"] if dead else database.rows("select max(id) as id from jobs")[0]["id"]):
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


def _commands(job_id: int) -> list[str]:
    here, programs = Path.cwd(), Path(sys.executable).parent
    programs = programs.relative_to(here) if programs.is_relative_to(here) else programs
    pgqueue, python = shlex.quote(str(programs / "pgqueue")), shlex.quote(str(programs / Path(sys.executable).name))
    setting = [] if os.environ.get("PGQUEUE_DATABASE_URL") else ["export PGQUEUE_DATABASE_URL=embedded:"]
    return [
        *setting,
        f"{pgqueue} stats",
        f"{pgqueue} jobs --task index_file --limit 5",
        f"{pgqueue} job {job_id}",
        f"{pgqueue} retry {job_id}",
        f"{python} -m pgqueue.worker examples.index_source:app      # Ctrl-C ends it",
        f"{pgqueue} dead --json",
    ]
