"""reconcile: the reply to a claim was lost, and its jobs run under a worker that does not know of them."""

from .conftest import Sql


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
