"""dead_groups and dead_stats: many failures of one kind are one line."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .dead import dead


def refused(sql: Sql, id: int, **options: Any) -> int:
    """A job that one kind of error has ended."""
    return dead(sql, {"type": "Refused", "message": f"user {id} was refused"}, args={"user": id}, **options)


@pytest.fixture
def letters(rolled_back_sql: Sql) -> Sql:
    """Three of one kind in two queues, and one of another, an hour apart."""
    sql = rolled_back_sql
    ids = [refused(sql, n, task="send", queue=queue) for n, queue in enumerate(("mail", "mail", "bulk"))]
    ids.append(dead(sql, {"type": "KeyError", "message": "'a'"}, task="sum"))
    for hours, id in enumerate(reversed(ids)):
        sql.rows(
            "update dead_letter set finished_at = date_trunc('day', finished_at) - make_interval(hours => %s) where id = %s",
            hours,
            id,
        )
    return sql


def groups(sql: Sql, **filter: Any) -> list[dict[str, Any]]:
    return sql.rows("select * from dead_groups(%s)", json.dumps(filter))


def test_each_kind_of_failure_is_one_line_the_largest_first_with_its_newest_job_as_a_sample(letters: Sql) -> None:
    first, second = groups(letters)

    assert (first["jobs"], first["error_type"], first["message"]) == (3, "Refused", "user 2 was refused")
    assert (first["tasks"], first["queues"], first["reason"]) == (["send"], ["bulk", "mail"], "error")
    assert (first["last_at"] - first["first_at"]).total_seconds() == 2 * 3600
    assert letters.job(first["sample_id"])["args"] == {"user": 2}
    assert (second["jobs"], second["error_type"], second["looked_to"]) == (1, "KeyError", None)
    assert len({first["fingerprint"], second["fingerprint"]}) == 2


FILTERS: dict[str, Any] = {
    "queue": ({"queue": "mail"}, [2]),
    "task": ({"task": "s*"}, [3, 1]),
    "error type": ({"error_type": "KeyError"}, [1]),
    "arguments": ({"args": {"user": 1}}, [1]),
    "state": ({"state": "failed"}, [3, 1]),
    "both kinds of fields": ({"error_type": ["Refused", "KeyError"], "queue": ["bulk", "default"]}, [1, 1]),
    "no such task": ({"task": "nope"}, []),
}


@pytest.mark.parametrize(("filter", "jobs"), FILTERS.values(), ids=FILTERS)
def test_a_filter_says_which_are_meant(letters: Sql, filter: dict[str, Any], jobs: list[int]) -> None:
    assert [row["jobs"] for row in groups(letters, **filter)] == jobs


def test_a_group_is_found_by_its_fingerprint(letters: Sql) -> None:
    (first, _) = groups(letters)

    assert groups(letters, fingerprint=first["fingerprint"]) == [first]


def test_those_that_ended_in_a_time_are_counted(letters: Sql) -> None:
    newest = groups(letters)[1]["last_at"]

    assert [row["jobs"] for row in groups(letters, finished_before=newest.isoformat())] == [3]
    assert [row["jobs"] for row in groups(letters, finished_after=newest.isoformat())] == [1]


def test_no_more_lines_are_made_than_are_wanted(letters: Sql) -> None:
    assert [row["jobs"] for row in letters.rows("select * from dead_groups(most => 1)")] == [3]


def series(sql: Sql, span: str) -> dict[str, list[int]]:
    rows = sql.rows("select error_type, series from dead_groups(span => %s::text::interval)", span)
    return {row["error_type"]: row["series"] for row in rows}


def test_a_series_says_when_the_letters_of_a_group_failed(letters: Sql) -> None:
    """The steps end with an hour, of a day of 24 of them."""
    ids = [row["id"] for row in letters.rows("select id from dead_letter order by id")]
    for id, hours in zip(ids, (0, 0, 5, 23), strict=True):
        letters.rows(
            "update dead_letter set finished_at = date_trunc('hour', clock_timestamp(), 'UTC') - make_interval(hours => %s) "
            "where id = %s",
            hours,
            id,
        )

    found = series(letters, "24 hours")

    assert found["Refused"] == [0] * 18 + [1] + [0] * 4 + [2]
    assert found["KeyError"] == [1] + [0] * 23
    letters.rows("update dead_letter set finished_at = finished_at - interval '1 h'")
    assert series(letters, "24 hours")["KeyError"] == [0] * 24  # it is too old, and yet counted
    assert [sum(numbers) for numbers in series(letters, "7 days").values()] == [3, 1]
    assert {row["series"] for row in letters.rows("select series from dead_groups()")} == {None}


def test_the_group_that_failed_last_is_first_if_that_is_wanted(letters: Sql) -> None:
    found = letters.rows("select error_type from dead_groups(sort => 'last_at', span => '1 day')")
    assert [row["error_type"] for row in found] == ["KeyError", "Refused"]
    assert [row["error_type"] for row in letters.rows("select error_type from dead_groups(most => 1, sort => 'last_at')")] == [
        "KeyError"
    ]


@pytest.mark.parametrize(
    ("option", "named"),
    [("sort => 'name'", "use jobs or last_at"), ("span => '1 s'", "use 1 hour"), ("span => '0'", "use 1 hour")],
)
def test_other_orders_and_spans_are_refused(rolled_back_sql: Sql, option: str, named: str) -> None:
    refusal = rolled_back_sql.refusal(f"select * from dead_groups({option})")
    assert refusal.sqlstate == "PQ001"
    assert named in str(refusal)


@pytest.mark.parametrize("filter", [{}, {"queue": "rare"}, {"error_type": ["E", "F"], "task": "noop"}], ids=str)
def test_whoever_sees_some_of_the_letters_is_told_how_far_that_was(rolled_back_sql: Sql, filter: dict[str, Any]) -> None:
    sql = rolled_back_sql
    sql.rows(
        "insert into dead_letter (error_type, finished_at, reason, id, run_at, created_at, priority, attempt, max_attempts, "
        "rescues, queue, task, args) "
        "select 'E', at - n * interval '1 s', 'error', n, at, at, 0, 1, 1, 0, case n %% 9 when 0 then 'rare' else 'mail' end, "
        "'noop', '{}' from generate_series(1, 100001) n, lateral (select timestamptz '2026-01-01Z' as at) a"
    )

    (group,) = groups(sql, **filter)

    assert group["looked_to"] == sql.value("select finished_at from dead_letter where id = 100000")
    sql.rows("delete from dead_letter where id < 3")
    (group,) = groups(sql, **filter)
    assert group["looked_to"] is None


@pytest.mark.parametrize("call", ["dead_groups(%s)", "dead_stats('task', %s)", "crossed_dead_letters('x', 1, 0, %s)"])
@pytest.mark.parametrize(
    ("filter", "named"), [('{"queues": "a"}', "queues"), ('{"state": "succeeded"}', "dead letters are failed")]
)
def test_a_filter_that_means_no_dead_letters_is_refused(rolled_back_sql: Sql, call: str, filter: str, named: str) -> None:
    refusal = rolled_back_sql.refusal(f"select * from {call}", filter)

    assert refusal.sqlstate == "PQ001"
    assert named in str(refusal)


STATS: dict[str, Any] = {
    "task": [("send", 3), ("sum", 1)],
    "queue": [("mail", 2), ("bulk", 1), ("default", 1)],
    "reason": [("error", 4)],
    "error_type": [("Refused", 3), ("KeyError", 1)],
}


@pytest.mark.parametrize("by", STATS)
def test_they_are_counted_by_what_they_have_in_common(letters: Sql, by: str) -> None:
    assert [(row["value"], row["jobs"]) for row in letters.rows("select * from dead_stats(%s)", by)] == STATS[by]


def test_they_are_counted_by_fingerprint_and_by_hour_the_latest_first(letters: Sql) -> None:
    kinds = letters.rows("select value, jobs from dead_stats('fingerprint')")
    letters.rows("set local timezone = 'Asia/Kolkata'")
    hours = letters.rows(
        "select value, jobs, to_char(first_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') as at from dead_stats('hour')"
    )

    assert [(row["value"], row["jobs"]) for row in kinds] == [(row["fingerprint"], row["jobs"]) for row in groups(letters)]
    assert [(row["value"], row["jobs"]) for row in hours] == [(row["at"], 1) for row in hours]
    assert [row["value"] for row in hours] == sorted((row["value"] for row in hours), reverse=True)
    assert len(hours) == 4


def test_they_are_counted_by_who_ran_them_last(letters: Sql) -> None:
    one = letters.value("select worker_id from dead_letter order by id limit 1")
    letters.rows("update worker set host = 'b', version = '2.0'")
    letters.rows("update worker set host = 'a', version = '1.9' where id = %s", one)

    def counted(by: str) -> list[tuple[str | None, int]]:
        return [(row["value"], row["jobs"]) for row in letters.rows("select * from dead_stats(%s)", by)]

    assert (str(one), 1) in counted("worker")
    assert counted("host") == [("b", 3), ("a", 1)]
    letters.rows("delete from worker where id = %s", one)
    assert counted("version") == [("2.0", 3), (None, 1)]


def test_they_are_counted_by_nothing_else(rolled_back_sql: Sql) -> None:
    assert "use task, queue, reason" in str(rolled_back_sql.refusal("select * from dead_stats('args')"))


def test_no_more_letters_are_looked_at_than_are_wanted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows(
        "insert into dead_letter (fingerprint, finished_at, reason, id, run_at, created_at, priority, attempt, max_attempts, "
        "rescues, queue, task, args) select n %% 2, at - n * interval '1 s', 'error', n, at, at, 0, 1, 1, 0, 'mail', 'noop', "
        "'{}' from generate_series(1, 300) n, lateral (select timestamptz '2026-01-01Z' as at) a"
    )
    last = sql.value("select finished_at from dead_letter where id = 100")

    assert {row["jobs"]: row["looked_to"] for row in sql.rows("select * from dead_groups(look => 100)")} == {50: last}
    assert sql.rows("select jobs, looked_to from dead_stats('queue', look => 100)") == [{"jobs": 100, "looked_to": last}]
    assert sql.rows("select jobs, looked_to from dead_stats('queue')") == [{"jobs": 300, "looked_to": None}]
    found = sql.rows("""select jobs, looked_to from dead_groups('{"task": "rare"}', look => 100)""")
    assert found == [{"jobs": None, "looked_to": last}]  # none of these: others may be further back
    assert sql.rows("""select * from dead_groups('{"task": "rare"}')""") == []


@pytest.mark.parametrize("look", [99, 100_001, None])
def test_another_number_of_letters_to_look_at_is_refused(rolled_back_sql: Sql, look: int | None) -> None:
    for call in ("dead_groups(look => %s)", "dead_stats('task', look => %s)"):
        refusal = rolled_back_sql.refusal(f"select * from {call}", look)
        assert (refusal.sqlstate, refusal.diag.column_name) == ("PQ001", "look")
