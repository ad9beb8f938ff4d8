"""Whatever becomes of a job, it keeps its limits, its cost and its lane, and finds its turn again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, look_everywhere, lost_lanes, pass_time, set_limit
from .workflow_steps import node, submit

Ends = Callable[[Sql, UUID, int], None]
FIXED = '{"backoff": "fixed", "delay": 0, "jitter": false}'


def outcome(state: str, **more: Any) -> Ends:
    """A finish with that outcome, and a wait that is over afterwards."""

    def end(sql: Sql, token: UUID, id: int) -> None:
        sql.finish(token, {"id": id, "state": state, **more})
        sql.make_due()
        sql.value("select promote()")

    return end


def give_back(sql: Sql, token: UUID, id: int) -> None:
    sql.rows("select give_back(%s, %s)", token, [id])


def reconcile(sql: Sql, token: UUID, id: int) -> None:
    sql.rows("select reconcile(%s, '{}', '0 s')", sql.job(id)["worker_id"])


def retire(sql: Sql, token: UUID, id: int) -> None:
    sql.rows("select retire_worker(%s)", sql.job(id)["worker_id"])


def rescue(sql: Sql, token: UUID, id: int) -> None:
    sql.lose(sql.job(id)["worker_id"])
    assert sql.value("select rescue()") == 1


def rescue_as_suspect(sql: Sql, token: UUID, id: int) -> None:
    sql.rows("update job set rescues = 1, claimed_at = claimed_at - interval '1 min' where id = %s", id)
    sql.rows("select heartbeat(worker_id, array[id], 'notify') from job where id = %s", id)
    rescue(sql, token, id)
    assert sql.value("select rescues from job where id = %s", id) == 2
    sql.make_due()
    sql.value("select promote()")


def die_and_retry(sql: Sql, token: UUID, id: int) -> None:
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    assert sql.rows("select limits, cost from dead_letter") == [{"limits": ["a", "b"], "cost": 2}]
    assert sql.value("select id from retry(%s)", id) == id


def crash_and_retry(sql: Sql, token: UUID, id: int) -> None:
    sql.rows("update job set rescues = 2, claimed_at = claimed_at - interval '1 min' where id = %s", id)
    sql.rows("select heartbeat(worker_id, array[id], 'notify') from job where id = %s", id)
    sql.lose(sql.job(id)["worker_id"])
    sql.value("select rescue()")
    assert sql.rows("select reason, limits, cost from dead_letter") == [{"reason": "crashed", "limits": ["a", "b"], "cost": 2}]
    sql.value("select id from retry(%s)", id)


def retry_now(sql: Sql, token: UUID, id: int) -> None:
    sql.finish(token, {"id": id, "state": "snoozed", "delay": 3600})
    sql.value("select id from retry(%s)", id)


UNSTARTED = {"is unknown", "is given back", "is reconciled", "is given back by a worker that retires"}
BACK: dict[str, Ends] = {
    "fails": outcome("failed", delay=3600),
    "fails and runs again at once": outcome("failed", delay=0),
    "snoozes": outcome("snoozed", delay=3600),
    "is unknown": outcome("unknown_task"),
    "is put off": outcome("rate_limited", key="foreign", delay=3600),
    "is given back": give_back,
    "is reconciled": reconcile,
    "is given back by a worker that retires": retire,
    "is rescued": rescue,
    "is rescued as a suspect": rescue_as_suspect,
    "dies and is retried": die_and_retry,
    "crashes and is retried": crash_and_retry,
    "is retried at once": retry_now,
}


@pytest.mark.parametrize("what", BACK)
def test_a_job_that_comes_back_has_its_limits_and_its_turn(rolled_back_sql: Sql, what: str) -> None:
    sql = rolled_back_sql
    set_limit(sql, "a", rate=1, per="1 h", burst=4)
    set_limit(sql, "b", max_running=1)
    (id,) = add(sql, 1, "a", "b", cost=2)
    token, _ = sql.claim(sql.worker())
    (before,) = sql.rows("select limits, cost, lane_id from job where id = %s", id)
    if what == "is rescued as a suspect":
        before["lane_id"] = sql.value("select lane_of('default', array['a', 'b', ' suspect'])")

    BACK[what](sql, token, id)

    assert sql.rows("select limits, cost, lane_id from job where id = %s", id) == [before]
    assert (sql.state(id), lost_lanes(sql)) == ("ready", 0)
    _, (row,) = sql.claim(sql.worker())
    assert (row["id"], row["limits"]) == (id, ["a", "b"])
    left = 2 if what in UNSTARTED else 0
    assert round(sql.value("select tokens from limit_status where key = 'a'")) == left, "each start takes its tokens"


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_a_finished_job_that_runs_again_is_a_new_one_with_the_same_limits(rolled_back_sql: Sql, state: str) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=1)
    add(sql, 1, "k", cost=2)
    token, (row,) = sql.claim(sql.worker())
    sql.finish(token, {"id": row["id"], "state": state})
    assert sql.rows("select limits, cost from job_history") == [{"limits": ["k"], "cost": 2}]

    again = sql.value("select id from retry(%s)", row["id"])

    assert sql.rows("select limits, cost from job where id = %s", again) == [{"limits": ["k"], "cost": 2}]
    assert claimed(sql, sql.worker()) == [again]


def test_a_job_that_is_cancelled_while_it_waits_keeps_its_limits_and_leaves_its_place_to_the_next(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=1)
    jobs = add(sql, 3, "k", cost=2)
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    sql.value("select cancel(%s)", jobs[1])

    assert sql.rows("select limits, cost from job_history") == [{"limits": ["k"], "cost": 2}]
    finish_all(sql)
    assert claimed(sql, worker) == jobs[2:]


def test_an_update_changes_time_and_priority_and_not_the_limits(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", rate=1, per="1 h", burst=5)
    first, second = (sql.enqueue(args={"t": 1}, limits=["tenant:{t}"], cost=2) for _ in range(2))
    later = sql.enqueue(args={"t": 1}, limits=["tenant:{t}"], run_after="1 h")

    sql.value("select update(%s, args => '{\"t\": 2}', priority => 5)", second)
    sql.value("select update(%s, run_after => '1 h')", first)
    sql.value("select update(%s, run_after => '0 s')", later)

    assert sql.value("select array_agg(distinct limits) from job") == [["tenant:1"]]
    assert claimed(sql, worker) == [second, later]


@pytest.mark.parametrize("suspect", [False, True])
def test_a_job_that_moves_to_another_queue_has_its_limits_and_its_turn_there(rolled_back_sql: Sql, suspect: bool) -> None:
    sql = rolled_back_sql
    set_limit(sql, "a", max_running=1)
    moved, left = add(sql, 2, "a")
    worker = sql.worker(queues=("default", "mail"))
    if suspect:
        token, _ = sql.claim(worker, want=1)
        rescue_as_suspect(sql, token, moved)
        worker = sql.worker(queues=("default", "mail"))
    sql.value("select update(%s, queue => 'mail')", moved)
    expected = ["a", " suspect"] if suspect else ["a"]
    assert sql.value("select lane_id from job where id = %s", moved) == sql.value("select lane_of('mail', %s::text[])", expected)
    assert lost_lanes(sql) == 0
    assert [row["id"] for row in sql.claim(worker, queues=("default",))[1]] == [left]
    assert sql.claim(worker, queues=("mail",))[1] == [], "the other one holds the place"
    sql.value("select cancel(%s, null, null, true)", left)
    assert [row["id"] for row in sql.claim(worker, queues=("mail",))[1]] == [moved]


def test_a_job_that_is_due_by_an_update_has_its_turn(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=1)
    (id,) = add(sql, 1, "k", run_after="1 h")

    sql.value("select update(%s, run_after => '0 s')", id)

    assert claimed(sql, sql.worker()) == [id]


def test_a_skipped_node_that_waits_again_has_its_limits(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=1)
    flow = submit(sql, node("a"), node("b", "a", limits=["k"], cost=2))
    token, (row,) = sql.claim(sql.worker())
    sql.finish(token, {"id": row["id"], "state": "failed", "final": True})
    assert sql.rows("select limits, cost from job_history") == [{"limits": ["k"], "cost": 2}]

    sql.rows("select * from retry_workflow(%s)", flow.id)
    finish_all(sql)
    sql.claim(sql.worker())
    finish_all(sql)

    _, (row,) = sql.claim(sql.worker())
    assert (row["id"], row["limits"]) == (flow.jobs[1], ["k"])


# Order within a key.


def test_within_a_lane_jobs_start_by_priority_then_time_then_id(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=1)
    now = sql.value("select clock_timestamp()")
    for n in range(12):
        sql.enqueue(limits=["k"], priority=n % 3 - 1, run_at=now - timedelta(seconds=n % 4))
    expected = [row["id"] for row in sql.rows("select id from job order by priority desc, run_at, id")]

    started = []
    while ids := claimed(sql, worker):
        started += ids
        finish_all(sql)
        look_everywhere(sql)

    assert started == expected


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("way", ["failed", "snoozed", "rescued"])
def test_with_one_at_a_time_a_retry_holds_up_its_key_only_if_the_limit_says_so(
    rolled_back_sql: Sql, blocks: bool, way: str
) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "customer", max_running=1, retry_blocks=blocks)
    jobs = add(sql, 3, "customer:1")
    (other,) = add(sql, 1, "customer:2")
    token, rows = sql.claim(worker)
    assert [row["id"] for row in rows] == [jobs[0], other]

    if way == "rescued":
        sql.rows("update job set rescues = 1, claimed_at = claimed_at - interval '1 min' where id = %s", jobs[0])
        sql.rows("select heartbeat(%s, %s, 'notify')", worker, [jobs[0]])
        sql.finish(token, {"id": other, "state": "succeeded"})
        sql.lose(worker)
        sql.value("select rescue()")
        worker = sql.worker()
    else:
        sql.finish(token, {"id": jobs[0], "state": way, "delay": 60}, {"id": other, "state": "succeeded"})

    if blocks:
        assert claimed(sql, worker) == []
        pass_time(sql, 61)
        assert claimed(sql, worker) == jobs[:1]
    else:
        assert claimed(sql, worker) == jobs[1:2]
    attempt = {"failed": 2, "snoozed": 1, "rescued": 2}[way]
    assert sql.value("select attempt from job where id = %s", jobs[0]) == (attempt if blocks else attempt - 1)


def test_a_retry_that_blocks_and_is_due_at_once_goes_on_at_once(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "customer", max_running=1, retry_blocks=True)
    jobs = add(sql, 3, "customer:1", retry=FIXED)
    for _ in range(3):
        token, (row,) = sql.claim(worker)
        assert row["id"] == jobs[0]
        sql.finish(token, {"id": jobs[0], "state": "failed", "delay": 0})


def test_a_job_that_is_dead_holds_up_nobody(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "customer", max_running=1, retry_blocks=True)
    jobs = add(sql, 2, "customer:1")
    token, _ = sql.claim(worker)

    sql.finish(token, {"id": jobs[0], "state": "failed", "final": True})

    assert claimed(sql, worker) == jobs[1:]


def test_jobs_that_are_retried_by_hand_find_their_key_still_shut(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=1)
    jobs = add(sql, 3, "k")
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": jobs[0], "state": "snoozed", "delay": 3600})
    assert claimed(sql, worker) == jobs[1:2]

    sql.value("select id from retry(%s)", jobs[0])

    assert claimed(sql, worker) == []
    finish_all(sql)
    assert claimed(sql, worker) == jobs[2:], "it has a later time by now"
