"""Jobs that no database knows: for tests of the worker's parts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pgqueue import JobContext
from pgqueue.worker.outcome import Outcome

TOKEN = "00000000-0000-0000-0000-000000000001"
THEN = datetime(2020, 1, 1, tzinfo=UTC)


def sent(time: datetime) -> bytes:
    """A time as a claim brings it."""
    return ((time - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def job(id: int = 1, task: str = "handler", **args: Any) -> JobContext:
    """A claimed job."""
    return JobContext(TOKEN, id, "default", task, json.dumps(args), 1, 4, 0, THEN, THEN, None)


def limited_job(id: int, *keys: str, task: str = "handler") -> JobContext:
    """A claimed job with limits."""
    return JobContext(TOKEN, id, "default", task, "{}", 1, 4, 0, THEN, THEN, None, None, list(keys or ("key",)))


def said(outcome: Outcome) -> dict[str, Any]:
    """An outcome as finish takes it."""
    decoded: dict[str, Any] = json.loads(outcome.json)
    return decoded


def node_job(id: int, workflow: int) -> JobContext:
    """A claimed job that is a node of this workflow."""
    return JobContext(TOKEN, id, "default", "handler", "{}", 1, 4, 0, THEN, THEN, None, json.dumps({"workflow": workflow}))


def waiting_job(id: int) -> JobContext:
    """A claimed job that has waited for a parent."""
    node = json.dumps({"workflow": 1, "has_parents": True})
    return JobContext(TOKEN, id, "default", "handler", "{}", 1, 4, 0, THEN, THEN, None, node)


def timed_job(id: int = 1, task: str = "handler", args: dict[str, Any] | None = None, **terms: Any) -> JobContext:
    """A claimed job with these terms."""
    text = json.dumps(args or {})
    return JobContext(TOKEN, id, "default", task, text, 1, 4, 0, THEN, THEN, None, terms_json=json.dumps(terms))
