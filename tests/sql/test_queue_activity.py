"""queue_activity: what queues hold now, and what they did in the last hour, the busiest first."""

from datetime import timedelta
from typing import Any

import pytest

from .conftest import Sql
from .figures import A_MINUTE, history, midnight, roll_up


def activity(sql: Sql, *arguments: Any) -> list[dict[str, Any]]:
    """queue_activity(), as rows."""
    return sql.rows(f"select * from queue_activity({', '.join(['%s'] * len(arguments))})", *arguments)


def test_what_ended_is_counted_by_steps_of_two_minutes(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day - A_MINUTE, 5)  # before the hour
    history(sql, day, 3)
    history(sql, day + A_MINUTE, 1)
    history(sql, day + 59 * A_MINUTE, 6)
    history(sql, day + 60 * A_MINUTE, 9)  # after it
    roll_up(sql, day + 60 * A_MINUTE)

    (row,) = activity(sql)
    assert (row["since"], row["until"]) == (day, day + 60 * A_MINUTE)
    assert (row["name"], row["succeeded"], row["failed"], row["cancelled"]) == ("a", 10, 0, 0)
    assert (row["steps"], row["ended"]) == ([0, 29], [4, 6])
    assert row["completed_per_second"] == pytest.approx(6 / 300)


def test_the_busiest_queue_comes_first_and_the_rest_is_cut(rolled_back_sql: Sql) -> None:
    """Those that hold live jobs, those that have done much, and one that only workers serve."""
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day, 4, queue="done")
    roll_up(sql, day + 5 * A_MINUTE)
    for _ in range(5):
        sql.enqueue(queue="waits")
    sql.enqueue(queue="few")
    sql.worker(queues=("served",))

    assert [(row["name"], row["ready"], row["succeeded"], row["workers"]) for row in activity(sql)] == [
        ("waits", 5, 0, 0), ("done", 0, 4, 0), ("few", 1, 0, 0), ("served", 0, 0, 1)]  # fmt: skip
    assert [row["name"] for row in activity(sql, 2)] == ["waits", "done"]
    assert [row["name"] for row in activity(sql, 200, ["few", "done", "unknown"])] == ["done", "few"]


def test_what_was_added_is_what_ended_and_what_there_is_more(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    day = midnight(sql)
    history(sql, day + A_MINUTE, 3)
    sql.rows("update job set created_at = %s where id = %s", day, sql.enqueue(queue="a"))
    sql.rows("update setting set created_at = %s", day)
    roll_up(sql, day + 5 * A_MINUTE)
    assert [row["enqueued_per_second"] for row in activity(sql)] == [pytest.approx(4 / 300)]

    sql.rows("delete from metric_sample where minute = %s", day + 5 * A_MINUTE)
    assert [row["enqueued_per_second"] for row in activity(sql)] == [None]


def test_a_pause_is_told(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    sql.enqueue(queue="mail")
    sql.rows("select pause('queue', 'mail', null, 'ann', 'a deploy', '10 minutes')")
    (row,) = activity(sql)
    assert (row["paused_by"], row["pause_reason"], row["oldest"] >= timedelta(0)) == ("ann", "a deploy", True)
    assert row["paused_until"] > row["paused_at"]


def test_an_empty_install_has_no_rows(rolled_back_sql: Sql) -> None:
    assert activity(rolled_back_sql) == []
