"""An app with a task, for callers that have no worker."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import takewhile
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from tests.client.manual_worker import ManualWorker
from tests.looking import Look
from tests.waiting import PATIENCE


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the client."""
    return Look(connect())


@pytest.fixture
def heard(look: Look, connection: psycopg.Connection[Any]) -> Callable[[], list[str]]:
    """The wake-ups that the look, which listens, has heard. No waiting: one that is sent now arrives behind the others."""

    def all_of_them() -> list[str]:
        connection.execute("select wake('that was all')")
        payloads = (notification.payload for notification in look.connection.notifies(timeout=PATIENCE))
        return list(takewhile(lambda payload: payload != "that was all", payloads))

    return all_of_them


@pytest.fixture
def welcome(app: PgQueue) -> Task[[int], str]:
    """A task of one argument."""

    @app.task
    def welcome(user_id: int) -> str:
        return f"hello {user_id}"

    return welcome


@pytest.fixture
async def async_app(app: PgQueue) -> AsyncIterator[PgQueue]:
    """The app, for a test that enqueues from async code."""
    yield app
    await app.aclose()


@pytest.fixture
def manual_worker(connect: Callable[..., psycopg.Connection[Any]]) -> ManualWorker:
    """A worker by hand."""
    return ManualWorker(connect())


@pytest.fixture
def no_drift(connect: Callable[..., psycopg.Connection[Any]]) -> Iterator[None]:
    """What a test leaves of its workflows adds up."""
    yield
    assert Look(connect()).rows("select * from workflow_drift()") == []
