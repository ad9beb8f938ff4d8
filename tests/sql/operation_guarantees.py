"""What must hold of operations: true of our SQL (test_carry_on_operations), false of each mutant (test_mutants)."""

import json
import uuid
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg

from .conftest import Sql
from .flows import node, start
from .guarantees import many, without_waiting

OpenSql = Callable[[], Sql]
MOST = 1000  # jobs that an operation acts on before the call returns


def begun(sql: Sql, kind: str, filter: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """A new operation as the call leaves it; its row in the view `operations`."""
    if "spec" in options:
        options["spec"] = json.dumps(options["spec"])
    named = "".join(f", {name} => %s" for name in options)
    given = json.dumps({"queue": "default"} if filter is None else filter)
    id = sql.value(f"select id from start_operation(%s, %s{named})", kind, given, *options.values())
    return operation(sql, id)


def begin(sql: Sql, kind: str, filter: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """A new operation. A small one is done, also on a busy machine, where the time of the call does not suffice for it."""
    its = begun(sql, kind, filter, **options)
    while its["finished_at"] is None and its["matched"] <= 1000 and its["per_second"] is None:
        if sql.value("select carry_on_operations(only_id => %s)", its["id"]) == 1:  # another transaction works on it
            break
        its = operation(sql, its["id"])
    return operation(sql, its["id"])


def left_to_workers(
    sql: Sql, kind: str, filter: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, has_found: bool = True
) -> dict[str, Any]:
    """A new operation that has found its jobs, or none yet, and has acted on none of them, as if there were many more."""
    id = sql.value(
        """insert into operation (kind, filter, spec, asked_by, dry_run, upto_id)
           select %s::text, operation_filter(%s, %s, true, clock_timestamp()), %s, 'ann', false, last_value from job_id_seq
           returning id""",
        kind,
        kind,
        json.dumps({"queue": "default"} if filter is None else filter),
        json.dumps(spec or {}),
    )
    if has_found:
        sql.value("select carry_on_operations(0, %s)", id)
    return operation(sql, id)


def operation(sql: Sql, id: int) -> dict[str, Any]:
    """A row of the view `operations`."""
    (row,) = sql.rows("select * from operations where id = %s", id)
    return row


def make_due(sql: Sql) -> None:
    """Time travel: every operation may go on now."""
    sql.rows("update operation set next_at = clock_timestamp() - interval '1 s' where finished_at is null")


def carry_on(sql: Sql, id: int, steps: int = 100) -> dict[str, Any]:
    """Take steps until the operation is over, at most so many, however long it wants to wait in between."""
    for _ in range(steps):
        if operation(sql, id)["finished_at"] is None:
            make_due(sql)
            sql.value("select carry_on_operations()")
    row = operation(sql, id)
    counted = row["done"] + row["skipped"] + row["failed"]
    assert counted + row["left_over"] == row["matched"]
    if row["state"] == "running" and not row["dry_run"]:
        assert sql.value("select count(*) from operation_job where operation_id = %s", id) == row["left_over"]
    return row


def jobs_that_come_later_are_left_alone(sql: Sql) -> None:
    """Also while it still looks for its jobs."""
    many(sql, MOST + 1)
    row = begin(sql, "cancel")
    assert row["state"] == "collecting"
    later = sql.enqueue()

    row = carry_on(sql, row["id"])

    assert (row["state"], row["did"], sql.state(later)) == ("done", {"cancelled": MOST + 1}, "ready")


def jobs_that_end_later_are_left_alone(sql: Sql) -> None:
    """A retry of dead letters does not retry for ever what fails again."""
    running, token = sql.running(retries=0)
    row = left_to_workers(sql, "retry", {"state": "failed"}, has_found=False)
    sql.finish(token, {"id": running, "state": "failed"})

    assert carry_on(sql, row["id"])["matched"] == 0
    assert sql.state(running) == "failed"


def a_job_that_has_left_the_states_of_the_filter_is_left_alone(sql: Sql) -> None:
    """The reason is counted."""
    id = sql.enqueue(run_after="1 h")
    row = left_to_workers(sql, "update", {"state": "scheduled"}, spec={"priority": 9})
    sql.make_due()
    sql.value("select promoted from promote()")

    row = carry_on(sql, row["id"])

    assert (row["skipped_by_reason"], row["did"], sql.job(id)["priority"]) == ({"is ready": 1}, {}, 0)


def it_acts_in_the_order_of_ids(sql: Sql) -> None:
    """So jobs of one key that are retried run in their order, one a step or many."""
    ids = sorted(died(sql) for _ in range(60))
    for spec in ({"per_second": 1e6}, {"per_second": 0.001}):
        row = begin(sql, "retry", {"state": "failed"}, **spec)
        carry_on(sql, row["id"])
        starts = sql.value("select array_agg(run_at order by id) from job where id = any (%s) and state = 'ready'", ids)
        assert len(starts) == 60
        assert all(before < after for before, after in pairwise(starts))
        _, claimed = sql.claim(sql.worker(), 100)
        assert [job["id"] for job in claimed] == ids
        sql.rows("update job set state = 'ready', claim_token = null, worker_id = null, claimed_at = null")
        sql.rows("update job set max_attempts = 1, attempt = 0")
        token, _ = sql.claim(sql.worker(), 100)
        sql.finish(token, *({"id": id, "state": "failed"} for id in ids))


def died(sql: Sql, **options: Any) -> int:
    """A new dead letter of the queue `default`."""
    id = sql.enqueue(retries=0, **options)
    token = uuid.uuid4()
    sql.rows("select id from claim_jobs(%s, %s, %s)", sql.worker(), token, [id])
    sql.finish(token, {"id": id, "state": "failed"})
    return id


def a_job_whose_verb_raises_stops_no_other(sql: Sql) -> None:
    """It counts as failed, with its message."""
    ids = [sql.enqueue() for _ in range(5)]
    sql.rows(f"alter table job_history add constraint stays check (id <> {ids[2]})")

    row = carry_on(sql, begin(sql, "cancel")["id"])

    assert (row["state"], row["did"], row["failed"]) == ("done", {"cancelled": 4}, 1)
    (error,) = row["errors"]
    assert error["job_id"] == ids[2]
    assert "stays" in error["message"]
    assert [sql.state(id) for id in ids] == [*["cancelled"] * 2, "ready", *["cancelled"] * 2]


def it_is_paced(sql: Sql) -> None:
    """A step acts on no more than a tenth of a second allows, and the next one is not before that is over."""
    many(sql, 100)
    row = begin(sql, "cancel", per_second=20)

    assert row["done"] == 2
    assert 0 < sql.value("select carry_on_operations()") <= 0.1
    assert operation(sql, row["id"])["done"] == 2
    assert carry_on(sql, row["id"], 1)["done"] == 4
    assert sql.value("select next_at - clock_timestamp() between '0' and '100 ms' from operation")


def a_step_ends_when_its_time_is_over(sql: Sql) -> None:
    """Although its jobs are slow, which the first one is not: others wait for what it holds."""
    sql.rows("create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.03); return null; end'")
    first, *_ = many(sql, 30)
    row = left_to_workers(sql, "update", spec={"priority": 1})
    sql.rows(f"create trigger slow after update on job for each row when (new.id <> {first}) execute function slow()")

    assert sql.value("select carry_on_operations()") == 0

    assert 1 <= operation(sql, row["id"])["done"] <= 3


def a_step_ends_when_its_time_is_over_although_one_statement_cancels_many(sql: Sql) -> None:
    """The jobs of the first groups tell how long others take."""
    sql.rows("create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.03); return null; end'")
    many(sql, 30)
    row = left_to_workers(sql, "cancel")
    sql.rows("create trigger slow after insert on job_history for each row execute function slow()")

    sql.value("select carry_on_operations()")

    assert 1 <= operation(sql, row["id"])["done"] <= 3


def a_dead_letter_that_came_back_and_died_again_is_left_alone(sql: Sql) -> None:
    """It was not there when the operation started: nobody has looked at this failure."""
    id = died(sql)
    row = left_to_workers(sql, "discard")
    sql.value("select retry(%s)", id)
    token, _ = sql.claim(sql.worker(), 1)
    sql.finish(token, {"id": id, "state": "failed"})

    row = carry_on(sql, row["id"])

    assert (row["did"], row["skipped_by_reason"]) == ({}, {"has failed again": 1})
    assert sql.state(id) == "failed"


def one_that_looks_for_its_jobs_gives_way_to_others(sql: Sql) -> None:
    """A look through a large table takes many steps."""
    many(sql, 6000, run_after="1 h")
    many(sql, 1, queue="mail")
    large, small = (left_to_workers(sql, "cancel", {"queue": queue}, has_found=False) for queue in ("default", "mail"))
    sql.rows("update operation set next_at = next_at - interval '1 min' where id = %s", large["id"])

    for _ in range(2):
        sql.value("select carry_on_operations()")

    assert [operation(sql, row["id"])["state"] for row in (large, small)] == ["collecting", "running"]


def a_hundred_thousand_ids_are_no_burden(sql: Sql) -> None:
    """Not compared one by one with each job, nor copied for each."""
    last = many(sql, 4000)[-1]
    ids = list(range(last - 3999, last + 96_001))
    for options in ({"dry_run": True}, {}):
        row = begin(sql, "cancel", {"ids": ids}, **options)
        sql.rows("set statement_timeout = '12 s'")  # a step takes 0.2 s, the list less than 2 s
        try:
            sql.value("select carry_on_operations()")
            sql.value("select max(id) from list_jobs(%s)", json.dumps({"ids": ids}))
        except psycopg.errors.QueryCanceled as error:
            raise AssertionError(f"a step takes too long: {error}") from error
        finally:
            sql.rows("reset statement_timeout")
        row = operation(sql, row["id"])
        assert (row["state"], row["matched"]) in (("collecting", 4000), ("done", 4000), ("running", 4000))


def a_locked_job_is_left_until_it_is_free(sql: Sql, open_sql: OpenSql) -> None:
    """A job, or the workflow of one: neither stops another one, and nobody is waited for."""
    ids = [sql.enqueue() for _ in range(3)]
    flow = start(sql, node("a"), node("b", "a"))
    other = open_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", ids[0])
        other.rows("select from workflow where id = %s for update", flow.id)
        with without_waiting(sql):
            row = begun(sql, "cancel")
        assert (row["state"], row["did"], row["left_over"]) == ("running", {"cancelled": 2}, 3)
        assert 0.9 < sql.value("select carry_on_operations()") <= 1

    row = carry_on(sql, row["id"])

    assert (row["state"], row["did"], flow.states()) == ("done", {"cancelled": 4}, {"a": "cancelled", "b": "skipped"})


def jobs_that_run_are_asked_to_end(sql: Sql) -> None:
    """Those beside them end at once; who asked, and why, is kept with each."""
    running, waits = sql.running()[0], sql.enqueue()

    row = begin(sql, "cancel", {"state": ["ready", "running"]}, by="ann", reason="wrong customers")

    alone = sql.enqueue()
    assert begin(sql, "cancel", {"ids": [alone]}, by="ann", reason="wrong customers")["did"] == {"cancelled": 1}

    assert row["did"] == {"asked": 1, "cancelled": 1}
    assert [sql.state(id) for id in (running, waits)] == ["running", "cancelled"]
    for id in (running, waits, alone):
        said = sql.value(
            "select jsonb_build_array(control->'cancel'->'by', control->'cancel'->'note') from jobs where id = %s", id
        )
        assert said == ["ann", "wrong customers"]


def a_locked_dead_letter_is_left_until_it_is_free(sql: Sql, open_sql: OpenSql) -> None:
    """Nobody is waited for."""
    ids = [died(sql) for _ in range(3)]
    other = open_sql()
    with other.connection.transaction():
        other.rows("select from dead_letter where id = %s for update", ids[1])
        with without_waiting(sql):
            row = begun(sql, "retry")
        assert (row["did"], row["left_over"]) == ({"retried": 2}, 1)
    assert carry_on(sql, row["id"])["did"] == {"retried": 3}


def one_works_on_it_at_a_time(sql: Sql, open_sql: OpenSql) -> None:
    """The others neither wait nor act; they look again in a second, because that one may die."""
    many(sql, 60)
    row = left_to_workers(sql, "cancel")
    other = open_sql()
    with other.connection.transaction():
        other.value("select carry_on_operations(20)")
        with without_waiting(sql):
            assert sql.value("select carry_on_operations()") == 1
    assert 0 < operation(sql, row["id"])["done"] <= 20
    assert carry_on(sql, row["id"])["did"] == {"cancelled": 60}


def what_was_cancelled_is_not_carried_on(sql: Sql) -> None:
    """What is done stays; what is left over is told, and its list goes."""
    many(sql, 60)
    row = left_to_workers(sql, "cancel")
    sql.value("select carry_on_operations(20)")
    done = operation(sql, row["id"])["done"]

    sql.value("select id from cancel_operation(%s, 'ann')", row["id"])
    assert sql.value("select carry_on_operations()") is None

    row = operation(sql, row["id"])
    assert (row["state"], row["cancelled_by"], row["done"], row["left_over"]) == ("cancelled", "ann", done, 60 - done)
    assert sql.value("select count(*) from job") == 60 - done
    sql.value("select maintain()")
    assert sql.value("select count(*) from operation_job") == 0
