"""ask_stacks, answer_stacks, heartbeat: what a worker does just now, on request."""

import json
import uuid
from collections.abc import Callable

from .conftest import Sql

WANTED = "select stacks from heartbeat(%s, '{}', 'notify')"


def test_a_worker_hears_the_question_and_its_answer_is_kept(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, other = sql.worker(), another_sql()
    sql.listen()
    asked_at = other.value("select ask_stacks(%s, 'ann')", worker)
    assert sql.wakes(another_sql()) == [f"!stacks {worker}"]
    assert sql.value(WANTED, worker) is True
    assert sql.value("select answer_stacks(%s, %s)", worker, '{"threads": []}') is True
    assert sql.value(WANTED, worker) is False
    (row,) = sql.rows("select * from worker_stacks")
    assert (row["asked_by"], row["asked_at"], row["stacks"]) == ("ann", asked_at, {"threads": []})
    assert row["answered_at"] > asked_at


def test_asking_again_keeps_the_answer_until_the_next_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    sql.value("select ask_stacks(%s)", worker)
    sql.value("select answer_stacks(%s, %s)", worker, '{"n": 1}')
    sql.value("select ask_stacks(%s)", worker)
    assert sql.value(WANTED, worker) is True
    assert sql.value("select stacks from worker_stacks") == {"n": 1}


def test_nobody_answers_what_nobody_has_asked(rolled_back_sql: Sql) -> None:
    worker = rolled_back_sql.worker()
    assert rolled_back_sql.value(WANTED, worker) is False
    assert rolled_back_sql.value("select answer_stacks(%s, '{}')", worker) is False
    assert rolled_back_sql.rows("select * from worker_stacks") == []


def test_who_cannot_answer_is_not_asked(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    lost, late, http = sql.worker(), sql.worker(), sql.worker()
    sql.lose(lost)
    sql.value("select heartbeat(%s, '{}', 'http')", http)
    sql.rows("update worker set heartbeat_at = heartbeat_at - 2 * lease where id = %s", late)
    assert sql.refusal("select ask_stacks(%s)", uuid.uuid4()).sqlstate == "PQ003"
    for worker, word in ((lost, "missed its lease"), (late, "missed its lease"), (http, "over HTTP")):
        refused = sql.refusal("select ask_stacks(%s)", worker)
        assert refused.sqlstate == "PQ004"
        assert word in str(refused)


def test_an_answer_is_an_object_of_bounded_size(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    worker = sql.worker()
    sql.value("select ask_stacks(%s)", worker)
    for stacks in ("[]", "null", json.dumps({"code": "x" * 262_144})):
        assert sql.refusal("select answer_stacks(%s, %s)", worker, stacks).sqlstate == "PQ001"
    assert sql.value(WANTED, worker) is True


def test_maintenance_forgets_an_answer_after_an_hour(sql: Sql) -> None:
    old, new = sql.worker(), sql.worker()
    for worker in (old, new):
        sql.value("select ask_stacks(%s)", worker)
    sql.rows("update worker_stacks set asked_at = asked_at - interval '61 min' where worker_id = %s", old)
    sql.value("select maintain()")
    assert [row["worker_id"] for row in sql.rows("select worker_id from worker_stacks")] == [new]
