"""limits, fair and cost of an enqueue: keys, templates, and what is refused."""

import json
from typing import Any

import pytest

from .conftest import Sql
from .limit_steps import claimed, drain, finish_all, set_limit

ARGS = {"tenant_id": 42, "who": {"name": "ada", "age": None}, "flag": True, "nothing": None, "list": [1, "x"]}
HOSTILE = [
    "o'brien", '"', "\\", "\\n", "a\nb", "\t", "{", "}", "{tenant_id}", "{}", "a,b", "null", "NULL", "é\U0001f980", ":", "$1",
    "%s", "\x01", "\x02", " ", "a b", "x" * 190,
]  # fmt: skip

SET_IT_FIRST = "there is no such limit; set it first, for example pgqueue limits set %s --rate 60/m, or set_limit() in SQL"
NO_ARGUMENT = "the arguments have no 'nope', or it is null; give it, or name another one"
BRACES = "put the name of an argument between two braces"


def limits_of(sql: Sql, **options: Any) -> list[str] | None:
    """The keys that a job has in the end."""
    found: list[str] | None = sql.value("select limits from job where id = %s", sql.enqueue(**{"args": ARGS, **options}))
    return found


@pytest.fixture
def tenant_sql(rolled_back_sql: Sql) -> Sql:
    for name in ("tenant", "openai", "task:send"):
        set_limit(rolled_back_sql, name, max_running=1)
    return rolled_back_sql


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (["openai"], ["openai"]),
        (["tenant:{tenant_id}"], ["tenant:42"]),
        (["tenant:{who.name}/{tenant_id}"], ["tenant:ada/42"]),
        (["tenant:{tenant_id}{tenant_id}-{flag}"], ["tenant:4242-true"]),
        (["tenant:{list.1}"], ["tenant:x"]),
        (["tenant:{list}"], ['tenant:[1, "x"]']),
        (["tenant:7", "openai", "tenant:7", "task:send"], ["openai", "task:send", "tenant:7"]),
    ],
)
def test_keys_are_filled_from_the_arguments_sorted_and_each_once(tenant_sql: Sql, given: list[str], keys: list[str]) -> None:
    assert limits_of(tenant_sql, limits=given) == keys


def test_a_fair_key_is_one_of_the_keys_and_needs_no_limit_of_its_name(tenant_sql: Sql) -> None:
    assert limits_of(tenant_sql, limits=["openai"], fair="customer:{tenant_id}") == ["customer:42", "openai"]
    assert limits_of(tenant_sql, fair="customer") == ["customer"]


def test_a_job_without_limits_has_no_lane(tenant_sql: Sql) -> None:
    tenant_sql.enqueue()

    assert tenant_sql.rows("select limits, lane_id, cost from job") == [{"limits": None, "lane_id": None, "cost": None}]
    assert tenant_sql.rows("select from turn") == []


def test_the_same_keys_in_any_order_are_one_lane_and_other_keys_or_queues_are_others(tenant_sql: Sql) -> None:
    one = tenant_sql.enqueue(limits=["openai", "tenant:1"])
    same = tenant_sql.enqueue(limits=["tenant:1", "openai"])
    others = [
        tenant_sql.enqueue(limits=["openai", "tenant:1"], queue="mail"),
        tenant_sql.enqueue(limits=["openai", "tenant:2"]),
        tenant_sql.enqueue(limits=["tenant:1"]),
    ]
    lanes = {row["id"]: row["lane_id"] for row in tenant_sql.rows("select id, lane_id from job")}

    assert lanes[one] == lanes[same]
    assert len({lanes[id] for id in (one, *others)}) == 4


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_whatever_a_value_holds_it_is_a_key_like_any_other(tenant_sql: Sql, value: str) -> None:
    worker = tenant_sql.worker()
    first, second = (tenant_sql.enqueue(args={"t": value}, limits=["tenant:{t}"]) for _ in range(2))

    assert tenant_sql.value("select distinct limits from job") == [f"tenant:{value}"]
    assert claimed(tenant_sql, worker) == [first]
    assert claimed(tenant_sql, worker) == []
    tenant_sql.value("select park(%s, clock_timestamp() + interval '1 h')", f"tenant:{value}")
    finish_all(tenant_sql)
    assert claimed(tenant_sql, worker) == []
    assert tenant_sql.value("select unpark(%s)", f"tenant:{value}") is True
    assert claimed(tenant_sql, worker) == [second]


