"""lacks_worker, unknown_since: whether a job waits for a worker that has its task."""

import pytest

from .conftest import Sql


def serving(sql: Sql, *tasks: str, queue: str = "default") -> None:
    """A worker of a queue that has these tasks; none = it has not said."""
    worker = sql.worker(queues=(queue,))
    sql.rows("update worker set tasks = %s where id = %s", list(tasks) or None, worker)


@pytest.mark.parametrize(
    ("workers", "lacks"),
    [
        ([], False),
        ([("default", "noop")], False),
        ([("default", "add")], True),
        ([("default", "add"), ("default", "noop")], False),
        ([("default", "add"), ("other", "noop")], True),
        ([("other", "add")], False),
        ([("default", "add"), ("default",)], False),
    ],
)
def test_a_task_lacks_a_worker_if_its_queue_is_served_only_by_others(
    rolled_back_sql: Sql, workers: list[tuple[str, ...]], lacks: bool
) -> None:
    for queue, *tasks in workers:
        serving(rolled_back_sql, *tasks, queue=queue)
    assert rolled_back_sql.value("select lacks_worker('default', 'noop')") is lacks


def test_a_worker_that_is_lost_is_as_if_it_were_not_there(rolled_back_sql: Sql) -> None:
    serving(rolled_back_sql, "add")
    rolled_back_sql.rows("update worker set heartbeat_at = '2020-01-01'")
    assert not rolled_back_sql.value("select lacks_worker('default', 'noop')")


def test_a_ready_job_waits_since_it_is_due_and_one_that_was_put_off_since_that_was_noted(rolled_back_sql: Sql) -> None:
    sql = rolled_back_sql
    serving(sql, "add")
    query = "select unknown_since(%s, %s, 'default', 'noop', '2026-01-02Z')::date::text"
    at = "2026-01-01Z"
    of = {(state, noted): sql.value(query, state, noted) for state in ("ready", "scheduled", "running") for noted in (None, at)}
    assert of == {
        ("ready", None): "2026-01-02",
        ("ready", at): "2026-01-01",
        ("scheduled", None): None,
        ("scheduled", at): "2026-01-01",
        ("running", None): None,
        ("running", at): None,
    }
