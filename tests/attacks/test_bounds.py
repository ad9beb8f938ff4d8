"""Durations, numbers and costs that would stop others: each has a bound in SQL."""

from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.roles.conftest import Install
from tests.waiting import until

Connection = psycopg.Connection[Any]

# PostgreSQL compares a month as 30 days: this is 0 for a comparison, and 293,000 years on the way to a sum.
CANCELLED_OUT = "interval '293000 years -105480000 days'"
TOO_LONG = [CANCELLED_OUT, "interval '293000 years'", "interval '-1 s'"]


def sqlstate(connection: Connection, statement: str) -> str | None:
    """The SQLSTATE that refuses a statement; None if it is let through."""
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


DURATIONS = {
    "result_ttl": "enqueue('t', result_ttl => {})",
    "timeout": "enqueue('t', timeout => {})",
    "soft_timeout": "enqueue('t', soft_timeout => {})",
    "total_timeout": "enqueue('t', total_timeout => {})",
    "expires_after": "enqueue('t', expires_after => {})",
    "unique_period": "enqueue('t', unique_mode => 'period', unique_period => {})",
    "extend_result": "extend_result(1, {})",
    "pause": "pause('queue', 'q', after => {})",
    "key": "create_key('abcdefghijkl', sha256('x'), 'n', 'viewer', expires_after => {})",
    "starvation_after": "set_queue('q', jsonb_build_object('starvation_after', ({})::text))",
    "per": "set_limit('k', 1, {})",
    "lease": "register_worker(gen_random_uuid(), 'w', 'h', 1, '1', '{{q}}', 1, {})",
    "grace": "reconcile(gen_random_uuid(), '{{}}', {})",
    "wait_for": "wait_for(1, gen_random_uuid(), 's', {})",
}


@pytest.mark.parametrize("duration", [*TOO_LONG, "interval 'infinity'"])
@pytest.mark.parametrize("call", DURATIONS.values(), ids=DURATIONS)
def test_no_duration_is_negative_or_leaves_the_calendar(connection: Connection, call: str, duration: str) -> None:
    if "infinity" in duration and connection.info.server_version < 170000:
        duration = "interval '178000000 years'"
    assert sqlstate(connection, f"select {call.format(duration)}") == "PQ001"


@pytest.mark.parametrize("duration", [CANCELLED_OUT, "-interval '293000 years'", "interval '293000 years'"])
def test_no_delay_leaves_the_calendar(connection: Connection, duration: str) -> None:
    assert sqlstate(connection, f"select enqueue('t', run_after => {duration})") == "PQ001"
    assert sqlstate(connection, f"select update(enqueue('t'), run_after => {duration})") == "PQ001"


def test_a_lease_is_a_day_at_most_so_that_the_jobs_of_a_lost_worker_come_back(connection: Connection) -> None:
    register = "select register_worker(gen_random_uuid(), 'w', 'h', 1, '1', '{q}', 1, {lease})"
    for lease in ("null", "interval '0'", "interval '25 hours'"):
        assert sqlstate(connection, register.replace("{lease}", lease)) == "PQ001"
    assert sqlstate(connection, register.replace("{lease}", "interval '1 day'")) is None


@pytest.mark.parametrize(
    "values",
    [
        "repeat('n', 1001), 'h', 1, '1', '{q}', 1, interval '1 min'",
        "'n', repeat('h', 1001), 1, '1', '{q}', 1, interval '1 min'",
        "'n', 'h', 1, repeat('1', 101), '{q}', 1, interval '1 min'",
        "'n', 'h', 1, '1', array[repeat('q', 201)], 1, interval '1 min'",
        "'n', 'h', 1, '1', array_fill('q'::text, array[1001]), 1, interval '1 min'",
        "'n', 'h', 1, '1', '{q}', 1, interval '1 min', tasks => array[repeat('t', 201)]",
    ],
)
def test_what_a_worker_says_of_itself_is_bounded(connection: Connection, values: str) -> None:
    assert sqlstate(connection, f"select register_worker(gen_random_uuid(), {values})") == "PQ001"


@pytest.mark.parametrize("field", ["history_days", "dead_days", "metric_minute_days", "metric_hour_days", "audit_days"])
def test_a_number_of_days_that_leaves_the_calendar_is_refused_before_maintenance_fails_by_it(
    connection: Connection, field: str
) -> None:
    assert sqlstate(connection, f"update setting set {field} = 2147483647") == "23514"
    assert sqlstate(connection, "select set_queue('q', '{\"dead_days\": 2147483646}')") == "PQ001"


