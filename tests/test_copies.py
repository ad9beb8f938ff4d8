"""The databases of the tests: one that was written to, however little became of it, is not given to another test."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.postgres import Copies

pytestmark = pytest.mark.one_postgres

ROLLED_BACK = "begin; select pgqueue.enqueue('t'); rollback"


@pytest.fixture
def copies(server_url: str, template: str) -> Iterator[Copies]:
    """Copies of this test's own, beside which nobody works on the server."""
    copies = Copies(server_url, template)
    yield copies
    copies.close()


def _used(copies: Copies, statement: str = "", stays: list[psycopg.Connection] | None = None) -> str:
    """The name of a copy on which a statement was run."""
    with copies.one() as url:
        connection = psycopg.connect(url, autocommit=True)
        if statement:
            connection.execute(statement)
        if stays is None:
            connection.close()
        else:
            stays.append(connection)
    return str(conninfo_to_dict(url)["dbname"])


def test_one_that_was_only_read_serves_once_more(copies: Copies) -> None:
    reused = [_used(copies, "select count(*) from pgqueue.jobs") == _used(copies) for _ in range(5)]
    assert any(reused)  # not always: autovacuum writes too


@pytest.mark.parametrize(
    "statement",
    [
        "select pgqueue.enqueue('t')",
        ROLLED_BACK,
        "select nextval(pg_get_serial_sequence('pgqueue.job', 'id'))",
        "select from pgqueue.setting for update",
        "notify a",
        "create temp table a (b int)",
        "alter role current_user in database current set work_mem = '5MB'",
    ],
)
def test_one_that_was_written_to_does_not(copies: Copies, statement: str) -> None:
    with copies.one() as url:
        name = str(conninfo_to_dict(url)["dbname"])
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.replace("database current", f"database {name}"))
    assert _used(copies) != name


def test_one_that_somebody_still_uses_does_not(copies: Copies) -> None:
    stays: list[psycopg.Connection] = []
    assert _used(copies, stays=stays) != _used(copies)
    with pytest.raises(psycopg.OperationalError):
        stays[0].execute("select 1")
    stays[0].close()
