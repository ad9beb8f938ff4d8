"""pause, resume: nothing of what is paused starts, whoever claims."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, set_limit
from .pause_steps import pause, resume, taken, time_passes
from .plan import plans_of

KINDS = [("queue", "default"), ("task", "noop"), ("everything", None)]


def five_workers_take_nothing_of_a_paused_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """T26: the claim itself reads the pause, so a worker that has just started obeys it."""
    for n in range(50):
        sql.enqueue(queue="mail", priority=n)
    pause(sql, "queue", "mail")

    took = [taken(one, one.worker(), 10, ("mail",)) for one in (another_sql() for _ in range(5))]

    assert took == [[]] * 5, "jobs of a paused queue have started"


def test_five_workers_take_nothing_of_a_paused_queue(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    five_workers_take_nothing_of_a_paused_queue(sql, another_sql)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_nothing_of_what_is_paused_starts_until_it_is_resumed(rolled_back_sql: Sql, kind: str, name: str | None) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    ids = [sql.enqueue() for _ in range(3)]
    pause(sql, kind, name)
    ids.append(sql.enqueue())
    waiting = taken(sql, worker)
    resume(sql, kind, name)

    assert waiting == []
    assert taken(sql, worker) == ids


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_a_suspect_of_what_is_paused_does_not_start_either(rolled_back_sql: Sql, kind: str, name: str | None) -> None:
    sql = rolled_back_sql
    sql.rows("update job set rescues = 2 where id = %s", sql.enqueue())
    pause(sql, kind, name)

    assert taken(sql, sql.worker()) == []
    resume(sql, kind, name)
    assert len(taken(sql, sql.worker())) == 1


@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.parametrize("limits", [["k"], ["queue:default"], ["k", "queue:default"]], ids="+".join)
def test_jobs_with_limits_do_not_start_either(rolled_back_sql: Sql, kind: str, name: str | None, limits: list[str]) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for limit in limits:
        set_limit(sql, limit, max_running=100)
    ids = add(sql, 3, *(limit for limit in limits if limit == "k"))
    pause(sql, kind, name)
    waiting = [taken(sql, worker) for _ in range(3)]
    resume(sql, kind, name)
    sql.value("select repaired from sweep_lanes()")

    assert waiting == [[]] * 3
    assert sorted(taken(sql, worker)) == ids


@pytest.mark.parametrize("limits", [[], ["k"], ["queue:default"]], ids=["plain", "limited", "limited queue"])
@pytest.mark.parametrize("resumed", [False, True], ids=["whole", "from a cursor"])
def test_other_tasks_overtake_a_paused_one(rolled_back_sql: Sql, limits: list[str], resumed: bool) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for limit in limits:
        set_limit(sql, limit, max_running=100)
    keys = [limit for limit in limits if limit == "k"] or None
    paused = [sql.enqueue("slow", limits=keys) for _ in range(3)]
    others = [sql.enqueue("noop", limits=keys) for _ in range(3)]
    pause(sql, "task", "slow")
    place = json.dumps([{"queue": "default", "priority": 0, "run_at": "2000-01-01"}]) if resumed else None

    assert sorted(taken(sql, worker, 5, resume_at=place)) == others
    assert {sql.state(id) for id in paused} == {"ready"}


def test_other_queues_go_on_with_their_weights(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    for queue in ("a", "b", "c"):
        sql.value("select enqueue_many('noop', (select jsonb_agg('{}'::jsonb) from generate_series(1, 400)), %s)", queue)
    pause(sql, "queue", "a")

    rows = [sql.claim(worker, 1, ("a", "b", "c"), weights=[9.0, 1.0, 3.0])[1] for _ in range(200)]
    queues = [job["queue"] for (job,) in rows]

    assert set(queues) == {"b", "c"}
    assert 115 < queues.count("c") < 185  # 150 expected; six standard deviations each way


@pytest.mark.parametrize("given", ["until", "after"])
def test_a_pause_whose_time_is_over_is_none(rolled_back_sql: Sql, given: str) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    id = sql.enqueue()
    pause(sql, **{given: datetime.now(UTC) + timedelta(minutes=10) if given == "until" else timedelta(minutes=10)})
    time_passes(sql, "9 minutes")
    before = taken(sql, worker), sql.value("select count(*) from pauses")
    time_passes(sql, "1 minute")

    assert before == ([], 1)
    assert sql.value("select count(*) from pauses") == 0
    assert resume(sql) is False
    assert sql.value("select has_work('{default}')") is True
    assert taken(sql, worker) == [id]


def test_what_runs_goes_on_and_what_comes_back_waits(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    done, retried = sql.enqueue(), sql.enqueue()
    token, _ = sql.claim(worker)
    pause(sql)

    assert sql.finish(token, {"id": done, "state": "succeeded"}) == []
    sql.finish(token, {"id": retried, "state": "failed", "delay": 0, "error": {}})
    sql.value("select promote()")
    assert taken(sql, worker) == []
    resume(sql)
    assert taken(sql, worker) == [retried]


def test_everything_and_a_queue_are_paused_and_resumed_separately(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    mail = sql.enqueue(queue="mail")
    pause(sql, "everything", None)
    pause(sql, "queue", "mail")
    resume(sql, "everything", None)
    waiting = taken(sql, worker, queues=("mail",))
    resume(sql, "queue", "mail")

    assert waiting == []
    assert taken(sql, worker, queues=("mail",)) == [mail]


def test_a_job_that_is_claimed_by_its_id_starts_paused_or_not(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue()
    pause(sql)

    assert len(sql.rows("select * from claim_jobs(%s, gen_random_uuid(), %s)", sql.worker(), [id])) == 1


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_paused_jobs_are_no_work_that_holds_a_burst_open(rolled_back_sql: Sql, kind: str, name: str | None) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=100)
    plain, suspect, limited = sql.enqueue(), sql.enqueue(), sql.enqueue(limits=["k"])
    sql.rows("update job set rescues = 2 where id = %s", suspect)
    pause(sql, kind, name)
    of_each = [sql.value("select has_work('{default}')")]
    for id in (plain, suspect, limited):
        resume(sql, kind, name)
        of_each.append(sql.value("select has_work('{default}')"))
        pause(sql, kind, name)
        sql.rows("delete from job where id = %s", id)

    assert of_each == [False, True, True, True]


def test_what_runs_in_a_paused_queue_is_work(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue()
    taken(sql, sql.worker())
    pause(sql)

    assert sql.value("select has_work('{default}')") is True


def test_a_pause_says_who_why_since_and_until(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    until = datetime(2050, 1, 1, tzinfo=UTC)
    sql.enqueue(queue="mail")
    pause(sql, "queue", "mail", until=until, by="ann@desk", reason="the mail server is down")
    (row,) = sql.rows("select * from pauses")
    says = {"until": until, "by": "ann@desk", "reason": "the mail server is down", "paused_at": row["paused_at"]}
    of_queue = {f"paused_{key}": value for key, value in says.items() if key in ("until", "by")}
    of_queue |= {"paused_at": says["paused_at"], "pause_reason": says["reason"]}

    assert row == {"kind": "queue", "name": "mail"} | says
    assert timedelta(0) <= sql.value("select clock_timestamp()") - row["paused_at"] < timedelta(minutes=1)
    for view in ("queue_stats where queue = 'mail'", "queues where name = 'mail'"):
        (shown,) = sql.rows(f"select * from {view}")
        assert {key: shown[key] for key in of_queue} == of_queue


def test_pausing_again_changes_the_rest_and_not_since_when(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    first = pause(sql, by="ann", reason="one")
    (before,) = sql.rows("select * from pauses")
    second = pause(sql, by="bob", after=timedelta(hours=1))
    (after,) = sql.rows("select * from pauses")

    assert (first, second) == (True, False)
    assert after["paused_at"] == before["paused_at"]
    assert (after["by"], after["reason"], after["until"] is None) == ("bob", None, False)
    time_passes(sql, "2 hours")
    assert pause(sql) is True
    assert sql.value("select paused_at > clock_timestamp() - interval '1 minute' from pauses") is True


def test_who_pauses_is_the_user_of_the_session_if_nobody_is_named(rolled_back_sql: Sql) -> None:
    pause(rolled_back_sql)

    assert rolled_back_sql.value("select by = session_user from pauses") is True


def test_of_two_pauses_a_queue_shows_its_own(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="mail")
    sql.enqueue(queue="other")
    pause(sql, "everything", None, by="all")
    pause(sql, "queue", "mail", by="own")

    assert sql.rows("select queue, paused_by from queue_stats order by queue") == [
        {"queue": "mail", "paused_by": "own"},
        {"queue": "other", "paused_by": "all"},
    ]


def test_workers_are_told_of_a_pause_and_of_its_end(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.listen()
    sender = another_sql()
    pause(sender)
    resume(sender)

    assert sql.wakes(sender) == ["!queues", "!queues"]
    resume(sender)
    assert sql.wakes(sender) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lane", "x"), "kind: 'lane'"),
        ((None, "x"), "kind: NULL"),
        (("queue", "a b"), "name: 'a b'"),
        (("queue", None), "name: NULL"),
        (("task", ""), "name: ''"),
        (("task", "x" * 201), "name: "),
        (("everything", "x"), "name: 'x'"),
        (("queue", "x", datetime(2000, 1, 1, tzinfo=UTC)), "until: '2000"),
        (("queue", "x", None, ""), "by: ''"),
        (("queue", "x", None, "y" * 201), "by: "),
        (("queue", "x", None, None, "y" * 1001), "reason: "),
        (("queue", "x", None, None, None, timedelta(seconds=-1)), "after: '-"),
        (("queue", "x", datetime(2050, 1, 1, tzinfo=UTC), None, None, timedelta(seconds=1)), "after: "),
    ],
)
def test_an_invalid_argument_is_refused_by_name(rolled_back_sql: Sql, arguments: tuple[Any, ...], says: str) -> None:
    refused = rolled_back_sql.refusal(f"select pause({', '.join(['%s'] * len(arguments))})", *arguments)

    assert refused.sqlstate == "PQ001"
    assert str(refused).startswith(says)
    assert rolled_back_sql.rows("select * from pause") == []


def test_a_claim_without_pauses_asks_once_whether_there_are_some_and_no_more(sql: Sql) -> None:
    sql.connection.execute(
        """create or replace function unpaused(inout queues text[], inout weights float8[] default null, out tasks text[])
           language plpgsql as 'begin raise exception ''looked''; end'"""
    )
    ids = [sql.enqueue() for _ in range(3)]
    plans = plans_of(sql, "select id from claim(%s, gen_random_uuid(), '{default}', 2)", sql.worker())

    assert [sql.state(id) for id in ids] == ["running", "running", "ready"]
    assert sql.value("select has_work('{default}')") is True
    oid = sql.value("select 'pause_pkey'::regclass::oid")
    assert sum(tree.count(f":indexid {oid} ") for tree in plans.trees) == 1
    sql.rows("insert into pause (kind, name, by) values ('queue', 'other', 'x')")
    assert "looked" in str(sql.refusal("select id from claim(%s, gen_random_uuid(), '{default}', 2)", sql.worker()))


def test_pauses_that_ended_a_day_ago_are_pruned(sql: Sql) -> None:
    pause(sql, "queue", "long", after=timedelta(hours=1))
    time_passes(sql, "26 hours")
    pause(sql, "queue", "short", after=timedelta(hours=1))
    pause(sql, "queue", "on")
    time_passes(sql, "2 hours")
    sql.value("select maintain()")

    assert sql.rows("select name from pause order by name") == [{"name": "on"}, {"name": "short"}]
