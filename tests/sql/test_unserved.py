"""Which ready jobs no worker may run, and queues that were misspelt."""

from typing import Any

import pytest

from .conftest import Sql
from .explain_steps import cause, registered

KNOWN = [
    "select enqueue('noop', '{}', queue => 'mial')",
    """select set_queue('mial', '{"max_ready": 9}')""",
    "select pause('queue', 'mial')",
    """select set_schedule('s', '{"cron": "0 2 * * *", "job": {"task": "noop", "queue": "mial"}}')""",
    "insert into metric_depth (minute, queue, priority, state, jobs) values (clock_timestamp(), 'mial', 0, 'scheduled', 1)",
    "insert into metric_total values ('mial', 't', current_date, 1, 0, 0, 0, 1, 1)",
]


def unserved(sql: Sql, after: str = "0 s") -> list[tuple[str, str | None, str]]:
    """The queue, the task and the sentence of each row."""
    rows = sql.rows("select * from unserved(%s::interval)", after)
    return [(row["queue"], row["task"], row["says"]) for row in rows]


def test_a_queue_that_no_worker_serves_is_told_once_for_all_of_its_tasks(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    first = sql.enqueue("send", queue="mail")
    sql.enqueue("draw", queue="mail")

    rows = sql.rows("select * from unserved()")

    assert [(row["queue"], row["task"], row["job_id"]) for row in rows] == [("mail", None, first)]
    (found,) = rows
    assert found["says"] == cause(sql, first)["says"]
    assert found["details"]["workers_alive"] == 0
    sql.worker(queues=("mail",))
    assert unserved(sql) == []


def test_a_task_that_no_worker_of_the_queue_knows_is_told_with_the_nearest(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    registered(sql, "welcome", "send")
    registered(sql, "welcom", queues=("elsewhere",))
    for task in ("welcom", "welcom", "send"):
        sql.enqueue(task)

    assert unserved(sql) == [
        (
            "default",
            "welcom",
            "ready jobs wait for a worker that knows 'welcom'; workers alive of queue 'default' know 'send', 'welcome'; "
            "did you mean 'welcome'?",
        )
    ]


def test_jobs_with_limits_are_looked_at_too(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('k', max_running => 1)")
    sql.enqueue(queue="mail", limits=["k"])
    assert [(queue, task) for queue, task, _ in unserved(sql)] == [("mail", None)]
    registered(sql, "other", queues=("mail",))
    assert [(queue, task) for queue, task, _ in unserved(sql)] == [("mail", "noop")]


def test_what_has_not_waited_for_so_long_is_not_told(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="new")
    old = sql.enqueue(queue="old")
    sql.rows("update job set run_at = run_at - interval '90 s' where id = %s", old)
    assert [queue for queue, *_ in unserved(sql)] == ["old", "new"], "what waits longest comes first"
    assert [queue for queue, *_ in unserved(sql, "1 min")] == ["old"]


def test_scheduled_and_running_jobs_are_not_told(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="later", run_after="1 h")
    worker = sql.worker()
    sql.enqueue()
    sql.claim(worker)
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")
    assert unserved(sql) == []


def test_each_look_is_bounded(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("select enqueue('noop', '{}', queue => 'q' || i) from generate_series(1, 150) as i")
    assert len(unserved(sql)) == 100
    assert sql.value("select count(*) from queues_with_jobs(20)") == 20


def test_queues_with_jobs_are_found_by_walking_from_one_to_the_next(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("select enqueue('noop', '{}', queue => q) from unnest('{c,a,b}'::text[]) as q, generate_series(1, 300)")
    sql.rows("analyze job")
    assert [row["queue"] for row in sql.rows("select queue from queues_with_jobs(10) as queue")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("queue", "near"),
    [("mial", "mail"), ("mall", "mail"), ("mai", "mail"), ("mails", "mail"), ("Mail", "mail"), ("reports", None), ("ab", None)],
)
def test_a_queue_that_nobody_has_heard_of_is_told_with_the_nearest(rolled_back_sql: Sql, queue: str, near: str | None) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="pictures")
    assert sql.rows("select * from unknown_queues(%s, '{mail,default}')", [queue, "mail"]) == [
        {"queue": queue, "did_you_mean": near, "with_jobs": ["pictures"]}
    ]


def test_the_nearest_queue_may_be_one_with_jobs_or_with_settings(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="pictures")
    sql.value("""select set_queue('letters', '{"max_ready": 9}')""")
    near = [row["did_you_mean"] for row in sql.rows("select * from unknown_queues('{pictuers,leters}', '{mail}')")]
    assert near == ["pictures", "letters"]


@pytest.mark.parametrize("known", KNOWN)
def test_a_queue_that_is_known_for_anything_is_not_told(rolled_back_sql: Sql, known: str) -> None:
    sql = rolled_back_sql
    ask = "select queue from unknown_queues('{mial}', '{mail}')"
    assert sql.value(ask) == "mial"
    sql.rows(known)
    assert sql.value(ask) is None


def test_the_nearest_queue_that_is_served_is_suggested(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.worker(queues=("mail", "default"))
    id = sql.enqueue(queue="mial")
    why: dict[str, Any] = cause(sql, id)
    assert why["says"] == (
        "no worker is alive that serves queue 'mial'; 1 other worker is alive, for 'default', 'mail'; did you mean 'mail'?"
    )
    assert why["details"]["did_you_mean"] == "mail"
    found = sql.rows("select * from diagnose_queues('0 s')")
    assert found[0]["problem"].endswith("; did you mean 'mail'?")


def test_the_decisive_cause_of_each_job_comes_in_one_call(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    runs, waits = sql.enqueue(), sql.enqueue(queue="mail")
    sql.claim(worker)
    over = sql.enqueue()
    sql.value("select cancel(%s)", over)

    found = sql.rows("select * from explain_each(%s)", [waits, 999999, runs, over])

    assert [(row["job_id"], row["state"], row["cause"]) for row in found] == [
        (waits, "ready", "no_worker"),
        (runs, "running", "running"),
        (over, None, "cancelled"),
    ]
    assert found[0]["says"] == cause(sql, waits)["says"]
    assert sql.value("select count(*) from explain_each(array_fill(%s::bigint, array[150]))", waits) == 100
