"""Every way to add a job takes limits, fair and cost, and the job starts under them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import add, claimed, finish_all, set_limit

LIMITS: dict[str, Any] = {"limits": ["tenant:{t}", "api"], "fair": "crew", "cost": 3}
KEYS = ["api", "crew", "tenant:7"]
NAMED = "limits => %(limits)s, fair => %(fair)s, cost => %(cost)s"
ELEMENT = json.dumps({"task": "noop", "args": {"t": 7}, **LIMITS})
UNIQUE_ELEMENT = json.dumps({"task": "noop", "args": {"t": 7}, "unique_mode": "until_done", **LIMITS})
FORMS = {
    "enqueue": f"select enqueue('noop', '{{\"t\": 7}}', {NAMED})",
    "enqueue unique": f"select enqueue('noop', '{{\"t\": 7}}', unique_mode => 'until_done', {NAMED})",
    "enqueue for a period": f"select enqueue('noop', '{{\"t\": 7}}', unique_mode => 'period', unique_period => '1 h', {NAMED})",
    "enqueue_many": f"select enqueue_many('noop', '[{{\"t\": 7}}]', {NAMED})",
    "enqueue_many per job": f"select * from enqueue_many('[{ELEMENT}]')",
    "enqueue_many unique": f"select * from enqueue_many('[{UNIQUE_ELEMENT}]')",
    "enqueue_select": f"select enqueue_select('noop', array['{{\"t\": 7}}'::jsonb], {NAMED})",
    "enqueue_select unique": f"select enqueue_select('noop', array['{{\"t\": 7}}'::jsonb], unique_mode => 'until_done', {NAMED})",
    "enqueue_workflow": f"select * from enqueue_workflow('[{ELEMENT}]')",
    "a unique node": f"select * from enqueue_workflow('[{UNIQUE_ELEMENT}]')",
}


@pytest.fixture
def limited_sql(rolled_back_sql: Sql) -> Sql:
    for name in ("api", "tenant"):
        set_limit(rolled_back_sql, name, rate=1, per="1 h", burst=4)
    return rolled_back_sql


def call(sql: Sql, form: str) -> None:
    """Add the job in that way."""
    with sql.connection.cursor() as cursor:
        cursor.execute(FORMS[form], LIMITS if NAMED in FORMS[form] else None)


@pytest.mark.parametrize("form", FORMS)
def test_a_job_that_was_added_in_any_way_has_its_limits_and_starts_under_them(limited_sql: Sql, form: str) -> None:
    sql = limited_sql
    call(sql, form)
    assert sql.rows("select limits, cost, lane_id = lane_of(queue, limits) as has_lane from job") == [
        {"limits": KEYS, "cost": 3, "has_lane": True}
    ]

    _, rows = sql.claim(sql.worker())

    assert [row["limits"] for row in rows] == [KEYS]
    assert [round(row["tokens"]) for row in sql.rows("select tokens from limit_status where key in ('api', 'tenant:7')")] == [
        1,
        1,
    ]


def test_limits_of_a_job_that_has_none_besides_are_null(limited_sql: Sql) -> None:
    limited_sql.enqueue()

    _, (row,) = limited_sql.claim(limited_sql.worker())

    assert row["limits"] is None


def test_jobs_of_one_call_are_each_in_the_lane_of_their_own_arguments(limited_sql: Sql) -> None:
    sql = limited_sql
    rows = json.dumps([{"t": n % 3} for n in range(9)])
    sql.value("select enqueue_many('noop', %s, limits => array['tenant:{t}'])", rows)
    sql.value("select enqueue_select('noop', array(select jsonb_array_elements(%s)), limits => array['tenant:{t}'])", rows)

    assert sql.rows(
        "select limits[1] as key, count(*) as jobs, count(distinct lane_id) as lanes from job group by 1 order by 1"
    ) == [{"key": f"tenant:{n}", "jobs": 6, "lanes": 1} for n in range(3)]
    assert sql.value("select count(*) from turn") == 6, "a lane takes one turn a call"


def test_a_node_that_waits_for_its_parents_has_its_turn_when_they_have_ended(limited_sql: Sql) -> None:
    sql, worker = limited_sql, limited_sql.worker()
    nodes = [{"task": "a"}, {"task": "b", "args": {"t": 7}, "after": [1], **LIMITS}]
    sql.rows("select * from enqueue_workflow(%s)", json.dumps(nodes))
    assert sql.rows("select from turn") == []
    assert len(claimed(sql, worker)) == 1

    finish_all(sql)

    _, rows = sql.claim(worker)
    assert [(row["task"], row["limits"]) for row in rows] == [("b", KEYS)]


def test_a_node_that_extends_a_workflow_has_its_limits(limited_sql: Sql) -> None:
    sql = limited_sql
    flow = sql.rows("select * from enqueue_workflow(%s)", json.dumps([{"task": "a"}]))[0]["workflow_id"]
    sql.rows("select * from extend_workflow(%s, %s)", flow, f"[{ELEMENT}]")

    assert {row["task"]: row["limits"] for row in sql.claim(sql.worker())[1]} == {"a": None, "noop": KEYS}


@pytest.mark.parametrize("form", ["enqueue", "enqueue_many", "enqueue_select", "enqueue_many per job"])
def test_a_job_that_depends_on_another_has_its_turn_when_that_has_ended(limited_sql: Sql, form: str) -> None:
    sql, worker = limited_sql, limited_sql.worker()
    parent = sql.enqueue("parent")
    if form == "enqueue_many per job":
        element = json.loads(ELEMENT) | {"depends_on": [parent]}
        sql.rows("select * from enqueue_many(%s)", json.dumps([element]))
    else:
        query = FORMS[form].removesuffix(")") + f", depends_on => array[{parent}::bigint])"
        with sql.connection.cursor() as cursor:
            cursor.execute(query, LIMITS)
    assert claimed(sql, worker) == [parent]
    assert sql.rows("select from turn") == []

    finish_all(sql)

    assert sql.claim(worker)[1][0]["limits"] == KEYS


def test_a_job_that_tells_of_the_end_of_a_workflow_has_its_limits(limited_sql: Sql) -> None:
    sql, worker = limited_sql, limited_sql.worker()
    set_limit(sql, "told", max_running=1)
    callback = {"task": "told", "limits": ["told"], "cost": 2}
    for _ in range(2):
        sql.rows("select * from enqueue_workflow(%s, on_success => %s)", '[{"task": "a"}]', json.dumps(callback))
    claimed(sql, worker)

    finish_all(sql)

    assert [row["limits"] for row in sql.claim(worker)[1]] == [["told"]]
    assert sql.claim(worker)[1] == []


@pytest.mark.one_case
@pytest.mark.parametrize("options", [{"limits": ["nobody"]}, {"limits": ["api:{no}"]}, {"cost": 0}])
def test_a_callback_with_bad_limits_is_refused_at_submission(limited_sql: Sql, options: dict[str, Any]) -> None:
    callback = json.dumps({"task": "told", **options})

    assert (
        limited_sql.refusal('select * from enqueue_workflow(\'[{"task": "a"}]\', on_success => %s)', callback).sqlstate == "PQ001"
    )


def test_a_job_for_later_has_its_turn_when_its_time_has_come(limited_sql: Sql) -> None:
    sql, worker = limited_sql, limited_sql.worker()
    (id,) = add(sql, 1, "api", run_after="1 h")
    assert sql.rows("select from turn") == []
    assert claimed(sql, worker) == []
    sql.make_due()

    sql.value("select promote()")

    assert claimed(sql, worker) == [id]


# Unique jobs.

REPLACE: dict[str, Any] = {"unique_mode": "replace", "unique_key": "x"}


@pytest.mark.parametrize("before", [{}, {"limits": ["api"], "cost": 2}, {"limits": ["tenant:1"]}])
@pytest.mark.parametrize("after", [{}, {"limits": ["api", "tenant:2"], "cost": 4}, {"limits": ["api"]}])
def test_a_replaced_job_has_the_limits_of_the_new_call_and_is_found_by_them(
    limited_sql: Sql, before: dict[str, Any], after: dict[str, Any]
) -> None:
    sql = limited_sql
    first = sql.enqueue(**REPLACE, **before)
    assert sql.enqueue(**REPLACE, **after) == first

    assert sql.rows("select limits, cost, lane_id is not null as has_lane from job") == [
        {"limits": after.get("limits"), "cost": after.get("cost"), "has_lane": bool(after)}
    ]
    assert claimed(sql, sql.worker()) == [first]


def test_a_job_that_is_replaced_from_another_queue_is_found_in_its_own(limited_sql: Sql) -> None:
    sql, worker = limited_sql, limited_sql.worker()
    first = sql.enqueue(**REPLACE, queue="a", limits=["api"])

    assert sql.enqueue(**REPLACE, queue="b", limits=["tenant:1"]) == first

    assert {row["queue"] for row in sql.rows("select queue from turn")} == {"a"}
    assert claimed(sql, worker, 10, ("b",)) == []
    assert claimed(sql, worker, 10, ("a",)) == [first]


@pytest.mark.parametrize("mode", ["until_done", "until_started"])
def test_a_duplicate_changes_nothing_of_the_job_that_is_there(limited_sql: Sql, mode: str) -> None:
    sql = limited_sql
    first = sql.enqueue(unique_mode=mode, limits=["api"], cost=2)
    before = sql.rows("select * from job")

    assert sql.enqueue(unique_mode=mode, limits=["tenant:1"], cost=3) == first

    assert sql.rows("select * from job") == before
    assert claimed(sql, sql.worker()) == [first]


def test_who_enqueues_takes_no_lock_that_another_could_wait_for(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    """Nothing but rows of its own: no bucket, no advisory lock, and of tables what every insert takes."""
    set_limit(sql, "api", max_running=1)
    producer = another_sql()
    with producer.connection.transaction():
        add(producer, 2, "api")
        rows = sql.rows(
            """select l.locktype, l.mode, c.relname from pg_locks l left join pg_class c on c.oid = l.relation
                where l.pid = %s and l.locktype in ('advisory', 'tuple', 'relation')
                  and l.mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')""",
            producer.connection.info.backend_pid,
        )
    assert rows == []
