"""The audit log: each verb of people leaves a row in its own transaction; nothing changes or removes one before its time."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .background import Background
from .conftest import Sql
from .dead import dead
from .flows import node, start

SCHEDULE = json.dumps({"every": 60, "job": {"task": "noop"}})


def prepare(sql: Sql) -> dict[str, Any]:
    """Something for each verb to act on."""
    sql.value("select set_limit('openai', 5, '1 minute')")
    sql.value("select park_from_job('openai', clock_timestamp() + interval '1 hour')")
    sql.value("select set_schedule('nightly', %s::jsonb)", SCHEDULE)
    flow = start(sql, node("a"), node("b", "a"))
    return {"job": sql.enqueue(queue="mail"), "dead": dead(sql), "flow": flow.id}


# The verb, what it is done to, a call of it, and members of what was before and after.
VERBS: list[tuple[str, str, str, dict[str, Any] | None, dict[str, Any] | None]] = [
    ("cancel", "job {job}", "cancel({job}, 'ann', note => 'why')", {"state": "ready", "queue": "mail"}, {"did": "cancelled"}),
    ("retry", "job {dead}", "retry({dead}, 'ann', force => true)", {"state": "failed"}, {"force": True}),
    ("discard", "job {dead}", "discard({dead}, 'ann', 'why')", {"state": "failed"}, None),
    ("update", "job {job}", "update({job}, priority => 7, by => 'ann')", {"priority": 0}, {"priority": 7}),
    ("pause", "queue mail", "pause('queue', 'mail', by => 'ann', reason => 'why')", None, None),
    ("set_queue", "queue mail", """set_queue('mail', '{{"max_ready": 5}}', 'ann')""", {"on_full": "refuse"}, {"max_ready": 5}),
    ("set_limit", "limit openai", "set_limit('openai', 6, by => 'ann')", {"rate": 5}, {"rate": 6}),
    ("delete_limit", "limit openai", "delete_limit('openai', 'ann')", {"rate": 5}, None),
    ("reset_limit", "limit openai", "reset_limit('openai', 'ann')", None, {"buckets": 0}),
    ("park", "limit openai", "park('openai', '2050-01-01', 'ann')", None, {"until": "2050-01-01T00:00:00.000000+00:00"}),
    ("unpark", "limit openai", "unpark('openai', 'ann')", {}, None),
    ("set_schedule", "schedule nightly", """set_schedule('nightly', '{{"every": 9}}', 'ann')""", {"every": 60}, {"every": 9}),
    ("delete_schedule", "schedule nightly", "delete_schedule('nightly', 'ann')", {"every": 60}, None),
    ("pause_schedule", "schedule nightly", "pause_schedule('nightly', 'ann')", None, None),
    ("trigger_schedule", "schedule nightly", "trigger_schedule('nightly', 'ann')", None, {}),
    ("backfill_schedule", "schedule nightly", "backfill_schedule('nightly', array[timestamptz '2020-01-01'], by => 'ann')",
     None, {"jobs": 1, "first": "2020-01-01T00:00:00.000000+00:00"}),
    ("cancel_workflow", "workflow {flow}", "cancel_workflow({flow}, 'ann')", None, {"cancelled": 2}),
    ("retry_workflow", "workflow {flow}", "retry_workflow({flow}, 'ann')", None, {"retried": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "subject", "call", "before", "after"), VERBS, ids=[verb[0] for verb in VERBS])
def test_a_verb_is_kept_with_who_and_with_what_was_before(
    rolled_back_sql: Sql, verb: str, subject: str, call: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    sql = rolled_back_sql
    names = prepare(sql)
    had = sql.value("select count(*) from audit_log")
    sql.value(f"select {call.format(**names)}")

    row = sql.rows("select * from audit order by id desc limit 1")[0]
    assert sql.value("select count(*) from audit_log") == had + 1
    assert (row["verb"], f"{row['kind']} {row['subject']}", row["by"]) == (verb, subject.format(**names), "ann")
    assert row["reason"] == ("why" if "why" in call else None)
    for found, wanted in ((row["before"], before), (row["after"], after)):
        assert (found is None) == (wanted is None)
        assert wanted is None or {name: found[name] for name in wanted} == wanted
    assert sql.value("select bool_and(role = session_user and client is not distinct from inet_client_addr()) from audit") is True


@pytest.mark.parametrize(
    ("undo", "do"),
    [
        ("resume('queue', 'mail', 'ann')", "pause('queue', 'mail')"),
        ("reset_queue('mail', 'ann')", """set_queue('mail', '{"max_ready": 5}')"""),
        ("resume_schedule('nightly', 'ann')", "pause_schedule('nightly')"),
        ("unpark('openai', 'ann')", "park('openai', '2050-01-01')"),
    ],
)
def test_what_ends_something_is_kept_and_a_second_call_changes_nothing(rolled_back_sql: Sql, undo: str, do: str) -> None:
    sql = rolled_back_sql
    prepare(sql)
    sql.value(f"select {do}")
    assert sql.value(f"select {undo}") is True
    assert sql.value("select (by, before is not null)::text from audit order by id desc limit 1") == "(ann,t)"
    had = sql.value("select count(*) from audit_log")
    assert sql.value(f"select {undo}") is False
    assert sql.value("select count(*) from audit_log") == had


@pytest.mark.parametrize(
    ("do", "again"),
    [
        ("set_limit('openai', 6)", "set_limit('openai', 6, by => 'ann')"),
        ("""set_queue('mail', '{"max_ready": 5}')""", """set_queue('mail', '{"max_ready": 5}', 'ann')"""),
        ("update({job}, priority => 7)", "update({job}, priority => 7, by => 'ann')"),
    ],
    ids=["set_limit", "set_queue", "update"],
)
def test_what_is_set_as_it_was_is_not_kept(rolled_back_sql: Sql, do: str, again: str) -> None:
    sql = rolled_back_sql
    job = str(prepare(sql)["job"])
    sql.value(f"select {do.replace('{job}', job)}")
    had = sql.value("select count(*) from audit_log")
    sql.value(f"select {again.replace('{job}', job)}")
    assert sql.value("select count(*) from audit_log") == had
    assert sql.refusal(f"select {again.replace('{job}', job).replace('ann', '')}").diag.column_name == "by"


@pytest.mark.parametrize(
    ("make", "first", "second", "before"),
    [
        ("set_limit('openai', 5, '1 minute')", "set_limit('openai', 6)", "set_limit('openai', 7, by => 'ann')", ("rate", "6")),
        (
            "pause('queue', 'mail')",
            "pause('queue', 'mail', reason => 'b')",
            "pause('queue', 'mail', by => 'ann')",
            ("reason", "b"),
        ),
    ],
    ids=["limit", "pause"],
)
def test_of_two_at_once_the_later_knows_what_the_first_has_done(
    sql: Sql, another_sql: Callable[[], Sql], make: str, first: str, second: str, before: tuple[str, str]
) -> None:
    sql.value(f"select {make}")
    with sql.connection.transaction():
        sql.value(f"select {first}")
        later = Background(another_sql(), f"select {second}")
        later.wait_until_blocked(another_sql())
    later.rows()
    assert sql.value("select before->>%s from audit where by = 'ann'", before[0]) == before[1]


def test_an_operation_is_kept_at_its_start_and_its_end_and_not_for_each_job(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for _ in range(3):
        sql.enqueue()
    id = sql.value("""select id from start_operation('cancel', '{"task": "noop"}', by => 'ann', reason => 'why')""")

    first, last = sql.rows("select * from audit order by id")
    assert (first["verb"], first["by"], first["reason"]) == ("start_operation", "ann", "why")
    assert (first["filter"]["task"], first["after"]["kind"]) == (["noop"], "cancel")
    assert (last["verb"], last["subject"], last["jobs"], last["after"]["did"]) == ("finish", str(id), 3, {"cancelled": 3})


@pytest.mark.parametrize("kind", ["update", "retry", "discard"])
def test_no_operation_fills_the_log_with_its_jobs(rolled_back_sql: Sql, kind: str) -> None:
    sql = rolled_back_sql
    ids = [sql.enqueue() if kind == "update" else dead(sql) for _ in range(2)]
    spec = '{"priority": 3}' if kind == "update" else "{}"
    sql.value("select id from start_operation(%s, %s, %s)", kind, json.dumps({"ids": ids}), spec)
    assert sql.value("select array_agg(verb order by id) from audit") == ["start_operation", "finish"]


def test_a_dry_run_changes_nothing_and_is_not_kept(rolled_back_sql: Sql) -> None:
    rolled_back_sql.enqueue()
    rolled_back_sql.value("""select id from start_operation('cancel', '{"task": "noop"}', dry_run => true)""")
    assert rolled_back_sql.value("select count(*) from audit_log") == 0


def test_what_workers_and_producers_do_is_not_kept(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("""select declare_limit('mail', '{"rate": 5, "per": 60}')""")
    sql.value("select declare_schedule('s', %s::jsonb)", SCHEDULE)
    sql.value("select park_from_job('mail', '2050-01-01')")
    sql.enqueue()
    dead(sql)
    sql.value("select maintain()")
    assert sql.rows("select verb from audit") == []


def test_without_a_name_it_is_the_user_of_the_session(rolled_back_sql: Sql) -> None:
    rolled_back_sql.value("select cancel(%s)", rolled_back_sql.enqueue())
    assert rolled_back_sql.value("select by = session_user and role = session_user from audit") is True


def test_a_name_that_is_too_long_is_refused_and_nothing_is_done(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    refused = sql.refusal("""select set_queue('mail', '{"max_ready": 5}', repeat('x', 201))""")
    assert (refused.sqlstate, refused.diag.column_name, sql.rows("select * from queue")) == ("PQ001", "by", [])


def test_what_is_refused_is_not_kept(rolled_back_sql: Sql) -> None:
    assert rolled_back_sql.refusal("select cancel(4711)").sqlstate == "PQ003"
    assert rolled_back_sql.value("select count(*) from audit_log") == 0


def test_a_large_value_is_cut(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select update(%s, args => %s)", sql.enqueue(), json.dumps({"text": "x" * 100_000}))
    assert sql.value("select length(after::text) between 8000 and 8100 from audit") is True


@pytest.mark.parametrize(
    "statement", ["update audit_log set by = 'bob'", "delete from audit_log", "truncate audit_log"], ids=lambda text: text[:6]
)
def test_rows_are_only_added(rolled_back_sql: Sql, statement: str) -> None:
    sql = rolled_back_sql
    sql.value("select cancel(%s)", sql.enqueue())
    refused = sql.refusal(statement)
    assert (refused.sqlstate, "rows are only added" in str(refused)) == ("PQ004", True)


def test_rows_are_kept_for_a_year_or_as_the_install_says(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    for days in (200, 364, 366):
        sql.value("select cancel(%s, %s)", sql.enqueue(), f"{days}")
        sql.rows("alter table audit_log disable trigger user")
        sql.rows("update audit_log set at = at - make_interval(days => %s) where by = %s", days, f"{days}")
        sql.rows("alter table audit_log enable trigger user")
    sql.value("select maintain()")
    assert sql.value("select array_agg(by order by id) from audit") == ["200", "364"]
    sql.rows("update setting set audit_days = 300")
    sql.value("select maintain()")
    assert sql.value("select array_agg(by) from audit") == ["200"]
