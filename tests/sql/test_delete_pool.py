"""delete_pool: a pool goes with its last worker."""

import psycopg
import pytest

from .conftest import Sql
from .pool_steps import agent, call, events, make_pool, pool, slot


def leaving(sql: Sql) -> list[str | None]:
    """What the slots of the pool are to do."""
    return [row["leaving"] for row in sql.rows("select leaving from pool_slot where pool = 'mail' order by slot")]


def test_a_pool_that_nobody_runs_is_gone_at_once_and_its_events_stay(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    slot(sql, 1)
    assert call(sql, "delete_pool", "mail")
    assert pool(sql) == {}
    assert events(sql) == [("made", None, 1), ("deleting", 1, 0), ("deleted", None, 0)]


def test_a_pool_waits_for_the_workers_of_agents_that_are_alive(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    slot(sql, 1, agent(sql))
    assert not call(sql, "delete_pool", "mail")
    assert (pool(sql)["deleting"], leaving(sql)) == (True, ["drain"])


def test_a_pool_does_not_wait_for_agents_whose_lease_is_over(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    slot(sql, 1, agent(sql))
    sql.rows("update agent set heartbeat_at = heartbeat_at - interval '31 s' returning id")
    assert call(sql, "delete_pool", "mail")


def test_a_pool_that_is_being_deleted_can_be_hurried_and_no_more_changed(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    slot(sql, 1, agent(sql))
    call(sql, "delete_pool", "mail")
    assert not call(sql, "delete_pool", "mail")
    assert leaving(sql) == ["drain"]
    assert not call(sql, "delete_pool", "mail", now=True)
    assert not call(sql, "delete_pool", "mail")
    assert leaving(sql) == ["now"]
    for verb in ("set_pool", "scale_pool", "roll_pool", "pause_pool", "resume_pool"):
        with pytest.raises(psycopg.Error, match="the pool mail is being deleted") as caught, sql.connection.transaction():
            call(sql, verb, "mail", **({"wanted": 2} if verb == "scale_pool" else {}))
        assert caught.value.sqlstate == "PQ004"
    assert [kind for kind, _, _ in events(sql)] == ["made", "deleting"]
