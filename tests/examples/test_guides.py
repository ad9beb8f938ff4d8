"""The guides are executed: their code, from top to bottom, and a worker where they say that one runs."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.cli import main
from pgqueue.worker import Worker, WorkerOptions, alerts

DOCS = Path(__file__).parents[2] / "docs"
STEP = re.compile(r"^\*A worker( of (?P<app>\w+))? runs\.\*$|^```python\n(?P<code>.*?)^```$", re.M | re.S)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
SQL = re.compile(r"^```sql\n(.*?)^```$", re.M | re.S)
POLICY = re.compile(r"^\| (succeeded|failed|cancelled|skipped) \| (\w+) \| (\w+) \| (\w+) \|$", re.M)


def _work(app: PgQueue) -> None:
    """Run a worker; then the guide may go on with further tasks, as if that worker had been another process."""
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())
    app._frozen = False


def _follow(guide: str, least: int = 11) -> None:
    path = DOCS / f"{guide}.md"
    space: dict[str, Any] = {"__name__": "guide"}
    steps = list(STEP.finditer(path.read_text()))
    assert len(steps) >= least
    try:
        for step in steps:
            if step["code"]:
                exec(compile(step["code"], str(path), "exec", dont_inherit=True), space)
            else:
                _work(space[step["app"] or "app"])
    finally:
        for name in ("app", "mail"):
            if name in space:
                space[name].close()


def test_the_guide_to_tasks_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("tasks")


def test_the_guide_to_workflows_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("workflows")
    for statements in SQL.findall((DOCS / "workflows.md").read_text()):
        for statement in re.split(r";\s*(?:--.*)?\n", statements):
            connection.execute(statement.replace("array[17]", "array[(select max(id) from pgqueue.jobs)]"))
    assert connection.execute("select * from pgqueue.workflow_drift()").fetchall() == []


def test_the_guide_to_queues_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("queues")


def test_the_guide_to_figures_does_what_it_says(connection: psycopg.Connection[Any]) -> None:
    for statements in SQL.findall((DOCS / "metrics.md").read_text()):
        for statement in filter(str.strip, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_many_jobs_at_once_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("operations")


def test_the_guide_to_connecting_does_what_it_says() -> None:
    _follow("connecting", least=1)


def test_the_guide_to_pools_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("pools", least=3)


def test_the_guide_to_limits_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("limits")
    for statements in SQL.findall((DOCS / "limits.md").read_text()):
        for statement in filter(None, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_schedules_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("schedules")
    for statements in SQL.findall((DOCS / "schedules.md").read_text()):
        for statement in filter(None, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_timeouts_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("timeouts")


def test_the_guide_to_long_jobs_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("long-jobs")
    connection.execute("select enqueue('noop')")
    for statement in SQL.findall((DOCS / "long-jobs.md").read_text()):
        assert connection.execute(statement).fetchone() == (True,)


def test_the_guide_to_logs_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("logs")
    for statements in SQL.findall((DOCS / "logs.md").read_text()):
        for statement in filter(None, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_logging_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("logging", least=4)


def test_the_guide_to_cancelling_does_what_it_says(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("cancelling")


def test_the_guide_to_explain_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("explain", least=8)
    for statements in SQL.findall((DOCS / "explain.md").read_text()):
        for statement in filter(None, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_filters_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("filters", least=5)
    for statements in SQL.findall((DOCS / "filters.md").read_text()):
        for statement in filter(None, statements.split(";\n")):
            connection.execute(statement)


def test_the_guide_to_the_audit_log_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("audit", least=1)
    for statement in SQL.findall((DOCS / "audit.md").read_text()):
        assert len(connection.execute(statement).fetchall()) >= 2


def test_the_guide_to_operating_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    monkeypatch.setattr(alerts, "LOOK_EVERY", 0.01)
    text = (DOCS / "operating.md").read_text()
    commands = [line for block in SHELL.findall(text) for line in block.splitlines()]
    assert len(commands) > 2
    for command in commands:  # before there is anything, so that no alert ends with its code
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        assert ended.value.code == 0, capsys.readouterr().err
    _follow("operating")
    for statement in SQL.findall(text):
        assert len(connection.execute(statement).fetchall()) == 2


def test_the_guide_to_size_does_what_it_says(connection: psycopg.Connection[Any]) -> None:
    statements = [one for block in SQL.findall((DOCS / "size.md").read_text()) for one in block.split(";\n") if one]
    assert len(statements) == 4
    for statement in statements:
        connection.execute(statement)


def _parents(app: PgQueue) -> dict[str, int]:
    """A job for each way to end."""

    @app.task
    def succeed() -> None: ...

    @app.task(retry=0)
    def fail() -> None:
        raise ValueError

    failed, cancelled = fail.enqueue(), succeed.using(run_after=3600).enqueue()
    skipped = succeed.using(depends_on=failed).enqueue()
    app.cancel(cancelled.id)
    return {"succeeded": succeed.enqueue().id, "failed": failed.id, "cancelled": cancelled.id, "skipped": skipped.id}


@pytest.mark.parametrize("is_over", [False, True], ids=["before its end", "after its end"])
def test_what_becomes_of_a_child_is_as_the_table_says(app: PgQueue, is_over: bool) -> None:
    table = POLICY.findall((DOCS / "workflows.md").read_text())
    assert len(table) == 4
    parents = _parents(app)
    if is_over:
        _work(app)

    children = {
        (outcome, policy): app.tasks["succeed"].using(depends_on=parents[outcome], run_if=policy).enqueue()
        for outcome in parents
        for policy in ("succeeded", "finished", "failed")
    }
    _work(app)

    became = {"succeeded": "runs", "cancelled": "skipped"}
    for outcome, *expected in table:
        assert [became[children[outcome, policy].status] for policy in ("succeeded", "finished", "failed")] == expected, outcome


def test_the_guide_to_traces_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: an SDK of OpenTelemetry can be set up once in a process, and Sentry changes it too."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    follow = f"from {__name__} import _follow; _follow('tracing', least=8)"
    done = subprocess.run([sys.executable, "-c", follow], capture_output=True, text=True, cwd=DOCS.parent)
    assert done.returncode == 0, done.stderr
    for statements in SQL.findall((DOCS / "tracing.md").read_text()):
        found = [connection.execute(statement).fetchall() for statement in filter(None, statements.split(";\n"))]
        assert [row[0] for row in found[0]] == [row[0] for row in found[1]]


def test_the_guide_to_doctor_does_what_it_says(
    database_url: str, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)
    _follow("doctor", 1)
    for statement in filter(None, SQL.findall((DOCS / "doctor.md").read_text())[0].splitlines()):
        connection.execute(statement)


def test_the_guide_to_doctor_lists_each_finding() -> None:
    """By its name in the code; all names have a - between words, and nothing else there does."""
    root, name = DOCS.parent, r"[\"']([a-z]+(?:-[a-z]+)+)[\"']"
    files = [*root.glob("sql/functions/doctor/*.sql"), *root.glob("pgqueue/doctor/*.py")]
    in_code = {found for file in files for found in re.findall(name, file.read_text())}
    rows = re.findall(r"^\| `([a-z-]+)` \| (note|warning|error)", (DOCS / "doctor.md").read_text(), re.M)
    assert in_code == {name for name, _ in rows}
    assert len(in_code) == len(rows)
