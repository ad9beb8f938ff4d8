"""The views: what people read."""

from datetime import timedelta

import pytest

from .conftest import Sql
from .flows import claim, node, start


def test_jobs_shows_every_job_once_wherever_it_is(sql: Sql) -> None:
    ready, scheduled = sql.enqueue(queue="x"), sql.enqueue(run_after=timedelta(hours=1))
    states = {ready: "ready", scheduled: "scheduled"}
    for state in ("running", "succeeded", "cancelled", "failed"):
        id, token = sql.running()
        if state != "running":
            sql.finish(token, {"id": id, "state": state, "final": True, "elapsed": 1})
        states[id] = state

    rows = sql.rows("select * from jobs")

    assert {row["id"]: row["state"] for row in rows} == states
    assert len(rows) == len(states)
    assert all((row["finished_at"] is not None) == (row["state"] in ("succeeded", "cancelled", "failed")) for row in rows)


def test_queue_stats_counts_live_jobs_by_queue_state_and_priority(sql: Sql) -> None:
    for priority in (0, 0, 5):
        sql.enqueue(queue="mail", priority=priority)
    sql.enqueue(queue="mail", run_after=timedelta(hours=1))
    sql.rows("update job set run_at = run_at - interval '1 min' where priority = 5")
    sql.rows("update job set unknown_since = now() where state = 'scheduled'")

    rows = {(row["queue"], row["state"], row["priority"]): row for row in sql.rows("select * from queue_stats")}

    assert {key: row["jobs"] for key, row in rows.items()} == {
        ("mail", "ready", 0): 2,
        ("mail", "ready", 5): 1,
        ("mail", "scheduled", 0): 1,
    }
    assert timedelta(minutes=1) <= rows["mail", "ready", 5]["oldest"] < timedelta(minutes=2)
    assert rows["mail", "scheduled", 0]["oldest"] is None
    assert [row["no_worker_for_task"] for row in rows.values()].count(1) == 1

    sql.worker(queues=("mail",))
    sql.rows("update worker set tasks = '{other}'")
    assert sql.value("select sum(no_worker_for_task) from queue_stats") == 4, "the three that are ready, too"
    sql.rows("update worker set tasks = '{other,noop}'")
    assert sql.value("select sum(no_worker_for_task) from queue_stats") == 1


def test_task_stats_has_counts_and_times_of_the_last_hour_and_all_dead_letters(sql: Sql) -> None:
    for elapsed in (1, 2, 3):
        id, token = sql.running(task="send")
        sql.finish(token, {"id": id, "state": "succeeded", "elapsed": elapsed})
    id, token = sql.running(task="send")
    sql.finish(token, {"id": id, "state": "failed", "final": True})
    id, token = sql.running(task="old")
    sql.finish(token, {"id": id, "state": "succeeded"})
    sql.rows("update job_history set finished_at = finished_at - interval '2 h' where task = 'old'")
    sql.rows("update dead_letter set finished_at = finished_at - interval '2 h'")

    (row,) = sql.rows("select * from task_stats")

    assert (row["task"], row["succeeded"], row["cancelled"], row["dead_letters"]) == ("send", 3, 0, 1)
    assert row["mean_seconds"] == 2
    assert [row[f"{name}_seconds"] for name in ("p50", "p95", "p99")] == pytest.approx([2, 3, 3], rel=0.025)


def test_worker_status_says_active_idle_or_dead(sql: Sql) -> None:
    busy, idle, late, lost = (sql.worker() for _ in range(4))
    sql.value("select heartbeat(%s, '{1}', 'notify')", busy)
    sql.lose(lost)
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", late)

    status = {row["id"]: row["status"] for row in sql.rows("select * from worker_status")}

    assert status == {busy: "ACTIVE", idle: "IDLE", late: "DEAD", lost: "DEAD"}


