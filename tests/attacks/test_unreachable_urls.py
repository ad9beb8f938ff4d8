"""A URL that leads nowhere holds a password: nothing that carries it shows it, from an exception to a log line of a library."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app
from pgqueue.database import reach
from pgqueue.doctor.listening import listening
from pgqueue.errors import PgQueueError
from pgqueue.worker import Worker, WorkerOptions
from tests.cli.conftest import run_here

from .test_poisoned_urls import SECRET, UNREACHABLE

USER = "lovelace"
urls = pytest.mark.parametrize("url", UNREACHABLE, ids=range(len(UNREACHABLE)))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "AWAY", 0.1)
    monkeypatch.setattr(reach, "SILENT", 0.2)


def _number(n: int) -> int:
    return n


async def _aenqueue(app: PgQueue) -> None:
    try:
        await app.task(_number).aenqueue(1)
    finally:
        await app.aclose()


async def _work(app: PgQueue) -> None:
    """It tries again and again, and says so in its log; then it is told to end."""
    app.task(_number)
    async with asyncio.timeout(0.5):
        await Worker(app, WorkerOptions(handle_signals=False, grace=0)).run()


async def _ask(app: PgQueue) -> None:
    api = create_app(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://127.0.0.1/api/v1") as client:
        answer = await client.get("/jobs/1")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the database cannot be reached; nothing was sent to it")
    for told in (USER, "127.0.0.1:", "DATABASE_URL"):
        assert told not in answer.text
    raise PgQueueError(answer.text)


ENTRIES: dict[str, Callable[[PgQueue], Any]] = {
    "enqueue": lambda app: app.task(_number).enqueue(1),
    "aenqueue": lambda app: asyncio.run(_aenqueue(app)),
    "check": lambda app: app.check(),
    "result": lambda app: app.job(1).result(timeout=0.2),
    "a listener": lambda app: listening(app.listen_url),
    "a worker": lambda app: asyncio.run(_work(app)),
    "the API": lambda app: asyncio.run(_ask(app)),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("url", [*UNREACHABLE[:1], UNREACHABLE[3]], ids=["url", "query"])
def test_nothing_that_an_app_does_shows_the_password(entry: str, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither exceptions with all that they came from, nor the log of any library at any level."""
    app = PgQueue(url, listen_url=url)
    with caplog.at_level(logging.DEBUG), pytest.raises((PgQueueError, psycopg.Error, TimeoutError)) as refused:
        ENTRIES[entry](app)
    app.close()
    shown = "".join(traceback.format_exception(refused.value)) + repr(refused.value) + caplog.text
    assert SECRET not in shown
    assert SECRET not in f"{app!r} {app.settings!r} {vars(app)}"


@pytest.mark.parametrize("where", ["option", "variable"])
@urls
def test_no_command_shows_the_password_of_a_url_that_leads_nowhere(
    where: str, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGQUEUE_DATABASE_URL", raising=False)
    if where == "variable":
        monkeypatch.setenv("PGQUEUE_DATABASE_URL", url)
    given = ("--database-url", url) if where == "option" else ()
    for command in (
        ("stats",),
        ("jobs", "--json"),
        ("migrate",),
        ("doctor",),
        ("doctor", "--json"),
        ("worker", "tests.cli.jobs:app", "--check"),
        ("keys", "list"),
        ("enqueue", "add", "{}"),
    ):
        with suppress(SystemExit):
            ran = run_here(capsys, *command, *given)
        assert ran.code, command
        assert SECRET not in ran.out + ran.err, command
        assert "127.0.0.1:1" in ran.out + ran.err, command
