"""The pytest plugin: fixtures for tests of applications that use pgqueue; see docs/testing.md.

It stands beside the package and imports it in the fixtures only: a project that uses none of them pays for nothing.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg

    from pgqueue.testing import Inline


@pytest.fixture(scope="session")
def pgqueue_database_url() -> Iterator[str]:
    """The URL of a database with pgqueue in it: PGQUEUE_TEST_DATABASE_URL, or a server of our own that is gone afterwards."""
    from pgqueue.config import TEST_URL

    url, directory = os.environ.get(TEST_URL), None
    if not url:
        from pgqueue.embedded import start

        directory = Path(tempfile.mkdtemp(prefix="pgqueue-test-"))
        url = start(directory)
    _install(url)
    yield _plain(url)
    if directory is not None:
        from pgqueue.embedded import stop

        stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def pgqueue_connection(pgqueue_database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    """A psycopg connection in a transaction that is rolled back after the test."""
    import psycopg

    with psycopg.connect(pgqueue_database_url) as connection:
        try:
            yield connection
        finally:
            connection.rollback()


@pytest.fixture
def pgqueue_app() -> Any:
    """Yours: define it in your conftest.py, and let it return the app."""
    pytest.fail(
        "pgqueue_app: define this fixture in your conftest.py and let it return your app:\n\n"
        "    @pytest.fixture\n    def pgqueue_app():\n        from shop.jobs import app\n        return app",
        pytrace=False,
    )


@pytest.fixture
def pgqueue_inline(pgqueue_app: Any) -> Iterator["Inline"]:
    """What the app enqueues in the test is run at once; see `pgqueue.testing.inline`. It needs your fixture `pgqueue_app`."""
    from pgqueue.testing import inline

    with inline(pgqueue_app) as inlined:
        yield inlined


def _plain(url: str) -> str:
    """As libpq reads it, if it is one of SQLAlchemy's."""
    from pgqueue.database.url import plain_url

    return str(plain_url(url))


def _install(url: str) -> None:
    """Install pgqueue. pytest would show the arguments of each function that an error came through, and so the password."""
    from psycopg import Error

    from pgqueue.config import TEST_URL, load_settings
    from pgqueue.database.backoff import first_line
    from pgqueue.database.url import DatabaseUrl
    from pgqueue.errors import PgQueueError
    from pgqueue.migrate import migrate

    try:
        migrate(DatabaseUrl(url, TEST_URL), load_settings().schema_name)
        return
    except (PgQueueError, Error) as error:
        fault = f"{TEST_URL}: {first_line(error).removeprefix('database_url: ')}"
    pytest.fail(fault, pytrace=False)
