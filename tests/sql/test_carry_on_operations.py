"""carry_on_operations: what an operation has left is done step by step, by whoever comes by, each job once."""

import psycopg
import pytest

from tests.waiting import until

from . import operation_guarantees as guarantees
from .background import Background
from .conftest import Sql
from .guarantees import many, without_waiting
from .operation_guarantees import OpenSql, begin, begun, carry_on, died, left_to_workers, make_due, operation
from .plan import buffers_of, plans_of


def test_without_operations_a_look_is_one_probe_of_an_empty_index(sql: Sql) -> None:
    many(sql, 100)
    sql.rows("analyze")
    look = "select carry_on_operations()"

    assert plans_of(sql, look).indexes(sql.connection) == {"operation_open"}
    assert sql.value(look) is None
    assert buffers_of(sql, look) <= 4


def test_jobs_that_come_later_are_left_alone(sql: Sql) -> None:
    guarantees.jobs_that_come_later_are_left_alone(sql)


def test_jobs_that_end_later_are_left_alone(sql: Sql) -> None:
    guarantees.jobs_that_end_later_are_left_alone(sql)


def test_a_job_that_has_left_the_states_of_the_filter_is_left_alone(sql: Sql) -> None:
    guarantees.a_job_that_has_left_the_states_of_the_filter_is_left_alone(sql)


def test_it_acts_in_the_order_of_ids(sql: Sql) -> None:
    guarantees.it_acts_in_the_order_of_ids(sql)


def test_it_is_paced(sql: Sql) -> None:
    guarantees.it_is_paced(sql)


def test_a_step_ends_when_its_time_is_over(sql: Sql) -> None:
    guarantees.a_step_ends_when_its_time_is_over(sql)


def test_a_step_ends_when_its_time_is_over_although_one_statement_cancels_many(sql: Sql) -> None:
    guarantees.a_step_ends_when_its_time_is_over_although_one_statement_cancels_many(sql)


def test_a_dead_letter_that_came_back_and_died_again_is_left_alone(sql: Sql) -> None:
    guarantees.a_dead_letter_that_came_back_and_died_again_is_left_alone(sql)


def test_one_that_looks_for_its_jobs_gives_way_to_others(sql: Sql) -> None:
    guarantees.one_that_looks_for_its_jobs_gives_way_to_others(sql)


def test_a_hundred_thousand_ids_are_no_burden(sql: Sql) -> None:
    guarantees.a_hundred_thousand_ids_are_no_burden(sql)


@pytest.mark.alone  # what is left of a pause of 50 ms
@pytest.mark.parametrize(("per_second", "most"), [(0.5, 1), (5, 1), (11, 1), (19, 1), (25, 2), (100, 10)])
def test_a_step_of_a_paced_one_is_so_small_that_in_no_second_there_are_more(sql: Sql, per_second: float, most: int) -> None:
    many(sql, 40)
    row = begin(sql, "cancel", per_second=per_second)

    assert row["done"] == most
    pause = sql.value("select extract(epoch from next_at - clock_timestamp()) from operation")
    assert pause > 0.5 * most / per_second


