"""retry with other arguments, other rules, at another time, and again and again; the order of many."""

import json
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .dead import bury, bury_all, dead
from .limit_steps import add, set_limit


def retry(sql: Sql, id: int, **options: Any) -> dict[str, Any]:
    """retry() with named arguments: the row of the job that runs."""
    named = "".join(f", {name} => %s" for name in options)
    (again,) = sql.rows(f"select * from retry(%s{named})", id, *options.values())
    assert not again["duplicate"]
    (row,) = sql.rows("select * from job where id = %s", again["id"])
    return row


def test_a_dead_letter_takes_other_arguments(rolled_back_sql: Sql) -> None:
    id = dead(rolled_back_sql, args={"to": 1})

    row = retry(rolled_back_sql, id, args='{"to": 2}')

    assert (row["id"], row["args"]) == (id, {"to": 2})


@pytest.mark.parametrize("key", [None, "mail"])
def test_a_key_made_of_all_the_arguments_follows_them_and_one_that_was_given_stays(rolled_back_sql: Sql, key: str | None) -> None:
    sql = rolled_back_sql
    unique: dict[str, Any] = {"unique_mode": "until_done", **({"unique_key": key} if key else {})}
    id = dead(sql, args={"to": 1}, **unique)

    retry(sql, id, args='{"to": 2}')

    assert (sql.enqueue("noop", {"to": 2}, **unique) == id, sql.enqueue("noop", {"to": 1}, **unique) == id) == (
        True,
        key is not None,
    )


def test_where_another_job_has_the_new_arguments_that_one_is_the_answer_and_nothing_changes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, live = dead(sql, args={"to": 1}, unique_mode="until_done"), sql.enqueue(args={"to": 2}, unique_mode="until_done")

    (again,) = sql.rows("select * from retry(%s, args => %s)", id, '{"to": 2}')

    assert (again["id"], again["duplicate"]) == (live, True)
    assert (sql.state(id), sql.job(id)["args"]) == ("failed", {"to": 1})


@pytest.mark.parametrize(
    ("given", "field"),
    [({"args": "[]"}, "args"), ({"args": "1"}, "args"), ({"by": ""}, "by"), ({"run_after": "20000 years"}, "run_after")],
)
def test_an_invalid_value_is_refused_by_name_and_the_dead_letter_stays(
    rolled_back_sql: Sql, given: dict[str, Any], field: str
) -> None:
    id = dead(rolled_back_sql)

    (name,) = given
    refused = rolled_back_sql.refusal(f"select retry(%s, {name} => %s)", id, given[name])

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
    assert rolled_back_sql.state(id) == "failed"


RULES = {"noop": {"retry": {"backoff": "fixed", "delay": 9}, "max_attempts": 2}, "other": {"retry": None, "max_attempts": 7}}


@pytest.mark.parametrize("task", ["noop", "another"])
def test_a_job_takes_the_rules_of_its_task_if_they_are_given(rolled_back_sql: Sql, task: str) -> None:
    id = dead(rolled_back_sql, task=task, retry='{"delay": 5}')

    row = retry(rolled_back_sql, id, rules=json.dumps(RULES))

    new = ({"backoff": "fixed", "delay": 9}, 2)
    assert (row["retry"], row["max_attempts"]) == (new if task == "noop" else ({"delay": 5}, 1))


def test_rules_may_be_those_of_everybody(rolled_back_sql: Sql) -> None:
    row = retry(rolled_back_sql, dead(rolled_back_sql, task="other", retry='{"delay": 5}'), rules=json.dumps(RULES))

    assert (row["retry"], row["max_attempts"]) == (None, 7)


@pytest.mark.parametrize(
    "rules",
    [
        '"task"',
        "[]",
        '{"a": 1}',
        '{"a": {"retry": null}}',
        '{"a": {"max_attempts": 0}}',
        '{"a": {"max_attempts": "4"}}',
        '{"a": {"max_attempts": 1.5}}',
        '{"a": {"max_attempts": 32768}}',
        '{"a": {"max_attempts": 1, "retry": {"backoff": "x"}}}',
    ],
)
def test_rules_that_no_job_can_have_are_refused(rolled_back_sql: Sql, rules: str) -> None:
    id = dead(rolled_back_sql)

    assert rolled_back_sql.refusal("select retry(%s, rules => %s)", id, rules).sqlstate == "PQ001"

    assert rolled_back_sql.state(id) == "failed"


@pytest.mark.parametrize("keep", [False, True])
def test_its_attempts_are_over_or_begin_again(rolled_back_sql: Sql, keep: bool) -> None:
    sql = rolled_back_sql
    id, token = sql.running(retries=2)
    sql.finish(token, {"id": id, "state": "failed", "final": True, "error": {"type": "E"}})

    assert retry(sql, id, keep_attempts=keep)["attempt"] == int(keep)