def test_no_two_values_are_one_key(tenant_sql: Sql) -> None:
    for value in HOSTILE:
        tenant_sql.enqueue(args={"t": value}, limits=["tenant:{t}"])

    assert tenant_sql.value("select count(distinct lane_id) from job") == len(HOSTILE)
    assert len(drain(tenant_sql, tenant_sql.worker())) == len(HOSTILE)


@pytest.mark.parametrize(
    ("options", "field", "value", "remedy"),
    [
        ({"limits": []}, "limits", "{}", "use 1 to 10 keys"),
        ({"limits": [f"tenant:{n}" for n in range(11)]}, "limits", "tenant:10", "use 1 to 10 keys"),
        ({"limits": [""]}, "limits", "''", "use a name of letters"),
        ({"limits": [None]}, "limits", "NULL", "use a name of letters"),
        ({"limits": ["open ai"]}, "limits", "open ai", "use a name of letters"),
        ({"limits": ["tenant:"]}, "limits", "tenant:", "use a name of letters"),
        ({"limits": [":42"]}, "limits", ":42", "use a name of letters"),
        ({"limits": ["{tenant_id}:x"]}, "limits", "{tenant_id}:x", "use a name of letters"),
        ({"limits": ["x" * 101]}, "limits", "x" * 101, "use a name of letters"),
        ({"limits": ["tenant:" + "x" * 10_000]}, "limits", "tenant:xxx", "up to 200 characters"),
        ({"limits": ["tenant:{long}"], "args": {"long": "x" * 10_000}}, "limits", "tenant:xxx", "up to 200 characters"),
        ({"limits": ["tenant:{empty}"], "args": {"empty": ""}}, "limits", "tenant:", "use a name of letters"),
        ({"limits": ["queue:default"]}, "limits", "queue:default", "the limit of a queue applies to all its jobs; leave it out"),
        ({"limits": ["queue"]}, "limits", "queue", "leave it out"),
        ({"limits": ["openai", "nobody"]}, "limits", "nobody", SET_IT_FIRST % "nobody"),
        ({"limits": ["nobody:{tenant_id}"]}, "limits", "nobody:{tenant_id}", SET_IT_FIRST % "nobody"),
        ({"limits": ["task:no body"]}, "limits", "task:no body", SET_IT_FIRST % "'task:no body'"),
        ({"limits": ["tenant:{nope}"]}, "limits", "tenant:{nope}", NO_ARGUMENT),
        ({"limits": ["tenant:{nothing}"]}, "limits", "tenant:{nothing}", "the arguments have no 'nothing'"),
        ({"limits": ["tenant:{who.age}"]}, "limits", "tenant:{who.age}", "the arguments have no 'who.age'"),
        ({"limits": ["tenant:{}"]}, "limits", "tenant:{}", BRACES),
        ({"limits": ["tenant:{tenant_id"]}, "limits", "tenant:{tenant_id", BRACES),
        ({"limits": ["tenant:x}"]}, "limits", "tenant:x}", BRACES),
        ({"limits": ["tenant:{{tenant_id}}"]}, "limits", "tenant:{{tenant_id}}", BRACES),
        ({"fair": ""}, "fair", "''", "use a name of letters"),
        ({"fair": "customer:{nope}"}, "fair", "customer:{nope}", "the arguments have no 'nope'"),
        ({"fair": "queue:default"}, "fair", "queue:default", "leave it out"),
        ({"limits": ["openai"], "cost": 0}, "cost", "0", "use a whole number from 1 to 1000000"),
        ({"limits": ["openai"], "cost": -3}, "cost", "-3", "use a whole number from 1 to 1000000"),
        ({"limits": ["openai"], "cost": 1000001}, "cost", "1000001", "use a whole number from 1 to 1000000"),
        ({"cost": 2}, "cost", "2", "it is taken of limits; name some in limits"),
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused_by_name(
    tenant_sql: Sql, options: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    options = {"args": ARGS, **options}
    named = "".join(f", {name} => %s" for name in options if name != "args")
    given = [value for name, value in options.items() if name != "args"]
    calls = [
        (f"select enqueue('noop', %s{named})", json.dumps(options["args"])),
        (f"select enqueue_many('noop', %s{named})", json.dumps([options["args"]])),
        (f"select enqueue_select('noop', array[%s::jsonb]{named})", json.dumps(options["args"])),
    ]
    for query, args in calls:
        refused = tenant_sql.refusal(query, args, *given)
        assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field), query
        said = str(refused.diag.message_primary)
        assert said.startswith(f"{field}: ")
        assert value in said
        assert remedy in said
        assert len(said) < 500
    element = json.dumps([{"task": "noop", **options}])
    for query in ("select * from enqueue_many(%s)", "select * from enqueue_workflow(%s)"):
        refused = tenant_sql.refusal(query, element)
        assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field), query
    assert tenant_sql.rows("select from job") == []


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("options", "field", "remedy"),
    [
        ({"limits": "openai"}, "limits", "give an array of keys"),
        ({"limits": {"openai": 1}}, "limits", "give an array of keys"),
        ({"limits": [1]}, "limits", "give an array of keys"),
        ({"limits": [["openai"]]}, "limits", "give an array of keys"),
        ({"fair": 5}, "fair", "give a key"),
        ({"fair": ["customer"]}, "fair", "give a key"),
        ({"limits": ["openai"], "cost": "much"}, "cost", "use a whole number from 1 to 1000000"),
        ({"limits": ["openai"], "cost": 1.5}, "cost", "use a whole number from 1 to 1000000"),
        ({"limits": ["openai"], "cost": 10**12}, "cost", "use a whole number from 1 to 1000000"),
    ],
)
def test_options_of_another_type_are_refused_by_name(tenant_sql: Sql, options: dict[str, Any], field: str, remedy: str) -> None:
    for query in ("select * from enqueue_many(%s)", "select * from enqueue_workflow(%s)"):
        refused = tenant_sql.refusal(query, json.dumps([{"task": "noop", **options}]))
        assert (refused.sqlstate, refused.diag.column_name) == ("PQ001", field)
        assert remedy in str(refused)


