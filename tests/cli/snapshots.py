"""Snapshots of installs as `pgqueue top` shows them, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pgqueue.database.calls.doctor import Finding
from pgqueue.database.calls.metrics import Figures, Metrics, WorkerFigures
from pgqueue.database.calls.queues import QUEUE_COLUMNS, Pause
from pgqueue.insight.snapshot import Snapshot

NOW = datetime(2030, 1, 31, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def figures(name: str | None = None, **values: Any) -> Figures:
    """Figures of a minute in which ten jobs a second ended."""
    usual: dict[str, Any] = {
        "enqueued": 660, "succeeded": 600, "failed": 0, "cancelled": 0, "failed_attempts": 0, "enqueued_per_second": 11.0,
        "completed_per_second": 10.0, "success_rate": 1.0, "failure_rate": 0.0, "duration_mean_ms": 12.0, "duration_p50_ms": 10.0,
        "duration_p95_ms": 40.0, "duration_p99_ms": 123.0, "wait_mean_ms": 2.0, "wait_p50_ms": 1.0, "wait_p95_ms": 5.0,
        "wait_p99_ms": 9.0, "ready": {0: 5},
    }  # fmt: skip
    return Figures(name=name, **usual | values)


def metrics(
    queues: dict[str, Figures] | None = None,
    tasks: dict[str, Figures] | None = None,
    until: datetime = NOW - MINUTE / 2,
    **all: Any,
) -> Metrics:
    """The metrics of a minute."""
    workers = WorkerFigures(active=1, idle=0, dead=0, slots=10, running=5, per_cent=50.0)
    return Metrics(until - MINUTE, until, NOW, figures(**all), queues or {}, tasks or {}, workers)


def queue(name: str = "default", **values: Any) -> dict[str, Any]:
    """A row of the view `queues`: one worker, nothing else."""
    counts = {"ready": 0, "running": 0, "scheduled": 0, "blocked": 0, "workers": 1}
    return {**dict.fromkeys(QUEUE_COLUMNS), "name": name, **counts, **values}


def worker(name: str = "host:1", **values: Any) -> dict[str, Any]:
    """A row of the view `worker_status`."""
    usual = {
        "id": 1,
        "status": "ACTIVE",
        "running": 5,
        "concurrency": 10,
        "queues": ["default"],
        "heartbeat_at": NOW,
        "done": 0,
        "failed": 0,
    }
    return {"name": name, **usual, **values}


def pause(kind: Any = "queue", name: str = "mail") -> Pause:
    """A pause."""
    return Pause(kind, name, NOW, None, "ann", "the provider is down")


def finding(name: str, problem: str) -> Finding:
    """Something that a worker has found."""
    return Finding(name, "error", "", problem, {}, "jobs are late", "mend it")


def snapshot(
    queues: list[dict[str, Any]] | None = None,
    workers: list[dict[str, Any]] | None = None,
    pauses: list[Pause] | None = None,
    numbers: Metrics | None = None,
    findings: list[Finding] | None = None,
) -> Snapshot:
    """An install of one queue and one worker, in which nothing is wrong."""
    usual = [worker()] if workers is None else workers
    return Snapshot(NOW, queues or [queue()], usual, pauses or [], numbers or metrics(), findings or [])
