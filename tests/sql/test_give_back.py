"""give_back: unstarted jobs return to their queue."""

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

    assert sql.job(id)["state"] == "running"
