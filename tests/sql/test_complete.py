"""complete: one job succeeded."""

import json
from collections.abc import Callable

import pytest

from .background import Background
from .conftest import Sql
from .flows import claim, node, refused, start
from .plan import plans_of


def test_a_completed_job_keeps_its_result(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("""select complete(%s, %s, '{"n": 1}')""", id, token) is None

    assert sql.state(id) == "succeeded"
    assert sql.value("select value from job_result where job_id = %s", id) == {"n": 1}


def test_complete_without_a_result_stores_none(sql: Sql) -> None:
    id, token = sql.running()

    assert sql.value("select complete(%s, %s)", id, token) is None

    assert sql.state(id) == "succeeded"
    assert sql.value("select count(*) from job_result") == 0


def test_the_duration_keeps_its_digits_whatever_extra_float_digits_is(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("set extra_float_digits = -15")

    sql.value("select complete(%s, %s, null, 12.3456)", id, token)

    sql.rows("reset extra_float_digits")
    assert sql.value("select elapsed::text from job_history where id = %s", id) == "12.3456"


def test_complete_by_a_stale_token_says_so(sql: Sql) -> None:
    id, token = sql.running()
    sql.value("select give_back(%s, %s)", token, [id])

    assert sql.value("select complete(%s, %s)", id, token) == "stale"

    assert sql.state(id) == "ready"


def test_a_handlers_writes_and_its_completion_commit_together_or_not_at_all(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("create table sent (id bigint)")

    with sql.connection.transaction(force_rollback=True):
        sql.rows("insert into sent values (1)")
        sql.value("select complete(%s, %s, '1')", id, token)
    after_rollback = sql.state(id), sql.value("select count(*) from sent")
    with sql.connection.transaction():
        sql.rows("insert into sent values (1)")
        sql.value("select complete(%s, %s, '1')", id, token)

    assert after_rollback == ("running", 0)
    assert (sql.state(id), sql.value("select count(*) from sent")) == ("succeeded", 1)


def test_complete_keeps_how_long_the_handler_took(sql: Sql) -> None:
    id, token = sql.running()

    sql.value("select complete(%s, %s, elapsed => 1.5)", id, token)

    assert sql.job(id)["elapsed"] == 1.5


def test_complete_by_a_stale_token_leaves_the_next_owner_alone(sql: Sql) -> None:
    id, token = sql.running()
    sql.rows("update job set claim_token = gen_random_uuid()")
    before = sql.rows("select * from job")

    assert sql.value("select complete(%s, %s, '1')", id, token) == "stale"

    assert sql.rows("select * from job") == before
    assert sql.value("select count(*) from job_result") == 0


def test_complete_waits_for_somebody_who_holds_the_row(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token = sql.running()
    user = another_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", id)
        complete = Background(another_sql(), "select complete(%s, %s) as said", id, token)
        complete.wait_until_blocked(sql)

    assert complete.rows() == [{"said": None}]
    assert sql.state(id) == "succeeded"


def test_complete_waits_five_seconds_at_most(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    id, token = sql.running()
    user = another_sql()

    with user.connection.transaction():
        user.rows("select from job where id = %s for update", id)
        refused = sql.refusal("select complete(%s, %s)", id, token)

    assert refused.sqlstate == "55P03"
    assert sql.state(id) == "running"


def test_complete_walks_the_primary_key(sql: Sql) -> None:
    id, token = sql.running()

    for verb, gates in (("progress(%s, %s, 1)", set[str]()), ("complete(%s, %s)", {"queue_pkey"})):
        plans = plans_of(sql, f"select {verb}", id, token)
        assert plans.indexes(sql.connection) == {"job_pkey", *gates}
        assert plans.nodes("SEQSCAN", "BITMAPHEAPSCAN") == []


COMPLETE = "select complete(%s, %s, nodes => %s)"


def test_a_node_that_is_completed_releases_its_children_and_adds_its_nodes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("join", "a"))
    token, _ = claim(sql, flow["a"])

    said = sql.value(COMPLETE, flow["a"], token, json.dumps([node("x", before=["join"]), node("y", {"job": flow["a"]})]))

    assert said is None
    assert flow.states() == {"a": "succeeded", "join": "blocked", "x": "ready", "y": "ready"}


def test_nodes_and_the_handlers_writes_commit_together_or_not_at_all(sql: Sql) -> None:
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])

    with sql.connection.transaction(force_rollback=True):
        sql.value(COMPLETE, flow["a"], token, json.dumps([node("x")]))
        assert flow.progress()["nodes"] == 2

    assert flow.states() == {"a": "running"}


def test_nodes_by_a_stale_token_are_dropped(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"))
    token, _ = claim(sql, flow["a"])
    sql.value("select give_back(%s, %s)", token, [flow["a"]])

    assert sql.value(COMPLETE, flow["a"], token, json.dumps([node("x")])) == "stale"

    assert flow.states() == {"a": "ready"}


@pytest.mark.parametrize(("nodes", "sqlstate"), [([], "PQ001"), ([node("a")], "PQ001"), ([node("x", before=["b"])], "PQ004")])
def test_bad_nodes_refuse_the_call_and_change_nothing(rolled_back_sql: Sql, nodes: list[object], sqlstate: str) -> None:
    sql = rolled_back_sql
    flow = start(sql, node("a"), node("b"))
    token, _ = claim(sql, flow["a"])

    assert refused(sql, COMPLETE, flow["a"], token, json.dumps(nodes))[0] == sqlstate

    assert sql.value("select complete(%s, %s)", flow["a"], token) is None


def test_complete_waits_for_somebody_who_holds_the_workflow(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    flow, user = start(sql, node("a"), node("b", "a")), another_sql()
    token, _ = claim(sql, flow["a"])

    with user.connection.transaction():
        user.rows("select from workflow where id = %s for update", flow.id)
        complete = Background(another_sql(), "select complete(%s, %s) as said", flow["a"], token)
        complete.wait_until_blocked(sql)

    assert complete.rows() == [{"said": None}]
    assert flow.states() == {"a": "succeeded", "b": "ready"}
