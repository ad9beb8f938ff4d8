"""diagnosis_due and note_findings: one worker examines at a time, and each change is told once."""

import json
from collections.abc import Callable
from typing import Any

from .conftest import Sql


def due(sql: Sql, offset: str = "0 s") -> float:
    """Ask as a worker whose clock is so far off."""
    worker = sql.worker()
    return float(sql.value("select diagnosis_due(%s, clock_timestamp() + %s::interval)", worker, offset))


def note(sql: Sql, ran: list[str], *found: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    """Hand in findings: source, name and subject of each. Returns what has changed."""
    findings = [
        {"source": source, "name": name, "subject": subject, "severity": "warning", "problem": "it is", "figures": {},
         "consequence": "so", "remedy": "do"}
        for source, name, subject in found
    ]  # fmt: skip
    rows = sql.rows("select * from note_findings(%s, %s)", json.dumps(findings), ran)
    return [(row["change"], row["name"], row["subject"]) for row in rows]


def test_one_worker_examines_in_45_seconds(rolled_back_sql: Sql) -> None:
    first, second = due(rolled_back_sql), due(rolled_back_sql)
    assert first == 0
    assert 40 < second <= 45
    rolled_back_sql.rows("update diagnosis set next_at = clock_timestamp()")
    assert due(rolled_back_sql) == 0


def test_a_turn_of_a_clock_that_was_set_back_counts_as_due(rolled_back_sql: Sql) -> None:
    rolled_back_sql.rows("update diagnosis set next_at = clock_timestamp() + interval '1 h'")
    assert due(rolled_back_sql) == 0


def of_two_that_ask_at_once_one_examines(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """The other one does not wait for it."""
    other = another_sql()
    other.connection.execute("set lock_timeout = '1s'")
    with sql.connection.transaction():
        first = due(sql)
        second = due(other)
    assert (first, second > 0) == (0, True)


def test_of_two_that_ask_at_once_one_examines(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    of_two_that_ask_at_once_one_examines(sql, another_sql)


def test_a_clock_within_two_seconds_is_right(rolled_back_sql: Sql) -> None:
    for offset in ("1 s", "-1 s"):
        due(rolled_back_sql, offset)
    assert rolled_back_sql.rows("select * from worker_clock") == []


def test_what_is_new_and_what_is_gone_is_told_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    pause, queue = ("pauses", "pause-forgotten", "queue mail"), ("queues", "queue-not-served", "mail")
    assert note(sql, ["pauses", "queues"], pause, queue) == [("new", *pause[1:]), ("new", *queue[1:])]
    assert note(sql, ["pauses", "queues"], pause, queue) == []
    assert note(sql, ["pauses", "queues"], pause) == [("gone", *queue[1:])]
    assert [row["name"] for row in sql.rows("select * from findings where since < seen_at")] == ["pause-forgotten"]


def test_of_many_that_are_new_none_is_left_out(rolled_back_sql: Sql) -> None:
    """Each has one time for both: two that are read one after the other differ now and then."""
    many = [("pauses", "pause-forgotten", f"queue {number}") for number in range(2000)]
    assert len(note(rolled_back_sql, ["pauses"], *many)) == 2000


def test_what_a_check_has_found_stays_while_it_cannot_be_made(rolled_back_sql: Sql) -> None:
    pause: Any = ("pauses", "pause-forgotten", "queue mail")
    note(rolled_back_sql, ["pauses"], pause)
    assert note(rolled_back_sql, ["queues"]) == []
    assert note(rolled_back_sql, ["pauses"]) == [("gone", *pause[1:])]


def test_what_is_no_list_of_findings_is_refused(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal("select note_findings('{}', '{}')").sqlstate == "PQ001"
    assert rolled_back_sql.refusal("select note_findings(null, '{}')").sqlstate == "PQ001"


def test_the_clocks_of_workers_that_are_gone_are_forgotten(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    due(sql, "1 h")
    sql.rows("delete from worker")
    note(sql, [])
    assert sql.rows("select * from worker_clock") == []
