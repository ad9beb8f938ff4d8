"""Unique jobs from several connections: each race is made to happen, in each order."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from . import guarantees
from .background import Background
from .conftest import Sql
from .guarantees import without_waiting

OpenSql = Callable[[], Sql]

CALLS: dict[str, LiteralString] = {
    "until_done": "select enqueue('noop', %s, unique_mode => 'until_done', unique_key => 'k') as id",
    "until_started": "select enqueue('noop', %s, unique_mode => 'until_started', unique_key => 'k') as id",
    "replace": "select enqueue('noop', %s, unique_mode => 'replace', unique_key => 'k') as id",
    "period": "select enqueue('noop', %s, unique_mode => 'period', unique_period => '1 h', unique_key => 'k') as id",
}
FIRST, SECOND = '{"n": 1}', '{"n": 2}'


def waiting(open_sql: OpenSql, watcher: Sql, query: str, *params: Any) -> Background:
    """A call on another connection that is seen waiting."""
    call = Background(open_sql(), query, *params)
    call.wait_until_blocked(watcher)
    return call


def id_of(call: Background) -> int:
    (row,) = call.rows()
    return int(row["id"])


def n(sql: Sql, id: int) -> Any:
    """Which arguments the job has."""
    return sql.job(id)["args"]["n"]


# Two callers.


@pytest.mark.parametrize("mode", CALLS)
@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_an_enqueue_waits_for_a_duplicate_in_progress_and_gets_its_id_or_its_own(
    sql: Sql, another_sql: OpenSql, mode: str, rolled_back: bool
) -> None:
    other = another_sql()

    with other.connection.transaction(force_rollback=rolled_back):
        first = other.value(CALLS[mode], FIRST)
        second = waiting(another_sql, sql, CALLS[mode], SECOND)
    id = id_of(second)

    assert (id == first) is not rolled_back
    assert sql.rows("select id from job") == [{"id": id}]
    assert n(sql, id) == (2 if rolled_back or mode == "replace" else 1)


@pytest.mark.parametrize("mode", ["until_done", "until_started", "period"])
def test_a_caller_that_got_a_duplicate_makes_no_other_wait(sql: Sql, another_sql: OpenSql, mode: str) -> None:
    id = sql.value(CALLS[mode], FIRST)
    other = another_sql()

    with other.connection.transaction():
        assert other.value(CALLS[mode], FIRST) == id
        with without_waiting(sql):
            assert sql.value(CALLS[mode], FIRST) == id


def test_of_two_replaces_the_later_one_stays(sql: Sql, another_sql: OpenSql) -> None:
    id, other = sql.value(CALLS["replace"], '{"n": 0}'), another_sql()

    with other.connection.transaction():
        other.value(CALLS["replace"], FIRST)
        second = waiting(another_sql, sql, CALLS["replace"], SECOND)

    assert (id_of(second), n(sql, id)) == (id, 2)


def test_a_period_that_is_over_is_begun_anew_by_one_of_two_callers(sql: Sql, another_sql: OpenSql) -> None:
    over, other = sql.value(CALLS["period"], FIRST), another_sql()
    sql.rows("update unique_hold set expires_at = clock_timestamp() - interval '1 s'")

    with other.connection.transaction():
        again = other.value(CALLS["period"], FIRST)
        second = waiting(another_sql, sql, CALLS["period"], SECOND)

    assert again != over
    assert id_of(second) == again
    assert sql.value("select count(*) from job") == 2


def test_enqueue_many_takes_keys_in_order(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.enqueue_many_takes_keys_in_order(sql, another_sql)


def test_enqueue_many_takes_keys_of_jobs_without_arguments_in_order(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.enqueue_many_takes_keys_of_jobs_without_arguments_in_order(sql, another_sql)


def test_enqueue_select_takes_keys_in_order(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.enqueue_select_takes_keys_in_order(sql, another_sql)


# A caller and a worker.


@pytest.mark.parametrize("mode", ["until_done", "until_started", "replace"])
@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_a_duplicate_waits_for_a_claim_in_progress(sql: Sql, another_sql: OpenSql, mode: str, rolled_back: bool) -> None:
    id, worker, claimer = sql.value(CALLS[mode], FIRST), sql.worker(), another_sql()

    with claimer.connection.transaction(force_rollback=rolled_back):
        claimer.claim(worker)
        second = waiting(another_sql, sql, CALLS[mode], SECOND)
    answer = id_of(second)

    frees_the_key = mode != "until_done" and not rolled_back
    assert (answer != id) is frees_the_key
    assert sql.state(id) == ("ready" if rolled_back else "running")
    assert n(sql, id) == (2 if mode == "replace" and rolled_back else 1)
    assert n(sql, answer) == (2 if mode == "replace" or frees_the_key else 1)


def test_a_claim_passes_over_a_job_that_is_being_replaced(sql: Sql, another_sql: OpenSql) -> None:
    id, worker, other = sql.value(CALLS["replace"], FIRST), sql.worker(), another_sql()

    with other.connection.transaction():
        other.value(CALLS["replace"], SECOND)
        with without_waiting(sql):
            assert sql.claim(worker)[1] == []

    assert [(row["id"], row["args"]) for row in sql.claim(worker)[1]] == [(id, {"n": 2})]


FINISHES: dict[str, Callable[[Sql, int, UUID], Any]] = {
    "succeeded": lambda sql, id, token: sql.finish(token, {"id": id, "state": "succeeded"}),
    "failed": lambda sql, id, token: sql.finish(token, {"id": id, "state": "failed", "final": True}),
    "retried": lambda sql, id, token: sql.finish(token, {"id": id, "state": "failed"}),
    "given back": lambda sql, id, token: sql.rows("select give_back(%s, %s)", token, [id]),
}


@pytest.mark.parametrize("outcome", FINISHES)
@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
@pytest.mark.parametrize("mode", ["until_done", "replace"])
def test_a_duplicate_waits_for_a_finish_in_progress(
    sql: Sql, another_sql: OpenSql, mode: str, outcome: str, rolled_back: bool
) -> None:
    id, finisher = sql.value(CALLS["until_done"], FIRST), another_sql()
    token, _ = sql.claim(sql.worker())

    with finisher.connection.transaction(force_rollback=rolled_back):
        FINISHES[outcome](finisher, id, token)
        second = waiting(another_sql, sql, CALLS[mode], SECOND)
    answer = id_of(second)

    ended = outcome in ("succeeded", "failed") and not rolled_back
    assert (answer != id) is ended
    assert sql.rows("select id from job where unique_key is not null") == [{"id": answer}]
    waits = outcome in ("retried", "given back") and not rolled_back
    assert n(sql, id) == (2 if mode == "replace" and waits else 1)


@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_a_duplicate_waits_for_a_cancel_in_progress(sql: Sql, another_sql: OpenSql, rolled_back: bool) -> None:
    id, canceller = sql.value(CALLS["replace"], FIRST), another_sql()

    with canceller.connection.transaction(force_rollback=rolled_back):
        canceller.value("select cancel(%s)", id)
        second = waiting(another_sql, sql, CALLS["replace"], SECOND)

    assert (id_of(second) == id) is rolled_back
    assert sql.value("select count(*) from job") == 1


def test_pruning_leaves_a_key_that_is_taken_again(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.pruning_leaves_a_key_that_is_taken_again(sql, another_sql)


# A caller and an operator.


def dead_letter(sql: Sql) -> int:
    """A job of the key that failed for good."""
    id = int(sql.value(CALLS["until_done"], FIRST))
    sql.finish(sql.claim(sql.worker())[0], {"id": id, "state": "failed", "final": True})
    return id


@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_a_retry_waits_for_an_enqueue_of_its_key(sql: Sql, another_sql: OpenSql, rolled_back: bool) -> None:
    dead, producer = dead_letter(sql), another_sql()

    with producer.connection.transaction(force_rollback=rolled_back):
        new = producer.value(CALLS["until_done"], SECOND)
        retry = waiting(another_sql, sql, "select id from retry(%s) as id", dead)

    assert id_of(retry) == (dead if rolled_back else new)
    assert sql.rows("select id from dead_letter") == ([] if rolled_back else [{"id": dead}])
    assert sql.value("select count(*) from job") == 1


@pytest.mark.parametrize("rolled_back", [False, True], ids=["committed", "rolled back"])
def test_an_enqueue_waits_for_a_retry_of_its_key(sql: Sql, another_sql: OpenSql, rolled_back: bool) -> None:
    dead, operator = dead_letter(sql), another_sql()

    with operator.connection.transaction(force_rollback=rolled_back):
        assert operator.value("select id from retry(%s)", dead) == dead
        second = waiting(another_sql, sql, CALLS["until_done"], SECOND)

    assert (id_of(second) == dead) is not rolled_back
    assert sql.value("select count(*) from job") == 1


def test_a_retry_runs_when_the_job_that_held_its_key_has_ended_meanwhile(sql: Sql, another_sql: OpenSql) -> None:
    dead, canceller = dead_letter(sql), another_sql()
    live = sql.value(CALLS["until_done"], SECOND)

    with canceller.connection.transaction():
        canceller.value("select cancel(%s)", live)
        retry = waiting(another_sql, sql, "select id from retry(%s) as id", dead)

    assert (id_of(retry), sql.state(dead), sql.state(live)) == (dead, "ready", "cancelled")


def test_a_duplicate_never_raises(sql: Sql, another_sql: OpenSql) -> None:
    guarantees.a_duplicate_never_raises(sql, another_sql)


# Callers that do not see what others commit: REPEATABLE READ and SERIALIZABLE.


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel)[2:], ids=lambda level: level.name.lower())
@pytest.mark.parametrize("mode", CALLS)
def test_a_caller_with_a_snapshot_gets_the_job_that_it_sees_and_else_a_serialization_failure(
    sql: Sql, another_sql: OpenSql, mode: str, level: psycopg.IsolationLevel
) -> None:
    seen, caller = sql.value(CALLS[mode], FIRST), another_sql()
    caller.connection.set_isolation_level(level)
    other_key = CALLS[mode].replace("'k'", "'other'")

    with caller.connection.transaction():
        assert caller.value(CALLS[mode], FIRST) == seen
        sql.value(other_key, FIRST)
        with pytest.raises(psycopg.errors.SerializationFailure), caller.connection.transaction():
            caller.value(other_key, SECOND)
        kept = caller.enqueue("kept")

    assert sql.state(kept) == "ready"


@pytest.mark.parametrize("mode", CALLS)
def test_a_caller_with_a_snapshot_that_waited_gets_its_own_job_or_a_serialization_failure(
    sql: Sql, another_sql: OpenSql, mode: str
) -> None:
    for rolled_back in (True, False):
        other, caller = another_sql(), another_sql()
        caller.rows("set default_transaction_isolation = 'repeatable read'")
        key = CALLS[mode].replace("'k'", f"'{rolled_back}'")
        with other.connection.transaction(force_rollback=rolled_back):
            first = other.value(key, FIRST)
            second = Background(caller, key, SECOND)
            second.wait_until_blocked(sql)
        if rolled_back:
            assert id_of(second) != first
        else:
            assert second.refusal().sqlstate == "40001"


# Many callers.


def test_twenty_connections_that_insert_one_key_never_have_two_live_jobs(sql: Sql, another_sql: OpenSql) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    connections, calls = 20, 50
    own: set[int] = set()
    stop = threading.Event()

    def produce(caller: Sql, number: int) -> None:
        dice, made, deadline = random.Random(seed + number), 0, time.monotonic() + 40
        # At least so often, and until the key was free many times, however slowly the consumer gets its turns.
        while made < calls or (len(own) <= connections and time.monotonic() < deadline):
            made += 1
            me = uuid.uuid4().hex
            roll_back = dice.random() < 0.3
            with caller.connection.transaction(force_rollback=roll_back):
                id = caller.enqueue(args={"me": me}, unique_mode="until_done", unique_key="k")
                (job,) = caller.rows("select args from jobs where id = %s", id)  # it is there: mine, or one that was committed
                if dice.random() < 0.5:
                    time.sleep(dice.random() * 0.005)
            if job["args"]["me"] == me and not roll_back:
                own.add(id)

    def consume(worker: Sql) -> int:
        most, id = 0, worker.worker()
        while not stop.is_set():
            most = max(most, worker.value("select count(*) from job"))
            token, rows = worker.claim(id)
            for row in rows:
                assert worker.finish(token, {"id": row["id"], "state": "succeeded"}) == []
        return most

    with ThreadPoolExecutor(connections + 1) as pool:
        consumer = pool.submit(consume, another_sql())
        try:
            producers = [pool.submit(produce, another_sql(), number) for number in range(connections)]
            for producer in producers:
                producer.result(60)
        finally:
            stop.set()
        most = consumer.result(60)

    assert most == 1
    assert {row["id"] for row in sql.rows("select id from jobs")} == own
    assert len(own) > connections


def test_a_key_of_a_period_is_taken_once_by_twenty_connections(sql: Sql, another_sql: OpenSql) -> None:
    together = threading.Barrier(20)

    def produce(caller: Sql) -> int:
        together.wait(30)
        return caller.enqueue(unique_mode="period", unique_period=timedelta(hours=1))

    with ThreadPoolExecutor(20) as pool:
        ids = set(pool.map(produce, [another_sql() for _ in range(20)]))

    assert sql.rows("select id from job") == [{"id": id} for id in ids]
