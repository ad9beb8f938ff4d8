"""heartbeat: a worker renews its lease."""

import json
import uuid

import pytest

from .conftest import Sql

BEAT = "select heartbeat(%s, '{}', 'notify', null, %s)"


def test_a_heartbeat_renews_the_lease_and_tells_what_runs(sql: Sql) -> None:
    worker = sql.worker()
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '20 s'")

    sql.value("select heartbeat(%s, '{1,2,3}', 'notify')", worker)

    (row,) = sql.rows("select *, clock_timestamp() - heartbeat_at < interval '10 s' as fresh from worker")
    assert (row["fresh"], row["started"], row["running"], row["wake_mode"]) == (True, [1, 2, 3], 3, "notify")


def test_a_heartbeat_tells_how_long_the_loop_was_blocked_and_the_memory_of_the_process(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    sql.value(BEAT, worker, '{"loop_lag": 0.25, "memory": 70000000}')
    assert sql.rows("select loop_lag, memory from worker_status") == [{"loop_lag": 0.25, "memory": 70_000_000}]
    for lag, kept in (("1e300", 1e9), ("-1", 0.0), ("1e-300", 0.0), ("null", None)):  # another language may say anything
        sql.value(BEAT, worker, f'{{"loop_lag": {lag}}}')
        assert sql.rows("select loop_lag, memory from worker") == [{"loop_lag": kept, "memory": None}]


def test_a_heartbeat_tells_how_many_workers_are_active(sql: Sql) -> None:
    one, _, lost = sql.worker(), sql.worker(), sql.worker()
    sql.lose(lost)

    assert sql.value("select workers from heartbeat(%s, '{}', 'notify')", one) == 2


def test_a_late_heartbeat_still_counts_as_long_as_nobody_noticed(sql: Sql) -> None:
    worker = sql.worker()
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")

    assert sql.value("select workers from heartbeat(%s, '{}', 'notify')", worker) == 1
    assert sql.value("select mark_lost()") == 0


def test_a_lost_or_unknown_worker_is_told_so_and_stays_lost(sql: Sql) -> None:
    worker = sql.worker()
    sql.lose(worker)
    before = sql.rows("select * from worker")

    for refused_worker in (worker, uuid.uuid4()):
        refused = sql.refusal("select heartbeat(%s, '{1}', 'notify')", refused_worker)
        assert refused.sqlstate == "PQ002"
        assert str(refused_worker) in str(refused)

    assert sql.rows("select * from worker") == before


@pytest.mark.parametrize("timed", ["{}", "[1]", '[{"id": "x"}]', '[{"id": 1, "token": "x"}]', '[{"id": 1, "seconds": "long"}]'])
def test_runs_that_cannot_be_read_are_refused_before_they_stop_every_rescue(rolled_back_sql: Sql, timed: str) -> None:
    worker = rolled_back_sql.worker()

    refused = rolled_back_sql.refusal("select heartbeat(%s, '{}', 'notify', %s)", worker, timed)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "timed")
    assert "give a JSON array of objects with id, token and seconds" in str(refused)
    assert rolled_back_sql.value("select rescue()") == 0


FIGURES = {"cpu_seconds": 1.5, "done": 7, "failed": 2, "last_error": "ValueError: no", "draining": True}


def test_a_heartbeat_tells_what_the_worker_has_done_and_what_it_leaves_out_stays(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    sql.value(BEAT, worker, json.dumps(FIGURES | {"memory": 1, "unknown": []}))
    sql.value(BEAT, worker, "{}")
    (row,) = sql.rows("select * from worker_status")
    assert {name: row[name] for name in ("cpu_seconds", "done", "failed", "last_error")} == {
        name: value for name, value in FIGURES.items() if name != "draining"
    }
    assert (row["status"], row["memory"]) == ("DRAINING", None)


@pytest.mark.parametrize(
    ("figures", "field"),
    [
        ("[]", "figures"),
        ('{"done": "7"}', "figures.done"),
        ('{"draining": 1}', "figures.draining"),
        ('{"last_error": {}}', "figures.last_error"),
        (json.dumps({"last_error": "x" * 501}), "figures.last_error"),
        ('{"memory": 1e20000}', "figures"),
    ],
)
def test_figures_that_cannot_be_read_are_refused(rolled_back_sql: Sql, figures: str, field: str) -> None:
    worker = rolled_back_sql.worker()
    refused = rolled_back_sql.refusal(BEAT, worker, figures)
    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)


def test_figures_of_any_size_fit_their_columns(rolled_back_sql: Sql) -> None:
    worker = rolled_back_sql.worker()
    rolled_back_sql.value(BEAT, worker, '{"done": 1e300, "failed": -5, "cpu_seconds": 1e300, "memory": 2.5}')
    (row,) = rolled_back_sql.rows("select done, failed, cpu_seconds, memory from worker")
    assert row == {"done": 9 * 10**18, "failed": 0, "cpu_seconds": 1e12, "memory": 3}
