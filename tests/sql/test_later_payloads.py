"""What is submitted now and used later is read once, as its submitter means it; what fails later anyway ends its own part."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .flows import claim, end, node, start
from .schedule_steps import fire, fire_due, make_due, missed, seen, set_schedule

AS_ELSEWHERE = (
    "set local datestyle = 'SQL, DMY'",
    "set local timezone = 'Asia/Kolkata'",
    "set local intervalstyle = 'sql_standard'",
)
AS_IN_A_WORKER = ("set local datestyle = 'ISO, MDY'", "set local timezone = 'UTC'", "set local intervalstyle = 'postgres'")


def settings(sql: Sql, statements: tuple[str, ...]) -> None:
    """Change what the session reads times and intervals by."""
    for statement in statements:
        sql.connection.execute(statement)


def as_submitted(sql: Sql) -> None:
    settings(sql, AS_ELSEWHERE)


def as_used(sql: Sql) -> None:
    settings(sql, AS_IN_A_WORKER)


def test_a_callback_is_due_when_its_submitter_meant_whatever_the_worker_reads_times_by(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    as_submitted(sql)
    callback = {"task": "well", "run_at": "31/12/2030 12:00", "expires_at": "02/01/2031", "args": {"x": 1}}
    flow = start(sql, node("a"), on_success=json.dumps(callback))
    as_used(sql)

    flow.run("a")

    assert sql.rows("select run_at::text, expires_at::text, args from job where task = 'well'") == [
        {"run_at": "2030-12-31 06:30:00+00", "expires_at": "2031-01-01 18:30:00+00", "args": {"x": 1}}
    ]


def test_a_callback_is_stored_in_a_form_that_every_session_reads_alike(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    as_submitted(sql)
    callback = {"task": "well", "run_after": "-1 2:00:00", "result_ttl": "1-2 3 4:05:06.7", "timeout": 90, "expires_after": None}

    flow = start(sql, node("a"), on_failure=json.dumps(callback))

    stored = sql.value("select on_failure from workflow where id = %s", flow.id)
    assert stored == {
        "task": "well", "run_after": "P-1DT-2H", "result_ttl": "P1Y2M3DT4H5M6.7S", "timeout": "PT1M30S", "expires_after": None,
    }  # fmt: skip


BAD_TIMES: dict[str, tuple[str, Any]] = {
    "no time": ("run_at", "soon"),
    "another order": ("run_at", "2030-31-12"),
    "before Christ": ("run_at", "0044-03-15 BC"),
    "without end": ("run_at", "infinity"),
    "a number": ("expires_at", 5),
    "no interval": ("run_after", "some"),
    "too long": ("timeout", "300000 years"),
    "an object": ("result_ttl", {"hours": 1}),
}


@pytest.mark.one_case
@pytest.mark.parametrize(("field", "value"), BAD_TIMES.values(), ids=BAD_TIMES)
def test_a_time_of_a_callback_that_is_none_is_refused_by_its_name(rolled_back_sql: Sql, field: str, value: Any) -> None:
    error = rolled_back_sql.refusal(
        "select enqueue_workflow(%s, on_success => %s)", json.dumps([node("a")]), json.dumps({"task": "well", field: value})
    )

    assert error.sqlstate == "PQ001"
    assert str(error.diag.message_primary).startswith(f"{field}: ")


def test_the_job_of_a_schedule_is_what_its_author_meant_whatever_the_worker_reads_intervals_by(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, job={"result_ttl": "-1 day 49:00:00", "timeout": "-1 day 25:00:00"})
    sql.connection.execute("set local intervalstyle = 'sql_standard'")

    (fired,) = fire_due(sql)

    assert (fired["outcome"], fired["reason"]) == ("fired", None)
    stored = sql.rows(
        "select result_ttl = '25 h' as kept, (terms->>'timeout')::int as timeout from job where id = %s", fired["job_id"]
    )
    assert stored == [{"kept": True, "timeout": 3600}]


def test_a_schedule_is_the_same_whatever_settings_it_is_set_by_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    assert set_schedule(sql, job={"result_ttl": "1 day 2:00:00"}) == "added"
    as_submitted(sql)

    assert set_schedule(sql, job={"result_ttl": "1 2:00:00"}) == "unchanged"


def test_a_whole_number_of_a_schedule_may_be_written_with_a_point(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value(
        "select set_schedule('nightly', %s)", '{"every": 3600, "misfire": "catch_up", "most": 5.0, "job": {"task": "noop"}}'
    )

    fired = fire(sql, seen(sql, ticks=missed(sql, 20, 10)))

    assert [tick["outcome"] for tick in fired] == ["fired", "fired"]
    assert sql.value("select error from schedule") is None


def test_an_operation_waits_as_long_as_who_asked_for_it_meant(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    dead = sql.enqueue(retries=0)
    end(sql, dead, "failed")
    running, _ = sql.running()

    spec = "select (start_operation(%s, %s, %s, dry_run => true)).spec"
    assert sql.value(spec, "retry", json.dumps({"ids": [dead]}), '{"run_after": "-1 day 25:00"}') == {"run_after": "P-1DT25H"}
    assert sql.value(spec, "cancel", json.dumps({"ids": [running]}), '{"force_after": "-1 day 25:00"}') == {
        "force_after": "P-1DT25H"
    }


POLICIES: dict[str, dict[str, Any]] = {
    "a delay smaller than any float": {"backoff": "fixed", "delay": 0.5},
    "a step": {"backoff": "linear", "delay": 0, "step": 0.5},
    "a cap": {"cap": 0.5},
    "one of a list": {"backoff": "list", "delays": [0.5]},
}


@pytest.mark.parametrize("tiny", ["1e-400", "4.9e-324"])
@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_job_whose_delays_no_float_can_hold_fails_and_comes_back(
    rolled_back_sql: Sql, policy: dict[str, Any], tiny: str
) -> None:
    sql = rolled_back_sql
    id = int(sql.value("select enqueue('noop', retry => %s)", json.dumps(policy).replace("0.5", tiny)))
    token, _ = claim(sql, id)

    (verdict,) = sql.finish(token, {"id": id, "state": "failed"})

    assert verdict["verdict"] == "scheduled"


def late_callback(sql: Sql) -> tuple[int, int]:
    """Somebody's plain job in a workflow of another, whose callback cannot be enqueued any more: its limit was deleted."""
    sql.value("select set_limit('mail', max_running => 5)")
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well", "limits": ["mail"]}))
    theirs = sql.enqueue("theirs")
    sql.enqueue("child", depends_on=[flow["a"], theirs])
    sql.value("select delete_limit('mail')")
    return flow.id, theirs


