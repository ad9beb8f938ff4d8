"""The guide to figures is executed: its code, its queries and its commands."""

import asyncio
import re
import shlex
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.cli import main
from pgqueue.worker import Worker, WorkerOptions

from ..rolled import pass_minutes
from .test_guides import DOCS, SHELL, SQL

TEXT = (DOCS / "observability.md").read_text()
STEP = re.compile(r"^\*A (?P<what>worker runs|minute passes)\.\*$|^```python\n(?P<code>.*?)^```$", re.M | re.S)
A_DAY = 24 * 60 + 90  # minutes after which a day and its hours are closed


@pytest.fixture(autouse=True)
def its_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide names none."""
    monkeypatch.setenv("PGQUEUE_DATABASE_URL", database_url)


def _work(app: PgQueue) -> None:
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())


def test_its_code_does_what_it_says(connection: psycopg.Connection[Any], capsys: pytest.CaptureFixture[str]) -> None:
    space: dict[str, Any] = {"__name__": "guide"}
    steps = list(STEP.finditer(TEXT))
    assert len(steps) == 4
    for step in steps:
        if step["code"]:
            exec(compile(step["code"], "observability.md", "exec", dont_inherit=True), space)
        elif step["what"] == "worker runs":
            _work(space["app"])
        else:
            pass_minutes(connection)
    space["app"].close()
    assert re.match(r"p95 \d+\.\d ms, of waits \d+ ms; None % busy\n", capsys.readouterr().out)


def test_each_of_the_ten_queries_has_an_answer(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    @app.task(queue="mail")
    def send(number: int) -> None: ...

    send.enqueue_many([(1,), (2,)])
    _work(app)
    pass_minutes(connection, A_DAY)
    app._frozen = False
    send.enqueue_many([(1,), (2,)])
    _work(app)
    send.enqueue(3)
    connection.execute("update job set created_at = created_at - interval '1 hour', run_at = run_at - interval '1 hour'")
    pass_minutes(connection)
    queries = [statement for block in SQL.findall(TEXT) for statement in block.split(";\n") if statement]
    assert len(queries) == 10
    for query in queries:
        assert connection.execute(query).fetchall(), query


def test_each_command_works(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line for block in SHELL.findall(TEXT) for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command)[1:])
        assert ended.value.code == 0, capsys.readouterr().err
