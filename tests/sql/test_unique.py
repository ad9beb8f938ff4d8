"""Unique jobs: of jobs with one key, one is there; who asks for another gets that one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql

MODES = ["until_done", "until_started", "replace", "period"]
LIVE_MODES = MODES[:3]
HOUR = timedelta(hours=1)


def unique(mode: str, **options: Any) -> dict[str, Any]:
    """Options of a unique job."""
    return {"unique_mode": mode, **({"unique_period": HOUR} if mode == "period" else {}), **options}


# The key.


@pytest.mark.parametrize("mode", MODES)
def test_a_duplicate_is_answered_with_the_job_that_is_there(rolled_back_sql: Sql, mode: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(args={"to": 1}, **unique(mode))

    assert sql.enqueue(args={"to": 1}, **unique(mode)) == id
    assert sql.enqueue(args={"to": 2}, **unique(mode)) != id
    assert sql.value("select count(*) from job") == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_duplicate_leaves_the_callers_transaction_as_usable_as_before(sql: Sql, mode: str) -> None:
    with sql.connection.transaction():
        ids = {sql.enqueue(**unique(mode)) for _ in range(3)}
        other = sql.enqueue("other")

    assert len(ids) == 1
    assert {row["id"] for row in sql.rows("select id from job")} == {*ids, other}


@pytest.mark.parametrize(
    "same",
    [
        '{"b":[1,2],"a":"x"}',
        '  { "a" : "x" ,\n "b": [1,  2] }',
        '{"a": "y", "b": [1, 2], "a": "x"}',
        '{"\\u0061": "x", "b": [1, 2]}',
    ],
)
def test_arguments_are_the_same_in_any_order_and_spacing(rolled_back_sql: Sql, same: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(args={"a": "x", "b": [1, 2]}, unique_mode="until_done")

    assert sql.value("select enqueue('noop', %s, unique_mode => 'until_done')", same) == id


@pytest.mark.parametrize(
    "other", [{}, {"a": 1}, {"a": "x", "b": [2, 1]}, {"a": "x", "b": [1, 2], "c": None}, {"a": "X", "b": [1, 2]}]
)
def test_other_arguments_are_another_job(rolled_back_sql: Sql, other: dict[str, Any]) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(args={"a": "x", "b": [1, 2]}, unique_mode="until_done")

    assert sql.enqueue(args=other, unique_mode="until_done") != id


def test_a_job_that_is_not_unique_is_added_beside_one_that_is_and_the_other_way_round(sql: Sql) -> None:
    ids = {sql.enqueue(), sql.enqueue(unique_mode="until_done"), sql.enqueue(), sql.enqueue(unique_mode="until_done")}

    assert len(ids) == 3


@pytest.mark.parametrize("mode", MODES)
def test_tasks_never_share_a_key(rolled_back_sql: Sql, mode: str) -> None:
    sql = rolled_back_sql
    pairs = [("a", "k"), ("b", "k"), ("a\nkey\nk", "k"), ("a", "k\nkey\nk"), ("a\nargs\n{}", "k"), ("1 a", "k"), ("a", "args")]

    ids = [sql.enqueue(task, unique_key=key, **unique(mode)) for task, key in pairs]
    by_args = [sql.enqueue(task, **unique(mode)) for task in ("a", "b", "a\nkey\nk", "a\nargs\n{}", "1 a")]

    assert len({*ids, *by_args}) == len(pairs) + 5


def test_a_given_key_says_alone_what_is_the_same(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(args={"n": 1}, unique_mode="until_done", unique_key="nightly")

    assert sql.enqueue(args={"n": 2}, queue="other", unique_mode="until_done", unique_key="nightly") == id
    assert sql.enqueue(args={"n": 1}, unique_mode="until_done", unique_key="weekly") != id
    assert sql.job(id)["args"] == {"n": 1}


USER = {"name": "ann", "id": 7, "tags": ["x", "y"], "gone": None, "address": {"city": "Ulm", "a.b": 1}, "ok": True}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("{name}", ["ann"]),
        ("user-{id}/{name}/{id}", [7, "ann", 7]),
        ("{address.city}", ["Ulm"]),
        ("{tags.1}", ["y"]),
        ("{tags}", [["x", "y"]]),
        ("{ok}{gone}", [True, None]),
        ("{address}", [{"a.b": 1, "city": "Ulm"}]),
        ("no {name", []),
        ("}{name}{", ["ann"]),
        ("{{name}}", ["ann"]),
    ],
)
def test_names_in_a_key_stand_for_arguments(rolled_back_sql: Sql, key: str, values: list[Any]) -> None:
    assert rolled_back_sql.value("select key_values(%s, %s)", key, json.dumps(USER)) == values


def test_a_key_with_names_tells_values_apart_that_would_look_alike(sql: Sql) -> None:
    pairs = [("x:y", "z"), ("x", "y:z"), ("x:y", None), ("x:y", "null")]

    ids = [sql.enqueue(args={"a": a, "b": b}, unique_mode="until_done", unique_key="{a}:{b}") for a, b in pairs]

    assert len(set(ids)) == len(pairs)
    assert sql.enqueue(args={"a": "x:y", "b": "z", "c": 1}, unique_mode="until_done", unique_key="{a}:{b}") == ids[0]
    assert sql.enqueue(unique_mode="until_done", unique_key="x:y:z") not in ids


def test_a_value_that_looks_like_a_name_is_no_template(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    values = [("{b}", "x"), ("x", "{a}"), ("x", "x"), ("{a}", "{b}")]

    ids = [sql.enqueue(args={"a": a, "b": b}, unique_mode="until_done", unique_key="{a} {b}") for a, b in values]

    assert len(set(ids)) == len(values)


@pytest.mark.one_case
@pytest.mark.parametrize("name", ["nobody", "address.street", "name.first", "tags.9", "Name", " name"])
def test_a_name_that_the_arguments_do_not_have_is_refused(rolled_back_sql: Sql, name: str) -> None:
    key = f"x-{{{name}}}"
    refused = rolled_back_sql.refusal(
        "select enqueue('t', %s, unique_mode => 'until_done', unique_key => %s)", json.dumps(USER), key
    )

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "unique_key")
    assert str(refused.diag.message_primary).startswith(f"unique_key: '{key}' is not valid; the arguments have no '{name}'")


# How long a key is held.


def steps(sql: Sql, mode: str) -> tuple[int, Callable[[], bool]]:
    """A unique job, and a question: is it still the answer to a duplicate? The question changes nothing."""
    id = sql.enqueue(retries=5, **unique(mode))

    def is_held() -> bool:
        with sql.connection.transaction(force_rollback=True):
            return sql.enqueue(**unique(mode)) == id

    return id, is_held


def run(sql: Sql) -> Any:
    """Claim all there is; the token."""
    return sql.claim(sql.worker())[0]


def test_until_done_holds_the_key_through_claim_retry_snooze_give_back_and_rescue(sql: Sql) -> None:
    id, is_held = steps(sql, "until_done")

    token = run(sql)
    assert is_held(), "while it runs"
    sql.finish(token, {"id": id, "state": "failed", "delay": 60})
    assert (sql.state(id), is_held()) == ("scheduled", True)
    sql.make_due()
    sql.value("select promote()")
    token = run(sql)
    sql.value("select snooze(%s, %s, 0)", id, token)
    assert (sql.state(id), is_held()) == ("ready", True)
    token = run(sql)
    sql.value("select give_back(%s, %s)", token, [id])
    assert (sql.state(id), is_held()) == ("ready", True)
    run(sql)
    sql.lose(sql.job(id)["worker_id"])
    assert (sql.value("select rescue()"), sql.state(id), is_held()) == (1, "ready", True)
    sql.value("select update(%s, run_after => '1 h')", id)
    assert (sql.state(id), is_held()) == ("scheduled", True)
    sql.value("select id from retry(%s)", id)
    assert (sql.state(id), is_held()) == ("ready", True)


@pytest.mark.parametrize("mode", LIVE_MODES)
@pytest.mark.parametrize("end", ["succeeded", "cancelled", "failed", "crashed", "cancel"])
def test_a_key_is_free_when_its_job_is_over(rolled_back_sql: Sql, mode: str, end: str) -> None:
    sql = rolled_back_sql
    id, is_held = steps(sql, mode)

    if end == "cancel":
        sql.value("select cancel(%s)", id)
    elif end == "crashed":
        sql.rows("update job set rescues = 2")
        run(sql)
        sql.lose(sql.job(id)["worker_id"])
        sql.value("select rescue()")
    else:
        sql.finish(run(sql), {"id": id, "state": end, "final": True})

    assert sql.state(id) == ("failed" if end == "crashed" else "cancelled" if end == "cancel" else end)
    assert not is_held()


@pytest.mark.parametrize("mode", ["until_started", "replace"])
@pytest.mark.parametrize("afterwards", ["nothing", "give_back", "snooze", "fail", "rescue"])
def test_a_claim_frees_the_key_for_good_whatever_becomes_of_the_job(rolled_back_sql: Sql, mode: str, afterwards: str) -> None:
    sql = rolled_back_sql
    id, is_held = steps(sql, mode)
    assert is_held()

    token = run(sql)
    match afterwards:
        case "give_back":
            sql.value("select give_back(%s, %s)", token, [id])
        case "snooze" | "fail":
            sql.finish(token, {"id": id, "state": {"snooze": "snoozed", "fail": "failed"}[afterwards], "delay": 9})
        case "rescue":
            sql.lose(sql.job(id)["worker_id"])
            sql.value("select rescue()")

    assert not is_held()
    second = sql.enqueue(**unique(mode))
    assert sql.enqueue(**unique(mode)) == second != id


@pytest.mark.parametrize("end", ["waiting", "running", "succeeded", "failed", "cancelled", "retried", "gone"])
def test_a_period_holds_its_key_whatever_becomes_of_the_job_until_it_is_over(rolled_back_sql: Sql, end: str) -> None:
    sql = rolled_back_sql
    id, is_held = steps(sql, "period")
    if end != "waiting":
        token = run(sql)
        if end != "running":
            sql.finish(
                token, {"id": id, "state": end if end in ("succeeded", "failed", "cancelled") else "succeeded", "final": True}
            )
        if end == "retried":
            assert sql.value("select id from retry(%s)", id) != id
        if end == "gone":
            sql.rows("delete from job_history")

    assert is_held()

    sql.rows("update unique_hold set expires_at = expires_at - interval '59 min'")
    assert is_held()
    sql.rows("update unique_hold set expires_at = expires_at - interval '2 min'")
    assert not is_held()

    second = sql.enqueue(**unique("period"))
    assert sql.enqueue(**unique("period")) == second != id


def test_a_period_begins_when_the_job_is_added_and_a_duplicate_does_not_lengthen_it(sql: Sql) -> None:
    sql.enqueue(**unique("period"))
    (before,) = sql.rows("select * from unique_hold")

    sql.enqueue(**unique("period", unique_period=timedelta(days=9)))

    assert sql.rows("select * from unique_hold") == [before]
    assert 3590 < sql.value("select extract(epoch from expires_at - clock_timestamp()) from unique_hold") <= 3600


def test_a_period_that_was_rolled_back_was_never_held(sql: Sql) -> None:
    with sql.connection.transaction(force_rollback=True):
        first = sql.enqueue(**unique("period"))

    assert sql.enqueue(**unique("period")) != first


def test_maintenance_forgets_keys_whose_time_is_over(sql: Sql) -> None:
    over, held = (sql.enqueue(unique_key=key, **unique("period")) for key in ("over", "held"))
    sql.rows("update unique_hold set expires_at = clock_timestamp() - interval '1 s' where job_id = %s", over)

    sql.value("select maintain()")

    assert sql.rows("select job_id from unique_hold") == [{"job_id": held}]


# Replace.


def test_replace_gives_the_waiting_job_arguments_time_priority_and_meta(sql: Sql) -> None:
    first: dict[str, Any] = {"unique_mode": "replace", "unique_key": "k"}
    id = sql.enqueue(args={"n": 1}, meta='"old"', retries=9, queue="mail", run_after="1 h", **first)
    (before,) = sql.rows("select * from job")
    when = datetime(2100, 1, 1, tzinfo=UTC)

    again = sql.enqueue(args={"n": 2}, meta='"new"', priority=5, retries=1, queue="other", run_at=when, **first)

    (job,) = sql.rows("select * from job")
    assert again == id
    assert job == {**before, "args": {"n": 2}, "meta": "new", "priority": 5, "run_at": when}


@pytest.mark.parametrize(
    ("first", "second", "state"), [("1 h", None, "ready"), (None, "1 h", "scheduled"), ("1 h", "2 h", "scheduled")]
)
def test_replace_moves_the_job_to_its_new_time(rolled_back_sql: Sql, first: str, second: str, state: str) -> None:
    sql = rolled_back_sql
    id = sql.enqueue(run_after=first, unique_mode="replace")

    assert sql.enqueue(run_after=second, unique_mode="replace") == id

    assert sql.state(id) == state
    assert [row["id"] for row in sql.claim(sql.worker())[1]] == ([id] if state == "ready" else [])


def test_replace_leaves_a_blocked_job_as_it_is(sql: Sql) -> None:
    id = sql.enqueue(args={"n": 1}, unique_mode="replace", unique_key="k")
    sql.rows("update job set state = 'blocked'")

    assert sql.enqueue(args={"n": 2}, unique_mode="replace", unique_key="k") == id

    assert (sql.state(id), sql.job(id)["args"]) == ("blocked", {"n": 1})


def test_replace_leaves_a_job_that_has_started_alone_and_adds_a_new_one(sql: Sql) -> None:
    id = sql.enqueue(args={"n": 1}, unique_mode="replace", unique_key="k")
    run(sql)
    before = sql.job(id)

    second = sql.enqueue(args={"n": 2}, unique_mode="replace", unique_key="k")

    assert sql.job(id) == before
    assert (sql.state(second), sql.job(second)["args"]) == ("ready", {"n": 2})


def test_replace_does_not_touch_a_running_job_that_holds_the_key_until_it_is_done(sql: Sql) -> None:
    id = sql.enqueue(args={"n": 1}, unique_mode="until_done", unique_key="k")
    run(sql)
    before = sql.job(id)

    assert sql.enqueue(args={"n": 2}, unique_mode="replace", unique_key="k") == id

    assert sql.rows("select * from jobs") == [before]


# Wake-ups.


@pytest.mark.parametrize("mode", ["until_done", "until_started", "period"])
def test_a_duplicate_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql], mode: str) -> None:
    sql.enqueue(**unique(mode))
    worker = another_sql()
    worker.listen()

    sql.enqueue(**unique(mode))
    assert sql.value("select enqueue_select('noop', array['{}'::jsonb], unique_mode => %s, unique_period => %s)",
                     *unique(mode, unique_period=HOUR if mode == "period" else None).values()) == 0  # fmt: skip

    assert worker.wakes(sql) == []


@pytest.mark.parametrize(
    "again",
    [
        "select enqueue('noop', queue => 'other', unique_mode => 'replace')",
        """select * from enqueue_many('[{"task": "noop", "queue": "other", "unique_mode": "replace"}]')""",
        "select enqueue_select('noop', array['{}'::jsonb], 'other', unique_mode => 'replace')",
    ],
)
def test_a_job_that_replace_makes_ready_wakes_the_workers_of_its_own_queue(
    sql: Sql, another_sql: Callable[[], Sql], again: str
) -> None:
    sql.enqueue(queue="mail", run_after="1 h", unique_mode="replace")
    worker = another_sql()
    worker.listen()

    sql.rows(again)

    assert "mail" in worker.wakes(sql)


def test_a_job_that_replace_moves_into_the_future_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    sql.enqueue(unique_mode="replace")
    worker = another_sql()
    worker.listen()

    sql.enqueue(run_after="1 h", unique_mode="replace")

    assert worker.wakes(sql) == []


# What is refused.

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"unique_mode": "forever"}, "unique_mode", "'forever' is not valid; use until_done, until_started, replace or period"),
    ({"unique_mode": ""}, "unique_mode", "use until_done"),
    ({"unique_key": "k"}, "unique_mode", "NULL is not valid; use until_done"),
    ({"unique_period": HOUR}, "unique_mode", "NULL is not valid; use until_done"),
    ({"unique_mode": "period"}, "unique_period", "NULL is not valid; mode period needs an interval above 0"),
    ({"unique_mode": "period", "unique_period": "0 s"}, "unique_period", "mode period needs an interval above 0"),
    ({"unique_mode": "period", "unique_period": "-1 s"}, "unique_period", "mode period needs an interval above 0"),
    ({"unique_mode": "period", "unique_period": "1001 years"}, "unique_period", "an interval above 0, up to 1000 years"),
    ({"unique_mode": "until_done", "unique_period": HOUR}, "unique_period", "only mode period has one"),
    ({"unique_mode": "until_done", "unique_key": ""}, "unique_key", "use 1 to 1000 characters"),
    ({"unique_mode": "until_done", "unique_key": "k" * 1001}, "unique_key", "use 1 to 1000 characters"),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("options", "field", "message"), BAD)
def test_bad_options_of_uniqueness_are_refused_by_name_value_and_remedy(
    rolled_back_sql: Sql, options: dict[str, Any], field: str, message: str
) -> None:
    sql = rolled_back_sql
    named = "".join(f", {name} => %s" for name in options)
    job = json.dumps([{"task": "noop", **options}], default=str)

    for refused in (
        sql.refusal(f"select enqueue('noop'{named})", *options.values()),
        sql.refusal(f"select enqueue_select('noop', array['{{}}'::jsonb]{named})", *options.values()),
        sql.refusal("select * from enqueue_many(%s)", job),
    ):
        assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
        assert message in str(refused)

    assert sql.value("select count(*) from jobs") == 0


def test_a_period_without_end_is_refused(sql: Sql) -> None:
    if sql.connection.info.server_version < 170000:
        return  # intervals are finite there
    refused = sql.refusal("select enqueue('noop', unique_mode => 'period', unique_period => 'infinity')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "unique_period")
