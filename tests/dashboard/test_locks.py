"""Something holds the database up, or it is not as it should be: each page ends soon, and says so."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue.api import problems
from tests.sql.conftest import Sql

WITHIN_2 = 3  # s: two seconds, and what a busy machine needs


@pytest.fixture
def job(http: httpx.Client, sql: Sql) -> int:
    """A job; the pool of the server has a connection."""
    id: int = sql.enqueue()
    assert http.get(f"jobs/{id}").status_code == 200
    return id


def test_a_page_that_cannot_be_read_says_so_in_time(
    http: httpx.Client, job: int, connect: Callable[..., psycopg.Connection[Any]]
) -> None:
    blocker = connect()
    with blocker.transaction():
        blocker.execute("lock table job in access exclusive mode")
        for path in (f"jobs/{job}", "jobs"):
            time.sleep(1.1)  # until what is shared is old
            begin = time.monotonic()
            answer = http.get(path)
            assert time.monotonic() - begin < WITHIN_2
            assert "database" in answer.text
            assert "whether this was done" not in answer.text
            if path != "jobs":  # the list has its frame all the same
                assert answer.status_code == 504
    assert http.get(f"jobs/{job}").status_code == 200


def test_a_database_that_takes_no_changes_is_named_so() -> None:
    """As a connection says it whose server has become a replica; new ones find the primary."""
    problem = problems.of(psycopg.errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"))
    assert problem is not None
    assert (problem.kind, "takes no changes" in problem.detail) == ("database-unavailable", True)


def test_tables_of_another_version_are_to_be_migrated(http: httpx.Client, sql: Sql) -> None:
    sql.rows("alter table worker rename column loop_lag to lag")
    sql.rows("alter view worker_status rename column loop_lag to lag")
    assert "pgqueue migrate" in http.get("workers").text
