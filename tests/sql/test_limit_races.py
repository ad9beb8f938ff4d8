"""The guarantees of limits, each by itself; what they say is in the modules limit_*."""

import inspect
from collections.abc import Callable

import pytest

from . import limit_clock, limit_costs, limit_places, limit_rates, limit_savings, limit_turns, limit_waits
from .conftest import Sql

OpenSql = Callable[[], Sql]
ALL = [
    function
    for module in (limit_clock, limit_rates, limit_costs, limit_savings, limit_places, limit_turns, limit_waits)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
]
ALONE = [function for function in ALL if "open_sql" not in inspect.signature(function).parameters]
TOGETHER = [function for function in ALL if function not in ALONE]


@pytest.mark.parametrize("guarantee", ALONE, ids=lambda function: function.__name__)
def test_it_holds_for_one_connection(rolled_back_sql: Sql, guarantee: Callable[[Sql], None]) -> None:
    guarantee(rolled_back_sql)


@pytest.mark.parametrize("guarantee", TOGETHER, ids=lambda function: function.__name__)
def test_it_holds_between_connections(sql: Sql, another_sql: OpenSql, guarantee: Callable[[Sql, OpenSql], None]) -> None:
    guarantee(sql, another_sql)


@pytest.mark.parametrize("batch", [1, 100])
def test_weights_hold_whatever_the_size_of_a_claim(rolled_back_sql: Sql, batch: int) -> None:
    limit_turns.lanes_share_by_weight(rolled_back_sql, batch)


@pytest.mark.parametrize("way", limit_savings.WAYS)
def test_a_key_does_not_stay_shut_whatever_became_of_the_job_it_saved_for(rolled_back_sql: Sql, way: str) -> None:
    limit_savings.a_key_does_not_stay_shut_for_a_job_that_is_gone(rolled_back_sql, way)
