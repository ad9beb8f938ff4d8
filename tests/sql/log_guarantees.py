"""What must hold of log lines: true of our SQL (test_add_log, test_prune_logs), false of each mutant (test_mutants)."""

import json
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

from .background import Background
from .conftest import Sql
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]
NOBODY = UUID(int=0)


def lines(*numbers: int, message: str = "line {}", **more: Any) -> list[dict[str, Any]]:
    """Lines with these numbers within their run."""
    return [{"n": n, "ago": 0, "level": "info", "message": message.format(n), **more} for n in numbers]


def add(sql: Sql, id: int, token: UUID, said: list[dict[str, Any]], worker: UUID = NOBODY) -> list[int]:
    """add_log() for one run; the refused jobs."""
    return list(sql.value("select refused from add_log(%s, %s)", worker, runs(id, token, said)))


def runs(id: int, token: UUID, said: list[dict[str, Any]]) -> str:
    """The argument of add_log() for one run."""
    return json.dumps([{"id": id, "token": str(token), "attempt": 1, "lines": said}])


def log_of(sql: Sql, id: int) -> list[tuple[int, str]]:
    """Number and message of each line of a job."""
    rows = sql.rows("select seq, message from job_logs where job_id = %s order by seq", id)
    return [(row["seq"], row["message"]) for row in rows]


def keep(sql: Sql, most_lines: int = 1000, most_bytes: int = 65536) -> None:
    """Set how much of a log is kept."""
    sql.rows("update setting set log_lines = %s, log_bytes = %s", most_lines, most_bytes)


def a_run_that_has_lost_its_job_adds_no_line(sql: Sql) -> None:
    """A's job is rescued and claimed by B: a line of A that comes now is refused, one of B is kept."""
    id = sql.enqueue(retries=9)
    lost = sql.worker()
    stale, _ = sql.claim(lost)
    sql.lose(lost)
    sql.value("select rescue()")
    token, _ = sql.claim(sql.worker())

    assert add(sql, id, stale, lines(1, message="stale"), lost) == [id]
    assert add(sql, id, token, lines(1)) == []
    assert log_of(sql, id) == [(1, "line 1")]


def lines_after_the_end_are_those_of_who_ended_it(sql: Sql) -> None:
    """However it has ended, the last lines of its run may come a moment later; those of another worker are refused."""
    for outcome in ({"state": "succeeded"}, {"state": "cancelled"}, {"state": "failed", "final": True}):
        worker, id = sql.worker(), sql.enqueue()
        token, _ = sql.claim(worker)
        sql.finish(token, {"id": id, **outcome})

        assert add(sql, id, uuid.uuid4(), lines(1, message="of another"), sql.worker()) == [id]
        assert add(sql, id, token, lines(1), worker) == []
        assert log_of(sql, id) == [(1, "line 1")], outcome


def a_repeated_call_adds_no_line_twice(sql: Sql) -> None:
    """The answer was lost, and the worker sends its lines again, with one more."""
    id, token = sql.running()
    add(sql, id, token, lines(1, 2))
    add(sql, id, token, lines(1, 2, 3))
    assert log_of(sql, id) == [(1, "line 1"), (2, "line 2"), (3, "line 3")]


def only_the_last_lines_are_kept(sql: Sql) -> None:
    """By number: however many come at once or one by one."""
    keep(sql, most_lines=3)
    id, token = sql.running()
    add(sql, id, token, lines(*range(1, 6)))
    assert log_of(sql, id) == [(n, f"line {n}") for n in (3, 4, 5)]
    add(sql, id, token, lines(6))
    assert log_of(sql, id) == [(n, f"line {n}") for n in (4, 5, 6)]


