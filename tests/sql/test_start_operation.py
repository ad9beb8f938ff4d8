"""start_operation: a verb on all jobs of a filter."""

import json
from typing import Any

import pytest

from . import operation_guarantees as guarantees
from .conftest import Sql
from .flows import node, start
from .guarantees import many
from .operation_guarantees import begin, begun, carry_on, died, operation


@pytest.mark.alone  # on a busy machine its time may not suffice
def test_a_small_operation_is_done_in_the_call_and_tells_what_it_did(sql: Sql) -> None:
    ids = [sql.enqueue(), sql.enqueue(run_after="1 h")]
    elsewhere = sql.enqueue(queue="mail")

    row = begun(sql, "cancel", by="ann", reason="the deploy was wrong")

    assert (row["kind"], row["state"], row["by"], row["reason"]) == ("cancel", "done", "ann", "the deploy was wrong")
    assert (row["matched"], row["done"], row["did"], row["left_over"]) == (2, 2, {"cancelled": 2}, 0)
    assert row["created_at"] <= row["started_at"] <= row["finished_at"]
    assert [sql.state(id) for id in (*ids, elsewhere)] == ["cancelled", "cancelled", "ready"]
    assert sql.value("select count(*) from operation_job") == 0


def test_who_asked_is_the_database_user_unless_it_is_said(sql: Sql) -> None:
    assert begin(sql, "cancel")["by"] == sql.value("select session_user")


def test_a_filter_that_finds_nothing_is_done_with_nothing(sql: Sql) -> None:
    row = begin(sql, "retry")

    assert (row["state"], row["matched"], row["did"]) == ("done", 0, {})


@pytest.mark.parametrize("kind", ["cancel", "retry", "discard"])
def test_a_filter_that_names_nothing_needs_all(sql: Sql, kind: str) -> None:
    sql.enqueue()
    died(sql)

    refused = sql.refusal("select start_operation(%s, '{}')", kind)
    assert refused.sqlstate == "PQ001"
    assert str(refused.diag.message_primary) == "filter: '{}' is not valid; it means every job: name a field, or say is_all"
    assert sql.value("select count(*) from operation") == 0

    assert begin(sql, kind, {}, is_all=True)["done"] == 1


@pytest.mark.parametrize("filter", [{"queue": None}, {"args": {}}, {"args": {}, "meta": {}, "ids": None}])
def test_a_filter_of_empty_objects_and_nulls_names_nothing(rolled_back_sql: Sql, filter: dict[str, Any]) -> None:
    """Such as app.jobs(args=conditions) without any conditions."""
    sql = rolled_back_sql
    sql.enqueue()

    assert sql.refusal("select start_operation('cancel', %s)", json.dumps(filter)).sqlstate == "PQ001"
    assert begin(sql, "cancel", filter, is_all=True)["did"] in ({"cancelled": 1}, {})


@pytest.mark.parametrize("field", ["ids", "state", "queue"])
def test_an_empty_list_means_no_job(rolled_back_sql: Sql, field: str) -> None:
    sql = rolled_back_sql
    sql.enqueue()

    assert (begin(sql, "cancel", {field: []})["state"], begin(sql, "cancel", {field: []})["matched"]) == ("done", 0)


