"""draining: nothing of a paused queue runs, and no claim is under way that does not know of the pause."""

import uuid
from collections.abc import Callable

from .conftest import Sql
from .pause_steps import pause, taken

ASK = "select * from draining(%s, %s)"


def look(sql: Sql, before: list[str] | None = None, queue: str = "default") -> tuple[int, list[str]]:
    (row,) = sql.rows(ASK, queue, before)
    return row["running"], row["claims"]


def a_claim_that_is_under_way_is_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """It began before the pause and commits after the first look: that look sees nothing run."""
    sql.enqueue()
    claimer = another_sql()
    worker = claimer.worker()
    with claimer.connection.transaction():
        took = taken(claimer, worker)
        pause(sql)
        running, claims = look(sql)
        assert running == 0
        assert claims, "a claim is under way, and nobody would wait for it"
        still, same = look(sql, claims)
        assert (still, same) == (0, claims)

    assert look(sql, claims) == (len(took), [])


def test_a_claim_that_is_under_way_is_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    a_claim_that_is_under_way_is_waited_for(sql, another_sql)


def test_a_claim_that_finds_nothing_is_under_way_too(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """It may not have come to its first job yet."""
    claimer = another_sql()
    worker = claimer.worker()
    with claimer.connection.transaction():
        taken(claimer, worker)
        assert look(sql)[1] != []


def test_claims_that_begin_later_are_not_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    claimer = another_sql()
    worker = claimer.worker()
    pause(sql)
    sql.enqueue()
    first = look(sql)
    with claimer.connection.transaction():
        assert taken(claimer, worker) == []
        assert look(sql, first[1]) == (0, [])


def test_a_transaction_of_the_application_is_not_waited_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    application = another_sql()
    with application.connection.transaction():
        application.enqueue()
        assert look(sql) == (0, [])


def test_only_jobs_of_the_queue_that_run_count(sql: Sql) -> None:
    for queue in ("default", "default", "other"):
        sql.enqueue(queue=queue)
    token, jobs = sql.claim(sql.worker(), 10, ("default", "other"))
    sql.enqueue()
    sql.finish(token, {"id": jobs[0]["id"], "state": "succeeded"})

    assert look(sql)[0] == 1
    assert look(sql, None, str(uuid.uuid4()))[0] == 0