def test_a_locked_job_is_left_until_it_is_free(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_locked_job_is_left_until_it_is_free(sql, another_sql)


def test_a_locked_dead_letter_is_left_until_it_is_free(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_locked_dead_letter_is_left_until_it_is_free(sql, another_sql)


def test_one_works_on_it_at_a_time(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.one_works_on_it_at_a_time(sql, another_sql)


def test_two_operations_go_on_beside_each_other(sql: Sql, another_sql: OpenSql) -> None:
    many(sql, 30)
    many(sql, 30, queue="mail")
    one, two = left_to_workers(sql, "cancel"), left_to_workers(sql, "cancel", {"queue": "mail"})
    other = another_sql()

    with other.connection.transaction():
        other.value("select carry_on_operations()")
        with without_waiting(sql):
            sql.value("select carry_on_operations()")

    assert [operation(sql, row["id"])["done"] > 0 for row in (one, two)] == [True, True]


def test_one_worker_takes_steps_of_two_operations_in_turns(sql: Sql) -> None:
    many(sql, 60)
    many(sql, 60, queue="mail")
    ids = [left_to_workers(sql, "cancel", {"queue": queue})["id"] for queue in ("default", "mail")]

    for _ in range(2):
        assert sql.value("select carry_on_operations(20)") == 0

    assert [operation(sql, id)["done"] > 0 for id in ids] == [True, True]


def test_a_step_that_is_rolled_back_is_taken_again_and_each_job_is_done_once(sql: Sql, another_sql: OpenSql) -> None:
    """What a crash in the middle of a step leaves."""
    many(sql, 60)
    row = left_to_workers(sql, "cancel")
    crashing = another_sql()

    with crashing.connection.transaction(force_rollback=True):
        crashing.value("select carry_on_operations(20)")
    assert operation(sql, row["id"]) == row
    row = carry_on(sql, row["id"])

    assert (row["did"], row["failed"], row["skipped"]) == ({"cancelled": 60}, 0, 0)
    assert sql.value("select count(*) from job_history") == 60


def test_a_backend_that_is_ended_in_a_step_leaves_all_of_it(sql: Sql, another_sql: OpenSql) -> None:
    ids = many(sql, 30)
    row = left_to_workers(sql, "cancel")
    sql.rows("create function halt() returns trigger language plpgsql as 'begin perform pg_sleep(60); return null; end'")
    sql.rows(f"create trigger halt after delete on job for each row when (old.id = {ids[1]}) execute function halt()")
    other = another_sql()
    step = Background(other, "select carry_on_operations()")
    pid = other.connection.info.backend_pid
    until(lambda: sql.value("select wait_event from pg_stat_activity where pid = %s", pid) == "PgSleep", "the middle of the step")

    sql.value("select pg_terminate_backend(%s, 10000)", pid)
    with pytest.raises(psycopg.OperationalError):
        step.rows()
    sql.rows("drop trigger halt on job")

    assert operation(sql, row["id"]) == row
    assert carry_on(sql, row["id"])["did"] == {"cancelled": 30}


def test_a_job_that_is_locked_for_more_than_a_minute_is_skipped(sql: Sql, another_sql: OpenSql) -> None:
    ids = [sql.enqueue(), sql.enqueue()]
    other = another_sql()
    with other.connection.transaction():
        other.rows("select from job where id = %s for update", ids[0])
        row = begun(sql, "cancel")
        assert carry_on(sql, row["id"], 3)["state"] == "running"
        sql.rows("update operation set held_since = held_since - interval '2 min'")
        row = carry_on(sql, row["id"], 1)

    assert (row["state"], row["skipped_by_reason"]) == ("done", {"is locked by another transaction": 1})


def test_a_claim_in_progress_is_passed_over_and_then_seen(sql: Sql, another_sql: OpenSql) -> None:
    ids = [sql.enqueue(), sql.enqueue()]
    claimer, worker = another_sql(), sql.worker()

    with claimer.connection.transaction():
        claimer.claim(worker, 1)
        with without_waiting(sql):
            row = begun(sql, "update", spec={"priority": 7})
    row = carry_on(sql, row["id"])

    assert (row["did"], row["skipped_by_reason"]) == ({"updated": 1}, {"is running": 1})
    assert [sql.job(id)["priority"] for id in ids] == [0, 7]


def test_a_cancel_by_hand_and_one_by_an_operation_end_a_job_once(sql: Sql, another_sql: OpenSql) -> None:
    ids = [sql.enqueue(), sql.enqueue()]
    hand = another_sql()
    with hand.connection.transaction():
        hand.value("select cancel(%s)", ids[0])
        with without_waiting(sql):
            row = begun(sql, "cancel")
    row = carry_on(sql, row["id"])

    assert (row["did"], row["skipped_by_reason"]) == ({"cancelled": 1}, {"is cancelled": 1})
    assert sql.value("select count(*) from job_history") == 2


def test_a_cancel_by_hand_waits_for_the_step_and_is_told_that_the_job_is_over(sql: Sql, another_sql: OpenSql) -> None:
    id = sql.enqueue()
    operating = another_sql()
    with operating.connection.transaction():
        begin(operating, "cancel")
        cancel = Background(another_sql(), "select cancel(%s)", id)
        cancel.wait_until_blocked(sql)

    assert cancel.refusal().sqlstate == "PQ004"
    assert sql.value("select count(*) from job_history") == 1


def test_a_retry_does_not_wait_for_a_key_that_another_transaction_takes(sql: Sql, another_sql: OpenSql) -> None:
    died(sql, unique_mode="until_done", unique_key="k")
    other = another_sql()
    with other.connection.transaction():
        other.enqueue(unique_mode="until_done", unique_key="k")
        row = begun(sql, "retry")
        assert (row["state"], row["left_over"]) == ("running", 1)

    row = carry_on(sql, row["id"])
    assert row["skipped_by_reason"] == {"has a unique key that another job holds": 1}


def test_an_operation_goes_on_although_the_clock_was_set_back(sql: Sql) -> None:
    many(sql, 20)
    begin(sql, "cancel", per_second=4)
    sql.rows("update operation set next_at = clock_timestamp() + interval '1 h'")
    sql.rows("update clock set seen_at = clock_timestamp() + interval '1 h'")

    sql.value("select mark_lost()")

    assert sql.value("select carry_on_operations()") <= 1


def test_the_jobs_of_a_large_operation_are_found_in_steps(sql: Sql) -> None:
    many(sql, 6002)
    row = begin(sql, "update", spec={"priority": 5})
    assert (row["state"], row["did"]) == ("collecting", {})

    seen = []
    while (row := operation(sql, row["id"]))["state"] == "collecting":
        seen.append(row["matched"])
        make_due(sql)
        sql.value("select carry_on_operations()")

    assert len(seen) >= 2
    assert carry_on(sql, row["id"], 1000)["did"] == {"updated": 6002}


def test_jobs_that_run_are_asked_to_end(sql: Sql) -> None:
    guarantees.jobs_that_run_are_asked_to_end(sql)


def test_jobs_that_run_are_ended_by_force(sql: Sql) -> None:
    id, _ = sql.running()

    row = begin(sql, "cancel", {"state": "running"}, spec={"force": True})

    assert (row["did"], sql.state(id)) == ({"fenced": 1}, "cancelled")
    assert begin(sql, "cancel", {"ids": [sql.running()[0]]}, spec={"force": True}, dry_run=True)["did"] == {"fenced": 1}


def test_a_dead_letter_that_came_back_three_times_is_skipped_unless_it_is_forced(sql: Sql) -> None:
    id = died(sql)
    sql.rows("""update dead_letter set control = '{"retried": 3}'""")

    assert list(begin(sql, "retry")["skipped_by_reason"]) == ["has come back from the dead letters 3 times and failed again"]
    assert begin(sql, "retry", spec={"force": True})["did"] == {"retried": 1}
    assert sql.job(id)["control"]["retried_by"] == sql.value("select session_user")


def test_a_retry_may_take_the_rules_of_the_task_and_a_delay(sql: Sql) -> None:
    id = died(sql)
    rules = {"noop": {"retry": None, "max_attempts": 7}}

    begin(sql, "retry", spec={"rules": rules, "run_after": "1 h", "keep_attempts": True})

    job = sql.job(id)
    assert (job["max_attempts"], job["state"], job["attempt"]) == (7, "scheduled", 1)


def test_a_discard_keeps_who_and_why_with_each_job(sql: Sql) -> None:
    id = died(sql)

    begin(sql, "discard", by="ann", reason="old rows")

    assert sql.rows("select job_id, by, reason from discard_log") == [{"job_id": id, "by": "ann", "reason": "old rows"}]
    says = sql.value("select says from explain(%s)", id)
    assert says.startswith("'ann' has discarded it at ")
    assert says.endswith("old rows")
