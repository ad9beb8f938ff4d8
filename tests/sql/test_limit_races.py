"""The guarantees of limits, each by itself; what they say is in limit_guarantees."""

import inspect
from collections.abc import Callable

import pytest

from . import limit_guarantees as guarantees
from .conftest import Sql

OpenSql = Callable[[], Sql]
HELPERS = {"open_the_gap", "stopped_in_the_gap"}
ALL = [
    function
    for name, function in inspect.getmembers(guarantees, inspect.isfunction)
    if function.__module__ == guarantees.__name__ and name not in HELPERS
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
    guarantees.lanes_share_by_weight(rolled_back_sql, batch)
