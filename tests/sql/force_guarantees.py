"""Guarantees of ending jobs by force beside locks and triggers; test_cancel_races.py asserts them, and mutants break them."""

from .cancel_guarantees import OpenSql, running
from .conftest import Sql
from .flows import node, start
from .guarantees import without_waiting


def a_locked_workflow_delays_no_other_cancel_by_force(sql: Sql, open_sql: OpenSql) -> None:
    """However many of its nodes are due: a wait for each of them would keep all scheduled jobs of the install from being due."""
    node_id = start(sql, node("a"))["a"]
    sql.claim(sql.worker())
    free = running(sql)[0]
    for id in (node_id, free):
        sql.value("select cancel(%s, force_after => '0 s')", id)
    user = open_sql()

    with user.connection.transaction():
        user.rows("select from workflow for update")
        with without_waiting(sql):
            sql.value("select end_forced(1)")
        assert (sql.state(node_id), sql.state(free)) == ("running", "cancelled")
    sql.value("select promote()")

    assert (sql.state(node_id), sql.value("select count(*) from forced_cancel")) == ("cancelled", 0)


def a_job_that_cannot_be_cancelled_by_force_hides_no_other(sql: Sql) -> None:
    """It is tried again later: not at once, which would never end."""
    stuck, free = running(sql)[0], running(sql)[0]
    sql.rows("create function refuse() returns trigger language plpgsql as $$begin raise 'kept'; end$$")
    sql.rows(f"create trigger refuse before delete on job for each row when (old.id = {stuck}) execute function refuse()")
    for id in (stuck, free):
        sql.value("select cancel(%s, force_after => '0 s')", id)

    for _ in range(2):
        sql.value("select end_forced(1)")

    assert (sql.state(stuck), sql.state(free)) == ("running", "cancelled")
    assert 0 < sql.value("select next_in from promote()") <= 1
    sql.rows("drop trigger refuse on job; update forced_cancel set at = at - interval '1 s'")
    sql.value("select promote()")
    assert (sql.state(stuck), sql.value("select count(*) from forced_cancel")) == ("cancelled", 0)
