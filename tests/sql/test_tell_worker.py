"""tell_worker: people let a worker end once its handlers have; worker_status: what a worker does."""

import uuid
from collections.abc import Callable

from .conftest import Sql


def test_a_worker_hears_what_it_is_told_and_is_told_again_with_each_heartbeat(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, other = sql.worker(), another_sql()
    sql.listen()
    assert other.value("select tell_worker(%s, 'drain', 'ann')", worker) is True
    assert sql.wakes(another_sql()) == [f"!told {worker}"]
    for _ in range(2):
        assert sql.value("select told from heartbeat(%s, '{}', 'notify')", worker) == "drain"


def test_telling_again_changes_nothing_and_another_word_replaces_the_first(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    told = [sql.value("select tell_worker(%s, %s, 'ann')", worker, what) for what in ("drain", "drain", "restart")]
    assert told == [True, False, True]
    assert sql.value("select told from worker_status") == "restart"
    noted = sql.rows("select verb, kind, subject, by, after->>'told' as told from audit_log order by id")
    assert [(row["verb"], row["told"]) for row in noted] == [("tell_worker", "drain"), ("tell_worker", "restart")]
    assert {(row["kind"], row["subject"], row["by"]) for row in noted} == {("worker", str(worker), "ann")}


def test_who_does_not_listen_is_not_told(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    lost, late, http = sql.worker(), sql.worker(), sql.worker()
    sql.lose(lost)
    sql.value("select heartbeat(%s, '{}', 'http')", http)
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", late)
    assert sql.refusal("select tell_worker(%s, 'drain')", uuid.uuid4()).sqlstate == "PQ003"
    for worker, word in ((lost, "missed its lease"), (late, "missed its lease"), (http, "over HTTP")):
        refused = sql.refusal("select tell_worker(%s, 'drain')", worker)
        assert refused.sqlstate == "PQ004"
        assert word in str(refused)
    for what in ("stop", None):
        assert sql.refusal("select tell_worker(%s, %s)", http, what).diag.column_name == "what"
    assert sql.value("select count(*) from audit_log") == 0


def test_the_state_of_a_worker_is_the_first_that_holds(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker, upkeep = sql.worker(queues=("default", "mail")), sql.worker()
    sql.rows("update worker set queues = '{}' where id = %s", upkeep)

    def status(id: uuid.UUID = worker) -> str:
        return str(sql.value("select status from worker_status where id = %s", id))

    assert (status(), status(upkeep)) == ("IDLE", "IDLE")
    sql.value("select heartbeat(%s, '{1}', 'notify')", worker)
    assert status() == "ACTIVE"
    sql.value("select pause('queue', 'mail')")
    assert (status(), status(upkeep)) == ("ACTIVE", "IDLE")
    sql.value("select pause('queue', 'default')")
    assert (status(), status(upkeep)) == ("PAUSED", "IDLE")
    sql.value("select resume('queue', 'mail')")
    sql.value("select pause('everything')")
    assert (status(), status(upkeep)) == ("PAUSED", "IDLE")
    sql.value("select heartbeat(%s, '{1}', 'notify', null, '{\"draining\": true}')", worker)
    assert status() == "DRAINING"
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", worker)
    assert status() == "DEAD"
