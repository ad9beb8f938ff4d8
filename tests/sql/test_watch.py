"""watch: how a job stands, and what its handler has said."""

import pytest

from .conftest import Sql
from .log_guarantees import add, lines


def _watched(sql: Sql, id: int, *args: int) -> dict[str, object]:
    places = ", %s" * len(args)
    (row,) = sql.rows(f"select * from watch(%s{places})", id, *args)
    return row


def test_a_running_job_shows_its_progress_and_its_lines(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    sql.value("select progress(%s, %s, 1, 2)", id, token)
    add(sql, id, token, lines(1, 2, fields={"a": 1}))
    row = _watched(sql, id)
    assert (row["state"], row["reason"], row["attempt"]) == ("running", None, 1)
    assert row["progress"]["done"] == 1  # type: ignore[index]
    said = row["lines"]
    assert isinstance(said, list)
    assert [(line["seq"], line["attempt"], line["level"], line["message"], line["fields"]) for line in said] == [
        (1, 1, "info", "line 1", {"a": 1}),
        (2, 1, "info", "line 2", {"a": 1}),
    ]
    assert said[0]["at"].endswith("+00:00")


def test_lines_that_were_seen_are_left_out_and_no_more_come_than_asked_for(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    add(sql, id, token, lines(*range(1, 6)))
    said = _watched(sql, id, 2, 2)["lines"]
    assert isinstance(said, list)
    assert [line["seq"] for line in said] == [3, 4]
    assert _watched(sql, id, 5)["lines"] is None


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        ({"state": "succeeded"}, "succeeded", None),
        ({"state": "cancelled"}, "cancelled", "user_requested"),
        ({"state": "failed", "final": True}, "failed", "error"),
    ],
)
def test_a_job_that_is_over_shows_how_it_ended(rolled_back_sql: Sql, outcome: dict[str, object], state: str, reason: str) -> None:
    sql = rolled_back_sql
    id, token = sql.running()
    add(sql, id, token, lines(1))
    sql.finish(token, {"id": id, **outcome})
    row = _watched(sql, id)
    assert (row["state"], row["reason"], row["attempt"], row["progress"]) == (state, reason, 1, None)
    assert len(row["lines"]) == 1  # type: ignore[arg-type]


def test_a_job_that_does_not_exist_has_no_state(rolled_back_sql: Sql) -> None:
    assert _watched(rolled_back_sql, 1_000_000)["state"] is None


@pytest.mark.parametrize("most", [0, 10_001])
def test_a_number_of_lines_out_of_range_is_refused(rolled_back_sql: Sql, most: int) -> None:
    error = rolled_back_sql.refusal("select watch(1, 0, %s)", most)
    assert error.sqlstate == "PQ001"
    assert str(error).startswith(f"most: '{most}' is not valid; use 1 to 10000")