def test_after_the_last_kept_attempt_a_failure_is_final_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = dead(sql)
    retry(sql, id, keep_attempts=True)

    bury(sql, id)

    assert (sql.job(id)["attempt"], sql.job(id)["max_attempts"], sql.state(id)) == (2, 1, "failed")


def test_kept_attempts_never_become_too_many_for_a_claim(rolled_back_sql: Sql) -> None:
    """A claim that cannot count one up fails, and so does every other one of the queue."""
    sql = rolled_back_sql
    id = dead(sql)
    sql.rows("update dead_letter set attempt = 32767, max_attempts = 32767")
    retry(sql, id, keep_attempts=True)

    _, (job,) = sql.claim(sql.worker())

    assert (job["id"], job["attempt"]) == (id, 32767)


def test_it_runs_later_if_that_is_wanted_and_its_times_count_from_then(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = dead(sql, total_timeout=timedelta(seconds=60))

    row = retry(sql, id, run_after=timedelta(hours=1))

    assert row["state"] == "scheduled"
    assert sql.value("select run_at - clock_timestamp() between '59 min' and '1 h' from job")
    assert row["deadline_at"] - row["run_at"] == timedelta(seconds=60)
    sql.make_due()
    sql.value("select promote()")
    assert sql.state(id) == "ready"


def test_a_job_that_waits_is_put_off_too(rolled_back_sql: Sql) -> None:
    id = rolled_back_sql.enqueue(run_after=timedelta(days=1))

    assert retry(rolled_back_sql, id, run_after=timedelta(hours=1))["state"] == "scheduled"

    assert rolled_back_sql.value("select run_at < clock_timestamp() + interval '1 h' from job")


@pytest.mark.parametrize("given", [{"args": '{"to": 2}'}, {"rules": json.dumps(RULES)}, {"keep_attempts": True}])
def test_a_job_that_waits_is_changed_by_update(rolled_back_sql: Sql, given: dict[str, Any]) -> None:
    id = rolled_back_sql.enqueue(args={"to": 1}, run_after=timedelta(days=1))

    (name,) = given
    refused = rolled_back_sql.refusal(f"select retry(%s, {name} => %s)", id, given[name])

    assert refused.sqlstate == "PQ004"
    assert f"job {id} is scheduled" in str(refused)
    assert "update changes one that waits" in str(refused)
    assert (rolled_back_sql.state(id), rolled_back_sql.job(id)["args"]) == ("scheduled", {"to": 1})


def test_a_finished_job_runs_again_with_other_arguments_and_rules_and_its_attempts_begin_again(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running(args={"to": 1})
    sql.finish(token, {"id": id, "state": "succeeded"})

    row = retry(sql, id, args='{"to": 2}', rules=json.dumps(RULES), keep_attempts=True)

    assert (row["retry_of"], row["args"], row["max_attempts"], row["attempt"], row["control"]) == (id, {"to": 2}, 2, 0, None)


def test_who_comes_back_is_counted_and_after_three_times_it_has_to_be_forced(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = dead(sql)
    for time in (1, 2, 3):
        row = retry(sql, id, by=f"ann {time}")
        assert row["control"] == {"retried": time, "retried_by": f"ann {time}"}
        bury(sql, id)

    refused = sql.refusal("select retry(%s)", id)

    assert refused.sqlstate == "PQ004"
    assert f"job {id} has come back from the dead letters 3 times" in str(refused)
    assert "retry it with force" in str(refused)
    assert sql.state(id) == "failed"
    assert retry(sql, id, force=True)["control"]["retried"] == 4


def test_what_was_asked_of_its_last_life_is_forgotten_and_signals_are_kept(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id = dead(sql)
    control = {"cancel": {"by": "ann"}, "interrupted": 9, "waits_for": {"signal": "x"}, "signals": ["y"]}
    sql.rows("update dead_letter set control = %s", json.dumps(control))

    assert retry(sql, id, by="bob")["control"] == {"signals": ["y"], "retried": 1, "retried_by": "bob"}


def in_order_one_at_a_time(sql: Sql, count: int = 200) -> None:
    """Many dead letters of one key of which one job may run: retried in the order of their ids, they run in it, one at a time."""
    set_limit(sql, "account", max_running=1)
    ids = add(sql, count, "account")
    bury_all(sql)

    sql.rows("select retry(id) from (select id from dead_letter order by id) d")

    ran, worker = [], sql.worker()
    for _ in ids:
        token, taken = sql.claim(worker, 10)
        assert len(taken) == 1, f"{len(taken)} run at once"
        ran.append(taken[0]["id"])
        sql.finish(token, {"id": taken[0]["id"], "state": "succeeded"})
    assert ran == sorted(ids), "not in their order"


def test_dead_letters_of_one_key_run_in_the_order_in_which_they_are_retried_one_at_a_time(rolled_back_sql: Sql) -> None:
    in_order_one_at_a_time(rolled_back_sql, 1000)
