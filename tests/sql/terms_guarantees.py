"""What must hold of jobs with a time limit: true of our SQL (test_expire, test_overdue), false of each mutant (test_mutants)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from .conftest import Sql
from .flows import node, start
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]
PAST = "clock_timestamp() - interval '1 s'"
TIMEOUT = "pgqueue.errors.Timeout"


def let_expire(sql: Sql, *ids: int, by: str = "expires_at") -> None:
    """Time travel: the time until which these jobs may start (or must be over) has passed."""
    sql.rows(f"update job set {by} = {PAST} where id = any (%s)", list(ids))


def an_expired_job_is_not_claimed(sql: Sql) -> None:
    """Nor is one past its deadline: in a plain queue, behind a cursor, with limits, in a queue that has one, or as a suspect."""
    sql.value("select set_limit('key', max_running => 9), set_limit('queue:gated', max_running => 9)")
    for by in ("expires_at", "deadline_at"):
        given: dict[str, Any] = {"expires_after": "1 h"} if by == "expires_at" else {"total_timeout": "1 h"}
        suspect = sql.enqueue(**given)
        sql.rows("update job set rescues = 2 where id = %s", suspect)
        ids = [sql.enqueue(**given), sql.enqueue(limits=["key"], **given), sql.enqueue(queue="gated", **given), suspect]
        let_expire(sql, *ids, by=by)

        for cursor in (None, '[{"queue": "default", "priority": 0, "run_at": "2000-01-01"}]'):
            _, claimed = sql.claim(sql.worker(), queues=("default", "gated"), resume_at=cursor)
            assert [row["id"] for row in claimed] == []

        assert sql.value("select expire()") == len(ids)


def a_job_that_has_started_does_not_expire(sql: Sql) -> None:
    """Its retry is no start: only the deadline ends it."""
    id, token = sql.running(expires_after="1 h")
    sql.finish(token, {"id": id, "state": "failed", "delay": 0})
    let_expire(sql, id)

    assert sql.value("select expire()") == 0
    _, claimed = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    assert [row["id"] for row in claimed] == [id]
    assert sql.value("select expire()") == 0


def expiring_waits_for_nobody(sql: Sql, open_sql: OpenSql) -> None:
    """What another transaction holds, a job or the workflow of one, is left to the next call; the others end."""
    held, free = sql.enqueue(expires_after="1 h"), sql.enqueue(expires_after="1 h")
    flow = start(sql, node("a", run_after="1 h"), node("b", "a", expires_after="1 h"))
    let_expire(sql, held, free, flow["b"])
    other = open_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", held)
        other.rows("select from workflow where id = %s for update", flow.id)
        with without_waiting(sql):
            assert sql.value("select expire()") == 1
    assert sql.state(free) == "cancelled"

    assert sql.value("select expire()") == 2
    assert flow.states() == {"a": "scheduled", "b": "cancelled"}


def what_is_locked_hides_no_other_job(sql: Sql, open_sql: OpenSql) -> None:
    """However many jobs another transaction holds at the head of the line."""
    held, free = [sql.enqueue(expires_after="1 h") for _ in range(2)], sql.enqueue(expires_after="1 h")
    let_expire(sql, *held)
    let_expire(sql, free)
    other = open_sql()
    with other.connection.transaction():
        other.rows("select from job where id = any (%s) for update", held)
        with without_waiting(sql):
            sql.value("select expire(1)")
    assert sql.state(free) == "cancelled"


def a_job_that_cannot_end_stops_no_other(sql: Sql) -> None:
    """It stays, with a warning, and what is due becomes ready."""
    bad, good, due = sql.enqueue(expires_after="1 h"), sql.enqueue(expires_after="1 h"), sql.enqueue(run_after="1 h")
    let_expire(sql, bad, good)
    sql.make_due()
    sql.rows(f"alter table job_history add constraint stays check (id <> {bad})")
    sql.value("select promoted from promote()")
    assert [sql.state(id) for id in (bad, good, due)] == ["ready", "cancelled", "ready"]


def a_job_does_not_run_again_past_its_deadline(sql: Sql) -> None:
    """A retry or a snooze that would come back later ends now."""
    for state, reason in (("failed", "error"), ("snoozed", "timeout"), ("rate_limited", "timeout")):
        id, token = sql.running(total_timeout="1 h")
        sql.rows("update job set deadline_at = clock_timestamp() + interval '1 s' where id = %s", id)
        (verdict,) = sql.finish(token, {"id": id, "state": state, "delay": 5, "error": {"type": "E", "message": "m"}})

        job = sql.job(id)
        assert (verdict["verdict"], job["state"], job["reason"]) == ("dead_letter", "failed", reason)
        assert job["errors"][-1]["type"] == ("E" if state == "failed" else TIMEOUT)


def a_worker_without_the_task_leaves_time_to_another(sql: Sql) -> None:
    """A job that has little time is not put off beyond it."""
    for limit, by in ({"expires_after": "8 s"}, "expires_at"), ({"total_timeout": "8 s"}, "deadline_at"):
        id, token = sql.running(**limit)
        sql.finish(token, {"id": id, "state": "unknown_task"})

        job = sql.job(id)
        assert (job["state"], job["attempt"]) == ("scheduled", 0)
        assert job["run_at"] < job[by] - timedelta(seconds=3)


def beat(sql: Sql, worker: UUID, token: UUID, *ids: int, seconds: float) -> None:
    """A heartbeat: these handlers have been running for so long under this claim."""
    timed = [{"id": id, "token": str(token), "seconds": seconds} for id in ids]
    sql.value("select heartbeat(%s, %s, 'notify', %s)", worker, list(ids), json.dumps(timed))


def running(sql: Sql, **options: Any) -> tuple[int, UUID, UUID]:
    """A job that runs: its id, its token and its worker, whose lease is 30 s."""
    id, token = sql.running(**options)
    return id, token, sql.job(id)["worker_id"]


def a_run_past_its_timeout_is_taken_from_a_living_worker(sql: Sql) -> None:
    """By its policy it runs again; what its worker reports later is stale."""
    id, token, worker = running(sql, timeout="60 s")
    beat(sql, worker, token, id, seconds=91)

    assert sql.value("select rescue()") == 1

    job = sql.job(id)
    assert (job["state"], job["attempt"], job["errors"][-1]["type"]) == ("scheduled", 1, TIMEOUT)
    assert "its timeout is 60 s; after 9" in job["errors"][-1]["message"]
    (verdict,) = sql.finish(token, {"id": id, "state": "succeeded"})
    assert verdict["verdict"] == "stale"


def a_run_is_measured_from_its_start(sql: Sql) -> None:
    """A job that was fetched long before its handler started is not overdue."""
    id, token, worker = running(sql, timeout="60 s")
    sql.rows("update job set claimed_at = claimed_at - interval '1 h' where id = %s", id)
    beat(sql, worker, token, id, seconds=1)

    assert sql.value("select rescue()") == 0
    assert sql.state(id) == "running"


def a_newer_run_is_not_mistaken_for_an_overdue_one(sql: Sql) -> None:
    """The heartbeat tells of the run before: its token says so."""
    id, token, worker = running(sql, timeout="60 s")
    beat(sql, worker, token, id, seconds=1000)
    sql.value("select give_back(%s, %s)", token, [id])
    sql.claim(worker, queues=(sql.job(id)["queue"],))

    assert sql.value("select rescue()") == 0
    assert sql.state(id) == "running"