def test_a_time_without_a_zone_is_that_of_the_one_who_asks(rolled_back_sql: Sql) -> None:
    """A worker that carries on may be in another zone, and now is another time then."""
    sql = rolled_back_sql
    sql.rows("set local timezone to 'Asia/Tokyo'")
    row = begin(sql, "update", spec={"run_at": "2095-01-01 10:00"})

    assert row["spec"]["run_at"].startswith("2095-01-01T01:00")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("'kill', '{}'", "kind: 'kill' is not valid; use cancel, retry, discard or update"),
        ("null, '{}'", "kind: NULL is not valid; use cancel, retry, discard or update"),
        ("""'cancel', '{"colour": 1}'""", "filter: 'colour' is not valid; use "),
        ("'cancel', null", "filter: NULL is not valid; use an object"),
        ("""'cancel', '{"state": "failed"}'""", "state: 'failed' is not valid; cancel acts on jobs that are blocked, scheduled"),
        ("""'retry', '{"state": ["failed", "running"]}'""", "state: 'running' is not valid; retry acts on jobs that are failed"),
        ("""'discard', '{"state": "ready"}'""", "state: 'ready' is not valid; discard acts on jobs that are failed"),
        ("""'cancel', '{"queue": "x"}', by => ''""", "by: '' is not valid; say who does it, in 1 to 200 characters"),
        ("""'cancel', '{"queue": "x"}', by => repeat('x', 201)""", "by: "),
        ("""'cancel', '{"queue": "x"}', reason => repeat('x', 1001)""", "reason: "),
        ("""'cancel', '{"queue": "x"}', per_second => 0""", "per_second: '0' is not valid; use a number from 0.001 to"),
        ("""'cancel', '{"queue": "x"}', per_second => 'NaN'""", "per_second: 'NaN' is not valid"),
        ("""'cancel', '{"queue": "x"}', '[]'""", "spec: '[]' is not valid; use an object with options of the verb"),
        ("""'cancel', '{"queue": "x"}', '{"colour": 1}'""", "spec: 'colour' is not valid; use force, force_after"),
        ("""'cancel', '{"queue": "x"}', '{"force_after": "soon"}'""", "force_after: "),
        ("""'discard', '{"queue": "x"}', '{"force": true}'""", "spec: 'force' is not valid; discard has no options"),
        ("""'retry', '{"queue": "x"}', '{"rules": "task"}'""", "rules: '\"task\"' is not valid; give an object by task"),
        (
            """'update', '{"queue": "x"}'""",
            "spec: '{}' is not valid; give what is to change: args, priority, queue, run_at or run_after",
        ),
        ("""'update', '{"queue": "x"}', '{"priority": 101}'""", "priority: '101' is not valid; use -100"),
        ("""'update', '{"queue": "x"}', '{"priority": "high"}'""", "spec: "),
        ("""'update', '{"queue": "x"}', '{"args": [1]}'""", "args: '[1]' is not valid; give the arguments by name"),
        ("""'update', '{"queue": "x"}', '{"run_after": "9999999 years"}'""", "run_after: "),
    ],
)
def test_what_is_invalid_is_refused_by_name_and_nothing_starts(rolled_back_sql: Sql, statement: str, message: str) -> None:
    refused = rolled_back_sql.refusal(f"select start_operation({statement})")

    assert refused.sqlstate == "PQ001"
    assert str(refused.diag.message_primary).startswith(message)
    assert rolled_back_sql.value("select count(*) from operation") == 0


def test_without_a_state_a_verb_means_the_jobs_on_which_it_can_act(sql: Sql) -> None:
    """So the history of a queue is not looked through when its waiting jobs are cancelled, and only dead letters are retried."""
    sql.value("select cancel(%s)", sql.enqueue())
    dead, ready = died(sql), sql.enqueue()

    assert begin(sql, "retry")["did"] == {"retried": 1}
    assert sql.state(dead) == "ready"
    assert begin(sql, "cancel")["did"] == {"cancelled": 2}
    assert sql.state(ready) == "cancelled"


def test_jobs_named_by_id_are_told_why_they_are_left_alone(sql: Sql) -> None:
    over, ready, running = sql.enqueue(), sql.enqueue(queue="mail"), sql.running()[0]
    sql.value("select cancel(%s)", over)

    row = begin(sql, "update", {"ids": [over, ready, running]}, spec={"priority": 3})

    assert (row["did"], row["skipped_by_reason"]) == ({"updated": 1}, {"is cancelled": 1, "is running": 1})


def test_jobs_that_are_over_are_run_again_if_the_filter_says_so(sql: Sql) -> None:
    id = sql.enqueue()
    sql.value("select cancel(%s)", id)

    assert begin(sql, "retry", {"state": "cancelled"})["did"] == {"retried": 1}
    assert sql.value("select retry_of from job") == id


def test_an_update_changes_all_of_them_and_its_time_is_the_same_for_all(sql: Sql) -> None:
    ids = many(sql, 3)

    row = begin(sql, "update", spec={"priority": 9, "run_after": "1 h", "args": {"n": 1}})

    assert row["did"] == {"updated": 3}
    jobs = [sql.job(id) for id in ids]
    assert {(job["state"], job["priority"], job["args"]["n"]) for job in jobs} == {("scheduled", 9, 1)}
    assert len({job["run_at"] for job in jobs}) == 1


def test_jobs_move_to_another_queue(sql: Sql) -> None:
    ids = many(sql, 3)
    assert begin(sql, "update", spec={"queue": "slow"})["did"] == {"updated": 3}
    assert {sql.job(id)["queue"] for id in ids} == {"slow"}
    assert "queue: 'a b'" in str(sql.refusal("select start_operation('update', '{}', '{\"queue\": \"a b\"}', is_all => true)"))


def test_a_retry_whose_key_is_taken_is_skipped(sql: Sql) -> None:
    died(sql, unique_mode="until_done", unique_key="k")
    sql.enqueue(unique_mode="until_done", unique_key="k")

    row = begin(sql, "retry")

    assert (row["did"], row["skipped_by_reason"]) == ({}, {"has a unique key that another job holds": 1})
    assert sql.value("select count(*) from dead_letter") == 1


