"""register_worker: every start of a worker is a new worker."""

import json
import uuid

import pytest

from .conftest import Sql

REGISTER = "select register_worker(%s, 'w1', 'host', 7, '1.2', '{mail,default}', 25, '30 s')"


def test_a_registered_worker_is_active_and_says_who_it_is(sql: Sql) -> None:
    id = uuid.uuid4()

    sql.value(REGISTER, id)

    (row,) = sql.rows("select * from worker")
    assert (row["id"], row["name"], row["host"], row["pid"], row["version"]) == (id, "w1", "host", 7, "1.2")
    assert (row["queues"], row["concurrency"], row["lease"].total_seconds()) == (["mail", "default"], 25, 30)
    assert (row["state"], row["running"], row["started"], row["wake_mode"]) == ("active", 0, [], "starting")
    assert row["started_at"] <= row["heartbeat_at"]


def test_a_worker_whose_registration_was_not_answered_may_ask_again(sql: Sql) -> None:
    id = uuid.uuid4()
    sql.value(REGISTER, id)
    (first,) = sql.rows("select * from worker")

    sql.value(REGISTER, id)

    (second,) = sql.rows("select * from worker")
    assert second["heartbeat_at"] > first["heartbeat_at"]
    assert {**second, "heartbeat_at": None} == {**first, "heartbeat_at": None}


@pytest.mark.parametrize("end", ["lost", "retired"])
def test_a_worker_whose_time_is_over_claims_under_a_new_id(sql: Sql, end: str) -> None:
    old = sql.worker()
    sql.enqueue()
    if end == "lost":
        sql.lose(old)
    else:
        sql.value("select retire_worker(%s)", old)

    assert sql.refusal("select * from claim(%s, %s, '{default}', 1)", old, uuid.uuid4()).sqlstate == "PQ002"
    assert len(sql.claim(sql.worker())[1]) == 1


def test_a_worker_names_the_tasks_that_it_knows_up_to_a_bound(sql: Sql) -> None:
    silent, named, many = sql.worker(), uuid.uuid4(), uuid.uuid4()
    register = "select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s', tasks => %s)"
    sql.value(register, named, ["mail", "noop"])
    sql.value(register, many, [f"task{number:04}" for number in range(1500)])

    rows = {row["id"]: row["tasks"] for row in sql.rows("select id, tasks from worker")}
    knows = {row["id"]: row["knows"] for row in sql.rows("select id, knows_task(tasks, 'other') as knows from worker")}

    assert (rows[silent], rows[named], len(rows[many])) == (None, ["mail", "noop"], 1000)
    assert knows == {silent: True, named: False, many: True}  # what was not said or cut off may be there
    assert sql.value("select knows_task(tasks, 'mail') from worker where id = %s", named)


ABOUT = "select register_worker(%s, 'w', 'host', 1, '0', '{default}', 1, '30 s', about => %s)"
SAID = {"pool": "mail", "slot": 3, "generation": 2, "cores": 1.5, "memory_limit": 536_870_912, "app_version": "2026.11"}


def test_a_worker_says_where_it_runs_and_of_which_application(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    full, none = uuid.uuid4(), uuid.uuid4()
    sql.value(ABOUT, full, json.dumps(SAID | {"unknown": {}}))
    sql.value(ABOUT, none, json.dumps(dict.fromkeys(SAID)))
    columns = ", ".join(SAID)
    assert sql.rows(f"select {columns} from worker_status where id = %s", full) == [SAID]
    assert sql.rows(f"select {columns} from worker_status where id = %s", none) == [dict.fromkeys(SAID)]
    sql.value(ABOUT, full, json.dumps(SAID | {"slot": 4}))
    assert sql.value("select slot from worker where id = %s", full) == 3  # asked again: nothing changes


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ("1", "about"),
        ('{"pool": 1}', "about.pool"),
        (json.dumps({"pool": "x" * 201}), "about.pool"),
        ('{"slot": 1.5}', "about.slot"),
        ('{"generation": 2147483648}', "about.generation"),
        ('{"cores": -1}', "about.cores"),
        ('{"memory_limit": 1e19}', "about.memory_limit"),
        (json.dumps({"app_version": "x" * 201}), "about.app_version"),
    ],
)
def test_what_a_worker_cannot_be_is_refused(rolled_back_sql: Sql, about: str, field: str) -> None:
    refused = rolled_back_sql.refusal(ABOUT, uuid.uuid4(), about)
    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
