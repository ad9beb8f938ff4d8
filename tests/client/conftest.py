"""An app with a task, for callers that have no worker."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from pgqueue import PgQueue, Task
from tests.looking import Look


@pytest.fixture
def look(connect: Callable[..., psycopg.Connection[Any]]) -> Look:
    """A look at the database beside the client."""
    return Look(connect())


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
