"""reconcile: the reply to a claim was lost, and its jobs run under a worker that does not know of them."""

from collections.abc import Callable
from typing import LiteralString

from .conftest import Sql
from .plan import buffers_of, kept_entries


def reconcile(sql: Sql, worker: object, known: list[int], grace: str = "0 s") -> set[int]:
    """The ids given back."""
    return {row["id"] for row in sql.rows("select reconcile(%s, %s, %s::interval) as id", worker, known, grace)}


def test_a_worker_gives_back_what_it_does_not_know(sql: Sql) -> None:
    known, unknown, another = sql.enqueue(), sql.enqueue(), sql.enqueue()
    worker = sql.worker()
    sql.claim(worker, 2)
    sql.claim(worker, 1)

    assert reconcile(sql, worker, [known]) == {unknown, another}

    assert (sql.state(known), sql.state(unknown), sql.state(another)) == ("running", "ready", "ready")
    assert sql.job(unknown)["attempt"] == 0


def test_a_claim_whose_reply_may_still_be_on_its_way_is_left_alone(sql: Sql) -> None:
    young, old = sql.enqueue(), sql.enqueue()
    worker = sql.worker()
    sql.claim(worker)
    sql.rows("update job set claimed_at = claimed_at - interval '11 s' where id = %s", old)

    assert {row["reconcile"] for row in sql.rows("select reconcile(%s, '{}')", worker)} == {old}

    assert sql.state(young) == "running"


def test_another_workers_jobs_are_left_alone(sql: Sql) -> None:
    id = sql.enqueue()
    sql.claim(sql.worker())

    assert reconcile(sql, sql.worker(), []) == set()

    assert sql.state(id) == "running"


def test_a_worker_that_knows_all_its_jobs_gives_back_none(sql: Sql) -> None:
    ids = [sql.enqueue() for _ in range(3)]
    worker = sql.worker()
    sql.claim(worker)

    assert reconcile(sql, worker, ids) == set()


def test_a_worker_that_has_looked_at_older_claims_leaves_them_out(sql: Sql) -> None:
    old, young, last = sql.enqueue(), sql.enqueue(), sql.enqueue()
    worker = sql.worker()
    sql.claim(worker, 3)
    for id, age in ((old, "31 s"), (young, "29 s")):
        sql.rows("update job set claimed_at = claimed_at - %s::interval where id = %s", age, id)

    lost = sql.rows("select reconcile(%s, '{}', '10 s', within => '30 s') as id", worker)

    assert [row["id"] for row in lost] == [young]
    assert (sql.state(old), sql.state(last)) == ("running", "running")


def test_a_look_at_late_claims_does_not_walk_what_a_snapshot_keeps_of_older_ones(
    sql: Sql, another_sql: Callable[[], Sql]
) -> None:
    worker = kept_entries(sql, another_sql, 20_000)
    look: LiteralString = "select reconcile(%s, '{}', '0 s', %s::interval)"
    assert buffers_of(sql, look, worker, None) > 200
    assert buffers_of(sql, look, worker, "20 s") < 50
    look = "select * from cancel_requests(%s, '{}', false, %s::interval)"
    assert buffers_of(sql, look, worker, None) > 200
    assert buffers_of(sql, look, worker, "2 s") < 50
