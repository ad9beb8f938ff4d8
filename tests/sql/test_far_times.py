"""Times beyond the year 9999, which neither Python nor people can read, are refused or bounded wherever a job gets one."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from . import time_guarantees
from .conftest import Sql


@pytest.mark.parametrize(
    "guarantee",
    [
        time_guarantees.a_delay_beyond_the_calendar_is_refused,
        time_guarantees.a_linear_wait_ends_within_the_calendar,
        time_guarantees.a_result_is_not_kept_beyond_the_calendar,
    ],
)
def test_a_time_is_within_the_calendar(sql: Sql, another_sql: Callable[[], Sql], guarantee: Callable[..., None]) -> None:
    guarantee(sql, another_sql)


@pytest.mark.parametrize("delay", [-1.0, -1e300, "-Infinity"])
def test_a_negative_delay_means_at_once(sql: Sql, delay: Any) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "snoozed", "delay": delay})
    assert sql.state(id) == "ready"


@pytest.mark.parametrize("elapsed", [1e30, "NaN", "-Infinity", -5])
def test_an_elapsed_time_that_cannot_be_true_does_not_lose_the_outcome(sql: Sql, elapsed: Any) -> None:
    id, token = sql.running()
    sql.finish(token, {"id": id, "state": "failed", "elapsed": elapsed, "error": {"type": "E", "message": "m"}})
    assert sql.state(id) == "scheduled"


def test_a_token_of_nobody_is_stale_whatever_its_delay(sql: Sql) -> None:
    id, _ = sql.running()
    (row,) = sql.finish(uuid.uuid4(), {"id": id, "state": "snoozed", "delay": 2.0**40})
    assert row["verdict"] == "stale"