def test_a_skipped_node_is_not_retried_and_the_reason_is_told_without_its_id(sql: Sql) -> None:
    flow = start(sql, node("a", retries=0), node("b", "a"), node("c", "a"))
    token, _ = sql.claim(sql.worker(), 1)
    sql.finish(token, {"id": flow["a"], "state": "failed"})

    row = begin(sql, "retry", {"ids": [flow["b"], flow["c"]]})

    assert row["skipped_by_reason"] == {"was skipped": 2}


def test_the_nodes_of_a_workflow_are_cancelled_like_other_jobs(sql: Sql) -> None:
    flow = start(sql, node("a"), node("b", "a"), node("c", "b"))

    row = begin(sql, "cancel", {"workflow": flow.id})
    sql.value("select carry_on_operations()")  # on a slow machine the first step has left some

    row = operation(sql, row["id"])
    assert sum(row["did"].values()) + row["skipped"] == 3
    assert "cancelled" in flow.states().values()
    assert sql.value("select count(*) from job") == 0


@pytest.mark.parametrize("kind", ["cancel", "retry", "discard", "update"])
def test_a_dry_run_counts_what_would_become_of_the_jobs_and_changes_nothing(sql: Sql, kind: str) -> None:
    ids = [sql.enqueue(), sql.enqueue(run_after="1 h"), died(sql)]
    over = sql.enqueue(queue="mail")
    sql.value("select cancel(%s)", over)
    before = sql.rows("select * from jobs order by id")
    spec = {"spec": {"priority": 4}} if kind == "update" else {}

    foreseen = begin(sql, kind, {"ids": [*ids, over]}, dry_run=True, **spec)

    assert sql.rows("select * from jobs order by id") == before
    assert (foreseen["state"], foreseen["dry_run"], foreseen["matched"]) == ("done", True, 4)
    real = carry_on(sql, begin(sql, kind, {"ids": [*ids, over]}, **spec)["id"])
    assert (foreseen["did"], foreseen["skipped_by_reason"]) == (real["did"], real["skipped_by_reason"])


def test_a_job_whose_verb_raises_stops_no_other(sql: Sql) -> None:
    guarantees.a_job_whose_verb_raises_stops_no_other(sql)


def test_only_the_last_ten_errors_are_kept_and_long_ones_are_cut(sql: Sql) -> None:
    many(sql, 40)
    sql.rows("create function no() returns trigger language plpgsql as $$begin raise '%%', repeat('x', 9000); end$$")
    sql.rows("create trigger no before insert on job_history for each row execute function no()")

    row = carry_on(sql, begin(sql, "cancel")["id"])

    assert (row["failed"], len(row["errors"])) == (40, 10)
    assert {len(error["message"]) for error in row["errors"]} == {500}
    assert max(error["job_id"] for error in row["errors"]) == sql.value("select max(id) from job")


def test_reasons_beyond_twenty_are_counted_as_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql

    counts = sql.value("select with_counts('{\"b\": 2}', array(select 'r' || n from generate_series(10, 99) n) || '{b,b}')")

    assert counts["b"] == 4
    assert len(counts) == 21
    assert sum(counts.values()) == 94


def test_a_larger_operation_is_left_to_the_workers_who_are_woken(sql: Sql, another_sql: guarantees.OpenSql) -> None:
    ear = another_sql()
    ear.listen()
    many(sql, 1001)
    row = begin(sql, "cancel")

    assert (row["state"], row["done"]) == ("collecting", 0)
    assert "!operation" in ear.wakes(sql)
    begin(sql, "cancel", {"queue": "mail"})
    assert "!operation" not in ear.wakes(sql)


def test_an_operation_is_pruned_with_the_history(sql: Sql) -> None:
    sql.enqueue()
    old, new = begin(sql, "cancel"), begin(sql, "cancel")
    sql.rows("update operation set finished_at = finished_at - interval '8 days' where id = %s", old["id"])

    sql.value("select maintain()")

    assert sql.rows("select id from operation") == [{"id": new["id"]}]
    assert operation(sql, new["id"]) == new


@pytest.mark.parametrize("filter", [{"state": "scheduled"}, {"created_before": "-0 seconds"}])
def test_spans_of_a_filter_are_stored_as_times(sql: Sql, filter: dict[str, Any]) -> None:
    stored = begin(sql, "cancel", filter)["filter"]
    again = sql.value("select check_filter(%s)", json.dumps(stored))

    assert {**again, "state": set(again["state"])} == {**stored, "state": set(stored["state"])}
