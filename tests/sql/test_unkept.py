"""Queues that keep no history: their plain jobs leave nothing behind but results."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from .conftest import Sql
from .plan import plans_of
from .test_set_queue import set_queue


def left(sql: Sql, id: int) -> list[str]:
    """The states of a job, wherever it is."""
    return [row["state"] for row in sql.rows("select state from jobs where id = %s", id)]


def ended(sql: Sql, outcome: str = "succeeded", **options: Any) -> int:
    """A job that has run and ended so."""
    id = sql.enqueue(**options)
    token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    assert sql.finish(token, {"id": id, "state": outcome, "result": {"n": 1}}) == []
    return id


@pytest.mark.parametrize(("keeps", "state"), [("keep_succeeded", "succeeded"), ("keep_cancelled", "cancelled")])
def test_a_job_leaves_no_row_if_its_queue_keeps_none_of_its_state(rolled_back_sql: Sql, keeps: str, state: str) -> None:
    sql = rolled_back_sql
    set_queue(sql, **{keeps: False})

    of_each = {outcome: left(sql, ended(sql, outcome)) for outcome in ("succeeded", "cancelled")}
    other = left(sql, ended(sql, state, queue="other"))

    assert of_each == {"succeeded": ["succeeded"], "cancelled": ["cancelled"], state: []}
    assert other == [state]


def test_its_result_is_kept_as_long_as_ever(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, keep_succeeded=False)
    id = ended(sql, result_ttl="1 h")

    (row,) = sql.rows("select state, value, expired, expires_at - clock_timestamp() as ttl, task from result(%s)", id)
    assert (row["state"], row["value"], row["expired"], row["task"]) == ("succeeded", {"n": 1}, False, None)
    assert timedelta(minutes=59) < row["ttl"] <= timedelta(hours=1)
    assert sql.value("select extend_result(%s, '2 h') - clock_timestamp() > '119 min'", id) is True
    sql.value("select delete_result(%s)", id)
    assert sql.value("select state from result(%s)", id) is None
    assert sql.refusal("select delete_result(%s)", id).sqlstate == "PQ003"


def test_of_a_job_that_returned_nothing_nothing_is_left(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, keep_succeeded=False)
    id = sql.enqueue()
    token, _ = sql.claim(sql.worker())
    sql.finish(token, {"id": id, "state": "succeeded", "result": None})

    assert sql.value("select state from result(%s)", id) is None
    assert sql.rows("select ended from ended(%s)", [id]) == [{"ended": id}]


def test_a_dead_letter_is_kept_whatever_the_queue_keeps(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_queue(sql, keep_succeeded=False, keep_cancelled=False)
    id = sql.enqueue(retries=0)
    token, _ = sql.claim(sql.worker())
    sql.finish(token, {"id": id, "state": "failed", "error": {}})

    assert left(sql, id) == ["failed"]


def nodes_are_kept(sql: Sql) -> None:
    """A workflow is read from the rows of its nodes."""
    set_queue(sql, keep_succeeded=False, keep_cancelled=False)
    nodes = json.dumps([{"task": "noop", "name": "a"}, {"task": "noop", "name": "b"}])
    (flow,) = sql.rows("select * from enqueue_workflow(%s)", nodes)
    first, second = flow["job_ids"]
    token, _ = sql.claim(sql.worker(), 1)
    sql.finish(token, {"id": first, "state": "succeeded"})
    sql.value("select cancel(%s)", second)

    assert (left(sql, first), left(sql, second)) == (["succeeded"], ["cancelled"])


def test_nodes_are_kept(rolled_back_sql: Sql) -> None:
    nodes_are_kept(rolled_back_sql)


def cancelled_while_it_waits(sql: Sql) -> int:
    id = sql.enqueue()
    sql.value("select cancel(%s)", id)
    return id


def expired(sql: Sql) -> int:
    id = sql.enqueue(expires_after=timedelta(hours=1))
    sql.rows("update job set expires_at = clock_timestamp() - interval '1 s' where id = %s", id)
    sql.value("select expire()")
    return id


@pytest.mark.parametrize("way", [cancelled_while_it_waits, expired])
def test_a_job_that_is_cancelled_before_it_starts_leaves_no_row_either(rolled_back_sql: Sql, way: Callable[[Sql], int]) -> None:
    sql = rolled_back_sql
    kept = left(sql, way(sql))
    set_queue(sql, keep_cancelled=False)

    assert (kept, left(sql, way(sql))) == (["cancelled"], [])


def completed(sql: Sql) -> tuple[int, UUID, str]:
    """A job that a handler's transaction has ended: its id, its token and the transaction."""
    id, token = sql.running()
    set_queue(sql, sql.job(id)["queue"], keep_succeeded=False)
    with sql.connection.transaction():
        xid = sql.value("select pg_current_xact_id()::text")
        assert sql.value("select complete(%s, %s)", id, token) is None
    return id, token, xid


def a_commit_whose_answer_was_lost_is_known_to_have_happened(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Without a row in the history, too: a run must not believe that it has lost its lease."""
    id, token, xid = completed(sql)

    assert left(sql, id) == []
    assert sql.value("select finished(%s, %s, %s::xid8)", id, token, xid) == "committed"


def test_a_commit_whose_answer_was_lost_is_known_to_have_happened(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    a_commit_whose_answer_was_lost_is_known_to_have_happened(sql, another_sql)


@pytest.mark.parametrize("plain", [True, False], ids=["as arrays", "as JSON"])
def test_a_finish_without_settings_of_queues_asks_once_whether_there_are_some(sql: Sql, plain: bool) -> None:
    id = sql.enqueue()
    token, _ = sql.claim(sql.worker())
    if plain:
        plans = plans_of(sql, "select * from finish(null, null, %s, %s, '{0.1}')", [id], [token])
    else:
        plans = plans_of(sql, "select * from finish(%s)", json.dumps([{"id": id, "token": str(token), "state": "succeeded"}]))

    oid = sql.value("select 'queue_pkey'::regclass::oid")
    assert left(sql, id) == ["succeeded"]
    assert sum(tree.count(f":indexid {oid} ") for tree in plans.trees) == 1


@pytest.mark.parametrize("how", ["failed", "rescue", "force"])
def test_a_running_job_that_was_cancelled_leaves_no_row_either(rolled_back_sql: Sql, how: str) -> None:
    sql = rolled_back_sql
    set_queue(sql, keep_cancelled=False)
    id, worker = sql.enqueue(retries=5), sql.worker()
    token, _ = sql.claim(worker)
    sql.value("select cancel(%s, force => %s)", id, how == "force")
    if how == "failed":
        assert [row["verdict"] for row in sql.finish(token, {"id": id, "state": how})] == ["cancelled"]
    elif how == "rescue":
        sql.lose(worker)
        assert sql.value("select rescue()") == 1
    assert left(sql, id) == []
