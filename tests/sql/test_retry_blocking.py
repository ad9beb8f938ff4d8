"""retry of a job that waits under retry_blocks: it stands in its place, and its key is opened."""

from .conftest import Sql

RETRY = "select id from retry(%s)"


def blocking(sql: Sql) -> int:
    """A job that has failed and waits an hour for its retry, which holds up its key."""
    sql.value("select set_limit('import', max_running => 1, retry_blocks => true)")
    id = sql.enqueue(limits=["import"])
    token, _ = sql.claim(sql.worker())
    sql.finish(token, {"id": id, "state": "failed", "delay": 3600})
    assert sql.state(id) == "ready"
    assert sql.claim(sql.worker())[1] == []
    return id


def test_it_runs_now(rolled_back_sql: Sql) -> None:
    id = blocking(rolled_back_sql)

    assert rolled_back_sql.value(RETRY, id) == id

    assert [row["id"] for row in rolled_back_sql.claim(rolled_back_sql.worker())[1]] == [id]


def test_a_key_that_was_parked_for_longer_stays_shut(rolled_back_sql: Sql) -> None:
    id = blocking(rolled_back_sql)
    rolled_back_sql.value("select park('import', clock_timestamp() + interval '2 h')")

    assert rolled_back_sql.value(RETRY, id) == id

    assert rolled_back_sql.claim(rolled_back_sql.worker())[1] == []


def test_a_ready_job_that_waits_for_nothing_is_still_refused(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal(RETRY, rolled_back_sql.enqueue()).sqlstate == "PQ004"
