"""fire_schedules: each tick once, whatever workers have computed; one schedule that raises holds up no other."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql
from .guarantees import without_waiting
from .schedule_steps import (
    FAR,
    FIRE,
    MINUTE,
    NAME,
    SECOND,
    fire,
    fire_due,
    jobs,
    make_due,
    missed,
    now,
    outcomes,
    row,
    seen,
    set_schedule,
)

# Of a schedule: nothing special, so that it fires with others in one statement; or something that is asked of it alone.
KINDS: dict[str, dict[str, Any]] = {"together": {}, "alone": {"overlap": "skip"}}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Changes that decide how a schedule fires."""
    return KINDS[request.param]


def test_a_due_tick_makes_its_job_and_the_schedule_goes_on(rolled_back_sql: Sql, kind: dict[str, Any]) -> None:
    sql = rolled_back_sql
    set_schedule(sql, **kind, job={"args": {"to": 1}, "queue": "mail", "priority": 7, "retries": 1, "meta": {"a": 1}})
    tick = make_due(sql)

    fired = fire(sql, seen(sql))

    (job,) = jobs(sql)
    its = row(sql)
    assert fired == [{"name": NAME, "tick": tick, "outcome": "fired", "reason": None, "job_id": job["id"], "stands_for": 1}]
    assert (its["after_at"], its["next_tick"], its["look_at"]) == (tick, FAR, FAR)
    assert (its["last_tick"], its["last_outcome"], its["last_reason"], its["last_job_id"]) == (tick, "fired", None, job["id"])
    assert (job["task"], job["args"], job["queue"], job["priority"]) == ("noop", {"to": 1}, "mail", 7)
    assert (job["max_attempts"], job["meta"], job["state"], job["workflow_id"]) == (2, {"a": 1}, "ready", None)
    assert job["terms"] == {"schedule": NAME, "scheduled_for": tick.isoformat(timespec="microseconds")}
    assert now(sql) - MINUTE < job["run_at"] <= now(sql), "a run_at in the past would put it before jobs that wait longer"


def test_its_queue_is_woken(sql: Sql, another_sql: Callable[[], Sql], kind: dict[str, Any]) -> None:
    set_schedule(sql, **kind, job={"queue": "mail"})
    worker = another_sql()
    worker.listen()

    fire_due(sql)

    assert worker.wakes(sql) == ["mail"]


