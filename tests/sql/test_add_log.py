"""add_log: the last log lines of each job, under the fence of its run."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from . import log_guarantees as guarantees
from .conftest import Sql
from .log_guarantees import add, keep, lines, log_of, runs
from .plan import buffers_of


@pytest.mark.parametrize(
    "guarantee",
    [
        guarantees.a_run_that_has_lost_its_job_adds_no_line,
        guarantees.lines_after_the_end_are_those_of_who_ended_it,
        guarantees.a_repeated_call_adds_no_line_twice,
        guarantees.only_the_last_lines_are_kept,
        guarantees.only_the_last_bytes_are_kept,
    ],
    ids=lambda guarantee: guarantee.__name__,
)
def test_what_holds_of_one_connection(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


@pytest.mark.parametrize(
    "guarantee",
    [guarantees.lines_of_two_runs_that_meet_are_all_kept, guarantees.adding_lines_locks_no_job],
    ids=lambda guarantee: guarantee.__name__,
)
def test_what_holds_between_connections(
    sql: Sql, another_sql: Callable[[], Sql], guarantee: Callable[[Sql, Callable[[], Sql]], None]
) -> None:
    guarantee(sql, another_sql)


def test_a_line_has_its_time_its_attempt_its_level_and_its_fields(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    add(sql, id, token, [{"n": 1, "ago": 90.5, "level": "error", "message": "m", "fields": {"a": [1, None]}}])
    (row,) = sql.rows("select *, clock_timestamp() - at as ago from job_logs where job_id = %s", id)
    assert (row["attempt"], row["level"], row["message"], row["fields"]) == (1, "error", "m", {"a": [1, None]})
    assert timedelta(seconds=90.5) <= row["ago"] < timedelta(seconds=100)


@pytest.mark.parametrize("ago", [-5, None, 1e300])
def test_a_time_that_cannot_be_is_a_time_all_the_same(rolled_back_sql: Sql, ago: float | None) -> None:
    """A clock of a worker must not cost its lines."""
    id, token = rolled_back_sql.running()
    add(rolled_back_sql, id, token, lines(1, ago=ago))
    assert rolled_back_sql.value("select at <= clock_timestamp() from job_logs where job_id = %s", id)


def test_lines_that_the_worker_left_out_are_a_gap(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    add(sql, id, token, lines(1))
    add(sql, id, token, lines(101, 102, 105))
    assert [seq for seq, _ in log_of(sql, id)] == [1, 101, 102, 105]


def test_the_lines_of_the_next_run_go_behind_those_of_the_last(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, worker = sql.enqueue(retries=9), sql.worker()
    for attempt in (1, 2):
        token, _ = sql.claim(worker)
        add(sql, id, token, lines(1, 2, message=f"run {attempt}, line {{}}"))
        sql.finish(token, {"id": id, "state": "snoozed", "delay": 0})
    assert log_of(sql, id) == [(1, "run 1, line 1"), (2, "run 1, line 2"), (3, "run 2, line 1"), (4, "run 2, line 2")]


def test_two_runs_of_one_job_in_one_call_are_both_kept(rolled_back_sql: Sql) -> None:
    """A handler that ignored its end, and the next run of the job in the same worker."""
    sql = rolled_back_sql
    id = sql.enqueue()
    said = [{"id": id, "token": str(uuid.UUID(int=run)), "lines": lines(1, 2, message=f"{run}/{{}}")} for run in (2, 1)]
    sql.value("select add_log(%s, %s)", guarantees.NOBODY, json.dumps(said))
    assert log_of(sql, id) == [(1, "1/1"), (2, "1/2"), (3, "2/1"), (4, "2/2")]


def test_many_jobs_are_one_call_and_a_refused_one_stays_alone(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    jobs = [sql.running() for _ in range(3)]
    said = [{"id": id, "token": str(token), "attempt": 1, "lines": lines(1)} for id, token in jobs]
    said[1]["token"] = str(uuid.uuid4())
    assert sql.value("select refused from add_log(%s, %s)", guarantees.NOBODY, json.dumps(said)) == [jobs[1][0]]
    assert [len(log_of(sql, id)) for id, _ in jobs] == [1, 0, 1]


def test_lines_of_a_job_that_does_not_exist_or_ended_long_ago_are_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    assert add(sql, 1_000_000, uuid.uuid4(), lines(1)) == [1_000_000]
    worker, id = sql.worker(), sql.enqueue()
    token, _ = sql.claim(worker)
    sql.finish(token, {"id": id, "state": "succeeded"})
    sql.rows("update job_history set finished_at = finished_at - interval '61 min'")
    assert add(sql, id, token, lines(1), worker) == [id]


def test_texts_are_cut_and_never_refused(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    said = [*lines(1, message="x" * 5000), *lines(2, fields={"x": "y" * 20000}), *lines(3, fields=[1]), {"n": 4, "level": "info"}]
    add(sql, id, token, said)
    rows = sql.rows("select length(message) as length, fields from job_logs where job_id = %s order by seq", id)
    assert [row["length"] for row in rows] == [4096, 6, 6, 0]
    assert [row["fields"] for row in rows] == [
        None, {"left_out": "20009 bytes of fields"}, {"left_out": "fields that are no JSON object"}, None,
    ]  # fmt: skip


def test_a_level_that_does_not_exist_is_refused_by_name(rolled_back_sql: Sql) -> None:
    id, token = rolled_back_sql.running()
    error = rolled_back_sql.refusal(
        "select add_log(%s, %s)", guarantees.NOBODY, runs(id, token, [{"n": 1, "level": "fatal", "message": "x"}])
    )
    assert error.sqlstate == "PQ001"
    assert str(error).startswith("level: 'fatal' is not valid; use debug, info, warning, error or critical")


def test_the_answer_says_how_much_is_kept(rolled_back_sql: Sql) -> None:
    keep(rolled_back_sql, 50, 20000)
    (row,) = rolled_back_sql.rows("select most_lines, most_bytes from add_log(%s, '[]')", guarantees.NOBODY)
    assert (row["most_lines"], row["most_bytes"]) == (50, 20000)


def test_a_call_touches_few_pages_however_many_lines_there_are(sql: Sql) -> None:
    """By a plan that was made for a full table, and without statistics."""
    sql.rows(
        "insert into job_log select g / 50, g %% 50 + 1, 0, 1, clock_timestamp(), gen_random_uuid(), 1, 'info', 'line'"
        " from generate_series(1000000, 1000000 + %s) g",
        50_000,
    )
    id, token = sql.running()
    for n in (1, 2):
        said = runs(id, token, lines(n))
        assert buffers_of(sql, "select add_log(%s, %s)", guarantees.NOBODY, said) < 100
        assert buffers_of(sql, "select watch(%s)", id) < 50
        sql.rows("analyze job_log")
