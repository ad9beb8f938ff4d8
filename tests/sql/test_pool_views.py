"""pools, pool_workers, pool_agents, pool_events, and what is kept of a pool over time."""

import re
from typing import Any

from .conftest import Sql
from .plan import plans_of
from .pool_steps import agent, call, events, make_pool, pool, slot, worker

LAST = "select * from pool_events where pool = 'mail' order by id desc limit 50"
LATE = "heartbeat_at = heartbeat_at - interval '1 h'"


def one(sql: Sql, name: str = "mail") -> dict[str, Any]:
    """A row of the view `pools`."""
    (row,) = sql.rows("select * from pools where name = %s", name)
    return row


def test_a_pool_says_what_runs_and_what_waits(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, queues=["mail=3", "post"], wanted=3)
    for number in (1, 2, 3):
        slot(sql, number, agent(sql, slots=2))
    worker(sql, 1)
    worker(sql, 2, draining=True)
    sql.rows(f"update worker set {LATE} where id = %s returning id", worker(sql, 3))
    sql.rows(f"update agent set {LATE} where id = %s returning id", agent(sql))
    sql.worker()
    for queue in ("mail", "post", "other"):
        sql.enqueue(queue=queue)
    its = one(sql)
    assert (its["wanted"], its["running"], its["ready"], its["agents"], its["places"]) == (3, 1, 2, 3, 6)
    assert its["oldest"] is not None


def test_a_pool_of_all_queues_counts_those_that_its_workers_serve(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    for queue in ("a", "b", "c"):
        sql.enqueue(queue=queue)
    assert one(sql)["ready"] == 0
    worker(sql, 1, queues=("a", "b"))
    worker(sql, 2, queues=("a",))
    assert one(sql)["ready"] == 2


def test_the_state_of_a_pool_is_the_first_thing_that_people_should_know(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, wanted=2)
    states = [one(sql)["state"]]
    holder = agent(sql, slots=1)
    states.append(one(sql)["state"])
    sql.rows("update agent set slots = 2 returning id")
    states.append(one(sql)["state"])
    for number in (1, 2):
        slot(sql, number, holder)
        worker(sql, number)
    states.append(one(sql)["state"])
    call(sql, "roll_pool", "mail")
    states.append(one(sql)["state"])
    call(sql, "pause_pool", "mail")
    states.append(one(sql)["state"])
    call(sql, "delete_pool", "mail")
    states.append(one(sql)["state"])
    assert states == ["no_agent", "no_room", "scaling", "steady", "rolling", "paused", "deleting"]


def test_each_slot_and_each_worker_of_a_pool_is_shown(rolled_back_sql: Sql) -> None:
    """While a slot is rolled it has two workers, and a worker may outlive its slot."""
    sql = rolled_back_sql
    make_pool(sql, wanted=4)
    holder = agent(sql)
    slot(sql, 1)
    slot(sql, 2, holder)
    slot(sql, 3, holder, leaving="drain")
    slot(sql, 4, holder)
    worker(sql, 4)
    worker(sql, 4, generation=2)
    worker(sql, 9)
    call(sql, "roll_pool", "mail")
    rows = sql.rows(
        "select slot, status, generation, is_outdated from pool_workers where pool = 'mail' order by slot, generation"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "FREE", 1, True),
        (2, "STARTING", 1, True),
        (3, "LEAVING", 1, True),
        (4, "IDLE", 1, True),
        (4, "IDLE", 2, False),
        (9, "IDLE", 1, True),
    ]


def test_an_agent_shows_whether_it_is_alive_and_how_many_slots_it_has_taken(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    holder = agent(sql, host="a")
    slot(sql, 1, holder)
    agent(sql, host="b", draining=True)
    sql.rows(f"update agent set {LATE} where id = %s returning id", agent(sql, host="c"))
    rows = sql.rows("select host, status, slots, taken from pool_agents order by host")
    assert [tuple(row.values()) for row in rows] == [("a", "ACTIVE", 2, 1), ("b", "DRAINING", 2, 0), ("c", "DEAD", 2, 0)]


def test_a_sample_is_taken_once_a_minute_whoever_calls(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, wanted=3)
    worker(sql, 1, queues=("default",))
    sql.enqueue()
    for _ in range(3):
        sql.value("select sample_pools()")
    sql.rows("update pool_sample set at = at - interval '2 minutes' returning at")
    call(sql, "pause_pool", "mail")
    sql.value("select sample_pools()")
    rows = sql.rows("select wanted, running, ready from pool_sample where pool = 'mail' order by at")
    assert [tuple(row.values()) for row in rows] == [(3, 1, 1), (0, 1, 1)]


def test_what_is_old_is_pruned_with_the_history_and_a_deleted_pool_goes_when_its_agents_have_died(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    make_pool(sql, "gone")
    slot(sql, 1, agent(sql, "gone"), "gone")
    call(sql, "delete_pool", "gone")
    sql.value("select sample_pools()")
    sql.rows("update pool_sample set at = at - interval '8 days' returning at")
    sql.rows("update pool_event set at = at - interval '8 days' where pool = 'mail' returning at")
    sql.value("select prune_pools(7, 100)")
    assert (pool(sql, "gone")["deleting"], events(sql)) == (True, [])
    assert sql.value("select count(*) from pool_sample where at < clock_timestamp() - interval '7 days'") == 0

    sql.rows(f"update agent set {LATE} returning id")
    sql.value("select prune_pools(7, 100)")
    assert pool(sql, "gone") == {}
    assert events(sql, "gone")[-1] == ("deleted", None, 0)


def test_an_install_without_pools_neither_counts_jobs_for_them_nor_maintains_any(sql: Sql) -> None:
    sql.rows("select enqueue('noop') from generate_series(1, 5)")
    plan = sql.rows("explain (analyze, costs off, timing off, summary off) select * from pools")
    text = "\n".join(row["QUERY PLAN"] for row in plan)
    scans = [line for line in text.splitlines() if re.search(r"(Scan|Only).* on job\b", line)]
    assert scans, text
    assert all("never executed" in line for line in scans), text
    looked = plans_of(sql, "select prune(7)").trees
    pool_oid = sql.value("select 'pool_sample'::regclass::oid")
    assert looked
    assert not [tree for tree in looked if f":relid {pool_oid} " in tree]


def test_the_last_events_of_a_pool_are_read_by_an_index(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.rows("insert into pool_event (pool, kind) select 'p' || mod(n, 9), 'taken' from generate_series(1, 9000) n returning id")
    for other in ("seqscan", "bitmapscan", "sort"):
        sql.rows(f"set local enable_{other} = off")
    plan = "\n".join(row["QUERY PLAN"] for row in sql.rows(f"explain {LAST}"))
    assert "pool_event_pool" in plan, plan
    assert "Sort" not in plan, plan
