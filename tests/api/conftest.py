"""The API before the test's database."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api import create_app, door
from pgqueue.api.callers.caller import Caller
from tests.api.serving import served
from tests.client.manual_worker import ManualWorker
from tests.looking import Look
from tests.sql.conftest import Sql


@pytest.fixture
def base_url(app: PgQueue) -> Iterator[str]:
    """The URL of the API of `app`; tasks that a test registers before its first request belong to it."""
    with served(create_app(app)) as url:
        yield url


@pytest.fixture
def api(base_url: str) -> Iterator[httpx.Client]:
    """A client of the API: paths are below /api/v1."""
    with httpx.Client(base_url=f"{base_url}/api/v1", timeout=20) as client:
        yield client


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the API."""
    return Look(connect())


@pytest.fixture
def manual_worker(connect: Callable[..., psycopg.Connection[Any]]) -> ManualWorker:
    """A worker by hand."""
    return ManualWorker(connect())


@pytest.fixture
def calls_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets all requests come from a caller with these facts, whatever its key."""

    def become(**facts: Any) -> None:
        caller = Caller(**{"name": "a key", "role": "admin", "address": "10.0.0.7", **facts})

        async def enter(*_: Any) -> Caller:
            return caller

        monkeypatch.setattr(door, "enter", enter)

    return become


@pytest.fixture
def sql(connection: psycopg.Connection[Any]) -> Sql:
    """Calls SQL functions on the test's connection."""
    return Sql(connection)