def failing_trigger(sql: Sql, sqlstate: str) -> None:
    """The application refuses callbacks."""
    sql.connection.execute(
        "create function no() returns trigger language plpgsql as "
        f"$$ begin raise exception 'not here' using errcode = '{sqlstate}'; end $$; "
        "create trigger no before insert on job for each row when (new.task = 'well') execute function no()"
    )


def drain(sql: Sql) -> None:
    """Run what is ready until nothing is."""
    while ids := [row["id"] for row in sql.rows("select id from job where state = 'ready' and task <> 'well'")]:
        for id in ids:
            end(sql, id)


def test_a_job_in_the_workflow_of_another_ends_once_and_the_workflow_says_why_its_callback_is_missing(
    rolled_back_sql: Sql,
) -> None:
    sql = rolled_back_sql
    flow, theirs = late_callback(sql)

    drain(sql)

    assert sql.state(theirs) == "succeeded"
    (row,) = sql.rows("select status, callback_error from workflow_progress where id = %s", flow)
    assert row["status"] == "succeeded"
    assert row["callback_error"].startswith("limits: 'mail' is not valid")


@pytest.mark.parametrize("sqlstate", ["P0001", "23514", "22012", "42501", "XX000", "54000", "PQ004"])
def test_whatever_stands_in_the_way_of_a_callback_ends_the_callback_alone(rolled_back_sql: Sql, sqlstate: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well"}))
    failing_trigger(sql, sqlstate)

    flow.run("a")

    assert (flow.status, flow.progress()["callback_error"]) == ("succeeded", "not here")
    assert sql.rows("select 1 from job where task = 'well'") == []


@pytest.mark.parametrize("sqlstate", ["55P03", "40001", "40P01", "53100", "57P03"])
def test_what_may_pass_is_raised_so_that_the_end_is_handed_in_again(rolled_back_sql: Sql, sqlstate: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well"}))
    failing_trigger(sql, sqlstate)
    token, _ = claim(sql, flow["a"])

    outcome = json.dumps([{"id": flow["a"], "token": str(token), "state": "succeeded"}])
    assert sql.refusal("select finish(%s)", outcome).sqlstate == sqlstate
    sql.connection.execute("drop trigger no on job")
    sql.value("select finish(%s)", outcome)

    assert (flow.status, flow.progress()["callback_error"]) == ("succeeded", None)
    assert len(sql.rows("select 1 from job where task = 'well'")) == 1


def test_a_callback_that_comes_after_the_next_end_clears_its_error(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well"}))
    failing_trigger(sql, "P0001")
    flow.run("a")
    sql.connection.execute("drop trigger no on job")

    flow.extend(node("b"))
    flow.run("b")

    assert flow.progress()["callback_error"] is None
    assert len(sql.rows("select 1 from job where task = 'well'")) == 1


def test_an_end_that_has_no_callback_clears_the_error_of_the_one_before(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well"}))
    failing_trigger(sql, "P0001")
    flow.run("a")

    flow.extend(node("b"))
    flow.run("b", "failed")

    assert (flow.status, flow.progress()["callback_error"]) == ("failed", None)


def test_the_key_of_a_limit_of_a_callback_is_made_of_its_arguments(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.value("select set_limit('tenant', max_running => 5)")
    flow = start(sql, node("a"), on_success=json.dumps({"task": "well", "args": {"id": 7}, "limits": ["tenant:{id}"]}))

    flow.run("a")

    assert sql.rows("select args, limits from job where task = 'well'") == [{"args": {"id": 7}, "limits": ["tenant:7"]}]


def test_a_schedule_that_cannot_fire_holds_up_no_other(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_schedule(sql, "bad")
    set_schedule(sql, "good")
    sql.rows("""update schedule set definition = definition || '{"most": "many", "misfire": "catch_up"}' where name = 'bad'""")
    for name in ("bad", "good"):
        make_due(sql, name)

    fired = fire(sql, seen(sql, "bad"), seen(sql, "good"))

    assert [(tick["name"], tick["outcome"]) for tick in fired] in ([("good", "fired")], [("bad", "fired"), ("good", "fired")])


def test_an_operation_whose_step_fails_holds_up_no_other(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    bad, good = sql.enqueue(), sql.enqueue()
    start_operation = "select (start_operation('cancel', %s, per_second => 0.001)).id"
    first = sql.value(start_operation, json.dumps({"ids": [bad, sql.enqueue()]}))
    second = sql.value(start_operation, json.dumps({"ids": [good, sql.enqueue()]}))
    sql.rows("update operation set filter = '5', next_at = clock_timestamp() - interval '1 h' where id = %s", first)
    sql.rows("""update operation set state = 'collecting', started_at = null, filter = '{"ids": "x"}' where id = %s""", first)
    sql.rows("update operation set next_at = clock_timestamp() - interval '1 s' where id = %s", second)

    for _ in range(3):
        sql.value("select carry_on_operations()")

    assert sql.value("select did from operation where id = %s", second) == {"cancelled": 2}
    (ended,) = sql.rows("select failed, state, errors from operation where id = %s", first)
    assert (ended["failed"], ended["state"]) == (1, "cancelled")
    assert ended["errors"][0]["job_id"] is None


def test_a_cancelled_workflow_that_cannot_be_finished_holds_up_neither_others_nor_maintenance(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flows = [start(sql, node(name)) for name in ("bad", "good")]
    sql.rows("update workflow set cancelled_at = clock_timestamp()")  # and their nodes were locked then
    sql.rows("delete from job_history")
    sql.connection.execute(
        "create function no() returns trigger language plpgsql as $$ begin raise exception 'not here'; end $$; "
        "create trigger no before insert on job_history for each row when (new.task = 'bad') execute function no()"
    )

    assert sql.value("select maintain()") is True

    assert [flow.status for flow in flows] == ["running", "cancelled"]


@pytest.mark.parametrize("style", ["sql_standard", "postgres_verbose", "iso_8601"])
def test_a_job_that_was_skipped_comes_back_with_its_intervals_whatever_the_styles_are(rolled_back_sql: Sql, style: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a", retries=0), node("b", "a", result_ttl="1 mon -1 day 3:04:05.6"))
    before = sql.value("select result_ttl from job where id = %s", flow["b"])
    sql.connection.execute(f"set local intervalstyle = '{style}'")
    flow.run("a", "failed")
    sql.connection.execute("set local intervalstyle = 'postgres'")

    sql.value("select retry(%s)", flow["a"])

    assert sql.value("select result_ttl from job where id = %s", flow["b"]) == before