def test_dead_letters_shows_the_last_error(sql: Sql) -> None:
    id, token = sql.running(args={"to": 1})
    sql.finish(token, {"id": id, "state": "failed", "delay": 0, "error": {"type": "First"}})
    token, _ = sql.claim(sql.worker(), queues=(sql.job(id)["queue"],))
    error = {"type": "E", "message": "m", "traceback": "t"}
    sql.finish(token, {"id": id, "state": "failed", "final": True, "reason": "timeout", "error": error})

    (row,) = sql.rows("select * from dead_letters")

    assert (row["id"], row["reason"], row["attempt"], row["args"]) == (id, "timeout", 2, {"to": 1})
    assert (row["error_type"], row["error_message"], row["traceback"]) == ("E", "m", "t")
    assert len(row["errors"]) == 2


def test_throughput_counts_what_ended_minute_by_minute(sql: Sql) -> None:
    for minutes_ago, state in ((0, "succeeded"), (0, "cancelled"), (5, "succeeded"), (120, "succeeded")):
        id, token = sql.running()
        sql.finish(token, {"id": id, "state": state})
        sql.rows("update job_history set queue = 'q', finished_at = date_trunc('minute', finished_at) "
                 "- make_interval(mins => %s) where id = %s", minutes_ago, id)  # fmt: skip

    rows = sql.rows("select succeeded, cancelled, minute = date_trunc('minute', minute) as whole from throughput_per_minute "
                    "order by minute")  # fmt: skip

    assert rows == [
        {"succeeded": 1, "cancelled": 0, "whole": True},
        {"succeeded": 1, "cancelled": 1, "whole": True},
    ]


ROLLED_UP = """
    insert into metric_minute
    select date_trunc('minute', clock_timestamp()) - n * interval '1 minute', 'q', 'send', 10, 1, 2, 0, 13, 0, '{0, 20}',
           '{12, 1}', '{}', '{}'
      from unnest(%s::int[]) as n
"""


def what_is_rolled_up_is_not_counted_again(sql: Sql, behind: int, jobs: int, expected: int) -> None:
    """Minutes 5 and 4 are rolled up, as far as `behind` minutes ago; some jobs have ended since, one before."""
    sql.rows(ROLLED_UP, [5, 4, 90])
    sql.rows("update roll_up_state set minute_at = date_trunc('minute', clock_timestamp()) - make_interval(mins => %s)", behind)
    id, token = sql.running(task="send")
    sql.finish(token, {"id": id, "state": "succeeded", "elapsed": 1})
    sql.rows("insert into job_history select (h).* from (select h from job_history h) h, generate_series(2, %s)", jobs)
    sql.rows("insert into job_history select (jsonb_populate_record(h, jsonb_build_object('finished_at', finished_at - interval "
             "'5 min'))).* from job_history h limit 1")  # fmt: skip

    (row,) = sql.rows("select * from task_stats")
    assert row["succeeded"] == expected
    assert sql.value("select sum(succeeded) from throughput_per_minute") == expected
    assert row["mean_seconds"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("behind", "jobs", "expected"),
    [(1, 3, 23), (1, 30_000, 20), (4, 30_000, 30_010)],
    ids=["few have ended since", "many have ended since", "nobody rolls up"],
)
def test_what_is_rolled_up_is_not_counted_again(rolled_back_sql: Sql, behind: int, jobs: int, expected: int) -> None:
    what_is_rolled_up_is_not_counted_again(rolled_back_sql, behind, jobs, expected)


def test_rescues_are_counted_by_worker_and_queue(sql: Sql) -> None:
    sql.enqueue(queue="a", retries=0)
    sql.enqueue(queue="a")
    worker = sql.worker()
    _, claimed = sql.claim(worker, queues=("a",))
    sql.value("select heartbeat(%s, %s, 'notify')", worker, [row["id"] for row in claimed])
    sql.lose(worker)
    sql.value("select rescue()")

    (row,) = sql.rows("select * from rescues")

    assert (row["worker_id"], row["queue"], row["rescued"], row["crashed"]) == (worker, "a", 2, 1)
    assert row["last_rescued_at"] is not None