def test_options_that_are_null_are_none(tenant_sql: Sql) -> None:
    tenant_sql.rows("select * from enqueue_many(%s)", json.dumps([{"task": "noop", "limits": None, "fair": None, "cost": None}]))

    assert tenant_sql.rows("select limits, lane_id from job") == [{"limits": None, "lane_id": None}]


def test_limits_that_the_workers_declare_are_not_looked_for_but_must_be_keys_all_the_same(tenant_sql: Sql) -> None:
    later = ["later:{tenant_id}"]
    assert limits_of(tenant_sql, limits=later, limits_declared=later) == ["later:42"]
    for bad in ("", "queue:default", "tenant:{nope}"):
        refused = tenant_sql.refusal("select enqueue('noop', limits => %s, limits_declared => %s)", [bad], [bad])
        assert refused.sqlstate == "PQ001"


def test_beside_those_that_the_workers_declare_the_others_are_looked_for(tenant_sql: Sql) -> None:
    assert limits_of(tenant_sql, limits=["later", "openai"], limits_declared=["later"]) == ["later", "openai"]
    refused = tenant_sql.refusal("select enqueue('noop', limits => '{later,gone}', limits_declared => '{later}')")
    assert str(refused).startswith("limits: 'gone' is not valid; there is no such limit")


def test_a_key_may_have_a_limit_of_its_own_and_none_of_its_name(rolled_back_sql: Sql) -> None:
    set_limit(rolled_back_sql, "only:42", max_running=1)

    assert limits_of(rolled_back_sql, limits=["only:42"]) == ["only:42"]
    assert rolled_back_sql.refusal("select enqueue('noop', limits => '{only:43}')").sqlstate == "PQ001"


def test_a_cost_of_one_is_not_stored(tenant_sql: Sql) -> None:
    for cost in (None, 1, 7):
        tenant_sql.enqueue(limits=["openai"], cost=cost)

    assert [row["cost"] for row in tenant_sql.rows("select cost from job order by id")] == [None, None, 7]
