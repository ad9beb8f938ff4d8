"""explain: what it says of a job is tested against what then happens."""

import re
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .explain_steps import cause, causes, fail, registered, seconds
from .limit_steps import add, claimed
from .pause_steps import pause, resume, time_passes
from .step_guarantees import waiting
from .workflow_steps import node, submit


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        (("queue", "default"), "queue 'default' is paused until"),
        (("task", "noop"), "task 'noop' is paused until"),
        (("everything", None), "everything is paused until"),
    ],
)
def test_a_paused_job_starts_when_the_pause_is_said_to_end(rolled_back_sql: Sql, subject: tuple[str, str], says: str) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    id = sql.enqueue()
    pause(sql, *subject, after="10 min", by="ann", reason="deploy")

    why = cause(sql, id)

    assert (why["cause"], seconds(why["left"])) == ("paused", 600)
    assert why["says"].startswith(says)
    assert "by 'ann' (deploy)" in why["says"]
    time_passes(sql, "599 s")
    assert claimed(sql, worker) == []
    time_passes(sql, "1 s")
    assert causes(sql, id) == ["next"]
    assert claimed(sql, worker) == [id]


def test_of_two_pauses_the_last_to_end_is_decisive(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    id = sql.enqueue()
    pause(sql, after="1 h")
    pause(sql, "task", "noop")

    assert causes(sql, id) == ["paused", "paused"]
    assert "task 'noop' is paused until it is resumed" in cause(sql, id)["says"]
    resume(sql)
    assert claimed(sql, worker) == []
    resume(sql, "task", "noop")
    assert claimed(sql, worker) == [id]


def test_a_job_that_nobody_serves_waits_for_a_worker_of_its_queue(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(queue="mail")
    assert cause(sql, id)["says"] == "no worker is alive that serves queue 'mail'; start one with pgqueue worker"
    other = sql.worker()
    assert cause(sql, id)["says"].endswith("; 1 other worker is alive, for 'default'")
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", other)  # nobody has noticed yet
    assert "start one" in cause(sql, id)["says"]

    worker = sql.worker(queues=("mail",))

    assert causes(sql, id) == ["next"]
    assert claimed(sql, worker, queues=("mail",)) == [id]


def test_a_task_that_no_worker_knows_is_named_with_those_that_they_know(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = registered(sql, "mail.welcom", "noop", "pgqueue.chunk")
    registered(sql, "welcome", queues=("elsewhere",))
    id = sql.enqueue("welcome")

    why = cause(sql, id)

    assert why["cause"] == "unknown_task"
    assert why["says"] == (
        "it waits for a worker that knows 'welcome'; workers alive of queue 'default' know 'mail.welcom', 'noop'; "
        "did you mean 'mail.welcom'?"
    )
    assert (why["details"]["tasks"], why["details"]["did_you_mean"]) == (["mail.welcom", "noop"], "mail.welcom")
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": id, "state": "unknown_task"})
    assert causes(sql, id) == ["unknown_task", "put_off"]
    assert seconds(cause(sql, id, "put_off")["left"]) == 5

    registered(sql, "welcome")

    assert causes(sql, id) == ["put_off"]
    sql.make_due()
    assert sql.value("select promoted from promote()") == 1
    assert causes(sql, id) == ["next"]


@pytest.mark.parametrize(
    ("task", "known", "says"),
    [
        ("charge@2", ("charge@1", "charge@0x", "noop"), "know 'charge@1': an older release"),
        ("charge@10", ("charge@9", "charge@2"), "know 'charge@9': an older release"),
        ("charge@2", ("charge",), "know 'charge': an older release"),
        ("charge@1", ("charge@2",), "know 'charge@2': a newer release"),
        ("charge@may", ("charge@1",), "know 'charge@1': another release"),
        ("charge@1", ("recharge@1",), "know 'recharge@1'; did you mean 'recharge@1'?"),
    ],
)
def test_workers_that_know_another_version_of_a_task_are_of_another_release(
    rolled_back_sql: Sql, task: str, known: tuple[str, ...], says: str
) -> None:
    registered(rolled_back_sql, *known)
    id = rolled_back_sql.enqueue(task)

    assert (
        cause(rolled_back_sql, id)["says"]
        == f"it waits for a worker that knows '{task}'; workers alive of queue 'default' {says}"
    )


def test_a_worker_that_knows_no_task_like_it_suggests_none(rolled_back_sql: Sql) -> None:
    registered(rolled_back_sql)
    id = rolled_back_sql.enqueue("welcome")
    assert cause(rolled_back_sql, id)["says"].endswith("workers alive of queue 'default' know no task")


@pytest.mark.parametrize(
    ("name", "near"),
    [("welcome", "mail.welcome"), ("mail.sned", "mail.send"), ("résumé", "resumé"), ("x", None), ("invoice", None), ("", None)],
)
def test_the_nearest_name_has_the_same_last_part_or_many_pairs_in_common(
    rolled_back_sql: Sql, name: str, near: str | None
) -> None:
    names = ["mail.send", "mail.welcome", "welcomes", "resumé", "y"]
    assert rolled_back_sql.value("select nearest_name(%s, %s)", name, names) == near


def test_a_blocked_job_waits_for_the_parents_that_are_named(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    flow = submit(sql, node("a"), node("b"), node("c", "a", "b"))
    a, b, c = flow.jobs
    token, _ = sql.claim(worker, 1)
    why = cause(sql, c)
    assert why["says"] == f"it waits for 2 parents to end: {a} 'a' is running, {b} 'b' is ready"
    assert (why["cause"], why["details"]["workflow_id"], why["details"]["missing"]) == ("parents", flow.id, 2)

    sql.finish(token, {"id": a, "state": "succeeded"})
    assert [parent["id"] for parent in cause(sql, c)["details"]["parents"]] == [b]
    token, _ = sql.claim(worker, 1)
    sql.finish(token, {"id": b, "state": "succeeded"})
    assert causes(sql, c) == ["next"]


def test_a_blocked_job_says_whom_it_waits_for_in_the_end_if_nobody_can_run_that(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = submit(sql, node("a"), node("b", "a"), node("c", "b"))
    a, b, c = flow.jobs
    assert cause(sql, c)["says"] == (
        f"it waits for 1 parent to end: {b} 'b' is blocked; job {a}: no worker is alive that serves queue 'default'; "
        "start one with pgqueue worker"
    )
    registered(sql, "elsewhere")
    assert f"; job {a}: it waits for a worker that knows 'noop'" in cause(sql, c)["says"]
    sql.worker()
    assert cause(sql, c)["says"] == f"it waits for 1 parent to end: {b} 'b' is blocked"


def test_of_many_parents_ten_are_named(rolled_back_sql: Sql) -> None:
    flow = submit(rolled_back_sql, *(node(f"p{i}") for i in range(12)), node("c", *(f"p{i}" for i in range(12))))
    why = cause(rolled_back_sql, flow.jobs[-1])
    assert why["says"].startswith("it waits for 12 parents to end: ")
    assert f" and others; job {flow.jobs[0]}: no worker" in why["says"]
    assert len(why["details"]["parents"]) == 10


@pytest.mark.parametrize("word", ["later", "retry", "snoozed", "signal"])
def test_a_scheduled_job_is_ready_when_it_says(rolled_back_sql: Sql, word: str) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    if word == "signal":
        id = waiting(sql, timeout="100 s")
    else:
        id = sql.enqueue(run_after="100 s" if word == "later" else None)
        token, _ = sql.claim(worker)
        if word == "retry":
            fail(sql, token, id, delay=100)
        elif word == "snoozed":
            sql.finish(token, {"id": id, "state": "snoozed", "delay": 100})

    why = cause(sql, id)

    assert (why["cause"], seconds(why["left"])) == (word, 100)
    expected = {
        "later": "it waits for its time, until 2",
        "retry": "attempt 1 of 4 has failed (Broken: no way); the next one waits until 2",
        "snoozed": "its handler has put it off until 2",
        "signal": "it waits for the signal 'approved' until 2",
    }
    assert why["says"].startswith(expected[word])
    sql.rows("update job set run_at = run_at - interval '99 s' where id = %s", id)
    sql.value("select promote()")
    assert sql.state(id) == "scheduled"
    sql.rows("update job set run_at = run_at - interval '1 s' where id = %s", id)
    assert causes(sql, id)[0] == "due"
    sql.value("select promote()")
    assert sql.state(id) == "ready"


def test_a_snooze_after_a_failure_is_no_retry(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    id = sql.enqueue()
    token, _ = sql.claim(worker)
    fail(sql, token, id, delay=0)
    sql.rows(
        """update job set errors = jsonb_set(errors, '{0,ended_at}', to_jsonb(in_utc(clock_timestamp() - interval '1 h')))"""
    )
    sql.rows("update job set state = 'ready' where state = 'scheduled'")
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": id, "state": "snoozed", "delay": 100})
    assert causes(sql, id) == ["snoozed"]


def test_a_job_past_its_time_is_ended_at_the_next_look(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.worker()
    id = sql.enqueue(expires_after="1 h", total_timeout="2 h")
    assert causes(sql, id) == ["next", "expires", "deadline"]
    assert [seconds(cause(sql, id, word)["left"]) for word in ("expires", "deadline")] == [3600, 7200]

    sql.rows("update job set expires_at = clock_timestamp() - interval '1 s'")

    assert causes(sql, id)[0] == "expired"
    sql.value("select promote()")
    why = cause(sql, id)
    assert (why["cause"], why["details"]["reason"]) == ("expired", "expired")


def test_an_operation_that_is_about_to_act_on_it_is_named(sql: Sql) -> None:
    sql.worker()
    id = sql.enqueue()
    operation = sql.value("""select start_operation('cancel', '{"ids": [%s]}', by => 'ann')""" % id)  # noqa: UP031
    if sql.state(id) == "ready":
        sql.rows("insert into operation_job (operation_id, job_id) values (%s, %s) on conflict do nothing", operation, id)
        assert f"operation {operation} of 'ann' is about to cancel it" in [
            row["says"] for row in sql.rows("select * from explain(%s)", id)
        ]
    while sql.value("select count(*) from operation where finished_at is null"):
        sql.value("select carry_on_operations()")
    why = cause(sql, id)
    assert (why["cause"], why["details"]["by"]) == ("cancelled", "ann")


def test_a_row_that_another_transaction_holds_is_passed_over_until_it_ends(sql: Sql, another_sql: Any) -> None:
    worker, other = sql.worker(), another_sql()
    id = sql.enqueue()
    other.connection.execute("begin")
    other.rows("select id from job where id = %s for update", id)
    sql.rows("select pg_sleep(extract(epoch from xact_start + interval '1.05 s' - clock_timestamp())) from pg_stat_activity "
             "where pid = %s", other.connection.info.backend_pid)  # fmt: skip

    why = cause(sql, id)

    assert (why["cause"], why["details"]["pid"]) == ("locked", other.connection.info.backend_pid)
    assert claimed(sql, worker) == []
    other.connection.execute("rollback")
    assert causes(sql, id) == ["next"]
    assert claimed(sql, worker) == [id]


def test_a_running_job_says_who_runs_it_and_what_ends_the_run(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = registered(sql, "noop")
    id = sql.enqueue(timeout="30 s", total_timeout="1 h")
    token, _ = sql.claim(worker)
    sql.value("select progress(%s, %s, 3, 10, 'rows')", id, token)
    sql.value("select cancel(%s, 'ann', 'enough', force_after => '60 s')", id)

    assert causes(sql, id) == ["running", "cancel_asked", "timeout", "deadline"]
    assert "worker 'w1' (process 7 on host) has been running it since 2" in cause(sql, id)["says"]
    assert re.search(r"; last heartbeat at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(\S+ \w+ ago\)", cause(sql, id)["says"]), (
        "no age alone"
    )
    assert "progress 3 of 10: rows" in cause(sql, id)["says"]
    assert [seconds(cause(sql, id, word)["left"]) for word in ("cancel_asked", "timeout", "deadline")] == [60, 30, 3600]
    sql.lose(worker)
    assert causes(sql, id)[0] == "worker_lost"
    assert "no other one is alive" in cause(sql, id)["says"]
    sql.worker()
    assert "another one takes the job back" in cause(sql, id)["says"]
    sql.value("select rescue()")
    assert cause(sql, id)["cause"] == "cancelled"


def test_a_job_that_is_over_says_how_and_until_when_that_is_kept(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    flow = submit(sql, node("a", retries=0), node("b", "a"), node("c"), node("d"))
    a, b, c, d = flow.jobs
    token, _ = sql.claim(worker, 2)
    fail(sql, token, a)
    sql.finish(token, {"id": c, "state": "succeeded", "elapsed": 0.25})
    sql.value("select cancel(%s, 'ann', 'wrong')", d)
    history_days = sql.value("select history_days from setting")

    said = {id: cause(sql, id) for id in flow.jobs}

    assert [said[id]["cause"] for id in flow.jobs] == ["failed", "skipped", "succeeded", "cancelled"]
    assert said[a]["says"].endswith("in attempt 1 of 1: Broken: no way; it is kept until it is retried or discarded")
    assert f"because of its parents: job {a} (a) failed" in said[b]["says"]
    assert "in attempt 1 of 4 after 0.3 s" in said[c]["says"]
    assert "by 'ann': wrong" in said[d]["says"]
    assert said[a]["until"] is None
    kept = timedelta(days=history_days)
    assert all(kept <= said[id]["left"] <= kept + timedelta(days=1) for id in (b, c, d))
    sql.rows("update setting set dead_days = 3")
    assert seconds(cause(sql, a)["left"]) == 3 * 86400
    sql.value("select retry(%s, 'bob', force => true)", a)
    assert causes(sql, a) == ["next"]


def test_a_job_that_people_have_run_again_or_discarded_says_who(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    done, dead = add(sql, 2)
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": done, "state": "succeeded"})
    fail(sql, token, dead, final=True)

    again = sql.value("select id from retry(%s, 'ann')", done)
    sql.value("select discard(%s, 'bob', 'a test')", dead)

    assert causes(sql, done) == ["succeeded", "retried"]
    assert cause(sql, done, "retried")["says"].startswith("'ann' has retried it at 2")
    assert cause(sql, done, "retried")["says"].endswith(f"it runs again as job {again}")
    assert cause(sql, dead)["says"].endswith(" ago): a test")
    assert (causes(sql, dead), cause(sql, dead)["details"]["by"]) == (["discarded"], "bob")
    assert causes(sql, again) == ["next"]


def test_a_job_of_a_queue_without_history_is_known_by_its_result(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    sql.value("""select set_queue('default', '{"keep_succeeded": false}')""")
    with_result, without = add(sql, 2)
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": with_result, "state": "succeeded", "result": 5}, {"id": without, "state": "succeeded"})

    assert cause(sql, with_result)["cause"] == "succeeded"
    assert sql.refusal("select * from explain(%s)", without).sqlstate == "PQ003"


def test_an_unknown_job_is_refused_with_its_id(rolled_back_sql: Sql) -> None:
    error = rolled_back_sql.refusal("select * from explain(77)")
    assert (error.sqlstate, "there is no job 77" in str(error)) == ("PQ003", True)


@pytest.mark.parametrize("when", ["infinity", "9999-12-30", "-infinity"])
def test_times_without_an_end_are_told(rolled_back_sql: Sql, when: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(run_after="1 h")
    sql.rows("update job set run_at = %s", when)
    assert sql.value("select cause from explain(%s)", id) == ("due" if when == "-infinity" else "later")


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (-5, "0 s"),
        (0.25, "0.3 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7260, "2 h 1 min"),
        (1e6, "11 d 13 h"),
        (1e9, "31 years"),
    ],
)
def test_durations_have_two_units(rolled_back_sql: Sql, seconds: float, says: str) -> None:
    assert rolled_back_sql.value("select said_span(%s)", seconds) == says
