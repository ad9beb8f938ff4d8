"""Guarantees of cancelling jobs that run, each with explicit steps; test_cancel_races.py asserts them, and mutants break them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from .background import Background
from .conftest import Sql
from .flows import Flow, node, start
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]
CANCEL = "select cancel(%s, by => 'ann', note => 'wrong customer') as said"
FORCE = "select cancel(%s, by => 'ann', force => true) as said"
COMPLETE = "select complete(%s, %s) as said"
# Of whatever cause a job would run again.
BACK = (
    "give_back", "reconcile", "retire", "stop", "rescue", "crash", "failed", "snoozed", "waiting", "rate_limited", "unknown_task",
    "overdue",
)  # fmt: skip


def running(sql: Sql, **options: Any) -> tuple[int, UUID, UUID]:
    """A job that runs: its id, its worker and the token of its claim."""
    id, worker = sql.enqueue(retries=3, timeout="60 s", **options), sql.worker()
    token, _ = sql.claim(worker)
    return id, worker, token


def come_back(sql: Sql, id: int, worker: UUID, token: UUID, how: str) -> Any:
    """The job returns to the queue, or would; what was said of it."""
    match how:
        case "give_back":
            return sql.value("select give_back(%s, %s)", token, [id])
        case "reconcile":
            return sql.value("select reconcile(%s, '{}', '0 s')", worker)
        case "retire":
            return sql.value("select retire_worker(%s)", worker)
        case "stop":
            return sql.value("select retire_worker(%s, %s)", worker, [id])
        case "rescue":
            sql.lose(worker)
            return sql.value("select rescue()")
        case "crash":  # kill -9 of a worker that has started the job, in its last attempt
            sql.rows("update worker set started = %s where id = %s", [id], worker)
            sql.lose(worker)
            return sql.value("select rescue()")
        case "overdue":
            timed = f'[{{"id": {id}, "token": "{token}", "seconds": 900}}]'
            sql.value("select heartbeat(%s, %s, 'notify', %s::jsonb)", worker, [id], timed)
            return sql.value("select rescue()")
    (verdict,) = sql.finish(token, {"id": id, "state": how, "delay": 60, "error": {"type": "E"}, "signal": "go"})
    return verdict["verdict"]


def ends_as_cancelled(sql: Sql, id: int) -> None:
    """The job is over, once, and says who asked for it and why."""
    rows = sql.rows("select state::text, reason::text, control->'cancel' as cancel from jobs where id = %s", id)
    assert len(rows) == 1, f"it is in {len(rows)} places"
    assert (rows[0]["state"], rows[0]["reason"]) == ("cancelled", "user_requested")
    assert {name: rows[0]["cancel"].get(name) for name in ("by", "note")} == {"by": "ann", "note": "wrong customer"}
    assert sql.value("select count(*) from job") == 0


def a_job_that_was_asked_to_stop_does_not_come_back(sql: Sql, how: str) -> None:
    """T23, the request first: it has committed when the job comes back."""
    id, worker, token = running(sql)
    if how == "crash":
        sql.rows("update job set attempt = max_attempts where id = %s", id)
    assert sql.value(CANCEL, id) == "asked"

    come_back(sql, id, worker, token, how)

    ends_as_cancelled(sql, id)
    if how in ("failed", "rescue", "crash", "overdue"):
        assert len(sql.job(id)["errors"]) == 1, "its error is lost"


def a_node_that_was_asked_to_stop_does_not_come_back(sql: Sql, how: str) -> None:
    """And what waits for it is told."""
    flow = start(sql, node("a", retries=3, timeout="60 s"), node("b", "a"), node("c", {"node": "a", "when": "finished"}))
    worker = sql.worker()
    token, _ = sql.claim(worker)
    if how == "crash":
        sql.rows("update job set attempt = max_attempts where id = %s", flow["a"])
    assert sql.value(CANCEL, flow["a"]) == "asked"

    come_back(sql, flow["a"], worker, token, how)

    assert flow.states() == {"a": "cancelled", "b": "skipped", "c": "ready"}
    assert sql.job(flow["a"])["control"]["cancel"]["by"] == "ann"


def a_request_waits_for_a_job_that_comes_back_and_ends_it(sql: Sql, open_sql: OpenSql, how: str) -> None:
    """T23, the other order: the request comes while the job is coming back, and finds it in the queue."""
    id, worker, token = running(sql)
    other = open_sql()
    if how in ("rescue", "crash"):
        sql.lose(worker)

    with other.connection.transaction():
        come_back(other, id, worker, token, how)
        cancel = Background(open_sql(), CANCEL, id)
        cancel.wait_until_blocked(sql)

    assert cancel.rows() == [{"said": "cancelled"}]
    ends_as_cancelled(sql, id)


def a_job_does_not_come_back_while_it_is_asked_to_stop(sql: Sql, open_sql: OpenSql, how: str) -> None:
    """The request has not committed: the job is left alone without waiting, and ends afterwards."""
    id, worker, token = running(sql)
    user = open_sql()
    if how in ("rescue", "crash"):
        sql.lose(worker)

    with user.connection.transaction():
        user.value(CANCEL, id)
        with without_waiting(sql):
            said = come_back(sql, id, worker, token, how)
    assert said in (None, 0, "busy")
    assert sql.state(id) == "running"
    if how in ("retire", "stop"):  # its worker has left: it is an orphan
        how = "rescue"
    come_back(sql, id, worker, token, how)

    ends_as_cancelled(sql, id)


def a_request_waits_for_the_transaction_that_completes_the_job(
    sql: Sql, open_sql: OpenSql, cancel: str, rolled_back: bool
) -> None:
    """ctx.transaction() first: the request is refused and changes nothing; after a rollback it takes effect."""
    id, _, token = running(sql)
    handler = open_sql()

    with handler.connection.transaction(force_rollback=rolled_back):
        handler.value(COMPLETE, id, token)
        asking = Background(open_sql(), cancel, id)
        asking.wait_until_blocked(sql)

    if rolled_back:
        assert asking.rows() == [{"said": "fenced" if cancel is FORCE else "asked"}]
    else:
        refused = asking.refusal()
        assert (refused.sqlstate, sql.state(id), sql.job(id)["control"]) == ("PQ004", "succeeded", None)
        assert f"job {id} is succeeded; a job that is over cannot be cancelled" in str(refused)


def a_job_that_was_asked_to_stop_may_succeed(sql: Sql, open_sql: OpenSql) -> None:
    """The request first: the transaction of the handler waits for it and commits."""
    id, _, token = running(sql)
    user = open_sql()

    with user.connection.transaction():
        user.value(CANCEL, id)
        complete = Background(open_sql(), COMPLETE, id, token)
        complete.wait_until_blocked(sql)

    assert complete.rows() == [{"said": None}]
    assert (sql.state(id), sql.job(id)["control"]["cancel"]["by"]) == ("succeeded", "ann")


def a_job_that_is_fenced_is_not_completed(sql: Sql, open_sql: OpenSql) -> None:
    """By force first: what the transaction of the handler wrote is rolled back, because the job is stale."""
    id, _, token = running(sql)
    user = open_sql()

    with user.connection.transaction():
        assert user.value(FORCE, id) == "fenced"
        complete = Background(open_sql(), COMPLETE, id, token)
        complete.wait_until_blocked(sql)

    assert complete.rows() == [{"said": "stale"}]
    assert sql.state(id) == "cancelled"


def nothing_that_a_fenced_run_hands_in_counts(sql: Sql) -> None:
    """The place of its limit is free and what waits for it is told; its worker may be gone, or hang (T25)."""
    sql.value("select set_limit('x', max_running => 1)")
    id, next_id = sql.enqueue(limits=["x"], args={"n": 1}), sql.enqueue(limits=["x"], args={"n": 2})
    child = sql.enqueue(depends_on=[id], run_if="finished", queue="after")
    worker, other = sql.worker(), sql.worker()
    token, claimed = sql.claim(worker)
    assert [row["id"] for row in claimed] == [id]
    assert sql.claim(other)[1] == []

    assert sql.value(FORCE, id) == "fenced"

    job = sql.job(id)
    assert (job["state"], job["reason"], job["control"]["cancel"]["by"]) == ("cancelled", "user_requested", "ann")
    assert sql.state(child) == "ready"
    assert [row["id"] for row in sql.claim(other)[1]] == [next_id], "its place is not free"
    for state in ("succeeded", "failed", "snoozed"):
        assert [row["verdict"] for row in sql.finish(token, {"id": id, "state": state})] == ["stale"]
    assert sql.value(COMPLETE, id, token) == "stale"
    assert not sql.value("select progress(%s, %s, 1)", id, token)
    sql.lose(worker)
    sql.value("select rescue()")
    assert sql.job(id) == job


def a_request_does_not_hold_the_workflow_of_a_job_that_has_started(sql: Sql, open_sql: OpenSql) -> None:
    """A node starts, and ends, while its cancel waits for the workflow: the two do not wait for each other."""
    flow: Flow = start(sql, node("a"))
    holder, worker = open_sql(), sql.worker()

    with holder.connection.transaction():
        holder.rows("select from workflow where id = %s for update", flow.id)
        cancel = Background(open_sql(), CANCEL, flow["a"])
        cancel.wait_until_blocked(sql)
        token, _ = sql.claim(worker)
        complete = Background(open_sql(), COMPLETE, flow["a"], token)
        complete.wait_until_blocked(sql)

    said = complete.rows()
    assert said == [{"said": None}]
    assert cancel.refusal().sqlstate == "PQ004"
    assert flow.states() == {"a": "succeeded"}


def a_job_is_ended_by_force_at_its_time(sql: Sql) -> None:
    """Not earlier, whatever its worker does; and the worker is told."""
    early, late = running(sql), running(sql)
    for (id, *_), after in ((early, "1 h"), (late, "2 h")):
        assert sql.value("select cancel(%s, force_after => %s::interval)", id, after) == "asked"
    assert 3500 < sql.value("select next_in from promote()") <= 3600
    assert sql.state(early[0]) == "running"

    sql.rows("update forced_cancel set at = at - interval '61 min', asked_at = asked_at - interval '61 min'")
    sql.value("select promote()")

    assert (sql.state(early[0]), sql.job(early[0])["reason"], sql.state(late[0])) == ("cancelled", "user_requested", "running")
    assert sql.rows("select job_id from forced_cancel") == [{"job_id": late[0]}]
    assert [row["verdict"] for row in sql.finish(early[2], {"id": early[0], "state": "succeeded"})] == ["stale"]


def force_does_not_end_a_later_run(sql: Sql) -> None:
    """The job failed for good before, and was retried: nobody has asked that it stops."""
    id, _, token = running(sql)
    sql.value("select cancel(%s, force_after => '1 h')", id)
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    sql.value("select id from retry(%s)", id)
    again, _ = sql.claim(sql.worker())
    sql.rows("update forced_cancel set at = at - interval '1 day'")

    sql.value("select promote()")

    assert (sql.state(id), "cancel" in sql.job(id)["control"]) == ("running", False)
    assert sql.value("select count(*) from forced_cancel") == 0
    assert sql.finish(again, {"id": id, "state": "succeeded"}) == []


def who_ends_jobs_by_force_waits_for_nobody(sql: Sql, open_sql: OpenSql) -> None:
    """One is locked by a user's transaction: the other ends, and that one by the next call."""
    locked, free = running(sql)[0], running(sql)[0]
    for id in (locked, free):
        sql.value("select cancel(%s, force_after => '0 s')", id)
    user = open_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", locked)
        with without_waiting(sql):
            sql.value("select promote()")
            assert sql.value("select end_forced(1)") is False  # nothing to hurry for, though it found as many as it may
        assert (sql.state(locked), sql.state(free)) == ("running", "cancelled")
    sql.value("select promote()")

    assert (sql.state(locked), sql.value("select count(*) from forced_cancel")) == ("cancelled", 0)
