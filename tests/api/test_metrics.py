"""Figures over HTTP: now, by step, by hour and day."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue import PgQueue
from pgqueue.api.bodies.metrics import Activity, MetricsOut, Series, Stats, SumOut
from pgqueue.api.bodies.pages import Page
from tests.api.shapes import read, refused
from tests.client.manual_worker import ManualWorker
from tests.looking import Look
from tests.rolled import pass_minutes


@pytest.fixture
def some_jobs(app: PgQueue, manual_worker: ManualWorker, connection: psycopg.Connection[Any]) -> Callable[[], None]:
    """Four jobs succeed, one fails for good, two wait; then minutes pass."""

    @app.task
    def send() -> None: ...

    @app.task
    def fail() -> None: ...

    def run() -> None:
        for _ in range(4):
            send.enqueue()
        fail.enqueue()
        manual_worker.run(failing="fail")
        send.using(priority=50, queue="mail").enqueue()
        send.using(queue="password-reset").enqueue()
        connection.execute("update job set created_at = created_at - interval '3 minutes'")
        pass_minutes(connection)

    return run


def test_the_figures_are_those_of_the_app(app: PgQueue, some_jobs: Callable[[], None], api: httpx.Client) -> None:
    some_jobs()
    expected = app.metrics(3600)
    found = read(api.get("/metrics?window_seconds=3600"), MetricsOut)
    assert (found.since, found.until) == (expected.since, expected.until)
    assert (found.all.succeeded, found.all.failed, found.all.name) == (4, 1, None)
    assert found.until - found.since == timedelta(hours=1)
    assert {one.name: one.succeeded for one in found.tasks} == {"send": 4, "fail": 0}
    assert found.workers.slots == expected.workers.slots


def test_a_queue_named_like_a_secret_has_its_figures_and_ready_jobs_by_priority(
    some_jobs: Callable[[], None], api: httpx.Client
) -> None:
    """Under its name, as in an object, they would be left out as a secret."""
    some_jobs()
    found = {one.name: one for one in read(api.get("/metrics?window_seconds=3600"), MetricsOut).queues}
    assert [(one.priority, one.jobs) for one in found["mail"].ready or ()] == [(50, 1)]
    assert [(one.priority, one.jobs) for one in found["password-reset"].ready or ()] == [(0, 1)]


def test_a_series_has_each_step(some_jobs: Callable[[], None], api: httpx.Client) -> None:
    some_jobs()
    found = read(api.get("/metrics/series?step=60&since=-30m"), Series)
    assert (found.step_seconds, sum(step.succeeded for step in found.steps)) == (60, 4)
    assert 29 <= len(found.steps) <= 31  # a minute is closed a little after its end
    assert sum(step.failed for step in read(api.get("/metrics/series?task=send"), Series).steps) == 0
    until = found.steps[2].at.isoformat().replace("+00:00", "Z")
    cut = read(api.get("/metrics/series", params={"since": "-30m", "until": until, "queue": "default"}), Series)
    assert cut.steps[-1].at == found.steps[1].at


def test_hours_and_days_are_paged_and_each_row_is_there_once(look: Look, api: httpx.Client) -> None:
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for table, column in (("metric_hour", "hour"), ("metric_day", "day")):
        look.rows(
            f"insert into {table} ({column}, queue, task, succeeded, cancelled, failed, failed_attempts, seconds, wait_seconds, "
            "duration_buckets, duration_jobs, wait_buckets, wait_jobs) select %s, 'q' || n %% 3, 't' || n, n, 0, 0, 0, n, 0, "
            "'{0}', '{1}', '{}', '{}' from generate_series(1, 20) n",
            at,
        )
    for by in ("hour", "day"):
        seen, cursor = list[str](), ""
        while True:
            page = read(api.get(f"/metrics/aggregate?by={by}&limit=7{cursor}"), Page[SumOut])
            seen += [row.task for row in page.items]
            if page.next is None:
                break
            cursor = f"&cursor={page.next}"
        assert sorted(seen) == sorted(f"t{n}" for n in range(1, 21))
    (row,) = read(api.get("/metrics/aggregate?task=t5&queue=q2"), Page[SumOut]).items
    assert (row.at, row.succeeded, row.duration_mean_ms, row.wait_p95_ms) == (at, 5, 5000, None)
    assert read(api.get("/metrics/aggregate?since=-1h"), Page[SumOut]).items == []
    assert read(api.get("/metrics/aggregate", params={"until": at.isoformat()}), Page[SumOut]).items == []


def test_stats_count_live_jobs_and_dead_letters(some_jobs: Callable[[], None], api: httpx.Client) -> None:
    some_jobs()
    found = read(api.get("/stats"), Stats)
    assert {(one.queue, one.state, one.priority, one.jobs) for one in found.queues} == {
        ("mail", "ready", 50, 1), ("password-reset", "ready", 0, 1)
    }  # fmt: skip
    assert {one.task: one.dead_letters for one in found.tasks or ()}["fail"] == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/metrics?window_seconds=59", "window_seconds"), ("/metrics?window_seconds=90", "window_seconds"),
        ("/metrics?window_seconds=1e12", "window_seconds"), ("/metrics/series?step=90", "step"),
        ("/metrics/series?step=60&since=-8d", "step"), ("/metrics/series?since=1h", "since"),
        ("/metrics/series?since=-999999999d", "since"), ("/metrics/series?until=5", "until"),
        ("/metrics/series?until=2030-01-01T00:00:00", "until"), ("/metrics/series?queue=%00", "queue"),
        ("/metrics/aggregate?by=week", "by"), ("/metrics/aggregate?since=-999999999d", "since"),
        ("/metrics/aggregate?cursor=x", "cursor"), ("/metrics/aggregate?queue=%00", None),
    ],
)  # fmt: skip
def test_bad_values_are_named(api: httpx.Client, path: str, field: str | None) -> None:
    refused(api.get(path), 422, field)


def test_queues_come_with_their_last_hour_the_busiest_first(
    app: PgQueue, some_jobs: Callable[[], None], api: httpx.Client
) -> None:
    some_jobs()
    found = read(api.get("/metrics/queues"), Activity)
    assert [(one.name, one.ready, one.succeeded, one.failed) for one in found.queues] == [
        ("default", 0, 4, 1), ("mail", 1, 0, 0), ("password-reset", 1, 0, 0)]  # fmt: skip
    default = found.queues[0]
    assert (len(default.ended), sum(default.ended), found.step_seconds, found.is_cut) == (30, 5, 120, False)
    assert found.since is not None
    assert found.until == found.since + timedelta(hours=1)
    assert default.completed_per_second == pytest.approx(5 / 300)
    assert default.enqueued_per_second == pytest.approx(5 / 300)
    cut = read(api.get("/metrics/queues?limit=1"), Activity)
    assert (len(cut.queues), cut.is_cut) == (1, True)


def test_a_key_for_some_queues_sees_the_hour_of_these(
    some_jobs: Callable[[], None], api: httpx.Client, calls_as: Callable[..., None]
) -> None:
    some_jobs()
    calls_as(queues=frozenset({"mail"}))
    assert [one.name for one in read(api.get("/metrics/queues"), Activity).queues] == ["mail"]


def test_an_install_without_queues_has_no_hour(api: httpx.Client) -> None:
    found = read(api.get("/metrics/queues"), Activity)
    assert (found.queues, found.since, found.until) == ([], None, None)