def only_the_last_bytes_are_kept(sql: Sql) -> None:
    """16 KiB hold four lines of 4 KiB, and the newest line is kept whatever it counts."""
    keep(sql, most_bytes=16384)
    id, token = sql.running()
    add(sql, id, token, lines(*range(1, 7), message="x" * 4096))
    assert [seq for seq, _ in log_of(sql, id)] == [3, 4, 5, 6]
    add(sql, id, token, lines(7, message="y" * 4096, fields={"z": "z" * 16000}))
    assert [seq for seq, _ in log_of(sql, id)] == [7]


def lines_of_two_runs_that_meet_are_all_kept(sql: Sql, open_sql: OpenSql) -> None:
    """The last lines of a run come while the next run adds its own: one call waits for the other, and goes behind it."""
    id = sql.enqueue(retries=9)
    first = sql.worker()
    stale, _ = sql.claim(first)
    sql.finish(stale, {"id": id, "state": "snoozed", "delay": 0})
    other, watcher = open_sql(), open_sql()
    with sql.connection.transaction():
        add(sql, id, stale, lines(1, 2, message="early {}"), first)  # the job waits: they are kept
        token, _ = other.claim(other.worker())
        beside = Background(other, "select refused from add_log(%s, %s)", NOBODY, runs(id, token, lines(1, 2)))
        beside.wait_until_blocked(watcher)
    assert beside.rows() == [{"refused": []}]
    assert log_of(sql, id) == [(1, "early 1"), (2, "early 2"), (3, "line 1"), (4, "line 2")]


def adding_lines_locks_no_job(sql: Sql, open_sql: OpenSql) -> None:
    """A job whose lines are just being added can be finished."""
    id, token = sql.running()
    other = open_sql()
    with sql.connection.transaction():
        add(sql, id, token, lines(1))
        with without_waiting(other):
            assert other.finish(token, {"id": id, "state": "succeeded"}) == []


def lines_go_with_their_job(sql: Sql) -> None:
    """Lines of jobs that wait, run, are over or are dead letters stay; those of a job that is gone are deleted."""
    waiting = sql.enqueue(run_at="2999-01-01")
    running, _ = sql.running()
    over, dead, gone = (sql.running() for _ in range(3))
    sql.finish(over[1], {"id": over[0], "state": "succeeded"})
    sql.finish(dead[1], {"id": dead[0], "state": "failed", "final": True})
    sql.finish(gone[1], {"id": gone[0], "state": "succeeded"})
    every = [waiting, running, over[0], dead[0], gone[0]]
    for id in every:
        _insert(sql, id)
    sql.rows("delete from job_history where id = %s", gone[0])

    sql.value("select maintain()")

    assert _logged(sql) == every[:-1]


def every_job_is_looked_at_in_turn(sql: Sql) -> None:
    """Jobs that stay do not hide those behind them, and a call looks at no more than it was asked to."""
    kept = [sql.enqueue() for _ in range(4)]
    gone = [max(kept) + n for n in (1, 2)]
    for id in (*kept, *gone):
        _insert(sql, id)
    for left in (gone, gone, []):
        sql.value("select prune_logs(2)")
        assert _logged(sql) == kept + left
    first = kept[0]
    sql.rows("delete from job where id = %s", first)
    sql.value("select prune_logs(2)")
    sql.value("select prune_logs(2)")
    assert _logged(sql) == kept[1:]


def a_call_deletes_so_many_lines(sql: Sql) -> None:
    """And the next one goes on with the same job."""
    for id in (1_000_001, 1_000_002):
        for seq in range(1, 6):
            _insert(sql, id, seq)
    for left in (7, 4, 1, 0):
        assert sql.value("select prune_logs(10, 3)") is (left > 0)
        assert sql.value("select count(*) from job_log") == left


def _insert(sql: Sql, id: int, seq: int = 1) -> None:
    sql.rows("insert into job_log select %s, %s, 0, 1, clock_timestamp(), gen_random_uuid(), 1, 'info', 'line'", id, seq)


def _logged(sql: Sql) -> list[int]:
    return [row["job_id"] for row in sql.rows("select distinct job_id from job_log order by 1")]
