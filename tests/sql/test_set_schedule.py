"""set_schedule: a schedule is made and changed while workers run, and refused when it makes no sense."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .schedule_steps import FAR, MINUTE, NAME, fire, make_due, now, outcomes, row, seen, set_schedule

SET = "select set_schedule(%s, %s)"
NEW: dict[str, Any] = {"cron": ["0 2 * * *"], "job": {"task": "report"}}


def test_it_says_whether_it_has_added_or_changed_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql

    answers = [sql.value(SET, NAME, json.dumps(changes)) for changes in (NEW, NEW, {"timezone": "Europe/Berlin"})]

    assert answers == ["added", "unchanged", "changed"]
    assert row(sql)["definition"] == {**NEW, "timezone": "Europe/Berlin"}


def test_a_new_one_is_looked_at_at_once_and_no_tick_of_before_fires(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql)

    its = row(rolled_back_sql)

    assert (its["next_tick"], its["paused_at"], its["declared"]) == (None, None, None)
    assert now(rolled_back_sql) - MINUTE < its["after_at"] == its["look_at"] <= now(rolled_back_sql)


def test_the_job_is_changed_option_by_option(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, job={"task": "report", "args": {"to": 1}, "queue": "mail", "meta": {"a": 1}})

    set_schedule(rolled_back_sql, job={"queue": None, "args": {"from": 2}, "priority": 3})

    assert row(rolled_back_sql)["definition"]["job"] == {
        "task": "report", "args": {"from": 2}, "priority": 3, "meta": {"a": 1}
    }  # fmt: skip


def test_null_and_the_default_itself_are_the_default(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, misfire="skip", window=60, jitter=5, timezone="Europe/Berlin", overlap="skip")

    set_schedule(sql, misfire=None, window=86400, jitter=0.0, timezone="UTC", overlap=None, most=10, spacing=1)

    assert row(sql)["definition"] == {"every": 3600, "job": {"task": "noop"}}


def test_durations_are_kept_in_whole_microseconds(rolled_back_sql: Sql) -> None:
    """A worker and float8 have no use for less: 1e-400 is no float8 at all."""
    tiny = '{"every": 1.00000049, "jitter": 1e-400, "spacing": 1e-320, "window": 0.30000000000000004, "job": {"task": "noop"}}'

    rolled_back_sql.value(SET, NAME, tiny)

    assert row(rolled_back_sql)["definition"] == {"every": 1, "spacing": 0, "window": 0.3, "job": {"task": "noop"}}


def test_a_time_is_read_whatever_backslashes_in_strings_mean(rolled_back_sql: Sql) -> None:
    """A server or role may have the setting of before PostgreSQL 9.1."""
    rolled_back_sql.rows("set local standard_conforming_strings = off")

    set_schedule(rolled_back_sql, starts_at="2027-01-01T02:00:00.5+02:00")

    assert row(rolled_back_sql)["definition"]["starts_at"] == "2027-01-01T00:00:00.500000+00:00"


def test_expressions_and_an_interval_take_each_others_place(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, every=90)

    set_schedule(sql, cron="0 2 * * *")
    of_cron = row(sql)["definition"]
    set_schedule(sql, every=30)

    assert of_cron == {"cron": ["0 2 * * *"], "job": {"task": "noop"}}
    assert row(sql)["definition"] == {"every": 30, "job": {"task": "noop"}}


def test_times_are_stored_in_utc_whatever_the_session_thinks(rolled_back_sql: Sql) -> None:
    rolled_back_sql.rows("set local timezone = 'Asia/Tokyo'")

    set_schedule(rolled_back_sql, starts_at="2027-01-01T02:00:00+02:00", ends_at="2028-01-01 00:00Z")

    definition = row(rolled_back_sql)["definition"]
    assert definition["starts_at"] == "2027-01-01T00:00:00.000000+00:00"
    assert definition["ends_at"] == "2028-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize(
    "change",
    [{"cron": ["0 16 * * *"]}, {"every": 60}, {"timezone": "Asia/Tokyo"}, {"starts_at": "2027-01-01T00:00Z"}],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_its_times_fires_nothing_and_forgets_ticks_of_before(rolled_back_sql: Sql, change: dict[str, Any]) -> None:
    """T7: only ticks after the change fire, whatever was due or to come."""
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql, ago=-600)
    stale = seen(sql)

    assert set_schedule(sql, **change) == "changed"

    its = row(sql)
    assert (its["next_tick"], its["look_at"] <= now(sql), its["after_at"] > now(sql) - MINUTE) == (None, True, True)
    assert fire(sql, stale) == []
    assert outcomes(sql) == []


def test_a_tick_that_was_due_when_its_times_changed_is_recorded(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql)

    set_schedule(sql, every=60)

    assert outcomes(sql) == [("skipped", "changed", 1)]


def test_other_changes_leave_the_next_tick_as_it_is(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    make_due(sql, ago=-600)
    before = row(sql)

    set_schedule(sql, overlap="skip", misfire="skip", window=60, jitter=3, job={"queue": "mail"})

    after = row(sql)
    assert [after[name] for name in ("next_tick", "after_at", "look_at")] == [
        before[name] for name in ("next_tick", "after_at", "look_at")
    ]


def test_a_paused_one_stays_paused_when_it_is_changed(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql)
    sql.value("select pause_schedule(%s)", NAME)

    set_schedule(sql, every=60)

    assert (row(sql)["paused_at"] is not None, row(sql)["look_at"]) == (True, None)
    assert fire(sql, seen(sql, next=FAR)) == []


def test_workers_hear_of_a_change_and_not_of_none(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """T8."""
    worker = another_sql()
    worker.listen()
    heard = []

    for every in (60, 60, 90):
        set_schedule(sql, every=every)
        heard.append(worker.wakes(sql))

    assert heard == [["!schedules"], [], ["!schedules"]]


def test_looking_whether_the_job_is_valid_leaves_no_job(rolled_back_sql: Sql) -> None:
    set_schedule(rolled_back_sql, job={"unique_mode": "until_done", "args": {"to": 1}, "result_ttl": "1 h", "retries": 2})

    assert rolled_back_sql.value("select count(*) from job") == 0


def test_it_does_not_wait_for_a_unique_key_that_another_transaction_holds(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    other = another_sql()

    with other.connection.transaction():
        other.enqueue(unique_mode="until_done", unique_key="k")
        sql.rows("set statement_timeout = '5s'")
        assert set_schedule(sql, job={"unique_mode": "until_done", "unique_key": "k"}) == "added"


@pytest.mark.parametrize(
    ("changes", "field", "value", "remedy"),
    [
        ({}, "cron", "NULL", "a schedule needs cron or every"),
        ({"every": 60}, "job", "NULL", "give the options of enqueue"),
        ({"every": 60, "job": {"queue": "mail"}}, "job", '{"queue": "mail"}', "give the options of enqueue"),
        ({"job": {"task": "a"}}, "cron", "NULL", "a schedule needs cron or every"),
        ({**NEW, "evry": 3}, "changes", "evry", "use cron, every, timezone"),
        ({**NEW, "every": 60}, "every", "60", "give cron or every, not both"),
        ({**NEW, "cron": []}, "cron", "[]", "give 1 to 20 expressions"),
        ({**NEW, "cron": ["* * * * *"] * 21}, "cron", "* * * * *", "give 1 to 20 expressions"),
        ({**NEW, "cron": [5]}, "cron", "[5]", "give 1 to 20 expressions"),
        ({**NEW, "cron": ["x" * 201]}, "cron", "x" * 200, "1 to 200 characters"),
        ({**NEW, "cron": [""]}, "cron", "", "1 to 200 characters"),
        ({"job": {"task": "a"}, "every": 0.5}, "every", "0.5", "use a number from 1 to 31622400"),
        ({"job": {"task": "a"}, "every": "60"}, "every", "60", "use a number from 1 to 31622400"),
        ({**NEW, "timezone": "Europe/Nowhere"}, "timezone", "Europe/Nowhere", "the name of a time zone"),
        ({**NEW, "timezone": "+01:00"}, "timezone", "+01:00", "the name of a time zone"),
        ({**NEW, "misfire": "ignore"}, "misfire", "ignore", "use coalesce, catch_up, skip"),
        ({**NEW, "overlap": ["skip"]}, "overlap", '["skip"]', "use allow, skip, buffer_one"),
        ({**NEW, "most": 0}, "most", "0", "use a number from 1 to 1000"),
        ({**NEW, "most": 2.5}, "most", "2.5", "use a whole number"),
        ({**NEW, "spacing": -1}, "spacing", "-1", "use a number from 0 to 86400"),
        ({**NEW, "window": -1}, "window", "-1", "use a number from 0 to 31622400"),
        ({**NEW, "jitter": 86401}, "jitter", "86401", "use a number from 0 to 86400"),
        ({**NEW, "starts_at": "2027-01-01"}, "starts_at", "2027-01-01", "give a time with its offset"),
        ({**NEW, "starts_at": "2027-13-01T00:00Z"}, "starts_at", "2027-13-01T00:00Z", "give a time with its offset"),
        ({**NEW, "starts_at": "1969-12-31T23:59:59Z"}, "starts_at", "1969", "between the years 1970 and 9900"),
        ({**NEW, "ends_at": "9999-12-31T23:59:59-12:00"}, "ends_at", "9999", "between the years 1970 and 9900"),
        ({**NEW, "starts_at": "2028-01-01T00:00Z", "ends_at": "2027-01-01T00:00Z"}, "ends_at", "2027", "give a time after"),
        ({**NEW, "job": ["report"]}, "job", '["report"]', "give the options of enqueue"),
        ({**NEW, "job": {"task": "a", "run_at": "2027-01-01T00:00Z"}}, "run_at", "2027-01-01T00:00Z", "a single enqueue"),
        ({**NEW, "job": {"task": "a", "notify": False}}, "notify", "false", "a single enqueue"),
        ({**NEW, "job": {"task": "a", "quue": "b"}}, "jobs", "quue", "use the options of enqueue"),
        ({**NEW, "job": {"task": "a", "priority": 101}}, "priority", "101", "use -100"),
        ({**NEW, "job": {"task": "a", "priority": "high"}}, "job", "high", "invalid input syntax"),
        ({**NEW, "job": {"task": "a", "args": [1]}}, "args", "[1]", "give the arguments by name"),
        ({**NEW, "job": {"task": "a", "limits": ["openai"]}}, "limits", "openai", "there is no such limit"),
        ({**NEW, "job": {"task": "a", "unique_key": "k"}}, "unique_mode", "NULL", "use until_done"),
        ({**NEW, "job": {"task": "a", "retry": {"backoff": "none"}}}, "retry", "none", "use"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(
    rolled_back_sql: Sql, changes: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    refused = rolled_back_sql.refusal(SET, NAME, json.dumps(changes))

    assert (refused.sqlstate, (refused.diag.column_name or "").partition(".")[0]) == ("PQ001", field)
    assert value in str(refused)
    assert remedy in str(refused)
    assert rolled_back_sql.rows("select * from schedule") == []


@pytest.mark.parametrize("name", ["", "a b", "x" * 101, None])
def test_a_name_is_short_and_plain(rolled_back_sql: Sql, name: str | None) -> None:
    refused = rolled_back_sql.refusal(SET, name, json.dumps(NEW))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "name")


def test_changes_are_an_object(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal(SET, NAME, "[]").diag.column_name == "changes"


def test_one_that_must_be_new_changes_none_and_one_that_must_exist_makes_none(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    call = "select set_schedule(%s, %s, expected => %s)"

    absent = sql.refusal(call, NAME, json.dumps(NEW), "existing")
    made = sql.value(call, NAME, json.dumps(NEW), "new")
    there = sql.refusal(call, NAME, json.dumps({"every": 60}), "new")
    changed = sql.value(call, NAME, json.dumps({"timezone": "Europe/Berlin"}), "existing")

    assert (absent.sqlstate, there.sqlstate, there.diag.column_name) == ("PQ003", "PQ004", "name")
    assert (made, changed) == ("added", "changed")
    assert row(sql)["definition"] == {**NEW, "timezone": "Europe/Berlin"}
