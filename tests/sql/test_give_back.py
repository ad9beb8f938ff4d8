"""give_back: unstarted jobs return to their queue."""

from collections.abc import Callable

from .conftest import Sql


def test_a_job_given_back_is_ready_again_and_keeps_its_attempt(sql: Sql) -> None:
    id = sql.enqueue()
    token, _ = sql.claim(sql.worker())

    assert sql.value("select give_back(%s, %s)", token, [id]) == id

    assert (sql.job(id)["state"], sql.job(id)["attempt"]) == ("ready", 0)


def test_a_stale_token_gives_back_nothing(sql: Sql) -> None:
    id = sql.enqueue()
    stale, _ = sql.claim(sql.worker())
    sql.value("select give_back(%s, %s)", stale, [id])
    sql.claim(sql.worker())

    assert sql.value("select give_back(%s, %s)", stale, [id]) is None

    assert sql.state(id) == "running"


def test_only_the_named_jobs_of_a_claim_are_given_back(sql: Sql) -> None:
    keep, back = sql.enqueue(), sql.enqueue()
    token, _ = sql.claim(sql.worker())

    assert [row["give_back"] for row in sql.rows("select give_back(%s, %s)", token, [back, 4711])] == [back]

    assert (sql.state(keep), sql.state(back)) == ("running", "ready")


def test_a_job_given_back_keeps_its_place_in_the_order(sql: Sql) -> None:
    first = sql.enqueue()
    worker = sql.worker()
    token, _ = sql.claim(worker)
    sql.enqueue()

    sql.value("select give_back(%s, %s)", token, [first])

    assert [row["id"] for row in sql.claim(worker, 1)[1]] == [first]


def test_giving_back_wakes_each_queue_once(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    ids = [sql.enqueue(queue=queue) for queue in ("a", "a", "b")]
    token, _ = sql.claim(sql.worker(), queues=("a", "b"))
    worker = another_sql()
    worker.listen()

    sql.rows("select give_back(%s, %s)", token, ids)

    assert sorted(worker.wakes(sql)) == ["a", "b"]


def test_giving_back_nothing_wakes_nobody(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker = another_sql()
    worker.listen()

    assert sql.rows("select give_back(gen_random_uuid(), '{}')") == []

    assert worker.wakes(sql) == []
