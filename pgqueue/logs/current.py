"""Whom a line of the log is about: the worker of this process, and the job whose handler has said it."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from ..run import Run

# Threads and tasks of a handler inherit it.
job: ContextVar[Run | None] = ContextVar("pgqueue_current_job", default=None)
_worker: Callable[[], tuple[UUID | str, str]] | None = None
_install: str | None = None


def set_worker(who: Callable[[], tuple[UUID | str, str]] | None) -> None:
    """Name the worker of this process by its id, which changes after a lost lease, and its name; None = it has ended."""
    global _worker
    _worker = who


def set_install(schema: str | None) -> None:
    """Name the install that the worker of this process was told to serve; None = it was told none."""
    global _install
    _install = schema


def install() -> str | None:
    """The schema of the install that the worker of this process was told to serve; None = it was told none."""
    return _install


def worker() -> tuple[str, str] | None:
    """Id and name of the worker of this process; None without one."""
    if _worker is None:
        return None
    id, name = _worker()
    return str(id), name


def fields() -> dict[str, Any]:
    """What the lines of a worker carry: worker, worker_id, the install if it was told one (`--schemas`, `--schema`), and of a
    handler what `of_job` says. For log handlers of your own.
    """
    who, run = worker(), job.get()
    named = {} if who is None else {"worker": who[1], "worker_id": who[0]}
    if _install is not None:
        named["install"] = _install
    return named if run is None else named | of_job(run)


def of_job(run: Run) -> dict[str, Any]:
    """The facts of a job for a line about it: job_id, task, queue, attempt; request_id and trace_id, if it has them."""
    facts: dict[str, Any] = {"job_id": run.id, "task": run.task, "queue": run.queue, "attempt": run.attempt}
    if run.terms is None or run.terms.trace is None:
        return facts
    return facts | _traced(run.terms.trace)


def _traced(trace: Mapping[str, str]) -> dict[str, str]:
    traceparent = trace.get("traceparent", "").split("-")  # version, trace, span, flags
    found = {"request_id": trace.get("request_id"), "trace_id": traceparent[1] if len(traceparent) > 2 else None}
    return {name: value for name, value in found.items() if value}
