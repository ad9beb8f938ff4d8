"""travel: time passes for the jobs of a test, and for no others."""

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgqueue import PgQueue, Retry, Task, Unique, chain
from pgqueue.errors import InvalidArgument, ResultExpired
from pgqueue.testing import drain, joined, travel
from tests.looking import Look

Connection = psycopg.Connection[Any]


@pytest.fixture
def double(app: PgQueue) -> Task[[int], int | None]:
    """A task whose result may be nothing."""

    @app.task
    def double(number: int) -> int | None:
        return 2 * number or None

    return double


def test_a_scheduled_job_becomes_due(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    double.using(connection=theirs, run_after=timedelta(hours=1)).enqueue(1)
    travel(app, theirs, timedelta(minutes=59))
    assert drain(app, theirs) == []
    travel(app, theirs, 61)
    assert [ran.result for ran in drain(app, theirs)] == [2]


def test_a_retry_comes_when_its_delay_is_over(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=Retry(1, backoff="fixed", delay=600, jitter=False))
    def fail() -> None:
        raise ValueError

    fail.using(connection=theirs).enqueue()
    assert [ran.state for ran in drain(app, theirs)] == ["scheduled"]
    travel(app, theirs, 590)
    assert drain(app, theirs) == []
    travel(app, theirs, 11)
    assert [ran.state for ran in drain(app, theirs)] == ["failed"]


@pytest.mark.parametrize("number", [1, 0])  # a result of None is not stored
def test_a_result_that_was_extended_expires(
    app: PgQueue, double: Task[[int], int | None], theirs: Connection, number: int
) -> None:
    with joined(app, theirs):
        job = double.using(result_ttl=100).enqueue(number)
        drain(app, theirs)
        job.extend_result(1000)
        travel(app, theirs, 900)
        assert job.has_result()
        travel(app, theirs, 101)
        assert not job.has_result()
        with pytest.raises(ResultExpired):
            job.result(timeout=0)


AGED = {
    "job": {"run_at", "claimed_at", "put_off_at", "unknown_since", "expires_at", "deadline_at"},
    "job_history": {"run_at", "claimed_at", "finished_at", "result_expires_at"},
    "dead_letter": {"run_at", "claimed_at", "finished_at"},
    "job_result": {"expires_at"},
    "job_step": {"started_at", "ended_at"},
    "job_signal": {"waited_at", "until", "ended_at"},
    "unique_hold": {"expires_at", "held_at"},
    "rescue_log": {"rescued_at"},
    "job_log": {"at"},
    "forced_cancel": {"at", "asked_at"},
    "workflow": {"cancelled_at", "finished_at"},
    "workflow_node": {"ended_at"},
}
LEFT_ALONE = {
    # created_at tells whose a row is.
    "job": {"created_at"},
    "job_history": {"created_at"},
    "dead_letter": {"created_at"},
    "workflow": {"created_at"},
    # Of the install and its workers, of queues, and of limits, which jobs of others share; drain does not wait for limits.
    "setting": {"created_at"},
    "clock": {"seen_at"},
    "upkeep": {"next_at", "warned_at", "whole_at", "done_at"},
    "worker": {"started_at", "heartbeat_at"},
    "worker_stacks": {"asked_at", "answered_at"},
    "diagnosis": {"next_at"},
    "finding_log": {"found_at", "seen_at"},
    "worker_clock": {"noted_at"},
    "dead_alert": {"changed_at"},
    "audit_log": {"at"},
    "api_key": {"created_at", "expires_at", "revoked_at", "last_used_at"},
    "discard_log": {"discarded_at"},  # what is discarded is not the job any more
    "limit_def": {"changed_at"},
    "bucket": {"refilled_at", "used_since", "oldest_claim"},
    "turn": {"due_at", "lo", "whole_at"},
    "line_start": {"starts_at", "keys_at", "seen_at"},
    "permit": {"claimed_at"},
    "parking": {"until", "parked_at"},
    "pause": {"until", "paused_at"},
    "queue": {"changed_at"},
    "queue_depth": {"counted_at"},
    "depth": {"counted_at", "oldest"},
    "depth_sample": {"counted_at", "fresh_until"},
    "metric_minute": {"minute"},
    "metric_hour": {"hour"},
    "metric_day": {"day"},
    "metric_total": {"first_day"},
    "metric_all": {"at"},
    "metric_depth": {"minute"},
    "metric_sample": {"minute"},
    "unkept_end": {"minute"},
    "roll_up_state": {"minute_at", "check_at", "hour_at", "recheck_at", "day_at", "rolled_at"},
    "schedule": {
        "paused_at",
        "after_at",
        "next_tick",
        "look_at",
        "last_tick",
        "buffered_tick",
        "created_at",
        "changed_at",
    },
    "schedule_tick": {"tick", "fired_at"},
    "schedule_look": {"looked_at"},
    "operation": {"created_at", "started_at", "finished_at", "next_at", "held_since"},
    "idempotent_request": {"created_at"},  # of a client of the REST API
    "pool": {"checked_at", "scaled_up_at", "scaled_down_at", "low_since", "created_at"},
    "agent": {"started_at", "heartbeat_at"},
    "pool_slot": {"taken_at"},
    "pool_event": {"at"},
    "pool_sample": {"at"},
}
TIME_COLUMNS = """
select c.relname::text, a.attname::text from pg_class c join pg_attribute a on a.attrelid = c.oid
 where c.relnamespace = 'pgqueue'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
   and a.attnum > 0 and not a.attisdropped
   and a.atttypid in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype, 'tstzrange'::regtype)
"""


def test_a_job_that_has_expired_does_not_run(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    double.using(connection=theirs, expires=60).enqueue(1)
    double.using(connection=theirs, total_timeout=60).enqueue(2)
    travel(app, theirs, 61)
    assert drain(app, theirs) == []


def test_every_time_in_the_tables_ages_or_is_left_alone_for_a_reason(look: Look) -> None:
    """A new column stands in one of the two lists, and in the statement of travel."""
    found: dict[str, set[str]] = {}
    for table, column in look.connection.execute(TIME_COLUMNS):
        found.setdefault(table, set()).add(column)
    listed = {table: AGED.get(table, set()) | LEFT_ALONE.get(table, set()) for table in AGED | LEFT_ALONE}
    assert found == listed
    assert not [table for table in AGED if AGED[table] & LEFT_ALONE.get(table, set())]


def test_every_time_of_what_the_test_has_added_ages(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    @app.task(retry=0)
    def fail() -> None:
        raise ValueError

    with joined(app, theirs):
        chain(double.s(1), double.s()).enqueue()
        fail.enqueue()
        double.using(unique=Unique("period", period=3600)).enqueue(3)
        drain(app, theirs)
        late = double.using(run_after=3600).enqueue(4)
    theirs.execute("insert into pgqueue.rescue_log select now(), %s, gen_random_uuid(), 'q', 't', false", (late.id,))
    theirs.execute("insert into pgqueue.job_step select %s, 'step', null, now(), now(), 1", (late.id,))
    theirs.execute("insert into pgqueue.job_signal (job_id, name) values (%s, 'signal')", (late.id,))
    line = "insert into pgqueue.job_log select %s, 1, 0, 1, now(), gen_random_uuid(), 1, 'info', 'said'"
    theirs.execute(line, (late.id,))
    running = "update pgqueue.job set state = 'running', claimed_at = now(), claim_token = %s, worker_id = %s where id = %s"
    theirs.execute(running, (uuid.uuid4(), uuid.uuid4(), late.id))
    theirs.execute("select pgqueue.cancel(%s, force_after => '1 h')", (late.id,))
    for table, columns in AGED.items():  # what is not set would not be seen to age
        for column in columns - {"finished_at", "claimed_at"}:
            set_it = SQL("update {} set {column} = coalesce({column}, clock_timestamp())")
            theirs.execute(set_it.format(Identifier("pgqueue", table), column=Identifier(column)))

    def times() -> dict[str, Any]:
        query = SQL("select max({column}) from {} having bool_and({column} is not null)")
        return {
            f"{table}.{column}": theirs.execute(query.format(Identifier("pgqueue", table), column=Identifier(column))).fetchone()
            for table, columns in AGED.items()
            for column in columns
        }

    before = times()
    travel(app, theirs, 500)
    passed = {column: before[column][0] - time[0] for column, time in times().items()}
    assert passed == dict.fromkeys(before, timedelta(seconds=500))


@pytest.mark.parametrize("number", [1, 0])  # a result of None is not stored; its time is that of the history
def test_a_result_expires(app: PgQueue, double: Task[[int], int | None], theirs: Connection, number: int) -> None:
    with joined(app, theirs):
        job = double.using(result_ttl=100).enqueue(number)
        drain(app, theirs)
        assert travel(app, theirs, 90) == 1
        assert job.has_result()
        travel(app, theirs, 11)
        with pytest.raises(ResultExpired):
            job.result(timeout=0)


def test_the_period_of_a_unique_job_ends(app: PgQueue, double: Task[[int], int | None], theirs: Connection) -> None:
    once = double.using(connection=theirs, unique=Unique("period", period=100))
    first = once.enqueue(1)
    travel(app, theirs, 90)
    assert once.enqueue(1).id == first.id
    travel(app, theirs, 11)
    assert once.enqueue(1).id != first.id


def test_a_dead_letter_ages(app: PgQueue, theirs: Connection) -> None:
    @app.task(retry=0)
    def fail() -> None:
        raise ValueError

    fail.using(connection=theirs).enqueue()
    drain(app, theirs)
    travel(app, theirs, 1000)
    assert theirs.execute("select clock_timestamp() - finished_at > '1000 s' from dead_letter").fetchall() == [(True,)]


def test_what_ran_may_age_into_another_day_of_the_history(
    app: PgQueue, double: Task[[int], int | None], theirs: Connection
) -> None:
    double.using(connection=theirs).enqueue(1)
    drain(app, theirs)
    for _ in range(3):
        travel(app, theirs, timedelta(days=4))
    assert theirs.execute("select clock_timestamp() - finished_at > '12 days' from job_history").fetchall() == [(True,)]


def test_jobs_of_others_do_not_age(app: PgQueue, double: Task[[int], int | None], theirs: Connection, look: Look) -> None:
    double.using(run_after=60).enqueue(1)
    double.using(unique=Unique("period", period=60)).enqueue(1)
    queries = ("select job.*, xmin::text from job order by id", "select unique_hold.*, xmin::text from unique_hold")
    before = [look.rows(query) for query in queries]
    assert travel(app, theirs, 1000) == 0
    assert [[*map(dict, look.rows(query))] for query in queries] == before
    theirs.commit()
    assert [look.rows(query) for query in queries] == before


@pytest.mark.parametrize("time", [0, -1, timedelta(0), float("nan"), float("inf")])
def test_only_a_time_that_passes_is_valid(app: PgQueue, theirs: Connection, time: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^time: .* is not valid; use seconds or a timedelta, more than 0$"):
        travel(app, theirs, time)
