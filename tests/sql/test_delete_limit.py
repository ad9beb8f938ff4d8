"""delete_limit: what waits for it is not limited by it any more."""

from .conftest import Sql
from .limit_steps import add, claimed, set_limit


def test_jobs_that_wait_for_it_start_and_new_ones_with_it_are_refused(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", rate=1, per="1 h", max_running=1)
    jobs = add(sql, 5, "k")
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    sql.value("select delete_limit('k')")

    assert claimed(sql, worker) == jobs[1:]
    refused = sql.refusal("select enqueue('noop', limits => '{k}')")
    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "limits")
    assert sql.value("select limits from job limit 1") == ["k"], "they keep their keys"


def test_of_a_name_it_opens_all_keys_but_those_with_a_limit_of_their_own(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", max_running=1)
    set_limit(sql, "tenant:own", max_running=1)
    for key in ("tenant:1", "tenant:own"):
        add(sql, 3, key)
    assert len(claimed(sql, worker)) == 2

    sql.value("select delete_limit('tenant')")

    assert len(claimed(sql, worker)) == 2
    assert claimed(sql, worker) == []
    add(sql, 1, "tenant:own")


def test_of_a_key_the_limit_of_its_name_holds_again(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "tenant", max_running=2)
    set_limit(sql, "tenant:1", max_running=1)
    add(sql, 5, "tenant:1")
    assert len(claimed(sql, worker)) == 1

    sql.value("select delete_limit('tenant:1')")

    assert len(claimed(sql, worker)) == 1
    assert claimed(sql, worker) == []


def test_a_key_that_is_parked_opens_with_it(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "k", max_running=5)
    jobs = add(sql, 2, "k")
    sql.value("select park('k', clock_timestamp() + interval '1 h')")
    assert claimed(sql, worker) == []

    sql.value("select delete_limit('k')")

    assert claimed(sql, worker) == jobs


def test_of_a_queue_all_its_jobs_start(rolled_back_sql: Sql) -> None:
    sql, worker = rolled_back_sql, rolled_back_sql.worker()
    set_limit(sql, "queue:default", max_running=1)
    jobs = add(sql, 3)
    assert claimed(sql, worker) == jobs[:1]
    assert claimed(sql, worker) == []

    sql.value("select delete_limit('queue:default')")

    assert claimed(sql, worker) == jobs[1:]


def test_one_that_is_not_there_is_refused_with_those_that_are(rolled_back_sql: Sql) -> None:
    for name in ("b", "a"):
        set_limit(rolled_back_sql, name, max_running=1)

    refused = rolled_back_sql.refusal("select delete_limit('o''brien')")

    assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", "name")
    assert "name: 'o''brien' is not valid; there is no such limit; there are: a, b" in str(refused)
    rolled_back_sql.rows("delete from limit_def")
    assert "there are: none" in str(rolled_back_sql.refusal("select delete_limit('a')"))
