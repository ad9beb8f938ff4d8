"""check_filter: the normal form of a filter, and what is refused by name."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from .conftest import Sql

WORKER = "00000000-0000-0000-0000-000000000001"
EVERYTHING = {
    "ids": [1, 2], "state": ["failed", "ready"], "queue": ["mail"], "task": ["mail.*"], "reason": ["error"],
    "error_type": ["TimeoutError"], "fingerprint": ["00ff"], "args": {"customer": 5}, "meta": {"a": None}, "limit": "tenant:42",
    "workflow": 7, "schedule": "nightly", "worker": WORKER, "created_after": "2026-01-01T00:00:00.000000+00:00",
    "created_before": "2026-01-02T00:00:00.000000+00:00", "run_at_after": "2026-01-01T00:00:00.000000+00:00",
    "run_at_before": "2026-01-02T00:00:00.000000+00:00", "finished_after": "2026-01-01T00:00:00.000000+00:00",
    "finished_before": "2026-01-02T00:00:00.000000+00:00",
}  # fmt: skip


def checked(sql: Sql, filter: Any) -> Any:
    return sql.value("select check_filter(%s)", json.dumps(filter))


def test_a_filter_in_its_normal_form_is_returned_unchanged(rolled_back_sql: Sql) -> None:
    assert checked(rolled_back_sql, EVERYTHING) == EVERYTHING


def test_the_empty_filter_stands_for_all_jobs(rolled_back_sql: Sql) -> None:
    assert checked(rolled_back_sql, {}) == {}


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ({"queue": None}, {}),
        ({"queue": "mail"}, {"queue": ["mail"]}),
        ({"state": ["ready", "failed", "ready"]}, {"state": ["failed", "ready"]}),
        ({"ids": [10, 9, 10]}, {"ids": [9, 10]}),
        ({"ids": []}, {"ids": []}),
        ({"created_after": "9999-12-31 23:59:59Z"}, {"created_after": "9999-12-31T23:59:59.000000+00:00"}),
        ({"worker": WORKER.upper()}, {"worker": WORKER}),
        ({"run_at_after": "2026-01-01 01:00+01"}, {"run_at_after": "2026-01-01T00:00:00.000000+00:00"}),
    ],
)
def test_a_filter_gets_its_normal_form(rolled_back_sql: Sql, given: dict[str, Any], normal: dict[str, Any]) -> None:
    assert checked(rolled_back_sql, given) == normal


@pytest.mark.parametrize("id", ["7.0", "7", "70e-1"])
def test_however_a_whole_number_is_written_it_is_an_id(rolled_back_sql: Sql, id: str) -> None:
    assert rolled_back_sql.value("select check_filter(%s)::text", f'{{"ids": [{id}]}}') == '{"ids": [7]}'


@pytest.mark.parametrize("style", ["postgres", "sql_standard", "iso_8601"])
@pytest.mark.parametrize(
    ("text", "span"),
    [("-2 hours", timedelta(hours=-2)), ("+90 min", timedelta(minutes=90)), ("-1.5h", timedelta(hours=-1.5)), ("1 day", None)],
)
def test_a_span_becomes_a_time_from_now_on_the_clock_of_the_database(
    rolled_back_sql: Sql, style: str, text: str, span: timedelta | None
) -> None:
    rolled_back_sql.rows(f"set local intervalstyle = {style}")
    at = datetime.fromisoformat(checked(rolled_back_sql, {"finished_after": text})["finished_after"])
    from_now = at - rolled_back_sql.value("select clock_timestamp()")

    assert abs(from_now - (span or timedelta(days=1))) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("filter", "field", "says"),
    [
        ({"quue": "mail"}, "filter", "'quue' is not valid; use ids, state, queue,"),
        ([], "filter", "use an object"),
        (None, "filter", "use an object"),
        ({"ids": 5}, "ids", "an array"),
        ({"ids": [1.5]}, "ids", "whole number"),
        ({"ids": [1e30]}, "ids", "whole number"),
        ({"ids": ["1"]}, "ids", "whole number"),
        ({"workflow": "import"}, "workflow", "whole number"),
        ({"state": "done"}, "state", "use blocked, scheduled, ready"),
        ({"reason": ["error", "bad luck"]}, "reason", "use error, timeout"),
        ({"queue": ""}, "queue", "1 to 200 characters"),
        ({"task": "x" * 201}, "task", "1 to 200 characters"),
        ({"task": ["x"] * 1001}, "task", "up to 1000"),
        ({"error_type": [None]}, "error_type", "give a text"),
        ({"limit": ["a", "b"]}, "limit", "give a text"),
        ({"limit": []}, "limit", "give a text"),
        ({"schedule": 1}, "schedule", "give a text"),
        ({"args": [1]}, "args", "give an object"),
        ({"meta": {"x": "y" * 10_000}}, "meta", "up to 10,000 bytes"),
        ({"worker": "worker-1"}, "worker", "UUID"),
        ({"created_after": "yesterday"}, "created_after", "a time with its offset"),
        ({"created_after": "2026-01-01 00:00"}, "created_after", "a time with its offset"),
        ({"created_after": "2026-13-01 00:00Z"}, "created_after", "a time with its offset"),
        ({"created_after": "-99999999999 years"}, "created_after", "a time with its offset"),
        ({"created_before": "-5000 years"}, "created_before", "a time with its offset"),  # would be the year 2975
        ({"created_after": "+10000 years"}, "created_after", "a time with its offset"),
        ({"created_after": "0001-01-01 00:00+01"}, "created_after", "a time with its offset"),
        ({"created_after": "-2 fortnights"}, "created_after", "a time with its offset"),
        ({"created_after": 5}, "created_after", "a time with its offset"),
    ],
)
def test_what_is_invalid_is_refused_by_name(rolled_back_sql: Sql, filter: Any, field: str, says: str) -> None:
    refusal = rolled_back_sql.refusal("select check_filter(%s)", json.dumps(filter))

    assert (refusal.sqlstate, refusal.diag.column_name) == ("PQ001", field)
    assert says in str(refusal)
    assert len(str(refusal)) < 1000
