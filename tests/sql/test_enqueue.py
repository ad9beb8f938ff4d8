"""enqueue: one job more, at the moment its caller commits."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import psycopg
import pytest

from pgqueue.worker.backstop import MOST
from pgqueue.worker.claim import BACKSTOP

from .conftest import Sql


def test_a_job_needs_only_the_name_of_its_task(sql: Sql) -> None:
    id = sql.value("select enqueue('send')")

    job = sql.job(id)

    assert (job["state"], job["task"], job["args"], job["queue"], job["priority"]) == ("ready", "send", {}, "default", 0)
    assert (job["attempt"], job["max_attempts"], job["retry_of"], job["meta"], job["errors"]) == (0, 4, None, None, None)


def test_arguments_and_options_are_kept_as_given(sql: Sql) -> None:
    id = sql.enqueue("send", {"to": 1}, queue="mail", priority=7, retries=2, retry='{"backoff": "fixed"}', meta='{"trace": "x"}')

    (job,) = sql.rows("select * from job where id = %s", id)

    assert (job["args"], job["queue"], job["priority"], job["max_attempts"]) == ({"to": 1}, "mail", 7, 3)
    assert (job["retry"], job["meta"], job["result_ttl"]) == ({"backoff": "fixed"}, {"trace": "x"}, None)


def test_no_retries_means_one_run(sql: Sql) -> None:
    assert sql.job(sql.enqueue(retries=0))["max_attempts"] == 1


def test_a_job_for_later_is_scheduled_and_not_claimed(sql: Sql) -> None:
    at_a_time = sql.enqueue(run_at=datetime(2100, 1, 1, tzinfo=UTC))
    after_a_while = sql.enqueue(run_after=timedelta(minutes=5))

    _, claimed = sql.claim(sql.worker())

    assert claimed == []
    assert (sql.state(at_a_time), sql.state(after_a_while)) == ("scheduled", "scheduled")
    waits = sql.value("select extract(epoch from run_at - clock_timestamp()) from job where id = %s", after_a_while)
    assert 240 < waits <= 300


def test_a_job_whose_time_is_past_is_ready(sql: Sql) -> None:
    id = sql.enqueue(run_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert sql.state(id) == "ready"


def test_jobs_of_one_long_transaction_are_due_when_they_were_enqueued(sql: Sql) -> None:
    with sql.connection.transaction():
        began = sql.value("select now()")
        id = sql.enqueue()

    assert sql.job(id)["run_at"] > began


def test_a_rolled_back_enqueue_leaves_nothing_and_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    with sql.connection.transaction(force_rollback=True):
        sql.enqueue()
        sql.value("""select enqueue_many('noop', '[{}, {}]')""")

    assert worker.wakes(sql) == []
    assert sql.value("select count(*) from jobs") == 0


def test_a_job_wakes_the_workers_of_its_queue_once_its_transaction_commits(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, other = another_sql(), another_sql()
    worker.listen()

    with sql.connection.transaction():
        sql.enqueue(queue="mail")
        before_commit = worker.wakes(other)
        sql.enqueue(queue="mail")

    assert before_commit == []
    assert worker.wakes(sql) == ["mail"]


def test_a_job_for_later_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    sql.enqueue(run_after=timedelta(hours=1))

    assert worker.wakes(sql) == []


def test_a_job_due_before_all_workers_look_wakes_them_so_that_they_set_their_timer(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    worker = another_sql()
    worker.listen()

    sql.enqueue(run_after=timedelta(seconds=1.1 * BACKSTOP * MOST))
    sql.enqueue(queue="mail", run_after=timedelta(seconds=12.5))

    assert worker.wakes(sql) == ["default"]


def test_a_caller_that_wakes_workers_itself_says_so(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    sql.enqueue(notify=False)

    assert worker.wakes(sql) == []


def test_another_install_in_the_database_hears_nothing(sql: Sql) -> None:
    ours = sql.value("select channel()")

    sql.rows("create schema other_install")
    theirs = sql.value("select left(md5('other_install'), 16)")

    assert ours.startswith("pgqueue_")
    assert theirs not in ours


BAD_OPTIONS: list[tuple[str, Any, str]] = [
    ("queue", "", "use 1 to 100 letters"),
    ("queue", "two words", "use 1 to 100 letters"),
    ("queue", "trailing\n", "use 1 to 100 letters"),
    ("queue", "q" * 101, "use 1 to 100 letters"),
    ("queue", "'; drop table job; --", "use 1 to 100 letters"),
    ("queue", None, "use 1 to 100 letters"),
    ("priority", 101, "use -100 (last) to 100 (first)"),
    ("priority", -101, "use -100 (last) to 100 (first)"),
    ("priority", 100_000, "use -100 (last) to 100 (first)"),
    ("priority", None, "use -100 (last) to 100 (first)"),
    ("run_at", "infinity", "give a time between the years 1 and 9999"),
    ("run_at", "0044-03-15 BC", "give a time between the years 1 and 9999"),
    ("retries", -1, "use 0 to 32766"),
    ("retries", 32767, "use 0 to 32766"),
    ("result_ttl", timedelta(seconds=-1), "use an interval from 0 to 1000 years"),
    ("result_ttl", timedelta(days=400_000), "use an interval from 0 to 1000 years"),
]


@pytest.mark.one_case
@pytest.mark.parametrize(("option", "value", "remedy"), BAD_OPTIONS)
def test_a_bad_option_is_refused_by_name_value_and_remedy(rolled_back_sql: Sql, option: str, value: Any, remedy: str) -> None:
    sql = rolled_back_sql

    for refused in (
        sql.refusal(f"select enqueue('send', {option} => %s)", value),
        sql.refusal(f"select enqueue_many('send', '[{{}}]', {option} => %s)", value),
    ):
        assert refused.sqlstate == "PQ001"
        assert refused.diag.column_name == option
        message = str(refused.diag.message_primary)
        assert message.startswith(f"{option}: ")
        assert remedy in message
        assert message.split(" is not valid; ")[0] != f"{option}: "

    assert sql.value("select count(*) from jobs") == 0


def test_a_time_and_a_delay_together_are_refused(sql: Sql) -> None:
    refused = sql.refusal("select enqueue('send', run_at => now(), run_after => '5 min')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "run_after")


def test_a_delay_without_end_is_refused(sql: Sql) -> None:
    if sql.connection.info.server_version < 170000:
        pytest.skip("intervals are finite before PostgreSQL 17")

    refused = sql.refusal("select enqueue('send', run_after => 'infinity')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "run_after")


@pytest.mark.one_case
@pytest.mark.parametrize("task", ["", "t" * 201, None])
def test_a_bad_task_name_is_refused(rolled_back_sql: Sql, task: str | None) -> None:
    refused = rolled_back_sql.refusal("select enqueue(%s)", task)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "task")
    assert "use 1 to 200 characters" in str(refused)


@pytest.mark.one_case
@pytest.mark.parametrize("args", ["[]", "1", "null", '"x"', None])
def test_arguments_that_have_no_names_are_refused(rolled_back_sql: Sql, args: str | None) -> None:
    refused = rolled_back_sql.refusal("select enqueue('send', %s)", args)

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "args")
    assert "as a JSON object" in str(refused)


@pytest.mark.parametrize("task", ["o'clock", "naïve 🐘", "<script>", "os.system", "%s"])
def test_any_text_is_a_task_name_and_stored_literally(rolled_back_sql: Sql, task: str) -> None:
    id = rolled_back_sql.enqueue(task, {"text": task})

    job = rolled_back_sql.job(id)

    assert (job["task"], job["args"]) == (task, {"text": task})


def test_a_bad_enqueue_leaves_the_callers_transaction_to_the_caller(sql: Sql) -> None:
    with sql.connection.transaction():
        kept = sql.enqueue()
        refused = sql.refusal("select enqueue('')")

    assert isinstance(refused, psycopg.Error)
    assert sql.state(kept) == "ready"


# How large the arguments may be.

MIB = 1048576
WAYS: dict[str, LiteralString] = {
    "enqueue": "select enqueue('send', %s::jsonb)",
    "a unique one": "select enqueue('send', %s::jsonb, unique_mode => 'until_done')",
    "enqueue_many": "select enqueue_many('send', jsonb_build_array('{}'::jsonb, %s::jsonb))",
    "enqueue_many of jobs": """select * from enqueue_many(jsonb_build_array(
        jsonb_build_object('task', 'send', 'args', '{}'::jsonb), jsonb_build_object('task', 'send', 'args', %s::jsonb)))""",
    "enqueue_select": "select enqueue_select('send', array['{}', %s]::jsonb[])",
    "update": "select update(id, %s::jsonb) from (select enqueue('send') as id offset 0) job",
}


def of_size(size: int) -> str:
    """Arguments that take so many bytes as JSON, most of them in letters of several bytes."""
    return json.dumps(
        {"text": (size - len('{"text": ""}')) // 3 * "€" + (size - len('{"text": ""}')) % 3 * "x"}, ensure_ascii=False
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_mebibyte_of_arguments_is_allowed_and_a_byte_more_is_not(rolled_back_sql: Sql, way: str) -> None:
    sql = rolled_back_sql
    sql.value(WAYS[way], of_size(MIB))
    count = sql.value("select count(*) from job")

    refused = sql.refusal(WAYS[way], of_size(MIB + 1))

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "args")
    assert str(refused.diag.message_primary) == (
        "args: 1048577 bytes of JSON are too many; store what is large elsewhere and pass its id, "
        "or raise max_args_bytes of table setting (1048576 now)"
    )
    assert sql.value("select count(*) from job") == count


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [16384, 2 * MIB])
def test_the_limit_is_a_setting(rolled_back_sql: Sql, way: str, limit: int) -> None:
    sql = rolled_back_sql
    sql.rows("update setting set max_args_bytes = %s", limit)

    sql.value(WAYS[way], of_size(limit))
    refused = sql.refusal(WAYS[way], of_size(limit + 1))

    assert f"args: {limit + 1} bytes" in str(refused)


def test_control_characters_count_as_they_are_written(sql: Sql) -> None:
    sql.rows("update setting set max_args_bytes = 16384")

    refused = sql.refusal("select enqueue('send', %s)", json.dumps({"text": 3000 * "\x01"}))

    assert "args: 18012 bytes" in str(refused)


def test_a_limit_that_enqueue_would_not_keep_is_refused(sql: Sql) -> None:
    assert sql.refusal("update setting set max_args_bytes = 16383").sqlstate == "23514"
