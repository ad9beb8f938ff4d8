"""mark_lost: a worker that missed its lease is lost."""

from collections.abc import Callable

from .conftest import Sql


def test_only_workers_past_their_own_lease_are_lost(sql: Sql) -> None:
    late, long_lease, _ = sql.worker("30 s"), sql.worker("1 h"), sql.worker("30 s")
    sql.rows("update worker set heartbeat_at = heartbeat_at - interval '31 s' where id in (%s, %s)", late, long_lease)

    assert sql.value("select mark_lost()") == 1

    assert sql.rows("select id from worker where state = 'lost'") == [{"id": late}]


def test_a_lost_worker_is_counted_once(sql: Sql) -> None:
    sql.lose(sql.worker())

    assert sql.value("select mark_lost()") == 0


def test_a_worker_whose_heartbeat_is_being_written_is_not_lost(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, its_own = sql.worker(), another_sql()
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease")

    with its_own.connection.transaction():
        its_own.value("select heartbeat(%s, '{}', 'notify')", worker)
        lost = sql.value("select mark_lost()")

    assert lost == 0
    assert sql.value("select state from worker") == "active"


def test_jobs_of_a_lost_worker_stay_its_own_until_they_are_rescued(sql: Sql) -> None:
    id, token = sql.running()
    sql.lose(sql.job(id)["worker_id"])

    assert sql.state(id) == "running"
    assert sql.finish(token, {"id": id, "state": "succeeded"}) == []
