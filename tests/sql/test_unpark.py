"""unpark: a key opens before its time."""

from .conftest import Sql
from .limit_steps import add, claimed, set_limit

PARK = "select park(%s, clock_timestamp() + interval '1 h')"


def test_what_waited_starts_at_once(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", max_running=5)
    one, two = add(sql, 2, "tenant:1"), add(sql, 1, "tenant:2")
    for key in ("tenant:1", "tenant:2"):
        sql.value(PARK, key)
    assert claimed(sql, worker) == []

    assert sql.value("select unpark('tenant:1')") is True

    assert claimed(sql, worker) == one
    assert sql.value("select unpark('tenant:1')") is False
    assert sql.value("select unpark('tenant:2')") is True
    assert claimed(sql, worker) == two


def test_it_undoes_every_park_of_the_key(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    set_limit(sql, "k", max_running=5)
    jobs = add(sql, 1, "k")
    for hours in (1, 2, 3):
        sql.value("select park('k', clock_timestamp() + make_interval(hours => %s))", hours)

    assert sql.value("select unpark('k')") is True

    assert claimed(sql, sql.worker()) == jobs


def test_a_limit_that_was_shut_besides_is_not_opened(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 h")
    add(sql, 2, "k")
    assert len(claimed(sql, worker)) == 1
    sql.value(PARK, "k")

    sql.value("select unpark('k')")

    assert claimed(sql, worker) == []


def test_it_wakes_the_queues_that_waited(sql: Sql) -> None:
    sql.listen()
    set_limit(sql, "k", max_running=5)
    add(sql, 1, "k", queue="a")
    sql.value(PARK, "k")
    assert claimed(sql, sql.worker(), 10, ("a",)) == []
    sql.wakes(sql)

    sql.value("select unpark('k')")

    assert sql.wakes(sql) == ["a"]


def test_a_queue_that_was_parked_opens(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "queue:default", max_running=5)
    jobs = add(sql, 2)
    sql.value(PARK, "queue:default")
    assert claimed(sql, worker) == []

    sql.value("select unpark('queue:default')")

    assert claimed(sql, worker) == jobs


def test_an_unknown_key_is_refused(rolled_back_sql: Sql) -> None:
    refused = rolled_back_sql.refusal("select unpark('nobody')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "key")
