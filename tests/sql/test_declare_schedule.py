"""declare_schedule: what code says of a schedule, and what people have set since, field by field."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .schedule_steps import NAME, make_due, outcomes, row, set_schedule

DECLARE = "select declare_schedule(%s, %s)"
CODE: dict[str, Any] = {"cron": ["0 2 * * *"], "job": {"task": "report", "args": {"to": 1}}}


def declare(sql: Sql, definition: dict[str, Any], name: str = NAME) -> list[str] | None:
    """The fields that it has changed; None: people have made it."""
    changed: list[str] | None = sql.value(DECLARE, name, json.dumps(definition))
    return changed


def with_job(definition: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A definition with other options of its job."""
    return {**definition, "job": {**definition["job"], **options}}


def test_it_makes_the_schedule_and_names_its_fields(rolled_back_sql: Sql) -> None:
    assert declare(rolled_back_sql, CODE) == ["cron", "job.args", "job.task"]

    its = row(rolled_back_sql)
    assert (its["definition"], its["declared"], its["look_at"] is not None) == (CODE, CODE, True)


def test_the_same_again_changes_nothing_and_leaves_what_people_have_set(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, CODE)
    set_schedule(sql, every=60, overlap="skip", job={"queue": "mail"})
    sql.value("select pause_schedule(%s)", NAME)
    before = row(sql)

    assert declare(sql, CODE) == []

    assert row(sql) == before


def test_only_fields_that_code_declares_otherwise_than_last_time_are_taken_over(rolled_back_sql: Sql) -> None:
    """T9."""
    sql = rolled_back_sql
    declare(sql, CODE)
    set_schedule(sql, cron=["0 5 * * *"], overlap="skip", job={"args": {"to": 2}, "priority": 7})
    sql.value("select pause_schedule(%s)", NAME)

    changed = declare(sql, with_job({**CODE, "timezone": "Europe/Berlin"}, queue="mail"))

    its = row(sql)
    assert changed == ["job.queue", "timezone"]
    assert its["definition"] == {
        "cron": ["0 5 * * *"], "timezone": "Europe/Berlin", "overlap": "skip",
        "job": {"task": "report", "args": {"to": 2}, "priority": 7, "queue": "mail"},
    }  # fmt: skip
    assert (its["paused_at"] is not None, its["look_at"]) == (True, None)


def test_a_field_that_code_declares_no_more_has_its_default_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, with_job({**CODE, "overlap": "skip", "jitter": 5}, queue="mail"))

    assert declare(sql, CODE) == ["jitter", "job.queue", "overlap"]

    assert row(sql)["definition"] == CODE


def test_code_that_goes_from_expressions_to_an_interval_replaces_them(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, CODE)

    assert declare(sql, {"every": 60, "job": CODE["job"]}) == ["cron", "every"]

    assert row(sql)["definition"] == {"every": 60, "job": CODE["job"]}


def test_a_change_that_people_have_made_already_is_none(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, CODE)
    set_schedule(sql, overlap="skip")
    make_due(sql, ago=-60)
    before = row(sql)

    assert declare(sql, {**CODE, "overlap": "skip"}) == []

    said = {"declared": None, "declared_as": None}
    assert {**row(sql), **said} == {**before, **said}


def test_fields_that_people_have_set_stay_whatever_code_says_of_them_then(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, with_job({**CODE, "jitter": 5}, queue="mail"))
    set_schedule(sql, cron=["0 5 * * *"], jitter=9, job={"task": "other"})
    before = row(sql)["definition"]

    assert declare(sql, {"every": 60, "jitter": 7, "job": {**CODE["job"], "task": "third", "queue": "slow"}}) == ["job.queue"]
    assert declare(sql, {**CODE, "job": {"task": "fourth", "queue": "slow"}}) == ["job.args"]

    job = {"task": "other", "queue": "slow"}
    assert row(sql)["definition"] == {**before, "job": job}


def test_a_field_that_people_have_set_to_what_code_says_is_the_codes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, {**CODE, "jitter": 5})
    set_schedule(sql, jitter=9)
    assert declare(sql, {**CODE, "jitter": 9}) == []

    assert declare(sql, {**CODE, "jitter": 10}) == ["jitter"]


