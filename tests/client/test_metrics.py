"""Figures in Python: app.metrics and app.metric_series, and their async twins."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from pgqueue import InvalidArgument, PgQueue, Retry
from pgqueue.database.calls.metrics import Metrics, MetricStep
from pgqueue.worker import Worker, WorkerOptions

from ..rolled import pass_minutes


def _some_jobs(app: PgQueue) -> None:
    """Ten jobs succeed, one fails twice and then for good, one is cancelled, three wait."""

    @app.task(queue="mail")
    def send(number: int) -> None: ...

    @app.task(retry=Retry(1, backoff="fixed", delay=0))
    def fail() -> None:
        raise ValueError

    send.enqueue_many([(number,) for number in range(10)])
    fail.enqueue()
    app.cancel(send.using(run_after=3600).enqueue(0).id)
    asyncio.run(Worker(app, WorkerOptions(burst=True, handle_signals=False)).run())
    send.using(priority=50).enqueue_many([(1,), (2,)])
    send.enqueue(3)


def test_metrics_and_series_by_queue_and_task_sync_and_async(app: PgQueue, connection: psycopg.Connection[Any]) -> None:
    _some_jobs(app)
    connection.execute("update job set created_at = created_at - interval '3 minutes'")
    pass_minutes(connection)

    async def ask() -> tuple[Metrics, list[MetricStep]]:
        try:
            return await app.ametrics(600), await app.ametric_series(60, figures.since, queue="mail")
        finally:
            await app.aclose()

    figures = app.metrics(600)
    series = app.metric_series(60, figures.since, queue="mail")

    every, mail, send, fail = figures.all, figures.queues["mail"], figures.tasks["send"], figures.tasks["fail"]
    assert (every.name, mail.name, send.name) == (None, "mail", "send")
    assert (every.succeeded, every.failed, every.cancelled, every.failed_attempts) == (10, 1, 1, 2)
    assert (every.enqueued, mail.enqueued, send.enqueued) == (15, 14, None)
    assert (mail.ready, every.ready, send.ready) == ({0: 1, 50: 2}, {0: 1, 50: 2}, None)
    assert (fail.success_rate, fail.failure_rate, fail.failed_attempts) == (0.0, 1.0, 2)
    assert every.completed_per_second == pytest.approx(12 / 600)
    assert 0 < (send.duration_p50_ms or 0) <= (send.duration_p99_ms or 0) < 10_000
    assert figures.until - figures.since == timedelta(minutes=10)
    assert (figures.workers.active, figures.workers.dead, figures.workers.per_cent) == (0, 0, None)
    assert (sum(step.succeeded for step in series), sum(step.failed for step in series), series[-1].ready) == (10, 0, 3)
    assert {after.at - step.at for step, after in pairwise(series)} == {timedelta(minutes=1)}
    again, steps = asyncio.run(ask())
    assert (replace(again, asked_at=figures.asked_at), steps) == (figures, series)


def test_an_install_without_jobs_has_figures(app: PgQueue) -> None:
    figures = app.metrics()
    assert (figures.all.succeeded, figures.all.success_rate, figures.all.duration_p95_ms) == (0, None, None)
    assert (figures.queues, figures.tasks) == ({}, {})
    assert app.metrics(timedelta(days=36000)).all == figures.all  # the longest
    assert {step.succeeded for step in app.metric_series()} == {0}


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        ("window", lambda app: app.metrics(0)),
        ("window", lambda app: app.metrics("5m")),
        ("window", lambda app: app.metrics(timedelta(seconds=59))),
        ("window", lambda app: app.metrics(1e12)),
        ("window", lambda app: app.metrics(timedelta(days=36525))),
        ("step", lambda app: app.metric_series(90)),
        ("step", lambda app: app.metric_series(60, timedelta(days=-8))),
        ("since", lambda app: app.metric_series(60, datetime(2030, 1, 1))),
        ("since", lambda app: app.metric_series(60, "1h")),
        ("since", lambda app: app.metric_series(60, -1e12)),
        ("since", lambda app: app.metric_series(60, timedelta.min)),
        ("until", lambda app: app.metric_series(60, datetime.now(UTC), 5)),
        ("queue", lambda app: app.metric_series(queue=5)),
        ("task", lambda app: app.metric_series(task="\x00")),
    ],
)
def test_an_invalid_argument_is_named(app: PgQueue, field: str, ask: Callable[[PgQueue], Any]) -> None:
    with pytest.raises(InvalidArgument, match=f"^{field}: "):
        ask(app)
