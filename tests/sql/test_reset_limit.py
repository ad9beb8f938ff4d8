"""reset_limit: a full bucket."""

from collections.abc import Callable

from .background import Background
from .conftest import Sql
from .limit_steps import add, claimed, set_limit


def test_waiting_jobs_start_as_far_as_the_burst_goes(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=3, per="1 h", burst=3)
    jobs = add(sql, 10, "k")
    assert claimed(sql, worker) == jobs[:3]
    assert claimed(sql, worker) == []

    assert sql.value("select reset_limit('k')") == 1

    assert claimed(sql, worker) == jobs[3:6]
    assert claimed(sql, worker) == []


def test_a_debt_is_forgiven(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 h", burst=2)
    (dear,) = add(sql, 1, "k", cost=3)
    (cheap,) = add(sql, 1, "k")
    assert claimed(sql, worker) == [dear]

    sql.value("select reset_limit('k')")

    assert claimed(sql, worker) == [cheap]


def test_of_a_name_it_fills_the_buckets_of_all_keys(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", rate=1, per="1 h")
    for n in range(3):
        add(sql, 2, f"tenant:{n}")
    assert len(claimed(sql, worker)) == 3
    assert claimed(sql, worker) == []

    assert sql.value("select reset_limit('tenant:1')") == 1
    assert len(claimed(sql, worker)) == 1
    assert sql.value("select reset_limit('tenant')") == 3
    assert len(claimed(sql, worker)) == 2


def test_what_runs_and_what_is_parked_stays_so(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "busy", max_running=1)
    set_limit(sql, "parked", rate=1, per="1 h")
    add(sql, 2, "busy")
    add(sql, 1, "parked")
    sql.value("select park('parked', clock_timestamp() + interval '1 h')")
    assert len(claimed(sql, worker)) == 1

    for key in ("busy", "parked"):
        sql.value("select reset_limit(%s)", key)

    assert claimed(sql, worker) == []


def test_it_waits_for_a_claim_in_progress_and_fills_what_that_took(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    worker, claimer = sql.worker(), another_sql()
    set_limit(sql, "k", rate=1, per="1 h")
    add(sql, 1, "k")
    claimed(sql, worker)
    sql.value("select reset_limit('k')")
    jobs = add(sql, 2, "k")

    with claimer.connection.transaction():
        assert claimed(claimer, worker) == jobs[:1]
        reset = Background(another_sql(), "select reset_limit('k') as filled")
        reset.wait_until_blocked(sql)

    assert reset.rows() == [{"filled": 1}]
    assert claimed(sql, worker) == jobs[1:]


def test_a_key_that_nobody_knows_is_refused(rolled_back_sql: Sql) -> None:
    refused = rolled_back_sql.refusal("select reset_limit('nobody')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "key")
    assert "key: 'nobody' is not valid; there is no such limit; there are: none" in str(refused)