def test_a_job_waits_for_a_thousand_others_at_most(connection: Connection) -> None:
    many = "enqueue_many('t', (select jsonb_agg('{{}}'::jsonb) from generate_series(1, {})))"
    assert sqlstate(connection, f"select enqueue('t', depends_on => {many.format(1001)})") == "PQ001"
    assert sqlstate(connection, f"select enqueue('t', depends_on => {many.format(1000)})") is None


@pytest.mark.parametrize(("given", "stored"), [("NaN", 1e9), ("Infinity", 1e9), ("-Infinity", 0), ("-5", 0), ("2.5", 2.5)])
@pytest.mark.parametrize(("state", "table"), [("succeeded", "job_history"), ("failed", "dead_letter")])
def test_the_time_that_a_handler_took_is_stored_as_a_number(
    connection: Connection, state: str, table: str, given: str, stored: float
) -> None:
    connection.execute("select enqueue('t', retries => 0)")
    _claim(connection)
    ((job, token),) = connection.execute("select id, claim_token from job").fetchall()
    outcome = "jsonb_build_object('id', %s, 'token', %s, 'state', %s::text, 'elapsed', %s::text)"
    connection.execute(f"select * from finish(jsonb_build_array({outcome}))", [job, token, state, given])
    assert connection.execute(f"select elapsed from {table}").fetchone() == (stored,)


def test_explain_says_whose_open_transaction_holds_a_job(install: Install) -> None:
    with install.as_login("producer") as producer, install.as_login("viewer") as viewer:
        enqueue = "select enqueue('t', queue => 'held', depends_on => %s)"
        ((pair,),) = producer.execute("select enqueue_many('t', '[{}, {}]', queue => 'held')").fetchall()
        producer.execute(enqueue, [pair[1:]])  # a node from now on
        with install.as_login("worker") as worker:
            worker.execute("select register_worker(%s, 'w', 'h', 1, '1', '{held}', 9, '1 h')", [token := uuid4()])
            worker.execute("select claim(%s, %s, '{held}', 9)", [token, token])
        holder = producer.info.backend_pid
        for parent in pair:
            producer.execute("begin")
            producer.execute(enqueue, [[parent]])
            until(partial(_names, viewer, parent, holder), f"explain names the holder of job {parent}")
            producer.execute("rollback")
            assert not _names(viewer, parent, holder)


def _names(connection: Connection, job: int, pid: int) -> bool:
    """Whether explain names a process as the one that holds a job."""
    causes = connection.execute("select (details->>'pid')::int from explain(%s) where cause = 'locked'", [job]).fetchall()
    return (pid,) in causes


def _claim(connection: Connection) -> list[tuple[Any, ...]]:
    worker = uuid4()
    connection.execute("select register_worker(%s, 'w', 'h', 1, '1', '{default}', 10, '1 min')", [worker])
    return connection.execute("select id from claim(%s, %s, '{default}', 10) where id is not null", [worker, uuid4()]).fetchall()


def test_a_job_cannot_cost_more_than_its_limit_pays_in_a_period(connection: Connection) -> None:
    connection.execute("select set_limit('api', 60, '1 min', burst => 10)")
    assert sqlstate(connection, "select enqueue('t', limits => '{api}', cost => 71)") == "PQ001"
    assert sqlstate(connection, "select enqueue('t', limits => '{api}', limits_declared => '{api}', cost => 1000000)") == "PQ001"
    assert sqlstate(connection, "select enqueue_many('t', '[{}]', limits => '{api}', cost => 71)") == "PQ001"
    assert sqlstate(connection, "select enqueue('t', limits => '{api}', cost => 70)") is None


def test_a_cost_from_before_a_limit_was_there_does_not_shut_it_for_longer_than_a_period(connection: Connection) -> None:
    connection.execute("select enqueue('nobody_knows_it', limits => '{api}', limits_declared => '{api}', cost => 1000000)")
    connection.execute("select set_limit('api', 60, '1 min', burst => 10)")
    assert len(_claim(connection)) == 1
    left = connection.execute("select tokens from bucket where key = 'api'").fetchone()
    assert left is not None
    assert left[0] >= -60  # and not -999,990: that is 11 days