def test_values_that_are_stored_in_another_form_are_not_set_by_people(rolled_back_sql: Sql) -> None:
    """A cron as text, a time in another zone, a default: the code's, however they are stored."""
    sql = rolled_back_sql
    declare(sql, {**CODE, "cron": "0 2 * * *", "starts_at": "2030-01-01T00:00:00+02:00", "overlap": "allow"})

    changed = declare(sql, {**CODE, "cron": "0 3 * * *", "starts_at": "2030-01-02T00:00:00+02:00", "overlap": "skip"})

    assert changed == ["cron", "overlap", "starts_at"]


def test_a_schedule_that_people_have_made_stays_as_they_have_it(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, every=60, overlap="skip", job={"task": "other", "queue": "mail"})
    before = row(sql)

    assert declare(sql, CODE) is None

    assert row(sql) == before


def test_a_schedule_that_people_have_made_as_code_says_is_the_codes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, **CODE)
    assert declare(sql, CODE) == []

    assert declare(sql, {**CODE, "overlap": "skip"}) == ["overlap"]


def test_a_change_of_its_times_skips_what_was_due_and_other_changes_do_not(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    declare(sql, CODE)
    tick = make_due(sql)

    declare(sql, with_job(CODE, queue="mail"))
    kept = row(sql)["next_tick"]
    declare(sql, {**CODE, "timezone": "Asia/Tokyo"})

    assert (kept, row(sql)["next_tick"]) == (tick, None)
    assert outcomes(sql) == [("skipped", "changed", 1)]


def test_two_applications_that_start_again_and_again_leave_each_other_alone(rolled_back_sql: Sql) -> None:
    """T9."""
    sql = rolled_back_sql
    others = {"every": 60, "job": {"task": "other"}}
    changed = [declare(sql, CODE, "nightly"), declare(sql, others, "often")]
    set_schedule(sql, "often", every=30)
    sql.value("select pause_schedule('nightly')")

    again = [declare(sql, definition, name) for _ in range(20) for name, definition in (("nightly", CODE), ("often", others))]

    assert [bool(names) for names in changed] == [True, True]
    assert not any(again)
    assert [one["name"] for one in sql.rows("select name from schedules order by name")] == ["nightly", "often"]
    assert row(sql, "often")["definition"]["every"] == 30
    assert row(sql, "nightly")["paused_at"] is not None


def test_a_schedule_that_was_deleted_is_made_again(rolled_back_sql: Sql) -> None:
    declare(rolled_back_sql, CODE)
    rolled_back_sql.value("select delete_schedule(%s)", NAME)

    assert declare(rolled_back_sql, CODE) == ["cron", "job.args", "job.task"]


@pytest.mark.parametrize(
    ("definition", "field"),
    [
        ({**CODE, "overlap": "never"}, "overlap"),
        ({"job": {"task": "report"}}, "cron"),
        (with_job(CODE, priority=500), "priority"),
        ({"every": 60}, "job"),
    ],
)
def test_it_refuses_what_set_schedule_refuses(rolled_back_sql: Sql, definition: dict[str, Any], field: str) -> None:
    refused = rolled_back_sql.refusal(DECLARE, NAME, json.dumps(definition))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)


def test_workers_that_start_together_declare_it_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    first = another_sql()

    with first.connection.transaction():
        assert declare(first, CODE) != []
        second = Background(another_sql(), DECLARE, NAME, json.dumps(CODE))
        second.wait_until_blocked(sql)

    assert second.rows() == [{"declare_schedule": []}]


def test_what_code_said_last_too_waits_for_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Workers that start do not depend on what somebody else does with a schedule."""
    code = json.dumps({"every": 60, "job": {"task": "noop"}})
    sql.value("select declare_schedule(%s, %s)", NAME, code)
    other = another_sql()

    with other.connection.transaction(force_rollback=True):
        set_schedule(other, jitter=5)

        assert sql.value("select declare_schedule(%s, %s)", NAME, code) == []
        changed = json.dumps({"every": 61, "job": {"task": "noop"}})
        assert sql.refusal("select declare_schedule(%s, %s)", NAME, changed).sqlstate == "55P03"
