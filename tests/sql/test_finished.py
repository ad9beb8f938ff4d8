"""finished: what became of a transaction whose COMMIT was never answered."""

from collections.abc import Callable
from uuid import UUID

import pytest

from .conftest import Sql

OpenSql = Callable[[], Sql]
FAR_AHEAD = "(select (pg_current_xact_id()::text::bigint + 1000000)::text::xid8)"


def ask(sql: Sql, id: int, token: UUID, xid: str) -> str:
    """finished() as a worker asks it."""
    return str(sql.value("select finished(%s, %s, %s::text::xid8)", id, token, xid))


def complete(sql: Sql, id: int, token: UUID) -> str:
    """Call complete in the open transaction; its xid."""
    assert sql.value("select complete(%s, %s)", id, token) is None
    return str(sql.value("select pg_current_xact_id()::text"))


def test_a_transaction_on_its_way_is_neither_committed_nor_rolled_back(sql: Sql, another_sql: OpenSql) -> None:
    """Its job looks as if it ran: to take that for a rollback would run it again beside a commit."""
    id, token = sql.running()
    handler = another_sql()

    with handler.connection.transaction():
        xid = complete(handler, id, token)
        during = ask(sql, id, token, xid)
        seen = sql.state(id)

    assert (during, seen, ask(sql, id, token, xid)) == ("pending", "running", "committed")


def test_after_a_rollback_the_job_still_runs(sql: Sql, another_sql: OpenSql) -> None:
    id, token = sql.running()
    handler = another_sql()

    with handler.connection.transaction(force_rollback=True):
        xid = complete(handler, id, token)

    assert ask(sql, id, token, xid) == "running"


@pytest.mark.parametrize("state", ["ready", "running again", "succeeded", "cancelled", "failed"])
def test_after_a_rollback_and_a_new_owner_the_job_is_lost_whatever_the_new_one_did(
    sql: Sql, another_sql: OpenSql, state: str
) -> None:
    """Looking for a job that succeeded would not do: it may be the next owner who finished it."""
    id, token = sql.running()
    handler = another_sql()
    with handler.connection.transaction(force_rollback=True):
        xid = complete(handler, id, token)

    sql.value("select give_back(%s, %s)", token, [id])
    if state != "ready":
        next_token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
        if state != "running again":
            sql.finish(next_token, {"id": id, "state": state, "final": True})

    assert ask(sql, id, token, xid) == "lost"


def test_a_server_that_never_heard_of_the_transaction_did_not_commit_it(sql: Sql) -> None:
    """As after a failover that lost it."""
    id, token = sql.running()

    assert sql.value(f"select finished(%s, %s, {FAR_AHEAD})", id, token) == "running"
    sql.value("select give_back(%s, %s)", token, [id])
    assert sql.value(f"select finished(%s, %s, {FAR_AHEAD})", id, token) == "lost"


def test_a_job_that_still_runs_was_not_finished_by_whatever_committed_under_that_number(sql: Sql) -> None:
    id, token = sql.running()
    another = sql.value("select pg_current_xact_id()::text")

    assert ask(sql, id, token, another) == "running"
    sql.value("select give_back(%s, %s)", token, [id])
    assert ask(sql, id, token, another) == "lost"
