"""Where to look at what is wrong: a kind of trouble leads to a page."""

import re
from typing import Any

from ..render import query, url


def lead_of(trouble: dict[str, Any]) -> tuple[str, str]:
    """The path of the page that leads on, below the dashboard, and what its link says.

    Args:
        trouble: one of GET /troubles.
    """
    subjects: list[str] = trouble["subjects"]
    one = subjects[0] if len(subjects) == 1 else None
    match trouble["name"]:
        case "queue-not-served" | "queue-paused":
            return _queue(one), "Look at the queue" if one else "Look at the queues"
        case "jobs-late":
            return "jobs" + query(q=terms(state="ready", queue=one)), "Look at what waits"
        case "dead-letters":
            return "dead-letters" + query(task=one), "Look at the dead letters"
        case "no-worker" | "worker-lost" | "worker-polls" | "worker-version" | "worker-clock":
            return "workers", "Look at the workers"
        case "task-paused":
            return "jobs" + query(q=terms(task=one)), "Look at its jobs"
        case "paused":
            return "queues", "Look at the queues"
    return "doctor", "See what the doctor says"


def _queue(name: str | None) -> str:
    return f"queues/{url(name)}" if name else "queues"


def terms(**given: str | None) -> str:
    """A filter as it is written in the address of the jobs: a value with more than letters, digits and . _ - : is quoted."""
    return " ".join(f"{field}:{_quoted(value)}" for field, value in given.items() if value)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w.:-]+", value, re.ASCII):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
