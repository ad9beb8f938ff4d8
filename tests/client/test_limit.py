"""Limit: what code says of a limit, and what is refused before any database hears of it."""

import json
from datetime import timedelta
from math import inf, nan
from typing import Any

import pytest

from pgqueue import InvalidArgument, Limit, PgQueue
from pgqueue.database.calls import limits as limit_calls
from tests.looking import Look


@pytest.mark.parametrize(
    ("text", "rate", "per"),
    [
        ("100/m", 100, 60),
        ("5/s", 5, 1),
        ("10/30s", 10, 30),
        ("1000/h", 1000, 3600),
        ("50/d", 50, 86400),
        ("0.5/s", 0.5, 1),
        (" 3 / 1.5 h ", 3, 5400),
    ],
)
def test_a_rate_is_a_number_for_each_unit(text: str, rate: float, per: float) -> None:
    limit = Limit("openai", text)
    assert (limit.rate, limit.per) == (rate, per)


@pytest.mark.parametrize("per", ["1m", "m", "60s", 60, 60.0, timedelta(minutes=1)])
def test_an_interval_may_be_spelled_in_many_ways_that_are_the_same(per: Any) -> None:
    assert Limit("openai", 60, per) == Limit("openai", rate="60/m")


@pytest.mark.parametrize("rate", [5, 0.5])
def test_a_number_without_an_interval_is_no_rate(rate: float) -> None:
    with pytest.raises(InvalidArgument, match=r"^per: a rate needs one, such as per='1m', or rate='60/m'$"):
        Limit("openai", rate)


def test_the_definition_is_what_sql_takes_and_leaves_out_what_was_not_given() -> None:
    full = Limit("openai", rate=60, per="1m", burst=10, max_running=3, counts="starts", weight=7, retry_blocks=True)
    assert json.loads(full.definition()) == {
        "rate": 60, "per": 60, "burst": 10, "max_running": 3, "count_cost": False, "weight": 7, "retry_blocks": True,
    }  # fmt: skip
    assert json.loads(Limit("one").definition()) == {"count_cost": True, "weight": 1, "retry_blocks": False}


@pytest.mark.parametrize(
    "limit",
    [
        Limit("openai", rate="90/30s", burst=10, max_running=3, counts="starts", weight=7, retry_blocks=True),
        Limit("openai", rate=0.25, per=1),
        Limit("openai", max_running=1),
        Limit("openai"),
    ],
)
def test_the_database_reads_a_definition_as_it_was_written(app: PgQueue, look: Look, limit: Limit) -> None:
    declare = limit_calls.declare_limit(limit.name, limit.definition())
    assert app.database.run(declare) is True
    assert app.database.run(declare) is False  # it says nothing new
    (row,) = look.rows("select *, extract(epoch from per)::float8 as seconds from limit_def")
    assert (row["rate"], row["seconds"], row["max_running"]) == (limit.rate, limit.per, limit.max_running)
    assert (row["count_cost"], row["weight"], row["retry_blocks"]) == (limit.counts == "cost", limit.weight, limit.retry_blocks)
    assert limit.burst is None or row["burst"] == limit.burst


RATE = {"name": "openai", "rate": 1, "per": 1}
NO_NUMBERS = ("x", nan, inf, True, [1], 1e300)
NO_PLACES = (0, -1, 1.5, 2**31, *NO_NUMBERS)
NO_NAMES = ("", "a b", "queue", "task", "x" * 101, "a:" + "x" * 200, ":a", "a:", 5)


@pytest.mark.parametrize(
    ("given", "field", "remedy"),
    [
        *(({"name": "openai", "rate": value}, "rate", "use a number above 0") for value in (0, -1, "0/m", "-5/s", 0.0)),
        *(({**RATE, "rate": value}, "rate", "use a number") for value in (nan, inf, True, [1], "x", "100", "/m", "1/", "")),
        *(({"name": "openai", "rate": value}, "rate", "its unit is s, m, h") for value in ("1/w", "100/min", "1/M", "5/10y")),
        *(({**RATE, "per": value}, "per", "its unit is s, m, h or d") for value in ("1w", "1 minute", "", "60")),
        *(({**RATE, "per": value}, "per", "use an interval above 0") for value in (0, -1, "0s", timedelta(0), "367d", 1e9)),
        *(({**RATE, "per": value}, "per", "use a timedelta or a number") for value in (nan, inf, True, [1])),
        ({"name": "openai", "rate": "1/s", "per": 5}, "per", "'1/s' contains the interval already"),
        ({"name": "openai", "per": 5}, "per", "it belongs to a rate"),
        ({"name": "openai", "burst": 5}, "burst", "it belongs to a rate"),
        *(({**RATE, "burst": value}, "burst", "use a number of 1 or more") for value in (0, 0.5, -1, *NO_NUMBERS)),
        *(({"name": "openai", "max_running": value}, "max_running", "use a whole number") for value in NO_PLACES),
        *(({"name": "openai", "weight": value}, "weight", "use 1 to 1000") for value in (0, 1001, 1.5, *NO_NUMBERS)),
        *(({"name": "openai", "counts": value}, "counts", "use cost or starts") for value in ("jobs", 1, ["cost"])),
        *(({"name": "openai", "retry_blocks": value}, "retry_blocks", "use True or False") for value in (1, "yes")),
        *(({"name": value}, "name", "use letters") for value in NO_NAMES),
        *(({"name": value}, "name", "leave out the braces") for value in ("tenant:{tenant_id}", "tenant:}")),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_name_its_value_and_the_remedy(
    given: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"^{field}: .* is not valid; {remedy}"):
        Limit(**given)


@pytest.mark.parametrize("name", ["openai", "a.b-c_9", "tenant:42", "queue:mail", "task:any name: at all", "x" * 100])
def test_names_are_of_limits_of_keys_of_queues_and_of_tasks(app: PgQueue, look: Look, name: str) -> None:
    app.database.run(limit_calls.declare_limit(name, Limit(name, "1/s").definition()))
    assert look.value("select name from limit_def") == name
