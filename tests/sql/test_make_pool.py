"""make_pool, set_pool, scale_pool, roll_pool, pause_pool: what a pool is, and what people change of it."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from .conftest import Sql
from .pool_steps import call, events, make_pool, pool


def refused(sql: Sql, verb: str, name: str, **values: Any) -> str:
    """The error of a verb; nothing stays of the call."""
    with pytest.raises(psycopg.Error) as caught, sql.connection.transaction():
        call(sql, verb, name, **values)
    return f"{caught.value.sqlstate} {caught.value.diag.message_primary}"


def test_a_pool_has_defaults_and_begins_with_its_minimum(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    its = pool(sql)
    assert (its["queues"], its["concurrency"], its["wanted"], its["minimum"], its["maximum"]) == ([], 100, 1, 1, 50)
    assert (its["paused"], its["deleting"], its["generation"], its["max_unavailable"], its["autoscale"]) == (
        False, False, 1, 1, False,
    )  # fmt: skip
    assert events(sql) == [("made", None, 1)]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": "a b"}, "name: 'a b' is not valid"),
        ({"app": "shop"}, "app: 'shop' is not valid; use module:attribute"),
        ({"app": "os:system; x"}, "app: "),
        ({"app": "../x:app"}, "app: "),
        ({"app": "shop:app\n"}, "app: "),
        ({"app": None}, "app: NULL"),
        ({"queues": ["a", "a=2"]}, "queues: 'a' is not valid; name each queue once"),
        ({"queues": ["a=0"]}, "queues: 'a=0' is not valid"),
        ({"queues": ["a=0.0"]}, "queues: 'a=0.0' is not valid"),
        ({"queues": ["a=-1"]}, "queues: 'a=-1' is not valid"),
        ({"queues": [None]}, "queues: NULL"),
        ({"queues": [["a", "b"], ["c", "d"]]}, "queues: '{{a,b},{c,d}}' is not valid; use an array of one dimension"),
        ({"concurrency": 0}, "concurrency: '0' is not valid; use 1 to 10000"),
        ({"concurrency": 10001}, "concurrency: '10001' is not valid"),
        ({"minimum": -1}, "minimum: '-1' is not valid"),
        ({"minimum": 3, "maximum": 2}, "minimum: '3' is not valid; use at most 2, the maximum"),
        ({"minimum": 0}, "minimum: '0' is not valid; name the queues of the pool too"),
        ({"maximum": 10001}, "maximum: '10001' is not valid"),
        ({"wanted": 51}, "wanted: '51' is not valid; 51 workers are outside of what the pool may have, 1 to 50"),
        ({"wanted": 0}, "wanted: '0' is not valid"),
        ({"max_unavailable": 0}, "max_unavailable: '0' is not valid"),
        ({"by": ""}, "by: '' is not valid"),
    ],
    ids=str,
)
def test_what_no_agent_could_run_is_refused(rolled_back_sql: Sql, values: dict[str, Any], says: str) -> None:
    named = {"name": "mail", "app": "shop.jobs:app"} | values
    error = refused(rolled_back_sql, "make_pool", named.pop("name"), **named)
    assert error.startswith(f"PQ001 {says}"), error
    assert pool(rolled_back_sql) == {}


def test_a_pool_with_named_queues_may_have_no_worker(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql, queues=["mail=3", "default", "a.b:c=0.5"], minimum=0)
    assert pool(rolled_back_sql)["wanted"] == 0


def test_a_name_is_taken_once(rolled_back_sql: Sql) -> None:
    make_pool(rolled_back_sql)
    assert refused(rolled_back_sql, "make_pool", "mail", app="x:app").startswith("PQ004 name: there is a pool mail already")


@pytest.mark.parametrize("verb", ["set_pool", "scale_pool", "roll_pool", "pause_pool", "resume_pool", "delete_pool"])
def test_a_pool_that_is_not_there_is_named_with_those_that_are(rolled_back_sql: Sql, verb: str) -> None:
    make_pool(rolled_back_sql)
    assert refused(rolled_back_sql, verb, "post") == "PQ003 name: there is no pool 'post'; there are: mail"


def test_a_change_leaves_what_is_not_given(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, queues=["mail"], concurrency=5, maximum=9)
    assert call(sql, "set_pool", "mail", max_unavailable=3)
    its = pool(sql)
    assert (its["queues"], its["concurrency"], its["maximum"], its["max_unavailable"], its["generation"]) == (
        ["mail"],
        5,
        9,
        3,
        1,
    )
    assert not call(sql, "set_pool", "mail", max_unavailable=3)
    assert events(sql) == [("made", None, 1), ("changed", 1, 1)]


@pytest.mark.parametrize("change", [{"app": "shop.other:app"}, {"queues": ["post"]}, {"concurrency": 7}], ids=str)
def test_workers_are_replaced_when_they_would_run_otherwise(rolled_back_sql: Sql, change: dict[str, Any]) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    call(sql, "set_pool", "mail", **change)
    assert pool(sql)["generation"] == 2
    assert [kind for kind, _, _ in events(sql)] == ["made", "changed", "rolled"]


def test_wanted_follows_new_bounds(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, wanted=10)
    call(sql, "set_pool", "mail", maximum=4)
    assert (pool(sql)["wanted"], pool(sql)["scaled_down_at"] is not None) == (4, True)
    call(sql, "set_pool", "mail", minimum=6, maximum=20)
    assert (pool(sql)["wanted"], pool(sql)["scaled_up_at"] is not None) == (6, True)
    call(sql, "set_pool", "mail", maximum=100, wanted=80)
    assert pool(sql)["wanted"] == 80
    assert "wanted: '101'" in refused(sql, "set_pool", "mail", wanted=101)


def test_a_pool_is_scaled_to_a_number_or_by_one(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, maximum=8)
    assert call(sql, "scale_pool", "mail", wanted=5) == 5
    assert call(sql, "scale_pool", "mail", change=-2) == 3
    assert call(sql, "scale_pool", "mail", change=5, by="ann", reason="rush") == 8
    assert call(sql, "scale_pool", "mail", wanted=8) == 8
    assert events(sql)[1:] == [("scaled", 1, 5), ("scaled", 5, 3), ("scaled", 3, 8)]
    assert sql.rows("select by, reason, before, after from audit where verb = 'scale_pool' order by id desc limit 1") == [
        {"by": "ann", "reason": "rush", "before": {"wanted": 3}, "after": {"wanted": 8}}
    ]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "wanted: NULL is not valid; give either"),
        ({"wanted": 1, "change": 1}, "wanted: '1' is not valid; give either"),
        ({"wanted": 0}, "wanted: '0' is not valid; 0 workers are outside of what the pool may have, 1 to 50"),
        ({"wanted": 51}, "wanted: '51' is not valid"),
        ({"change": -1}, "change: '-1' is not valid; 0 workers are outside"),
        ({"change": 50}, "change: '+50' is not valid; 51 workers are outside"),
        ({"change": 2147483647}, "change: '2147483647' is not valid; use a number of workers from"),
    ],
    ids=str,
)
def test_a_number_outside_of_the_bounds_is_refused(rolled_back_sql: Sql, values: dict[str, Any], says: str) -> None:
    make_pool(rolled_back_sql)
    error = refused(rolled_back_sql, "scale_pool", "mail", **values)
    assert error.startswith(f"PQ001 {says}"), error


def test_a_roll_raises_the_generation(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql)
    assert call(sql, "roll_pool", "mail", max_unavailable=3) == 2
    assert call(sql, "roll_pool", "mail") == 3
    assert pool(sql)["max_unavailable"] == 3
    assert refused(sql, "roll_pool", "mail", max_unavailable=0).startswith("PQ001 max_unavailable: '0'")


def test_a_pause_keeps_what_is_wanted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, wanted=4)
    assert call(sql, "pause_pool", "mail")
    assert not call(sql, "pause_pool", "mail")
    assert (pool(sql)["paused"], pool(sql)["wanted"]) == (True, 4)
    assert call(sql, "resume_pool", "mail")
    assert not call(sql, "resume_pool", "mail")
    assert [kind for kind, _, _ in events(sql)] == ["made", "paused", "resumed"]


def test_each_change_is_in_the_audit_log_once(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    make_pool(sql, by="ann")
    for verb, values in (
        ("set_pool", {"maximum": 9}), ("scale_pool", {"wanted": 2}), ("roll_pool", {}), ("pause_pool", {}),
        ("resume_pool", {}), ("delete_pool", {}),
    ):  # fmt: skip
        call(sql, verb, "mail", by="ann", **values)
    rows = sql.rows("select verb, by from audit where kind = 'pool' and subject = 'mail' order by id")
    verbs = ["make_pool", "set_pool", "scale_pool", "roll_pool", "pause_pool", "resume_pool", "delete_pool"]
    assert [(row["verb"], row["by"]) for row in rows] == [(verb, "ann") for verb in verbs]


def test_agents_are_told_of_each_change(sql: Sql, another_sql: Callable[[], Sql]) -> None:
    listener = another_sql().connection
    listener.execute(f"listen {sql.value('select channel()')}")
    make_pool(sql)
    call(sql, "scale_pool", "mail", wanted=2)
    heard = [notice.payload for notice in listener.notifies(timeout=5, stop_after=2)]
    assert heard == ["!pool mail", "!pool mail"]