def test_every_view_can_be_read_in_an_empty_install(rolled_back_sql: Sql) -> None:
    views = rolled_back_sql.rows("select viewname from pg_views where schemaname = 'pgqueue' and viewname <> 'upkeep_status'")

    assert {row["viewname"]: rolled_back_sql.rows(f"select * from {row['viewname']}") for row in views} == {
        row["viewname"]: [] for row in views
    }
    assert len(views) >= 7


def test_workflow_progress_counts_the_nodes_by_where_they_stand(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    ends = ["fine", "dead", "called off"]
    flow = start(
        sql,
        *(node(name) for name in [*ends, "ready", "running"]),
        node("later", run_after="1 h"),
        node("waits", "ready", "running"),
        node("skipped", "dead"),
        name="all of them",
    )
    flow.run("fine")
    flow.run("dead", "failed")
    sql.value("select cancel(%s)", flow["called off"])
    claim(sql, flow["running"])

    progress = flow.progress()

    assert (progress["id"], progress["name"], progress["status"]) == (flow.id, "all of them", "running")
    assert (progress["nodes"], progress["open"], progress["repairs"]) == (8, 4, 0)
    counted = ("blocked", "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "skipped")
    assert {state: progress[state] for state in counted} == dict.fromkeys(counted, 1)
    assert progress["created_at"] is not None
    assert (progress["finished_at"], progress["cancelled_at"]) == (None, None)


def test_workflow_nodes_shows_each_node_with_its_times_its_error_and_what_it_waits_for(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", queue="q"), node("dead"), node("b", "a"), node("skipped", "dead"), node("waits", "b"))
    flow.run("a", elapsed=1.5)
    flow.run("dead", "failed", error={"type": "E", "message": "m"}, reason="timeout")
    claim(sql, flow["b"])

    rows = {row["name"]: row for row in sql.rows("select * from workflow_nodes where workflow_id = %s", flow.id)}

    assert {name: row["job_id"] for name, row in rows.items()} == flow.jobs
    a, b, dead, waits = rows["a"], rows["b"], rows["dead"], rows["waits"]
    assert (a["state"], a["queue"], a["task"], a["attempt"], a["elapsed"], a["error"]) == ("succeeded", "q", "a", 1, 1.5, None)
    assert a["created_at"] <= a["started_at"] <= a["ended_at"]
    assert (b["state"], b["waits_for"], b["ended_at"]) == ("running", 0, None)
    assert b["started_at"] is not None
    assert (dead["state"], dead["reason"], dead["error"]["message"]) == ("failed", "timeout", "m")
    assert (rows["skipped"]["state"], rows["skipped"]["reason"]) == ("skipped", "dependency_failed")
    assert rows["skipped"]["error"]["type"] == "DependencyFailed"
    assert (waits["state"], waits["waits_for"], waits["started_at"], waits["attempt"]) == ("blocked", 1, None, 0)


def test_workflow_nodes_shows_a_node_once_though_its_history_is_pruned_or_it_was_retried(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b", "a"))
    flow.run("a", "failed")
    sql.value("select retry_workflow(%s)", flow.id)
    flow.run("a")
    sql.rows("delete from job_history")

    rows = sql.rows("select name, state, queue from workflow_nodes where workflow_id = %s order by job_id", flow.id)

    assert rows == [{"name": "a", "state": "succeeded", "queue": None}, {"name": "b", "state": "ready", "queue": "default"}]


def test_jobs_says_which_workflow_a_job_belongs_to_wherever_it_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    plain = sql.enqueue()
    flow = start(sql, node("a"), node("b", "a"), node("dead"), node("c"))
    flow.run("c")
    flow.run("dead", "failed")

    assert {sql.job(id)["workflow_id"] for id in flow.jobs.values()} == {flow.id}
    assert sql.job(plain)["workflow_id"] is None