def test_a_new_schedule_gets_its_next_tick_and_nothing_else(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    before = row(sql)

    assert fire(sql, seen(sql)) == []

    assert row(sql) == {**before, "next_tick": FAR, "look_at": FAR}
    assert outcomes(sql) == []


def test_a_schedule_without_a_next_tick_is_not_looked_at_again(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql)
    make_due(rolled_back_sql)

    assert len(fire(rolled_back_sql, seen(rolled_back_sql, next=None))) == 1

    assert (row(rolled_back_sql)["next_tick"], row(rolled_back_sql)["look_at"]) == (None, None)


def what_another_worker_has_seen_earlier_counts_no_more(sql: Sql) -> None:
    """T4: the slower of two workers computes other ticks: nothing of that happens."""
    set_schedule(sql)
    tick = make_due(sql, ago=60)
    late = seen(sql, ticks=[tick, tick + 20 * SECOND], next=tick + 7200 * SECOND)
    fire(sql, seen(sql, next=tick + 3600 * SECOND))
    before = row(sql)

    assert fire(sql, late) == []

    assert row(sql) == before
    assert len(jobs(sql)) == 1


def test_what_another_worker_has_seen_earlier_counts_no_more(rolled_back_sql: Sql) -> None:
    what_another_worker_has_seen_earlier_counts_no_more(rolled_back_sql)


def test_a_schedule_that_was_changed_since_it_was_seen_is_left_alone(rolled_back_sql: Sql) -> None:
    """The next tick is to be computed before the change and after it: what tells them apart is after_at."""
    sql = rolled_back_sql
    set_schedule(sql)
    late = seen(sql, next=now(sql) + SECOND)
    set_schedule(sql, every=60)
    before = row(sql)

    assert fire(sql, late) == []

    assert row(sql) == before


def a_worker_that_computes_other_ticks_fires_the_stored_one(sql: Sql) -> None:
    """T4: the stored tick is among those that fire, and none before it."""
    set_schedule(sql, misfire="catch_up")
    tick = make_due(sql, ago=60)

    fired = fire(sql, seen(sql, ticks=[tick - 20 * SECOND, tick + 20 * SECOND]))

    assert [one["tick"] for one in fired] == [tick, tick + 20 * SECOND]


def test_a_worker_that_computes_other_ticks_fires_the_stored_one(rolled_back_sql: Sql) -> None:
    a_worker_that_computes_other_ticks_fires_the_stored_one(rolled_back_sql)


def a_tick_of_the_future_does_not_fire(sql: Sql) -> None:
    """T5: only the clock of the database says what is due."""
    set_schedule(sql)
    tick = make_due(sql)
    before = row(sql)

    assert fire(sql, seen(sql, ticks=[tick, now(sql) + 60 * SECOND])) == []
    assert row(sql) == before

    set_schedule(sql, "later")
    make_due(sql, "later", ago=-60)
    assert fire(sql, seen(sql, "later")) == []
    assert (len(jobs(sql)), row(sql, "later")["next_tick"] > now(sql)) == (0, True)


def test_a_tick_of_the_future_does_not_fire(rolled_back_sql: Sql) -> None:
    a_tick_of_the_future_does_not_fire(rolled_back_sql)


def test_a_next_tick_that_is_not_later_is_an_error_and_no_loop(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    tick = make_due(sql)

    assert len(fire(sql, seen(sql, next=tick))) == 1

    its = row(sql)
    assert (its["next_tick"], its["after_at"]) == (None, tick)
    assert "cannot be" in its["error"]
    assert 50 * SECOND < its["look_at"] - now(sql) <= 60 * SECOND


def test_a_next_tick_that_cannot_be_computed_is_on_record_and_the_stored_one_fires(rolled_back_sql: Sql) -> None:
    """T17."""
    sql = rolled_back_sql
    set_schedule(sql)
    tick = make_due(sql)

    fired = fire(sql, seen(sql, ticks=[], next=None, error="unknown zone " + "x" * 1000))

    its = row(sql)
    assert [(one["tick"], one["outcome"]) for one in fired] == [(tick, "fired")]
    assert (its["error"][:12], len(its["error"]), its["next_tick"]) == ("unknown zone", 500, None)
    assert 50 * SECOND < its["look_at"] - now(sql) <= 60 * SECOND

    fire(sql, seen(sql))
    assert (row(sql)["error"], row(sql)["next_tick"]) == (None, FAR)


def one_that_cannot_enqueue_holds_up_no_other(sql: Sql) -> None:
    """T17: its tick has failed, with the reason; the others fire, and it goes on with its next tick."""
    sql.value("select set_limit('api', max_running => 1)")
    for name in ("a", "m", "z"):
        set_schedule(sql, name, job={"limits": ["api"]} if name == "m" else {})
        make_due(sql, name)
    sql.value("select delete_limit('api')")

    fired = fire(sql, *(seen(sql, name) for name in ("a", "m", "z")))

    assert sorted((one["name"], one["outcome"]) for one in fired) == [("a", "fired"), ("m", "failed"), ("z", "fired")]
    ((outcome, reason, _),) = outcomes(sql, "m")
    assert (outcome, "there is no such limit" in str(reason), len(str(reason)) <= 500) == ("failed", True, True)
    assert row(sql, "m")["next_tick"] == FAR


def test_one_that_cannot_enqueue_holds_up_no_other(rolled_back_sql: Sql) -> None:
    one_that_cannot_enqueue_holds_up_no_other(rolled_back_sql)


def one_that_cannot_be_decided_holds_up_no_other(sql: Sql) -> None:
    """Whatever it is: its error says why, it is looked at again in a minute, and its tick is not lost."""
    for name in ("a", "m", "z"):
        set_schedule(sql, name, overlap="skip" if name == "z" else "allow")
        make_due(sql, name)
    sql.rows("update schedule set definition = definition || '{\"jitter\": 1e-320}' where name = 'm'")  # too small to divide
    before = row(sql, "m")

    fired = fire(sql, *(seen(sql, name) for name in ("a", "m", "z")))

    after = row(sql, "m")
    assert sorted((one["name"], one["outcome"]) for one in fired) == [("a", "fired"), ("z", "fired")]
    assert "underflow" in after["error"]
    assert {**after, "error": None, "look_at": None} == {**before, "look_at": None}
    assert 50 * SECOND < after["look_at"] - now(sql) < 70 * SECOND


def test_one_that_cannot_be_decided_holds_up_no_other(rolled_back_sql: Sql) -> None:
    one_that_cannot_be_decided_holds_up_no_other(rolled_back_sql)


def test_one_that_fails_among_those_that_fire_together_is_found(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for name in ("a", "m", "z"):
        set_schedule(sql, name)
        make_due(sql, name)
    sql.rows("""update schedule set definition = jsonb_set(definition, '{job,queue}', '"no such name"') where name = 'm'""")

    fired = fire(sql, *(seen(sql, name) for name in ("a", "m", "z")))

    assert sorted((one["name"], one["outcome"]) for one in fired) == [("a", "fired"), ("m", "failed"), ("z", "fired")]
    assert len(jobs(sql)) == 2


def test_an_error_that_is_not_the_schedules_decides_nothing(rolled_back_sql: Sql) -> None:
    """A full disk: the tick fires when there is room again."""
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql)
    before = row(sql)
    sql.rows(
        """create function refuse() returns trigger language plpgsql as
           $$begin raise 'no space left' using errcode = 'disk_full'; end$$"""
    )
    sql.rows("create trigger refuse before insert on job for each row execute function refuse()")

    assert sql.refusal(FIRE, json.dumps([seen(sql)])).sqlstate == "53100"

    assert (row(sql), outcomes(sql)) == (before, [])


def test_a_duplicate_is_skipped_and_names_the_job_in_its_way(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, job={"unique_mode": "until_done"})
    (first,) = fire_due(sql, ago=10)

    (second,) = fire_due(sql)

    assert (second["outcome"], second["reason"], second["job_id"]) == ("skipped", "duplicate", first["job_id"])
    assert row(sql)["last_job_id"] == first["job_id"]


@pytest.mark.parametrize("ends", [{}, {"expires_after": "1 h", "total_timeout": "2 h"}])
def test_a_job_has_its_terms_beside_those_of_its_schedule(rolled_back_sql: Sql, ends: dict[str, Any]) -> None:
    set_schedule(rolled_back_sql, job={"timeout": "5 s", **ends})

    (fired,) = fire_due(rolled_back_sql)

    (job,) = jobs(rolled_back_sql)
    seconds = {"expires_after": 3600, "total_timeout": 7200} if ends else {}
    assert job["terms"] == {"timeout": 5, **seconds, "schedule": NAME, "scheduled_for": job["terms"]["scheduled_for"]}
    assert datetime.fromisoformat(job["terms"]["scheduled_for"]) == fired["tick"]
    assert (job["expires_at"] is not None, job["deadline_at"] is not None) == (bool(ends), bool(ends))


def test_a_job_under_limits_joins_its_lane(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('api', max_running => 1)")
    set_schedule(sql, job={"limits": ["api"], "fair": "tenant:{to}", "args": {"to": 7}})

    fire_due(sql)

    (job,) = jobs(sql)
    assert job["limits"] == ["api", "tenant:7"]
    assert len(sql.claim(sql.worker())[1]) == 1


def test_1000_schedules_fire_in_batches_with_a_statement_for_each_table(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(
        """insert into schedule (name, definition, after_at, next_tick, look_at)
           select 's' || n, '{"every": 1, "job": {"task": "noop"}}', at - interval '1 s', at, at
             from generate_series(1, 1000) n, (select clock_timestamp() - interval '1 s' as at) a"""
    )
    batches = []

    while due := sql.rows("select * from due_schedules(200)"):
        batches.append(fire(sql, *(seen(sql, one["name"]) for one in due)))

    assert [len(batch) for batch in batches] == [200] * 5
    assert sql.value("select count(distinct terms->>'schedule') from job") == 1000
    assert sql.value("select count(*) from schedule_tick where outcome = 'fired'") == 1000


def workers_share_the_schedules(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """A worker that has not committed holds up no other, and no tick fires twice."""
    names = [f"s{n}" for n in range(10)]
    for name in names:
        set_schedule(sql, name)
        make_due(sql, name)
    fires = [seen(sql, name) for name in names]
    other = another_sql()

    with other.connection.transaction():
        first = fire(other, *fires[:6])
        with without_waiting(sql):
            second = fire(sql, *fires)
    third = fire(sql, *fires)

    assert ([one["name"] for one in first], [one["name"] for one in second], third) == (names[:6], names[6:], [])
    assert len(jobs(sql)) == 10


def test_workers_share_the_schedules(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    workers_share_the_schedules(sql, another_sql)


def one_that_waits_for_a_lock_holds_up_no_other(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """T17: it is looked at again a second later, and its tick is not lost."""
    set_schedule(sql, "a", job={"unique_mode": "until_done", "unique_key": "k"})
    set_schedule(sql, "z", overlap="skip")
    other = another_sql()
    for name in ("a", "z"):
        make_due(sql, name)
    before = row(sql, "a")

    with other.connection.transaction(force_rollback=True):
        other.enqueue(unique_mode="until_done", unique_key="k")
        fired = fire(sql, seen(sql, "a"), seen(sql, "z"))

    after = row(sql, "a")
    assert [one["name"] for one in fired] == ["z"]
    assert {**after, "look_at": None} == {**before, "look_at": None}
    assert 0 * SECOND < after["look_at"] - before["look_at"] < 10 * SECOND


def test_one_that_waits_for_a_lock_holds_up_no_other(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.rows("set statement_timeout = '5s'")
    one_that_waits_for_a_lock_holds_up_no_other(sql, another_sql)


@pytest.mark.parametrize("fires", ["{}", "[1]", '"a"'])
def test_anything_but_an_array_of_objects_is_refused(rolled_back_sql: Sql, fires: str) -> None:
    assert rolled_back_sql.refusal(FIRE, fires).diag.column_name == "fires"


def test_a_name_that_is_not_there_or_comes_twice_does_no_harm(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql)
    make_due(rolled_back_sql)
    one = seen(rolled_back_sql)

    assert len(fire(rolled_back_sql, one, {**one, "name": "gone"}, one)) == 1

    assert len(jobs(rolled_back_sql)) == 1


def test_only_ticks_are_due_that_no_other_worker_has_decided(rolled_back_sql: Sql, kind: dict[str, Any]) -> None:
    """200 ticks, and every answer of a worker is sent twice."""
    sql = rolled_back_sql
    set_schedule(sql, **kind)
    tick = make_due(sql, ago=3600)
    ticks: list[datetime] = []
    for _ in range(200):
        sent = seen(sql, ticks=[tick], next=tick + timedelta(seconds=10))
        answers = [*fire(sql, sent), *fire(sql, sent)]
        ticks += [one["tick"] for one in answers]
        tick += timedelta(seconds=10)
        sql.rows("delete from job")

    assert len(ticks) == len(set(ticks)) == 200


def test_a_missed_tick_beside_a_plain_one_in_the_same_call(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, "plain")
    make_due(sql, "plain")
    set_schedule(sql)
    ticks = missed(sql, 30, 20, 10)

    fired = fire(sql, seen(sql, "plain"), seen(sql, ticks=ticks))

    assert [(one["name"], one["outcome"]) for one in fired] == [
        ("plain", "fired"), (NAME, "fired"), (NAME, "coalesced"), (NAME, "coalesced")
    ]  # fmt: skip
